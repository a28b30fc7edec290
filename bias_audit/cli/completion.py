"""The command `bias-audit completion SHELL`: print a script by which a shell completes commands and options."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.cli.options import command, place

SHELLS = ("bash", "zsh", "fish")

FOLDERS = ("DIR", "RUN", "OLD", "NEW", "NEWRUN")
"""Metavars of arguments that are a folder; every other path is a file or a folder."""

EPILOG = """Where the shells look for such a file by themselves:
  bash  bias-audit completion bash > ~/.local/share/bash-completion/completions/bias-audit
  zsh   bias-audit completion zsh > ~/.zfunc/_bias-audit    (a folder of your fpath)
  fish  bias-audit completion fish > ~/.config/fish/completions/bias-audit.fish
It is made from the commands as they are: write it again after an update."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = command(commands, "completion", run, "print a script that completes commands in a shell", EPILOG)
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")


def run(options: argparse.Namespace) -> int:
    import shtab

    from bias_audit.cli.command_line import every_command

    parser = every_command()
    _name_paths(parser)
    print(shtab.complete(parser, shell=options.shell))
    return 0


def _name_paths(parser: argparse.ArgumentParser) -> None:
    """Tell shtab which arguments of a parser and its commands are paths: it asks for an attribute `complete`."""
    import shtab

    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                _name_paths(each)
        elif action.type in (Path, place):
            action.complete = shtab.DIRECTORY if action.metavar in FOLDERS else shtab.FILE  # type: ignore[attr-defined]
