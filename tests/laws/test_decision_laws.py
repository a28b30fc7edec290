"""Whatever people write: it comes back as it was, and the order in which stores are merged changes nothing."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_audit.review.decisions import KINDS, VERDICTS, Decision, checked, history, read_decisions, take
from bias_audit.review.exchange import export_csv, export_json, import_csv, import_json
from bias_audit.review.written import visible

DATA = "d" * 64
moments = st.integers(0, 5).map(lambda second: f"2026-01-01T00:00:0{second}+00:00")  # few, so that some tie

numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(max_size=40)
names = texts.filter(visible)


def decisions(reviewers: st.SearchStrategy[str], keys: st.SearchStrategy[str]) -> st.SearchStrategy[Decision]:
    fields = st.fixed_dictionaries(
        {
            "target_kind": st.sampled_from(KINDS), "target_key": keys, "verdict": st.sampled_from(VERDICTS),
            "note": texts, "reviewer": reviewers, "subject": texts, "code": texts,
            "time": moments, "measured": numbers, "low": numbers, "high": numbers, "id": st.uuids().map(str),
        }
    )  # fmt: skip
    return fields.map(checked)


def stored(folder: str, made: list[Decision]) -> None:
    take(folder, {each.id: (each, DATA) for each in made}, {})


@pytest.mark.parametrize(("write", "read"), [(export_json, import_json), (export_csv, import_csv)])
@given(made=st.lists(decisions(names, names), max_size=6))
@settings(max_examples=60, deadline=None)
def test_whatever_is_written_comes_back(write, read, made: list[Decision]):
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        stored(one, made)
        text = write(one, DATA)
        taken = read(other, text, DATA, ())
        assert read_decisions(other) == read_decisions(one)
        assert taken.added == len(read_decisions(one))
        assert write(other, DATA) == text


@given(
    made=st.lists(decisions(st.sampled_from(["Ada", "Bob"]), st.sampled_from(["k", "l"])), max_size=8), data=st.data()
)
@settings(max_examples=60, deadline=None)
def test_merging_knows_no_order(made: list[Decision], data: st.DataObject):
    ids = [each.id for each in made]
    withdrawn = data.draw(st.lists(st.sampled_from(ids), unique=True)) if ids else []
    times = dict.fromkeys(withdrawn, "2026-06-01T00:00:00.000000+00:00")
    order = data.draw(st.permutations(made))
    cut = data.draw(st.integers(0, len(made)))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        stored(one, made)
        take(one, {}, times)
        for part in (order[:cut], order[cut:], made):
            stored(other, part)
        take(other, {}, times)
        assert read_decisions(other) == read_decisions(one)
        standing = read_decisions(one)
    for key, reviewer in itertools.product("kl", ("Ada", "Bob")):
        own = [
            each for each in made if (each.target_key, each.reviewer) == (key, reviewer) and each.id not in withdrawn
        ]
        last = max(own, key=lambda each: (each.time, each.id), default=None)
        here = [each for each in standing if (each.target_key, each.reviewer) == (key, reviewer)]
        assert here == ([] if last is None else [last])


def test_nothing_is_written_beside_the_store(tmp_path: Path):
    stored(str(tmp_path), [checked({"target_kind": "image", "target_key": "k", "verdict": "bias", "reviewer": "A"})])
    assert [entry.name for entry in tmp_path.iterdir()] == ["decisions.sqlite"]
    assert len(history(tmp_path)) == 1
