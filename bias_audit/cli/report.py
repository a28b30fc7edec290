"""The command `bias-audit report RUN`: write the page of a finished run again, without the model."""

from __future__ import annotations

import argparse
from pathlib import Path

from bias_audit.errors import ConfigError

IMAGES = ("none", "flagged", "all")

HEAVY = 25_000_000
"""Size in bytes of a page with its pictures above which the user is told."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "write report.html of a finished run again, without the model"
    parser = commands.add_parser("report", help=text, description=text)
    parser.add_argument("folder", metavar="RUN", type=Path, help="run folder of an audit")
    parser.add_argument(
        "--images",
        choices=IMAGES,
        default="flagged",
        help="pictures in the page: none; flagged = the most suspicious, as many as fit into 8 MB (default); all = all "
        "that the audit kept, in a folder beside the page",
    )
    parser.add_argument(
        "--anonymous",
        action="store_true",
        help="replace names of files, folders and reviewers by hashes; class names stay, and so do the pictures",
    )
    parser.add_argument(
        "--only",
        metavar="SUBJECT/RULE",
        action="append",
        help="a page with this finding alone, to hand on: wolf/BA201, or BA201 for all of that rule; give it again for "
        "more findings",
    )
    help_out = "where the page goes (default: RUN/report.html; with --only RUN/marked.html)"
    parser.add_argument("--out", metavar="FILE", type=Path, help=help_out)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from bias_audit.report.page import picture_folder_of, write_report
    from bias_audit.run.printable import printable
    from bias_audit.run.progress import Progress
    from bias_audit.run.result import load

    progress = Progress()
    if options.only:
        from bias_audit.report.marked import write_marked

        if options.images == "all":
            hint = "Leave out --images: the page holds the pictures of its findings."
            raise ConfigError("--images all is for the whole report, and --only writes a page of its own", hint)
        how = {"images": options.images, "anonymous": options.anonymous, "out": options.out}
        print(printable(write_marked(load(options.folder), options.only, **how)))
        return 0
    with progress.stage("Writing the report", None):
        page = write_report(load(options.folder), images=options.images, anonymous=options.anonymous, out=options.out)
    size = page.stat().st_size
    if options.images == "all":
        size += sum(file.stat().st_size for file in picture_folder_of(page).iterdir())
    if size > HEAVY:
        progress.note(f"The page and its pictures take {size / 1e6:z.0f} MB; --images flagged keeps them below 8 MB.")
    print(printable(page))
    return 0
