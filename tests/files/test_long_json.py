"""Long JSON files: read piece by piece they hold what they hold as a whole, wherever a piece ends."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.errors import DataError
from bias_audit.files import long_json
from bias_audit.files.long_json import elements

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(allow_nan=False, allow_infinity=False), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


def read(data: bytes) -> list[tuple[str, Any, bool]]:
    return list(elements(io.BytesIO(data).read, DataError, "it is"))


def by_hand(content: dict[str, Any]) -> list[tuple[str, Any, bool]]:
    """What is handed on of an object that was read as a whole."""
    found = []
    for key, value in content.items():
        found += [(key, each, True) for each in value] if isinstance(value, list) else [(key, value, False)]
    return found


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=5), st.integers(1, 40), st.sampled_from([None, 2]))
def test_as_read_at_once(content: dict[str, Any], block: int, indent: int | None) -> None:
    for ascii_only in (True, False):
        text = json.dumps(content, ensure_ascii=ascii_only, indent=indent)
        data = text.encode("utf-8", "surrogatepass")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(long_json, "BLOCK", block)
            try:
                data.decode()
            except UnicodeDecodeError:
                with pytest.raises(DataError, match="not UTF-8"):
                    read(data)
            else:
                assert read(data) == by_hand(content)
                assert read(b"\xef\xbb\xbf" + data) == by_hand(content)


@pytest.mark.parametrize("block", [1, 7, 4_000_000])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no object but begins with ''"),
        ("[1]", r"no object but begins with '\['"),
        ("{", "a name in quotes is expected"),
        ('{"a": [1, 2', "',' or ']' is expected, and the file ends"),
        ('{"a": [1, 2}', "',' or ']' is expected (at character 11)"),
        ('{"a": [{"b": 1]}', "',' delimiter"),
        ('{"a" [1]}', "':' is expected (at character 5)"),
        ('{"a": 1 "b": 2}', "',' or '}' is expected"),
        ('{"a": 1, "a": 2}', "its top level holds the key 'a' twice"),
        ('{"a": [{"b": 1, "b": 2}]}', "an object holds the key 'b' twice"),
        ('{"a": [NaN]}', "NaN is no number of JSON"),
        ('{"a": -Infinity}', "-Infinity is no number of JSON"),
        ('{"a": 1} 2', "more follows after its end"),
        ('{"a": [1,]}', "Expecting value"),
        ('{"a": ' + "[" * 100_000, "deep"),
        ('{"a": "b', "Unterminated string"),
        ('{"a": tru}', "Expecting value"),
        ('{"a": ' + "9" * 5000 + "}", "thousands of digits"),
        ('{"a": [1]', "',' or '}' is expected, and the file ends"),
        ("{'a': 1}", "a name in quotes"),
        ("{1: 1}", "a name in quotes"),
    ],
)
def test_what_is_none(text: str, says: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_json, "BLOCK", block)
    with pytest.raises(DataError) as caught:
        read(text.encode())
    assert says.replace("\\", "") in caught.value.message
    assert caught.value.message.startswith("it is not valid JSON: ")
    assert len(caught.value.message) < 200


def test_what_is_no_text() -> None:
    with pytest.raises(DataError, match="it is not UTF-8 text: invalid start byte"):
        read(b'{"a": "\xff"}')


def test_an_element_that_is_too_long_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_json, "BLOCK", 10)
    monkeypatch.setattr(long_json, "LARGEST_ELEMENT", 1_000)
    asked: list[int] = []

    def endless(count: int) -> bytes:
        asked.append(count)
        return b'{"a": ["'.ljust(count, b"x") if len(asked) == 1 else b"x" * count

    with pytest.raises(DataError, match="an element of more than 1,000 characters"):
        list(elements(endless, DataError, "it is"))
    assert sum(asked) < 10_000


def test_what_was_handed_on_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_json, "BLOCK", 100)
    asked: list[int] = []
    content = io.BytesIO(json.dumps({"a": [[1, 2, 3]] * 10_000}).encode())

    def noting(count: int) -> bytes:
        asked.append(count)
        return content.read(count)

    assert sum(1 for _ in elements(noting, DataError, "it is")) == 10_000
    assert max(asked) == 100  # what is held doubles where an element is longer than a block
