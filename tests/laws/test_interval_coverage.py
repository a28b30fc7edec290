"""Intervals of 95 % hold the truth in about 95 % of worlds; short form of tests/measurements/interval_coverage.py."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from scipy.stats import binom

SCRIPTS = Path(__file__).parents[1] / "measurements"
WORLDS = 400
LEAST, MOST = int(binom.ppf(0.001, WORLDS, 0.92)), int(binom.ppf(0.999, WORLDS, 0.97))
"""A case that covers 92 or 97 % passes in all but one of a thousand runs; BCa covers 88 % and less, one trial per photo
99 % and more."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SCRIPTS)
        import interval_coverage

        return interval_coverage


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("rate 0.8, independent", 20),
        ("rate 0.5, unlike photos", 50),
        ("gap 0.1 of 0.5, independent", 10),
        ("gap 0.1 of 0.8, independent", 50),
        ("gap 0.5 of 0.8, unlike photos", 20),
        ("gap 0.1 of 0.95, independent", 100),
        ("flips 20% of 0.9, else independent", 50),
        ("effects normal", 10),
        ("effects Beta(.5, 5)", 10),
        ("patients: gap .1 of .8", 50),
    ],
)
def test_intervals_cover_what_they_say(script: ModuleType, name: str, n: int) -> None:
    (case,) = (case for case in script.cases() if case.name == name)
    held, without = script.coverage(case, n, WORLDS, seed=1)
    assert without == 0
    assert LEAST <= held * WORLDS <= MOST


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("gap 0.1 of 1, all or nothing", 10),
        ("gap 0.5 of 1, unlike photos", 10),
        ("flips 5%", 20),
        ("flips 20%", 10),
        ("flips 5% of 0.97, else independent", 20),
        ("effects 80 % zeros", 10),
        ("effects 80 % zeros, both signs", 10),
        ("effects 80 % zeros, both signs", 20),
    ],
)
def test_intervals_of_discrete_data_cover_no_less(script: ModuleType, name: str, n: int) -> None:
    (case,) = (case for case in script.cases() if case.name == name)
    held, without = script.coverage(case, n, WORLDS, seed=1)
    assert without == 0
    assert held * WORLDS >= LEAST
