"""Reads JSON and TOML files, and refuses what is damaged with one sentence: no other folder parses either.

Files that bias-audit wrote itself may be damaged, and files of users may hold anything: no text, brackets without end,
numbers of thousands of digits, one key twice (of which readers keep different values). `long_json` reads what is too
long to be held.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from bias_audit.errors import BiasAuditError, reason_of
from bias_audit.files.regular import open_regular

DEEPEST = 100
"""Most brackets inside each other; deeper ones end the recursion of whatever walks through the content."""

LARGEST = 500_000_000
"""Most bytes of a file. The largest that is written, pictures.json, has 1/10."""

_MOST_DOTS = 10 * DEEPEST
"""Most dots before the equals sign of a line of TOML: ten times what keys may have, since names in quotes hold some."""

_LARGE = "an integer of more than 64 bits"


def read_json(
    file: Path,
    error: type[BiasAuditError],
    what: str = "",
    *,
    hint: str = "",
    nan: bool = False,
    must_exist: bool = False,
) -> Any:
    """Content of a JSON file; None if it does not exist.

    Args:
        file: path of the file.
        error: kind of error that a file raises which is no such file.
        what: what the file is, for the sentence: "the class map"; "" = a file that bias-audit wrote, which is damaged.
        hint: what the user can do.
        nan: NaN and Infinity are numbers, which JSON does not know.
        must_exist: a missing file is an error, too.

    Raises:
        BiasAuditError: the file cannot be read, or is no JSON; the sentence names the file and the place in it.
    """
    text = read_text(file, error, what, hint=hint, must_exist=must_exist)
    return None if text is None else parse_json(text, error, _named(what, file), hint=hint, nan=nan)


def read_toml(file: Path, error: type[BiasAuditError], what: str, *, hint: str = "") -> dict[str, Any]:
    """Content of a TOML file, which must exist. Arguments and errors as in `read_json`."""
    text = read_text(file, error, what, hint=hint, must_exist=True)
    return parse_toml(text or "", error, _named(what, file), hint=hint)


def read_text(
    file: Path, error: type[BiasAuditError], what: str = "", *, hint: str = "", must_exist: bool = False
) -> str | None:
    """Text of an UTF-8 file, with its own line ends and without a byte order mark; None if it does not exist.

    Arguments and errors as in `read_json`.
    """
    content = read_bytes(file, error, what, hint=hint, must_exist=must_exist)
    if content is None:
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as raised:
        raise error(f"{_named(what, file)} not UTF-8 text: {raised.reason} at byte {raised.start}", hint) from raised


def read_bytes(
    file: Path, error: type[BiasAuditError], what: str = "", *, hint: str = "", must_exist: bool = False
) -> bytes | None:
    """Bytes of a file of at most LARGEST; None if it does not exist. Arguments and errors as in `read_json`."""
    try:
        with open_regular(file) as opened:
            content = opened.read(LARGEST + 1)
    except (OSError, ValueError) as raised:  # ValueError: a NUL character in the name
        if isinstance(raised, FileNotFoundError) and not must_exist:
            return None
        raise error(f"cannot read {f'{what} {str(file)!r}'.lstrip()}: {reason_of(raised)}", hint) from raised
    if len(content) > LARGEST:
        raise error(f"{_named(what, file)} larger than {LARGEST:,} bytes", hint)
    return content


def parse_json(text: str, error: type[BiasAuditError], begin: str, *, hint: str = "", nan: bool = False) -> Any:
    """Content of a JSON text.

    Args:
        text: the text.
        error, hint, nan: see `read_json`.
        begin: begin of the sentence, as "the file 'it.json' is".

    Raises:
        BiasAuditError: no JSON, an object with one key twice, an integer of more than 64 bits, or brackets too deep.
    """

    def parse() -> Any:
        constant = None if nan else no_number
        return json.loads(text, object_pairs_hook=unique, parse_int=_whole, parse_constant=constant)

    return _parsed(parse, error, f"{begin} not valid JSON", hint)


def parse_toml(text: str, error: type[BiasAuditError], begin: str, *, hint: str = "") -> dict[str, Any]:
    """Content of a TOML text. Arguments and errors as in `parse_json`."""

    def parse() -> dict[str, Any]:
        if any(line.partition("=")[0].count(".") > _MOST_DOTS for line in text.splitlines()):
            raise RecursionError  # tomllib takes minutes for a key of so many names
        content = tomllib.loads(text)
        _refuse_large(content)  # JSON's integers are refused as they are read, TOML's cannot be
        return content

    content: dict[str, Any] = _parsed(parse, error, f"{begin} not valid TOML", hint)
    return content


def _parsed(parse: Callable[[], Any], error: type[BiasAuditError], begin: str, hint: str) -> Any:
    try:
        content = parse()
        _refuse_depth(content)
    except RecursionError as raised:
        raise error(f"{begin}: brackets lie more than {DEEPEST} deep", hint) from raised
    except ValueError as raised:
        # Python's own sentence on numbers of more than 4,300 digits tells how to change Python.
        reason = _LARGE if "integer string conversion" in str(raised) else str(raised)
        raise error(f"{begin}: {reason}", hint) from raised
    return content


def _named(what: str, file: Path) -> str:
    return f"{what} {str(file)!r} is" if what else f"{str(file)!r} is damaged:"


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these keys and values; raises ValueError where one key is there twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"an object holds the key {twice[:80]!r} twice")
    return found


def _whole(digits: str) -> int:
    if len(digits) > 21 or abs(number := int(digits)) >= 2**64:
        raise ValueError(_LARGE)
    return number


def no_number(name: str) -> float:
    """Refuses NaN and Infinity with a ValueError."""
    raise ValueError(f"{name} is no number of JSON")


def _refuse_large(content: Any) -> None:
    waiting = [content]
    while waiting:
        each = waiting.pop()
        waiting.extend(_parts(each))
        if isinstance(each, int) and abs(each) >= 2**64:
            raise ValueError(_LARGE)


def _refuse_depth(content: Any) -> None:
    level = [content]
    for _ in range(DEEPEST):
        # Asked for by its very type, which a parser gives: of a large file this is done a hundred thousand times.
        if not (level := [part for each in level for part in _parts(each) if type(part) in (dict, list)]):
            return
    raise RecursionError


def _parts(container: Any) -> Iterable[Any]:
    if type(container) is dict:
        return container.values()
    return container if type(container) is list else ()
