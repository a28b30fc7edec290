"""The table of where the time of an audit went, by hand and of an audit."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from discs import QUICK, by_ground, make_discs

from bias_audit.limits.spent import Spent
from bias_audit.pipeline import profile
from bias_audit.pipeline.audit import audit
from bias_audit.run.progress import QUIET, Progress


def test_parts_of_a_stage_are_all_of_its_time() -> None:
    row = profile.Row("pass", 10.0, Spent(model=6.0, waited=1.5, asked=40, read=20, size=3_000_000))
    assert row.parts == {"reading": 1.5, "model": 6.0, "host": 2.5}
    assert row.brake == "model"
    assert profile.Row("page", 2.0, Spent()).brake == "host"
    assert profile.Row("look", 2.0, Spent(waited=1.9)).brake == "reading"
    # A clock that is read a little earlier than another gives no negative time.
    assert profile.Row("", 1.0, Spent(model=1.001)).parts == {"reading": 0.0, "model": 1.0, "host": 0.0}


def test_what_is_in_no_stage_has_a_row() -> None:
    whole = profile.Row("whole audit", 10.0, Spent(model=5.0, asked=7))
    rows = profile.table({"a": 4.0, "b": 3.0}, {"a": Spent(model=4.0, asked=6), "b": Spent(model=0.5)}, whole)
    assert [row.stage for row in rows] == ["a", "b", profile.BETWEEN, "whole audit"]
    assert rows[2].seconds == 3.0
    assert rows[2].spent == Spent(model=0.5, asked=1)
    *_, last = profile.in_words(rows)
    assert last == "What held it up most: the model (50% of 10 s)."
    assert all(len(line) <= 80 for line in profile.in_words(rows))


class Told(Progress):
    """Keeps the sentences that it is told."""

    def __init__(self) -> None:
        super().__init__(QUIET)
        self.said: list[str] = []

    def note(self, text: str) -> None:
        self.said.append(text)


def test_an_audit_writes_it_where_it_is_asked_for(tmp_path: Path) -> None:
    asked: list[int] = []

    def model(images: np.ndarray) -> np.ndarray:
        asked.append(len(images))
        return by_ground(images)

    model.input_size = by_ground.input_size  # type: ignore[attr-defined]
    data = make_discs().write(tmp_path / "data")
    for name, wanted in (("with", True), ("without", False)):
        asked.clear()
        progress = Told()
        run = tmp_path / name
        audit(model, data / "images", masks=data / "masks", out=run, progress=progress, profile=wanted, **QUICK)
        assert (run / "profile.csv").exists() == wanted
        assert any("held it up" in line for line in progress.said) == wanted
        if wanted:
            rows = list(csv.DictReader((run / "profile.csv").open()))
            assert [row["stage"] for row in rows] == [*progress.seconds, profile.BETWEEN, "whole audit"]
            assert sum(int(row["pictures_asked"]) for row in rows[:-1]) == int(rows[-1]["pictures_asked"])
            assert int(rows[-1]["pictures_asked"]) == sum(asked)
            for row in rows:
                parts = sum(float(row[part]) for part in profile.BRAKES)
                assert parts == pytest.approx(float(row["seconds"]), abs=0.01)
    audit(model, data / "images", out=tmp_path / "with", overwrite=True, **QUICK)
    assert not (tmp_path / "with" / "profile.csv").exists(), "an older run's profile says nothing of this one"
