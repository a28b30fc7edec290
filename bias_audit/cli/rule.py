"""The command `bias-audit rule [CODE]`: explain a rule, or list all rules."""

from __future__ import annotations

import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "explain a rule: what is done, a true and a false case, how to repair it"
    parser = commands.add_parser("rule", help=text, description=text)
    parser.add_argument("code", metavar="CODE", nargs="?", help="rule code, for instance BA201; without: all rules")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from bias_audit.checks import registry
    from bias_audit.checks.rule_texts import every_rule, explain_rule
    from bias_audit.cli.console import WIDEST, line_width

    registry.every()
    if options.code is None:
        text = "\n".join(f"{rule.code}  {rule.title}" for rule in every_rule())
    else:
        text = explain_rule(options.code).plain(min(line_width(), WIDEST)).rstrip()
    print(text)
    return 0
