"""The committed file and line at which CI shows a result, and the address of help about a rule."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bias_audit.gate.ci import READY
from bias_audit.gate.values import GateResult, GateRow

GATE_FILE = "gate.toml"

PICTURE, REPORT = "strip.png", "report.html"
"""Files of a run folder that Markdown refers to: the strip of a class (`AuditResult.show(...).save`), and the page."""


@dataclass(frozen=True)
class Place:
    """The file at which CI shows the results of a gate.

    Attributes:
        file: path of a committed file from the repository's root, with slashes.
        has_lines: whether this is the gate file, so that the line of a row is a line of it.
        run: run folder as given, "" where it is not known.
        help_uri: address of help about a rule, with {code} in it; "" where there is none.
        report: path of the run's page; "" where it is not known.
        picture: address of a picture of the run from where the text lies; "" where there is none.
    """

    file: str = GATE_FILE
    has_lines: bool = True
    run: str = ""
    help_uri: str = ""
    report: str = ""
    picture: str = ""

    def uri(self) -> str:
        """The file as a relative URI reference: a space is written %20."""
        return quote(self.file)

    def line(self, row: GateRow) -> int:
        """Line at which a row is shown: the one that asked for the check; 1 for a default or another file."""
        return max(row.line, 1) if self.has_lines else 1

    def help(self, code: str) -> str:
        """Address of the help about a rule, "" where there is none."""
        return self.help_uri.replace("{code}", quote(code, safe=""))


def place_of(gate: GateResult, run: str | Path = "") -> Place:
    """Where to show the results of a gate: a file of the repository, since CI shows nothing at one that is not there.

    The first that exists of: the file of [output] at, the gate file, `gate.toml`, the workflow that runs, the ready
    files at their places, README.md. `gate.toml` where none exists. Paths are taken from the root of the repository
    (the nearest folder with `.git`), else from the working folder.
    """
    config = gate.config
    own = GATE_FILE if config.source is None else committed(Path(config.source))
    page = Path(run) / REPORT
    report = str(page) if run != "" and page.is_file() else ""
    root = root_of(Path.cwd() / GATE_FILE)
    wanted = (config.at, own, GATE_FILE, _workflow(), *READY.values(), "README.md")
    file = next((name for name in wanted if name and (root / name).is_file()), GATE_FILE)
    return Place(file, config.source is not None and file == own, str(run), config.help_uri, report)


def _workflow() -> str:
    """Path of the GitHub workflow that runs this process, from the root of the repository; "" elsewhere.

    GITHUB_WORKFLOW_REF is `OWNER/REPOSITORY/.github/workflows/FILE@REF`.
    """
    _, _, path = os.environ.get("GITHUB_WORKFLOW_REF", "").partition("/.github/")
    return f".github/{path.partition('@')[0]}" if path else ""


def committed(path: Path) -> str:
    """Path of a file from the root of its repository, with slashes; "" for one outside of the working folder's.

    Symbolic links are followed, as GitHub requires.
    """
    whole = path.resolve()
    root = root_of(whole)
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else ""


def root_of(path: Path) -> Path:
    """The nearest folder above a file that holds `.git`, else the working folder."""
    whole = path.resolve()
    return next((folder for folder in whole.parents if (folder / ".git").exists()), Path.cwd().resolve())
