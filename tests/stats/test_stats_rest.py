"""Each class against all others, from one ranking, against SciPy and a count of pairs for each class by itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from bias_audit import stats


def by_itself(values: np.ndarray, codes: np.ndarray, label: int) -> tuple[float, float]:
    own, rest = values[codes == label], values[codes != label]
    pairs = np.sign(own[:, None] - rest[None, :])
    return float(mannwhitneyu(own, rest, alternative="greater").pvalue), float(pairs.mean())


@pytest.mark.parametrize("decimals", [1, 2, 12])
@pytest.mark.parametrize("sizes", [(30, 40, 50), (5, 9, 30), (1, 1), (3, 200)])
def test_every_class_as_if_it_were_alone(decimals: int, sizes: tuple[int, ...]) -> None:
    """With ties and without, with few values (SciPy's exact distribution) and many."""
    rng = np.random.default_rng(7)
    codes = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    values = np.round(rng.random(codes.size) + 0.2 * codes, decimals)
    p, delta = stats.greater_than_rest(values, codes)
    for label in range(len(sizes)):
        expected = by_itself(values, codes, label)
        assert (p[label], delta[label]) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    own = values[codes == 0], values[codes != 0]
    assert p[0] == pytest.approx(stats.mann_whitney_greater(*own), rel=1e-9)
    assert delta[0] == stats.cliffs_delta(*own)


def test_what_has_no_order_or_no_others() -> None:
    p, delta = stats.greater_than_rest([2.0, 2.0, 2.0], np.array([0, 2, 2]))
    np.testing.assert_array_equal(p, [1, np.nan, 1])
    np.testing.assert_array_equal(delta, [0, np.nan, 0])
    assert np.isnan(stats.greater_than_rest([1.0, 2.0], np.array([0, 0]))).all()
    with pytest.raises(ValueError, match="values must be finite"):
        stats.greater_than_rest([1.0, np.nan], np.array([0, 1]))
