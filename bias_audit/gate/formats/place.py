"""Where a result is shown: CI puts it at a line of a committed file, and links help for its rule."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bias_audit.gate.values import GateResult, GateRow

GATE_FILE = "gate.toml"


@dataclass(frozen=True)
class Place:
    """Where results are put.

    Attributes:
        file: committed file, from the repository's root, with slashes.
        has_lines: the file is the gate file, so that lines of checks are lines of it.
        run: run folder as given, "" where it is not known.
        help_uri: address of a rule's help with {code} in it; "" where there is none, then the text itself is enclosed.
    """

    file: str = GATE_FILE
    has_lines: bool = True
    run: str = ""
    help_uri: str = ""

    def uri(self) -> str:
        """The file as a relative reference: a space is %20."""
        return quote(self.file)

    def line(self, row: GateRow) -> int:
        """Line that a row is put at: the one that asked for it, the first where a default did."""
        return max(row.line, 1) if self.has_lines else 1

    def help(self, code: str) -> str:
        """Address of a rule's help, "" for none."""
        return self.help_uri.replace("{code}", quote(code, safe=""))


def place_of(gate: GateResult, run: str | Path = "") -> Place:
    """Where the results of a gate are put: where its file says ([output] at), else at its file, else at `gate.toml`.

    The path of the gate file is taken from the repository it lies in (the nearest folder with `.git`), else from the
    working folder.
    """
    config = gate.config
    own = GATE_FILE if config.source is None else committed(Path(config.source))
    return Place(config.at or own, config.at in ("", own), str(run), config.help_uri)


def committed(path: Path) -> str:
    """The path from its repository's root, with slashes; symbolic links are followed, as GitHub asks for."""
    whole, here = path.resolve(), Path.cwd()
    root = next((folder for folder in whole.parents if (folder / ".git").exists()), here)
    return whole.relative_to(root).as_posix() if whole.is_relative_to(root) else whole.name
