"""Every key of any TOML file is found in the line in which it was written."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bias_audit.gate.toml_lines import Path, places

NAMES = st.one_of(st.sampled_from(["max", "a-b", "wolf", "7"]), st.text("ab.#\"'=[]{} \\é\n", max_size=4))
STRINGS = st.text("ab#=[]{}\"'\\\n ,é", max_size=8)


def quoted(name: str) -> str:
    return name if name and name.isascii() and name.replace("-", "").isalnum() else json.dumps(name, ensure_ascii=False)


def as_multiline(text: str) -> str:
    return '"""\n' + text.replace("\\", "\\\\").replace('"', '\\"') + '"""'


@st.composite
def values(draw: st.DrawFn, path: Path, line: int, into: dict[Path, int], depth: int = 2) -> str:
    """Text of a value that starts in `line`; what lies in it is noted in `into`."""
    kind = draw(st.sampled_from(["number", "text", "literal", "long", "list", "table"][: 6 if depth else 4]))
    if kind == "number":
        return draw(st.sampled_from(["1", "-0.5", "true", "1979-05-27", "inf"]))
    if kind == "text":
        return json.dumps(draw(STRINGS), ensure_ascii=False)
    if kind == "literal":
        return "'" + draw(st.text('ab#=[]{}" ,', max_size=6)) + "'"
    if kind == "long":
        return as_multiline(draw(STRINGS))
    if kind == "table":
        parts = []
        text = "{ "
        for name in draw(st.lists(NAMES, max_size=3, unique=True)):
            into[*path, name] = here = line + text.count("\n")
            text += ("" if not parts else ", ") + f"{quoted(name)} = "
            parts.append(name)
            here = line + text.count("\n")
            text += draw(values((*path, name), here, into, depth - 1))
        return text + " }"
    text = "["
    for i in range(draw(st.integers(0, 3))):
        text += draw(st.sampled_from(["", " ", "\n  ", " # ] \" '\n\n"]))
        into[*path, i] = here = line + text.count("\n")
        text += draw(values((*path, i), here, into, depth - 1)) + draw(st.sampled_from([",", " ,", "\n,"]))
    return text + draw(st.sampled_from(["", "\n"])) + "]"


@st.composite
def files(draw: st.DrawFn) -> tuple[str, dict[Path, int]]:
    """A TOML file, and the line of every key, table and element in it."""
    text, expected = "", {}
    arrays: dict[str, int] = {}
    for table in draw(st.lists(st.tuples(NAMES, st.booleans()), max_size=5, unique_by=lambda one: one)):
        name, many = table
        if any(path[:1] == (name,) for path in expected) and not (many and name in arrays):
            continue
        text += draw(st.sampled_from(["", "\n", "# [x]\n", " \t\n"]))
        line = text.count("\n") + 1
        path: Path = (name,)
        expected.setdefault(path, line)
        if many:
            arrays[name] = arrays.get(name, -1) + 1
            path = (name, arrays[name])
            expected[path] = line
        text += f"[[ {quoted(name)} ]] # a = [\n" if many else f"[{quoted(name)}]\n"
        for key in draw(st.lists(NAMES, max_size=4, unique=True)):
            text += draw(st.sampled_from(["", "\n", "  # k = 1\n"]))
            line = text.count("\n") + 1
            dotted = draw(st.booleans())
            expected[*path, key] = line
            inner: Path = (*path, key, "d.d") if dotted else (*path, key)
            expected[inner] = line
            text += quoted(key) + (' . "d.d"' if dotted else "") + " = "
            text += draw(values(inner, line, expected)) + draw(st.sampled_from(["\n", " # x = 'y\n"]))
    return text, expected


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Every path in what tomllib reads."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


@given(files())
@settings(max_examples=300, deadline=None)
def test_lines_are_those_in_which_it_was_written(written: tuple[str, dict[Path, int]]) -> None:
    text, expected = written
    found = places(text).lines
    assert set(found) == set(paths(tomllib.loads(text))), "the scanner finds what tomllib reads, and nothing else"
    assert found == expected
    assert places(text.replace("\n", "\r\n")).lines == expected


@given(files())
@settings(max_examples=100, deadline=None)
def test_blocks_hold_their_keys_and_follow_each_other(written: tuple[str, dict[Path, int]]) -> None:
    text, expected = written
    blocks = places(text).blocks
    assert all(first.last < second.first for first, second in itertools.pairwise(blocks))
    for block in blocks:
        assert expected[block.path] == block.first
        inside = [line for path, line in expected.items() if path[: len(block.path)] == block.path]
        assert max(inside) <= block.last


def test_by_hand() -> None:
    text = '''# head
allow = [ # "x"
  "a # b",
  "c",
]
fail.class = "WATCH"

[[metric]]
name = """
max = 1
"""
max = 0.1 # line 12
[metric.classes."great danes"]
max = 0.2
[[metric]]
classes = { wolf = { max = 0.3 } }
'''
    found = places(text)
    assert found.line("allow", 1) == 4
    assert found.line("fail", "class") == 6
    assert found.line("metric", 0, "name") == 9
    assert found.line("metric", 0, "max") == 12
    assert found.line("metric", 0, "classes", "great danes", "max") == 14
    assert found.line("metric", 1, "classes", "wolf", "max") == 16
    assert found.line("metric", 1, "severity") == 15, "the table around what is not there"
    assert found.line("zebra") == 0
    assert found.comments == {1}
    assert [(block.path, block.first, block.last) for block in found.blocks] == [
        (("metric", 0), 8, 12),
        (("metric", 0, "classes", "great danes"), 13, 14),
        (("metric", 1), 15, 16),
    ]


def test_quotes_at_the_end_of_long_texts() -> None:
    text = 'a = """x"""""\nb = \'\'\'y\'\'\'\'\nc = ["""\n\\""""]\nd = 1\n'
    assert tomllib.loads(text) == {"a": 'x""', "b": "y'", "c": ['"'], "d": 1}
    assert [places(text).line(name) for name in "abcd"] == [1, 2, 3, 5]
