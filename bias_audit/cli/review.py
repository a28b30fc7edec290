"""The command `bias-audit review RUN`: serve the report to reviewers on this machine, and keep their decisions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bias_audit.cli import options as cli_options
from bias_audit.errors import ConfigError, ResultError
from bias_audit.packages import needed
from bias_audit.run.printable import printable

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from bias_audit.review.exchange import Imported
    from bias_audit.run.progress import Progress
    from bias_audit.run.result import AuditResult

EPILOG = """Decisions are kept in RUN/decisions.sqlite and hold for every run on the same data.
--import, --export and --next do their work and exit; without them the page is served until Ctrl-C
or SIGTERM. Either way report.html is then written with the decisions, and the exit code is 0."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "decide about findings, cues and images in the browser; the decisions are kept in the run"
    parser = commands.add_parser(
        "review", help=text, description=text, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder of an audit")
    parser.add_argument("--reviewer", metavar="NAME", default="", help="your name, as the page proposes it")
    parser.add_argument(
        "--model", metavar="MODEL", type=Path, help="the audited model: regions drawn in the page are tested on it"
    )
    parser.add_argument(
        "--port", metavar="N", type=_port, help="on 127.0.0.1 (default: 8321, else a free one; 0 = free)"
    )
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.add_argument(
        "--from", dest="older", metavar="RUN", type=Path, help="take over the decisions of another run on the same data"
    )
    parser.add_argument(
        "--import",
        dest="imported",
        metavar="FILE",
        type=Path,
        help="take decisions from a report's download (.json, .csv)",
    )
    parser.add_argument("--export", metavar="FILE", type=Path, help="write the decisions (.csv or .json)")
    parser.add_argument(
        "--next",
        metavar="DIR",
        type=Path,
        help="write what follows from them: masks and labels to correct, images to collect, training images of the "
        "classes judged biased on other backgrounds",
    )
    parser.add_argument("--undecided", action="store_true", help="with --next: flagged classes nobody decided on, too")
    cli_options.add_verbosity(parser)
    trusted = cli_options.add_trusted(parser)
    trusted.add_argument("--custom-objects", metavar="MODULE", help="with --model: the model's own classes; it is run")
    trusted.add_argument(
        "--preprocess", metavar="module:function", type=_named, help="with --model: the run's own preprocessing"
    )
    trusted.add_argument(
        "--method", metavar="module:function", type=_named, help="with --model: the run's own heatmap method"
    )
    cli_options.add_allow_outside(trusted)
    cli_options.add_limits(parser)
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; it is a number from 0 to 65535")
    return int(text)


def run(options: argparse.Namespace) -> int:
    from bias_audit.run.progress import Progress
    from bias_audit.run.result import load

    if options.undecided and options.next is None:
        raise ConfigError("--undecided goes with --next DIR")
    modules = ("config", "custom_objects", "preprocess", "method")
    if options.model is None and (given := [name for name in modules if getattr(options, name) is not None]):
        raise ConfigError(f"--{given[0].replace('_', '-')} goes with --model MODEL")
    progress = Progress(options.verbosity)
    result = load(options.folder)
    if options.older is not None or options.imported is not None:
        _take(options, result, progress)
    if options.export is not None:
        _export(options.export, result)
    if options.next is not None:
        from bias_audit.review.next_steps import write_next_steps

        print(
            write_next_steps(
                result,
                options.next,
                undecided=options.undecided,
                outside=options.allow_outside,
                progress=progress,
            )
        )
    if options.imported is None and options.export is None and options.next is None:
        _serve(options, result, progress)
    return 0


def _take(options: argparse.Namespace, result: AuditResult, progress: Progress) -> None:
    from bias_audit.review import decisions, exchange, targets
    from bias_audit.run.identity import data_of

    images = targets.images(result)
    if options.older is not None:
        if not (options.older / decisions.FILE).is_file():
            raise ResultError(f"{str(options.older)!r} holds no decisions", "Give the folder of a run with a review.")
        taken = exchange.take_over(result.path, options.older, data_of(result), images)
        progress.note(_said(taken, str(options.older)))
    if options.imported is not None:
        taken = exchange.import_file(result.path, options.imported, data_of(result), images)
        progress.note(_said(taken, str(options.imported)))


def _said(taken: Imported, source: str) -> str:
    text = f"{source}: {taken.total} decisions, {taken.added} of them new here"
    if taken.withdrawn:
        text += f", {taken.withdrawn} taken back"
    if taken.foreign:
        named = ", ".join(f"{each.subject!r} ({each.verdict}, {each.reviewer})" for each in taken.foreign[:3])
        more = f" and {len(taken.foreign) - 3} more" if len(taken.foreign) > 3 else ""
        text += f"; {len(taken.foreign)} are about other data than this run's and were not taken: {named}{more}"
    return text


def _export(file: Path, result: AuditResult) -> None:
    from bias_audit.review import exchange
    from bias_audit.run.atomic import write_atomically
    from bias_audit.run.identity import data_of

    write = exchange.export_csv if file.suffix.lower() == ".csv" else exchange.export_json
    text = write(result.path, data_of(result))
    print(printable(write_atomically(file, text.encode(), "Make its folder, or choose another one.")))


def _serve(options: argparse.Namespace, result: AuditResult, progress: Progress) -> None:
    import contextlib
    import secrets

    from bias_audit.report.page import write_report
    from bias_audit.review import decisions
    from bias_audit.run.result import load

    with needed("the review server"):
        from bias_audit.review.opening import opened_in_browser
        from bias_audit.review.server import LOOPBACK, bind, create_app, ended_by_sigterm, serve
    _tell(result, progress)
    live = None if options.model is None else _live(result.path, options, progress)
    token = secrets.token_urlsafe(24)
    with ended_by_sigterm() as end:
        with bind(options.port) as opened, contextlib.ExitStack() as stack:
            app = create_app(result.path, token, live=live, reviewer=options.reviewer)
            address = f"http://{LOOPBACK}:{opened.getsockname()[1]}/{token}/"
            print(address, flush=True)
            progress.note("Ctrl-C ends it. Who has this address can read the report and decide.")
            if not options.no_browser and not stack.enter_context(opened_in_browser(address)):
                progress.note("No browser was opened: no temporary file could be made. Open the address yourself.")
            serve(app, opened, end)
        # Who opens the file tomorrow sees what was decided today.
        write_report(load(result.path))
    progress.note(f"Decisions are kept in {result.path / decisions.FILE}; report.html shows them")


def _live(folder: Path, options: argparse.Namespace, progress: Progress) -> list[BaseRoute]:
    from bias_audit.config import read_config
    from bias_audit.pipeline.live_test import LiveModel
    from bias_audit.review.regions import region_routes

    allowed, _ = read_config(options.config, **cli_options.settings(options))
    return region_routes(LiveModel(folder, options.model, progress, allowed=allowed, outside=options.allow_outside))


def _named(text: str) -> str:
    """Check that a text has the form module:function; settings of another form are known from the run.

    Raises:
        ArgumentTypeError: the text has another form.
    """
    if not all(text.partition(":")):
        raise argparse.ArgumentTypeError(f"expected module:function, got {text!r}; any other is taken from the run")
    return text


def _tell(result: AuditResult, progress: Progress) -> None:
    """Tell the user about decisions on what the run no longer finds, or about decisions of other runs to take over."""
    from bias_audit.review import decisions, targets

    made = decisions.read_decisions(result.path)
    if gone := targets.lost(made, targets.known(result)):
        progress.note(f"{len(gone)} of {len(made)} decisions are about what this run no longer finds; they are kept")
    if not made:
        for folder in targets.neighbours(result):
            progress.note(f"{folder} has decisions about the same data: take them over with --from {folder}")
