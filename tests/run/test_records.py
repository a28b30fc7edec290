"""Records by column: what is read of a photo is what was written, whatever the order, kind and number of writes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bias_audit.run.records import OWN_TEXTS, Records
from bias_audit.run.tables import table

NAMES = ("image_id", "content", "status", "predicted", "probability", "#position", "#mapless")
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 10**25), st.floats(), st.sampled_from(["ok", "", "\udcff.jpg"]), st.text()
)
WRITES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from(NAMES), VALUES), max_size=30)


def equal(one: Any, other: Any) -> bool:
    """Equal, of one type, and NaN equal to NaN."""
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return type(one) is type(other) and one == other


@given(WRITES)
@example([(0, "probability", 0.5), (1, "probability", True), (2, "probability", None)])
@example([(0, "image_id", "a"), (1, "image_id", 3), (0, "image_id", "bc"), (2, "image_id", None)])
@example([(3, "status", None), (0, "status", "ok"), (3, "status", "ok")])
def test_records_hold_what_dicts_would(writes: list[tuple[int, str, Any]]) -> None:
    records, dicts = Records(4), [dict[str, Any]() for _ in range(4)]
    for position, name, value in writes:
        records[position][name] = dicts[position][name] = value
    for record, expected in zip(records, dicts, strict=True):
        assert set(record) == set(expected)
        assert len(record) == len(expected)
        for name in NAMES:
            assert (name in record) == (name in expected)
            assert equal(record.get(name, "nothing"), expected.get(name, "nothing"))
    for name in NAMES:
        assert all(map(equal, records.column(name), [each.get(name) for each in dicts]))


def test_a_record_is_written_removed_and_indexed_as_a_dict() -> None:
    records = Records(3)
    records.put(1, {"image_id": "wolf/1.jpg", "probability": 0.25, "status": "ok"})
    assert records[-2] == {"image_id": "wolf/1.jpg", "probability": 0.25, "status": "ok"}
    assert [dict(each) for each in records[:2]] == [{}, dict(records[1])]
    del records[1]["probability"]
    assert "probability" not in records[1]
    with pytest.raises(KeyError, match="probability"):
        records[1]["probability"]
    with pytest.raises(KeyError):
        del records[1]["probability"]
    with pytest.raises(IndexError):
        records[3]
    assert not Records(0)
    assert "image_id" in OWN_TEXTS


def test_a_table_of_records_is_that_of_dicts() -> None:
    rows = [
        {"image_id": "b.jpg", "label": "wolf", "correct": True, "probability": 0.1 + 0.2, "status": "ok"},
        {"image_id": "a.jpg", "label": "wolf", "status": "unreadable", "probability": None},
        {"image_id": "c.jpg", "label": "husky", "correct": False, "probability": float("nan")},
    ]
    records = Records(len(rows))
    for position in (2, 0, 1):
        records.put(position, rows[position])
    made = table("images", records)
    assert made.equals(table("images", rows))
    assert made["probability"].iloc[0] == 0.1 + 0.2
