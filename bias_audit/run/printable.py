"""Makes text safe to print: no character of a name moves the cursor, colours, hides or reorders what a terminal shows.

Whatever the package prints, logs or writes for a log passes through here. Names of files and classes are data of
somebody else, and a terminal obeys them.
"""

from __future__ import annotations

import re

_CONTROLS = (
    r"\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: a terminal obeys them
    r"\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f"
    r"\ud800-\udfff\ufffe\uffff"  # halves of surrogate pairs and no characters: no UTF-8, no XML
)
"""Controls, separators of lines, signs that change the direction of text, and signs without any width.

The two joiners U+200C and U+200D are left: Persian, Hindi and many emoji are spelled with them.
"""

_COLOURS = re.compile(f"(\x1b\\[[0-9;]*m)|(?![\t\n\r])[{_CONTROLS}]")
_ANY = re.compile(f"[{_CONTROLS}]")
_BUT_LINES = re.compile(f"(?![\t\n])[{_CONTROLS}]")


def printable(text: object, *, lines: bool = False) -> str:
    """A text as one that can be printed: what a terminal would obey, or not show, becomes an escape such as `\\x1b`.

    Args:
        text: a text, or a path.
        lines: leave ends of lines and tabs as they are, for text made of several lines. What is one line must not set
            it: a name could put a line of its own into the output.
    """
    said = str(text)
    if said.isascii() and said.isprintable():  # most texts are, and it is seen ten times as fast
        return said
    return (_BUT_LINES if lines else _ANY).sub(_escape, said)


def without_commands(output: str) -> str:
    """Output of any origin without characters that a terminal obeys, except for colours and the return of a line.

    For what libraries print: what the package prints by itself is made `printable` before it is coloured.
    """
    return _COLOURS.sub(lambda found: found[1] or _escape(found), output)


def printable_json(text: str) -> str:
    """A JSON document with JSON's escapes in place of such characters, so that it holds the same values.

    Args:
        text: the document, with line ends only between values, as `json.dumps` makes it.
    """
    return _BUT_LINES.sub(_json_escape, text)


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape", "surrogatepass").decode()


def _json_escape(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[place : place + 4]}" for place in range(0, len(units), 4))
