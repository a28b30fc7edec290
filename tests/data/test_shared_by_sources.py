"""What several sources share: parts by names, labels as classes, further columns."""

from __future__ import annotations

import pytest
from packed import refused

from bias_audit.data.sources.labels import classes, text_of
from bias_audit.data.sources.splits import chosen, part_of
from bias_audit.data.sources.user_columns import user_columns


class TestShared:
    @pytest.mark.parametrize(
        ("name", "part"),
        [
            ("data/test-00000-of-00004.parquet", "test"), ("data/random-00000-of-00003-abc.parquet", "random"),
            ("val/1.jpg", "validation"), ("my_eval.tar", "test"), ("default/train/0000.parquet", "train"),
            ("contest/1.jpg", ""), ("testing 2/x", "test"), ("trainer.tar", ""), ("Dev/x", "validation"), ("x", ""),
        ],
    )  # fmt: skip
    def test_parts(self, name: str, part: str) -> None:
        assert part_of(name) == part

    def test_the_part_that_is_audited(self) -> None:
        assert chosen({"": 5}, None, "it") == ("", {})
        assert chosen({"train": 5, "validation": 2}, None, "it")[0] == "validation"
        assert chosen({"train": 5, "": 2}, "training", "it") == (
            "train", {"are of other parts than train (none), see --split": 2},
        )  # fmt: skip
        refused(lambda: chosen({"": 5}, "test", "it"), "no part 'test'", "name none")

    def test_labels(self) -> None:
        assert classes(["b", "a"], None, "it") == (("a", "b"), {"b": 1, "a": 0})
        assert classes(["3", "1"], None, "it") == (("0", "1", "2", "3"), {"3": 3, "1": 1})
        assert classes(["1"], ("x", "y"), "it") == (("x", "y"), {"1": 1})
        assert classes(["1"], ("1", "0"), "it") == (("1", "0"), {"1": 0})  # they are names
        assert classes(["1"], ("y", "x"), "it", ["x", "y"]) == (("y", "x"), {"1": 0})
        refused(lambda: classes(["1"], ("x", "z"), "it", ["x", "y"]), "'y'", "'x', 'z'")
        refused(lambda: classes([], None, "it"), "no picture with a label")
        assert [text_of(each) for each in (3, -1, True, None, 1.0, " a ", [])] == ["3", "", "", "", "", "a", ""]

    def test_columns(self) -> None:
        rows = [{"a": 1, "b": "x", "c": {}, "d": True, "e": None}, {"a": 2.5, "d": 0}]
        found = user_columns(rows, ("z",), 9, "it")
        assert found == {"a": [1, 2.5], "b": ["x", None], "d": ["True", "0"]}
