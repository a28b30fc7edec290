"""The command `bias-audit gate RUN`: judge a finished run, write a first gate file, or remove waivers from one."""

from __future__ import annotations

import argparse
import datetime
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.cli.options import EXIT_CODES, command
from bias_audit.errors import ConfigError

if TYPE_CHECKING:
    from bias_audit.gate import GateResult

FOUND = "gate.toml"
"""Name of the gate file that the command looks for in the working folder, and that --init writes there."""

NONE = "none"
"""Value of --gate that means the default thresholds, even if the working folder has a gate file."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = command(commands, "gate", run, "judge a finished run: exit code 0 or 1", EXIT_CODES)
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder of an audit")
    parser.add_argument(
        "--gate",
        metavar="FILE",
        type=_thresholds,
        help=f"file with thresholds (default: {FOUND} in the working folder if there is one, else built-in thresholds; "
        f"{NONE}: always the built-in ones; a file of that name is ./{NONE})",
    )
    parser.add_argument(
        "--baseline", metavar="OLD", type=Path, help="an older run: its findings are known, new and worse ones fail"
    )
    parser.add_argument(
        "--today", metavar="DATE", type=_day, help="day for which waivers are judged (default: today, in UTC)"
    )
    parser.add_argument(
        "--format",
        metavar="NAME[:FILE]",
        type=_format,
        action="append",
        default=[],
        help="json, junit, markdown, sarif or github (annotations): printed instead of the table, or also written to "
        "FILE; repeatable. gate.json, gate.md, gate.junit.xml and gate.sarif are always written to the run folder; "
        "GitHub Actions gets its annotations",
    )
    parser.add_argument(
        "--ci", metavar="NAME", action=_Ready, help="print a ready-made file for github, gitlab or pre-commit, and exit"
    )
    parser.add_argument("--example", action=_Example, nargs=0, help="print a commented gate.toml with the defaults")
    other = parser.add_mutually_exclusive_group()
    other.add_argument(
        "--init",
        action="store_true",
        help=f"write thresholds made from this run to the file of --gate, else to {FOUND} in the working folder, where "
        "they are found from then on; never overwrites a file",
    )
    other.add_argument("--prune", metavar="FILE", type=Path, help="remove expired and unused waivers from a gate.toml")


def run(options: argparse.Namespace) -> int:
    if options.init:
        return _init(options)
    if options.prune is not None:
        return _prune(options)
    file, told = _chosen(options.gate)
    return judge_folder(options.folder, file, options.baseline, options.today, options.format, told)


def _chosen(given: Path | str | None) -> tuple[Path | None, str]:
    """The gate file to judge by (None = the defaults), and the line that tells the user which one and why."""
    if isinstance(given, Path):
        return given, f"Thresholds: {given}"
    if given == NONE:
        return None, f"Thresholds: defaults (--gate {NONE})"
    # A link to nowhere counts as there: to take the defaults in its place could turn a gate green unseen.
    if os.path.lexists(FOUND):
        return Path(FOUND), f"Thresholds: {FOUND}, found in the working folder (--gate {NONE}: not to use it)"
    return None, f"Thresholds: defaults; no {FOUND} in the working folder"


def judge_folder(
    folder: Path,
    thresholds: Path | None,
    baseline: Path | None = None,
    today: datetime.date | None = None,
    formats: Sequence[tuple[str, Path | None]] = (),
    told: str = "",
) -> int:
    """Judge a run, write and print the verdict, and return the exit code.

    Args:
        folder: folder of a finished run.
        thresholds: a gate file; None = the defaults, no file is looked for.
        baseline: folder of an older run, whose findings are known; None = no comparison.
        today: day on which waivers are judged; None = today in UTC.
        formats: pairs of a name of `formats.FORMATS` and the file to write; None as file = print it in place of the
            table.
        told: line that says where the thresholds come from; "" = made from `thresholds`.

    Returns:
        0 where the gate passed, 1 where it failed.

    Raises:
        ConfigError: more than one format is to be printed, or the gate file is wrong.
        ResultError: the run or the baseline is missing or damaged, or a file cannot be written.
    """
    printed = [name for name, file in formats if file is None]
    if len(printed) > 1:
        hint = f"Write one into a file: --format {printed[1]}:FILE."
        raise ConfigError(f"only one format can be printed, got {' and '.join(printed)}", hint)
    return show(judge_and_write(folder, thresholds, baseline, today, formats), folder, printed, told)


def judge_and_write(
    folder: Path,
    thresholds: Path | None,
    baseline: Path | None = None,
    today: datetime.date | None = None,
    formats: Sequence[tuple[str, Path | None]] = (),
) -> GateResult:
    """Judge a run, and write the verdict into its folder and into the files of `formats`; nothing is printed.

    Arguments and errors are those of `judge_folder`; formats without a file are ignored.
    """
    from bias_audit.gate import write_gate
    from bias_audit.gate.formats import place_of, write_format
    from bias_audit.gate.running import gate_run
    from bias_audit.run.result import load

    gate = gate_run(load(folder), thresholds, baseline=baseline, today=today)
    place = place_of(gate, folder)
    write_gate(folder, gate, place)
    for name, file in formats:
        if file is not None:
            write_format(name, gate, place, file)
    return gate


def show(gate: GateResult, folder: Path, printed: Sequence[str] = (), told: str = "") -> int:
    """Print a verdict and return its exit code.

    Args:
        gate: the verdict.
        folder: folder of the run.
        printed: names of formats to print in place of the table.
        told: line that says where the thresholds come from, see `judge_folder`.
    """
    from bias_audit.cli.gate_table import show_gate
    from bias_audit.gate.formats import FORMATS, place_of
    from bias_audit.run.printable import printable
    from bias_audit.run.progress import Progress

    told = told or f"Thresholds: {gate.config.source or 'defaults'}"
    if printed:
        Progress().note(told)  # on stderr: what is printed is for a program
    else:
        show_gate(gate, told)
        printed = ["github"] if os.environ.get("GITHUB_ACTIONS") == "true" else []
    for name in printed:
        print(printable(FORMATS[name](gate, place_of(gate, folder)), lines=True), end="")
    return gate.exit_code


def _init(options: argparse.Namespace) -> int:
    from bias_audit.gate.starting import write_start
    from bias_audit.run.printable import printable
    from bias_audit.run.result import load

    if options.gate == NONE:
        hint = f"Name one, leave out --gate for {FOUND}, or write ./{NONE} for a file of that name."
        raise ConfigError(f"--init writes a gate file, and --gate {NONE} stands for none", hint)
    print(printable(write_start(load(options.folder), options.gate or Path(FOUND))))
    return 0


def _prune(options: argparse.Namespace) -> int:
    from bias_audit.gate.pruning import prune
    from bias_audit.run.printable import printable
    from bias_audit.run.result import load

    if options.gate is not None:
        raise ConfigError("--prune names the gate file itself", "Leave out --gate.")
    removed = prune(options.prune, load(options.folder), options.today)
    for line in removed or [f"No waiver of {options.prune} is over or unused; nothing was removed."]:
        print(printable(line))
    return 0


def _thresholds(text: str) -> Path | str:
    # Not a path yet: Path("./none") and Path("none") are the same.
    return text if text == NONE else Path(text)


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
    """Action of --ci: print a ready file for a CI service and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any, **_: object) -> None:
        from bias_audit.gate.ci import READY, ready_file

        service = str(arguments[1])
        if service not in READY:
            parser.error(f"argument --ci: no ready file for {service!r}; there are {', '.join(READY)}")
        print(ready_file(service), end="")
        parser.exit()


class _Example(argparse.Action):
    """Action of --example: print a commented gate.toml and exit, as --version does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from bias_audit.gate.example import example

        print(example(), end="")
        parser.exit()
