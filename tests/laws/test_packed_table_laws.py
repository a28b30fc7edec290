"""What the page packs, an independent reader unpacks: names exactly, categories exactly, scores to within a step."""

from __future__ import annotations

import base64
import struct
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_audit.report.browser_section import (
    FINEST,
    MISSING,
    STEPS,
    pack_category,
    pack_numbers,
    pack_score,
    packed_names,
)

LAW = settings(deadline=None)  # no timed tests


def unpacked(text: str, kind: str) -> list[Any]:
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // struct.calcsize(kind)}{kind}", data))


def numbers(packed: dict[str, Any]) -> list[int]:
    return unpacked(packed["values"], "I" if packed["wide"] else "H")


def utf16(text: str) -> bytes:
    """As a browser counts: two bytes per unit."""
    return text.encode("utf-16-le", "surrogatepass")


@LAW
@given(st.lists(st.text(alphabet="ab/.é🐺", max_size=12), max_size=30))
def test_names_come_back(names: list[str]) -> None:
    packed = packed_names(names)
    before, read = b"", []
    for shared, rest in zip(numbers(packed["shared"]), packed["rest"], strict=True):
        before = before[: 2 * shared] + utf16(rest)
        read.append(before.decode("utf-16-le"))
    assert read == names


@LAW
@given(st.lists(st.integers(0, 2**32 - 1), max_size=50))
def test_numbers_come_back(values: list[int]) -> None:
    assert numbers(pack_numbers(values)) == values


@LAW
@given(st.lists(st.one_of(st.none(), st.sampled_from([str(index) for index in range(400)])), max_size=600))
def test_categories_come_back(values: list[str | None]) -> None:
    packed = pack_category(pd.Series(values, dtype="object"))
    codes = unpacked(packed["codes"], "H" if packed["wide"] else "B") if packed["codes"] else [0] * len(values)
    assert [packed["values"][code] for code in codes] == [value or "" for value in values]


@LAW
@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6, width=32)), min_size=1, max_size=60))
def test_scores_come_back_to_within_a_step(values: list[float | None]) -> None:
    packed = pack_score(pd.Series(values, dtype="float64"))
    if packed["step"]:
        codes = unpacked(packed["codes"], "h")
        ends = {0: packed["low"], STEPS: packed["high"]}
        steps = [None if code == MISSING else code + 32767 for code in codes]
        read = [None if at is None else ends.get(at, packed["low"] + packed["step"] * at) for at in steps]
        known = [value for value in values if value is not None]
        assert [value for value in read if value in ends.values()] == [
            value for value in known if value in (min(known), max(known))
        ], "only what is an end reads as one"
        near = max(packed["step"], 1e-9)
        assert packed["step"] <= max(FINEST, 1.0 if len({*values} - {None}) < 2 else 0)
    else:
        read = [None if value != value else value for value in unpacked(packed["codes"], "f")]
        near = 0.05  # of 32-bit floats up to a million
    if packed["rows"] is not None:
        sparse = dict(zip(numbers(packed["rows"]), read, strict=True))
        read = [sparse.get(place) for place in range(len(values))]
    for before, after in zip(values, read, strict=True):
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert after == pytest.approx(before, abs=near)
