"""Groups of photos: their codes, and how many photos they are worth."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from bias_audit import stats
from bias_audit.stats.groups import MOST_COMPOSITES, composites_behind


def test_codes_name_groups_and_leave_unknown_photos_alone() -> None:
    codes = stats.group_codes(["p2", None, "p1", "p2", math.nan, pd.NA, "p1"])
    assert codes.tolist() == [0, 2, 1, 0, 3, 4, 1]
    assert codes.dtype == np.intp


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([7.5, np.nan, 7.5, np.nan]),
        pd.Series(["x", None, "x", None], dtype="str"),
        pd.Series([1, pd.NA, 1, pd.NA], dtype="Int64"),
        np.array(["x", None, "x", None], dtype=object),
        pd.Series(["x", "", "x", None], index=[9, 9, 3, 3]).replace("", None),
    ],
)
def test_codes_of_every_kind_of_column(values: object) -> None:
    assert stats.group_codes(values).tolist() == [0, 1, 0, 2]


def test_codes_of_nothing() -> None:
    assert stats.group_codes([]).tolist() == []


def test_effective_size_by_hand() -> None:
    """Twelve pairs of equal photos, six right: between 12/11 * 24/576, apart 24/92 / 24 * ... = a design effect."""
    scores, clusters = np.repeat([1.0, 0.0], 12), np.repeat(np.arange(12), 2)
    # residuals +-1 per pair: 12/11 * 12 / 24^2 = .022727; sample variance 6/23 over 24 = .010870; ratio 23/11
    expected = 24 / (23 / 11) * (t.ppf(0.975, 23) / t.ppf(0.975, 11)) ** 2
    assert stats.effective_size(scores, clusters) == pytest.approx(expected)


def test_effective_size_never_gains_by_clusters() -> None:
    """One right and one wrong photo in each pair: no variance between pairs, and still no more than the photos."""
    n = stats.effective_size([1.0, 0.0] * 20, np.repeat(np.arange(20), 2))
    assert n == pytest.approx(40 * (t.ppf(0.975, 39) / t.ppf(0.975, 19)) ** 2)


def test_effective_size_where_nothing_varies_is_kishs() -> None:
    sizes = np.arange(1, 13)
    n = stats.effective_size(np.ones(78), np.repeat(np.arange(12), sizes))
    assert n == pytest.approx(78**2 / (sizes**2).sum() * (t.ppf(0.975, 77) / t.ppf(0.975, 11)) ** 2)


def test_effective_size_of_single_photos_is_their_number() -> None:
    assert stats.effective_size([0.0, 1.0] * 10, np.arange(20)) == pytest.approx(20)
    assert stats.effective_size([1.0] * 20, np.arange(20)) == pytest.approx(20)
    assert math.isnan(stats.effective_size([0.0, 1.0] * 10, np.repeat(np.arange(9), [12, *[1] * 8])))
    assert math.isnan(stats.effective_size([], []))


@pytest.mark.parametrize(
    ("shares", "composites"),
    [
        ([], 1),
        ([0.0, 1.0], 1),
        ([0.5, 1.0], 2),
        ([0.2, 0.4, 0.6, 0.8], 5),
        ([1 / 3, 0.2], 5),  # some photos of three, some of five
        ([0.1 + 0.2], 10),
        ([math.pi / 4], MOST_COMPOSITES),
    ],
)
def test_composites_behind_shares(shares: list[float], composites: int) -> None:
    assert composites_behind(np.array(shares)) == composites


def test_effective_size_of_shares_by_hand() -> None:
    """Mean .45, squared distances 10 * .2025 + 2 * .0025 + 8 * .3025 = 4.45; of .5 two composites are known."""
    design = (4.45 / 19 / 20) / (0.45 * 0.55 / 39)
    assert 1.8 < design < 2  # nearly all or nothing
    assert stats.effective_size([0.0] * 10 + [0.5] * 2 + [1.0] * 8) == pytest.approx(40 / design)


def test_effective_size_of_alike_photos_is_that_of_independent_composites() -> None:
    """Four of five in every photo: less than chance alone, and still no more than fifty composites."""
    assert stats.effective_size([0.8] * 10) == pytest.approx(50)
    assert stats.effective_size([0.8] * 9) == 9  # too few for a spread between them


def test_effective_size_does_not_trust_the_spread_of_one_or_two_photos() -> None:
    """Kish 1965: what two photos tell of the spread is nothing, so that each photo is one trial."""
    assert stats.effective_size([1.0] * 18 + [0.8, 0.6]) == 20
    assert stats.effective_size([0.0] * 18 + [0.2, 0.4]) == 20
    assert stats.effective_size([1.0] * 17 + [0.8, 0.8, 0.8]) > 80
    clusters = np.repeat(np.arange(10), 4)
    one_wrong = np.array([1.0] * 39 + [0.0])
    assert stats.effective_size(one_wrong, clusters) == stats.effective_size(np.ones(40), clusters)
