"""Finds the lines on which tables and keys of a TOML file stand, because tomllib gives values without lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Path of a value: keys and, within arrays, positions, such as ("metric", 0, "max")."""


@dataclass(frozen=True)
class Block:
    """A table's header with all that follows until the next header.

    Attributes:
        path: path of the table; for an element of an array of tables it ends in the element's position.
        first: line of the header, from 1.
        last: last line of the table's last value, or of the header.
    """

    path: Path
    first: int
    last: int


@dataclass
class Places:
    """Lines of a TOML file, by path.

    Attributes:
        lines: path of every table, key and array element -> its line, from 1.
        blocks: every header, in the order of the file.
        comments: lines that hold a comment and nothing else.
    """

    lines: dict[Path, int] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    comments: set[int] = field(default_factory=set)

    def line(self, *path: str | int) -> int:
        """Line of a key, or of the nearest table around it; 0 where the file has neither."""
        for n in range(len(path), 0, -1):
            if found := self.lines.get(path[:n]):
                return found
        return 0


def places(text: str) -> Places:
    """Find the line of every table, key and array element in a text that is valid TOML."""
    return _Scanner(text).scan()


def unescaped(token: str) -> str:
    """Content of a bare or quoted key."""
    import tomllib

    return str(tomllib.loads(f"x = {token}")["x"]) if token[:1] in "\"'" else token


class _Scanner:
    """A cursor over a TOML text; each reading method moves the cursor behind what was read."""

    def __init__(self, text: str) -> None:
        self.text = text.replace("\r\n", "\n")
        self.at = 0
        self.counted = 0
        self.line = 1
        self.found = Places()
        self.arrays: dict[Path, int] = {}

    def scan(self) -> Places:
        """Read the whole text and note the place of everything in it."""
        table: Path = ()
        header: tuple[Path, int] | None = None
        last = 0
        while self._skip():
            first = self._line()
            if self.text[self.at] == "[":
                if header:
                    self.found.blocks.append(Block(*header, last))
                table = self._header()
                header, last = (table, first), first
            else:
                self._pair(table)
                last = self._line()
        if header:
            self.found.blocks.append(Block(*header, last))
        return self.found

    def _header(self) -> Path:
        line = self._line()
        double = self.text.startswith("[[", self.at)
        self.at += 2 if double else 1
        *above, name = self._key()
        self._skip()
        self.at += 2 if double else 1
        path = self._inside((), above, line)
        if not double:
            path = (*path, name)
            self._note(path, line)
            return path
        array = (*path, name)
        self.arrays[array] = self.arrays.get(array, -1) + 1
        self._note(array, line)
        self._note((*array, self.arrays[array]), line)
        return (*array, self.arrays[array])

    def _inside(self, table: Path, keys: list[str], line: int) -> Path:
        """Path of dotted keys below a table; for an array of tables its last element is meant."""
        for key in keys:
            table = (*table, key)
            if table in self.arrays:
                table = (*table, self.arrays[table])
            self._note(table, line)
        return table

    def _pair(self, table: Path) -> None:
        line = self._line()
        *above, name = self._key()
        self._skip()
        self.at += 1  # =
        path = (*self._inside(table, above, line), name)
        self._note(path, line)
        self._value(path)

    def _value(self, path: Path) -> None:
        self._skip()
        sign = self.text[self.at]
        if sign == "[":
            self.at += 1
            for i in self._elements("]"):
                self._note((*path, i), self._line())
                self._value((*path, i))
        elif sign == "{":
            self.at += 1
            for _ in self._elements("}"):
                self._pair(path)
        elif sign in "\"'":
            self._string()
        else:
            while self.at < len(self.text) and self.text[self.at] not in ",]}\n#":
                self.at += 1

    def _elements(self, end: str) -> Iterator[int]:
        i = 0
        while True:
            self._skip()
            if self.text[self.at] == ",":
                self.at += 1
            elif self.text[self.at] == end:
                self.at += 1
                return
            else:
                yield i
                i += 1

    def _key(self) -> list[str]:
        """Parts of the dotted key at the cursor, bare or quoted."""
        parts = []
        while True:
            self._skip()
            start = self.at
            if self.text[self.at] in "\"'":
                self._string()
            else:
                while self.text[self.at].isalnum() or self.text[self.at] in "-_":
                    self.at += 1
            parts.append(unescaped(self.text[start : self.at]))
            self._skip()
            if self.text[self.at] != ".":
                return parts
            self.at += 1

    def _string(self) -> None:
        quote = self.text[self.at]
        many = self.text.startswith(quote * 3, self.at)
        self.at += 3 if many else 1
        while True:
            if quote == '"' and self.text[self.at] == "\\":
                self.at += 2
            elif many and self.text.startswith(quote * 3, self.at):
                self.at += 3
                # Up to two more quotes belong to the string: """a"""" ends in one.
                while self.text.startswith(quote, self.at):
                    self.at += 1
                return
            elif not many and self.text[self.at] == quote:
                self.at += 1
                return
            else:
                self.at += 1

    def _skip(self) -> bool:
        """Move the cursor over white space and comments; False at the end of the text."""
        while self.at < len(self.text):
            if self.text[self.at] == "#":
                if not self.text[self.text.rfind("\n", 0, self.at) + 1 : self.at].strip():
                    self.found.comments.add(self._line())
                end = self.text.find("\n", self.at)
                self.at = len(self.text) if end < 0 else end
            elif self.text[self.at] in " \t\n":
                self.at += 1
            else:
                return True
        return False

    def _line(self) -> int:
        self.line += self.text.count("\n", self.counted, self.at)
        self.counted = self.at
        return self.line

    def _note(self, path: Path, line: int) -> None:
        self.found.lines.setdefault(path, line)
