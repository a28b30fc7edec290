"""Makes a page fit to hand on: replaces names of files, folders and reviewers, wherever these occur."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from bias_audit.checks.data_leaks.section import COPIES
from bias_audit.run.result import AuditResult

AS_IT_IS = ("jpeg", "codes", "scores", "order", "hashes", "grid", "outline", "rule_texts", "dictionary")
"""Keys of the summary whose values hold no names, but packed numbers or texts of this program."""

SHORTEST = 5
"""Fewest characters of a file name without its folder that is looked for inside sentences."""

_ABSOLUTE = re.compile(r"(?<![\w./\\])(?:[A-Za-z]:[\\/]|/|~/|\\\\)[^\s'\"<>|:;,]*[/\\][^\s'\"<>|:;,]*")
_PATH = re.compile(r"[/\\]|\.(?:jpe?g|png|gif|bmp|webp|tiff?|dcm|keras|h5|csv|parquet)$", re.IGNORECASE)


def anonymous(summary: Mapping[str, Any], result: AuditResult) -> dict[str, Any]:
    """A copy of the summary in which the names of files, folders and reviewers are replaced.

    Class names and names of user columns stay. The hashes are keyed by the run's own list of files, so that nobody
    without the data can try out names. Two pages of one data set give an image the same hash.

    Args:
        summary: dict of `summary.summarise`.
        result: the run that the summary was made from.

    Raises:
        ResultError: a table of the run is damaged.
    """
    hide = _Names(result)
    told = hide.inside(dict(summary), "")
    for row in told["provenance"]["config"]:
        row["text"] = hide.token(row["text"], "path") if _PATH.search(row["text"]) else row["text"]
    for column in told["browser"]["columns"].values():
        column["values"] = [hide.value(value) for value in column["values"]]
    for before, check in zip(summary["checks"], told["checks"], strict=True):
        for table in check["section"]["tables"] if before["name"] == "slices" else ():
            for row in table["rows"]:
                row["value"] = hide.value(row["value"])
    return dict(told)


class _Names:
    """The names that occur in a run, and the alias that replaces each in the page."""

    def __init__(self, result: AuditResult) -> None:
        info = result.info
        ids = [str(name) for name in result.images.index]
        contents = [str(content) for content in result.images["content"].fillna("")]
        self._key = hashlib.sha256("\0".join([*ids, *contents]).encode("utf-8", "backslashreplace")).digest()
        self._known: dict[str, str] = {}
        self._whole: dict[str, str] = {}
        for kind, names in (
            ("image", ids),
            ("stranger", [str(name) for name in result.strangers.index]),
            ("scene", [str(name) for name in result.scenes.index]),
            ("image", _copies(result)),
            ("model", [info.model]),
            ("data", [info.data]),
            ("masks", [info.masks or ""]),
            ("strangers", [info.strangers or ""]),
            ("backgrounds", [info.backgrounds or ""]),
        ):
            for name in names:
                self._add(name, kind)
        self._known[info.name] = f"{self.token(info.model, 'model')} on {self.token(info.data, 'data')}"
        self._reviewers = {name: f"reviewer {place}" for place, name in enumerate(_reviewers(result), 1)}
        self._known.update((name, alias) for name, alias in self._reviewers.items() if len(name) >= 3)
        self._lengths = sorted({len(name) for name in self._known}, reverse=True)

    def token(self, name: str, kind: str) -> str:
        """Alias of a name, made of its kind and 12 hex digits of its keyed hash."""
        digest = hmac.new(self._key, name.encode("utf-8", "backslashreplace"), "sha256").hexdigest()
        return f"{kind}-{digest[:12]}"

    def value(self, text: str) -> str:
        """A value of a user column; replaced as a whole where it is the name of a file, or looks like one."""
        if text in self._whole or text in self._known:
            return self._whole.get(text) or self._known[text]
        return self.token(text, "path") if _PATH.search(text) else self.text(text)

    def text(self, text: str) -> str:
        """A text with known names and absolute paths replaced; names only where they stand as words."""
        if text in self._known:
            return self._known[text]
        pieces, place = [], 0
        while place < len(text):
            if name := self._name_at(text, place):
                pieces.append(self._known[name])
                place += len(name)
            else:
                pieces.append(text[place])
                place += 1
        return _ABSOLUTE.sub(lambda match: self.token(match.group(), "path"), "".join(pieces))

    def inside(self, value: Any, key: str) -> Any:
        """A copy of a value in the summary with all names replaced, also within lists and dicts."""
        if key in AS_IT_IS:
            return value
        if isinstance(value, str):
            return self._reviewers.get(value, value) if key == "reviewer" else self.text(value)
        if isinstance(value, Mapping):
            return {self._known.get(name, name): self.inside(item, str(name)) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.inside(item, key) for item in value]
        return value

    def _name_at(self, text: str, place: int) -> str | None:
        if place and text[place - 1].isalnum() and text[place].isalnum():
            return None
        for length in self._lengths:
            end = place + length
            if end <= len(text) and text[place:end] in self._known:
                if end < len(text) and text[end - 1].isalnum() and text[end].isalnum():
                    continue
                return text[place:end]
        return None

    def _add(self, name: str, kind: str) -> None:
        if not name:
            return
        alias = self.token(name, kind)
        path = PurePosixPath(name.replace("\\", "/"))
        written = [name, repr(name)[1:-1]]
        if kind not in ("image", "stranger"):
            written.append(str(Path(name).absolute()))
        if len(path.name) >= SHORTEST and (path.suffix or kind == "image"):
            written += [path.name, repr(path.name)[1:-1]]
        for text in written:
            self._known.setdefault(text, alias)
        self._whole.setdefault(path.stem, alias)


def _copies(result: AuditResult) -> list[str]:
    """Names of test and training photos in the table of leaks."""
    table = result.leakage
    pairs = table[table["kind"].isin(list(COPIES))]
    return [str(name) for column in ("name", "typical") for name in pairs[column].dropna()]


def _reviewers(result: AuditResult) -> Iterable[str]:
    from bias_audit.errors import ResultError
    from bias_audit.review.decisions import read_decisions

    try:
        named = {decision.reviewer for decision in read_decisions(result.path)}
    except ResultError:  # the page says that they are damaged
        named = set()
    return sorted((named | {str(name) for name in result.hypotheses["reviewer"].dropna()}) - {""})
