"""What holds for any two runs: the mirror image, and a run against itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bias_audit.compare.measures import BETTER, MEASURES, NO_DIFFERENCE, TOO_FEW, WORSE, judged, paired

MIRRORED = {BETTER: WORSE, WORSE: BETTER, NO_DIFFERENCE: NO_DIFFERENCE, TOO_FEW: TOO_FEW}


@st.composite
def scores(draw: st.DrawFn) -> tuple[str, np.ndarray, np.ndarray]:
    name = draw(st.sampled_from(list(MEASURES)))
    n = draw(st.integers(1, 40))
    measure = MEASURES[name]
    low, high = (measure.least, measure.most) if measure.least is not None else (0.0, 2.0)
    steps = 1 if measure.test.startswith("exact") else 5
    value = st.integers(0, steps).map(lambda i: low + (high - low) * i / steps)
    one, two = (np.array(draw(st.lists(value, min_size=n, max_size=n))) for _ in range(2))
    return name, one, two


@settings(max_examples=80, deadline=None)
@given(scores())
def test_the_other_way_round_is_the_mirror_image(drawn):
    name, old, new = drawn
    there, back = paired("class", "x", name, old, new), paired("class", "x", name, new, old)
    assert there.difference == pytest.approx(-back.difference, abs=1e-9)
    assert there.p == pytest.approx(back.p)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-6, nan_ok=True)
    one, two = judged([there], 10, 0.05)[0], judged([back], 10, 0.05)[0]
    assert two.verdict == MIRRORED[one.verdict]


@settings(max_examples=40, deadline=None)
@given(scores())
def test_nothing_differs_from_itself(drawn):
    name, old, _ = drawn
    change = judged([paired("class", "x", name, old, old)], 10, 0.05)[0]
    assert (change.difference, change.p) == (0, 1)
    assert change.verdict in (NO_DIFFERENCE, TOO_FEW)
