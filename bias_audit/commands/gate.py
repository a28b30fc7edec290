"""`bias-audit gate RUN`: judge a finished run, begin a gate file, clear its waivers."""

from __future__ import annotations

import argparse
import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bias_audit.errors import ConfigError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], epilog: str) -> None:
    text = "judge a finished run: exit code 0 or 1"
    parser = commands.add_parser(
        "gate", help=text, description=text, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder of an audit")
    parser.add_argument("--gate", metavar="FILE", type=Path, help="gate.toml with thresholds (default: sensible ones)")
    parser.add_argument(
        "--baseline", metavar="OLD", type=Path, help="an older run: its findings are known, new and worse ones fail"
    )
    parser.add_argument(
        "--today", metavar="DATE", type=_day, help="day on which waivers are looked at (default: today, in UTC)"
    )
    parser.add_argument(
        "--format",
        metavar="NAME[:FILE]",
        type=_format,
        action="append",
        default=[],
        help="json, junit, markdown, sarif or github (annotations): printed instead of the table, or written to FILE "
        "as well; repeatable. The run folder gets gate.json, gate.md, gate.junit.xml and gate.sarif in any case; "
        "GitHub Actions gets its annotations",
    )
    parser.add_argument(
        "--ci", metavar="NAME", action=_Ready, help="print a ready file for github, gitlab or pre-commit, and leave"
    )
    parser.add_argument("--example", action=_Example, nargs=0, help="print a commented gate.toml with the defaults")
    other = parser.add_mutually_exclusive_group()
    other.add_argument(
        "--init",
        action="store_true",
        help="write a gate.toml from the run's present state (to the file of --gate; never over one that is there)",
    )
    other.add_argument(
        "--prune", metavar="FILE", type=Path, help="remove the waivers of a gate.toml that are over or unused"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.init:
        return _init(options)
    if options.prune is not None:
        return _prune(options)
    return judge_folder(options.folder, options.gate, options.baseline, options.today, options.format)


def judge_folder(
    folder: Path,
    thresholds: Path | None,
    baseline: Path | None = None,
    today: datetime.date | None = None,
    formats: Sequence[tuple[str, Path | None]] = (),
) -> int:
    """Judge a run, show and write the verdict; the exit code.

    Args:
        formats: name of `formats.FORMATS` and the file it is written to; None = printed in the place of the table.
    """
    from bias_audit.console import printable, show_gate
    from bias_audit.gate import write_gate
    from bias_audit.gate.formats import FORMATS, place_of, write_format
    from bias_audit.gate.running import gate_run
    from bias_audit.result import load

    printed = [name for name, file in formats if file is None]
    if len(printed) > 1:
        hint = f"Write one into a file: --format {printed[1]}:FILE."
        raise ConfigError(f"only one format can be printed, got {' and '.join(printed)}", hint)
    gate = gate_run(load(folder), thresholds, baseline=baseline, today=today)
    place = place_of(gate, folder)
    write_gate(folder, gate, place)
    for name, file in formats:
        if file is not None:
            write_format(name, gate, place, file)
    if not printed:
        show_gate(gate)
        printed = ["github"] if os.environ.get("GITHUB_ACTIONS") == "true" else []
    for name in printed:
        print(printable(FORMATS[name](gate, place)), end="")
    return gate.exit_code


def _init(options: argparse.Namespace) -> int:
    from bias_audit.gate.starting import write_start
    from bias_audit.result import load

    print(write_start(load(options.folder), options.gate or Path("gate.toml")))
    return 0


def _prune(options: argparse.Namespace) -> int:
    from bias_audit.gate.pruning import prune
    from bias_audit.result import load

    if options.gate is not None:
        raise ConfigError("--prune names the gate file itself", "Leave out --gate.")
    removed = prune(options.prune, load(options.folder), options.today)
    print("\n".join(removed) if removed else f"Every waiver of {options.prune} holds and is used; nothing was removed.")
    return 0


def _day(text: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write it as 2027-01-31") from error


def _format(text: str) -> tuple[str, Path | None]:
    from bias_audit.gate.formats import FORMATS

    name, colon, file = text.partition(":")
    if name not in FORMATS or (colon and not file):
        raise argparse.ArgumentTypeError(f"{text!r} is no format; write NAME or NAME:FILE with {', '.join(FORMATS)}")
    return name, Path(file) if file else None


class _Ready(argparse.Action):
    """Print a ready file for a CI service and leave."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any, **_: object) -> None:
        from bias_audit.gate.ci import READY, ready_file

        service = str(arguments[1])
        if service not in READY:
            parser.error(f"argument --ci: no ready file for {service!r}; there are {', '.join(READY)}")
        print(ready_file(service), end="")
        parser.exit()


class _Example(argparse.Action):
    """Print a commented gate.toml and leave, as --version does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from bias_audit.gate.example import example

        print(example(), end="")
        parser.exit()
