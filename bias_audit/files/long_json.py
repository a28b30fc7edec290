"""Reads a JSON file that is too long to be held as a whole: an object of lists, element by element."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from bias_audit.errors import BiasAuditError
from bias_audit.files.text import DEEPEST, no_number, unique

BLOCK = 4_000_000
"""Bytes that are read at once."""

LARGEST_ELEMENT = 50_000_000
"""Most characters of one element, which is held as a whole."""

_SPACE = re.compile(r"[ \t\n\r]*")


def elements(
    read: Callable[[int], bytes], error: type[BiasAuditError], begin: str, *, hint: str = "", nan: bool = False
) -> Iterator[tuple[str, Any, bool]]:
    """What an object at the top level of a JSON file holds, in the order of the file.

    Args:
        read: reads at most so many bytes, b"" at the end.
        error: kind of error that a file raises which is no such file.
        begin: begin of the sentence, as "the file 'it.json' is".
        hint: what the user can do.
        nan: NaN and Infinity are numbers, which JSON does not know.

    Yields:
        (key, element, True) of each element of a list, and (key, value, False) of each value that is no list.

    Raises:
        BiasAuditError: no JSON, no object, an object with one key twice, or an element that is too long; the sentence
            says where. Also after elements were handed on, since the rest of the file is not known before.
    """
    text = _Text(read, error, begin, hint, nan)
    if text.char() != "{":
        text.refuse(f"its top level is no object but begins with {text.char()!r}")
    text.at += 1
    keys: set[str] = set()
    if text.char() == "}":
        text.at += 1
    else:
        while True:
            key = text.value() if text.char() == '"' else text.refuse("a name in quotes is expected")
            if key in keys:
                text.refuse(f"its top level holds the key {key[:80]!r} twice")
            keys.add(key)
            text.expect(":")
            if text.char() == "[":
                text.at += 1
                for element in text.elements():
                    yield key, element, True
            else:
                yield key, text.value(), False
            if text.expect(",}") == "}":
                break
    if text.char():
        text.refuse("more follows after its end")


class _Text:
    """The text from the place on that is read now: `buffer[at:]`, and what `read` still gives."""

    def __init__(
        self, read: Callable[[int], bytes], error: type[BiasAuditError], begin: str, hint: str, nan: bool
    ) -> None:
        self.buffer, self.at = "", 0
        self._read, self._error, self._begin, self._hint = read, error, begin, hint
        self._before = 0  # characters before the buffer
        self._ended = False
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        constant = None if nan else no_number
        self._decode = json.JSONDecoder(object_pairs_hook=unique, parse_constant=constant).raw_decode

    def elements(self) -> Iterator[Any]:
        """Elements of a list whose bracket is behind."""
        if self.char() == "]":
            self.at += 1
            return
        while True:
            yield self.value()
            if self.expect(",]") == "]":
                return

    def char(self) -> str:
        """The next character that is no space, which stays; "" at the end."""
        while True:
            self.at = _SPACE.match(self.buffer, self.at).end()  # type: ignore[union-attr]  # matches anything
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if self._ended:
                return ""
            self._more()

    def expect(self, chars: str) -> str:
        """The next character that is no space, which must be one of these."""
        char = self.char()
        if not char or char not in chars:
            self.refuse(f"{' or '.join(map(repr, chars))} is expected" + ("" if char else ", and the file ends"))
        self.at += 1
        return char

    def value(self) -> Any:
        """The next value as a whole."""
        self.char()
        while True:
            try:
                value, end = self._decode(self.buffer, self.at)
            except RecursionError:
                self.refuse(f"brackets lie more than {DEEPEST} deep")
            except json.JSONDecodeError as raised:
                if len(self.buffer) - self.at > LARGEST_ELEMENT:
                    self.refuse(f"an element of more than {LARGEST_ELEMENT:,} characters, or {raised.msg}")
                if self._ended:
                    self.at = raised.pos
                    self.refuse(raised.msg)
            except ValueError as raised:
                # Python's own sentence on numbers of more than 4,300 digits tells how to change Python.
                long = "integer string conversion" in str(raised)
                self.refuse("an integer of thousands of digits" if long else str(raised))
            else:
                # A number that ends with the buffer may go on, also behind ".", "e" or "e-".
                if end + 2 < len(self.buffer) or self.buffer[end - 1] in '"]}' or self._ended:
                    self.at = end
                    return value
            self._more()

    def refuse(self, what: str) -> NoReturn:
        """Raise the error, with the place."""
        raise self._error(f"{self._begin} not valid JSON: {what} (at character {self._before + self.at:,})", self._hint)

    def _more(self) -> None:
        """Read on, as much as is held already at least: an element is tried again and again until it is whole."""
        self.buffer, self._before, self.at = self.buffer[self.at :], self._before + self.at, 0
        data = self._read(max(BLOCK, len(self.buffer)))
        self._ended = not data
        try:
            self.buffer += self._utf8.decode(data, final=self._ended)
        except UnicodeDecodeError as raised:
            reason = f"{raised.reason} after character {self._before + len(self.buffer):,}"
            raise self._error(f"{self._begin} not UTF-8 text: {reason}", self._hint) from raised
