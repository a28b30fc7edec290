"""A region that a person draws, on a model whose probability is known: a tenth, and the share of red in the picture."""

from __future__ import annotations

import numpy as np
import pytest

from bias_audit import stats
from bias_audit.checks.drawn_regions.measure import ENOUGH, Photo, try_region
from bias_audit.data.masks import FOREGROUND
from bias_audit.errors import ConfigError
from bias_audit.models.base import Predictions
from bias_audit.pipeline.live_test import region_of

SIDE = 40
RED, GREY = (220, 20, 20), (120, 120, 120)


def likes_red(pixels: np.ndarray) -> Predictions:
    red = (pixels[..., 0] - pixels[..., 1] > 90).mean(axis=(1, 2))
    p = np.stack([0.1 + red, 0.9 - red], axis=1).astype(np.float32)
    return Predictions(p, np.log(p) - np.log(1 - p), np.zeros(len(p), np.float32))


def photo(name: str, label: int, *, red: tuple[slice, slice] | None = None, thing: tuple[slice, slice] | None = None):
    pixels = np.tile(np.array(GREY, np.float32), (SIDE, SIDE, 1))
    mask = np.zeros((SIDE, SIDE), np.uint8)
    if red is not None:
        pixels[red] = RED
    if thing is not None:
        mask[thing] = FOREGROUND
        pixels[thing] = (250, 250, 250)
    return Photo(name, pixels, mask, label, int(name[1:]))


def drawn(rows: slice, columns: slice) -> np.ndarray:
    region = np.zeros((SIDE, SIDE), np.uint8)
    region[rows, columns] = 1
    return region


CORNER = (slice(0, 8), slice(0, 10))
MIDDLE = (slice(15, 25), slice(15, 25))


def asked(own: Photo, region: np.ndarray, hosts: list[Photo]):
    return try_region(own, region, hosts, 0, likes_red, batch=7, seed=0)


def test_what_is_pasted_raises_the_probability_by_the_red_it_brings():
    own = photo("p0", 0, red=CORNER, thing=MIDDLE)
    answer = asked(own, drawn(*CORNER), [photo(f"h{i}", 1, thing=MIDDLE) for i in range(1, 13)])
    area = 80 / SIDE**2
    assert answer.area == pytest.approx(area)
    assert answer.object_share == 0
    assert answer.pasted is not None
    assert answer.pasted.n == 12
    assert answer.pasted.effect == pytest.approx(area, abs=1e-6)
    unseen = stats.wilson(0, 12)[1]  # equal in all hosts that were seen
    expected = (area - unseen * (1 + area), area + unseen * (1 - area))
    assert (answer.pasted.low, answer.pasted.high) == pytest.approx(expected, abs=1e-6)
    assert answer.pasted.own_effect == pytest.approx(area, abs=1e-6)
    assert answer.pasted.p == pytest.approx(2 / 2**12)
    # Both fills take the red away, an equal piece of grey costs nothing.
    assert answer.erased.before == pytest.approx(0.1 + area)
    assert answer.erased.effect == pytest.approx(area, abs=0.005)
    assert answer.erased.p == pytest.approx(1 / (1 + answer.erased.n))


def test_grey_does_nothing():
    answer = asked(photo("p0", 0, thing=MIDDLE), drawn(*CORNER), [photo(f"h{i}", 1) for i in range(1, 11)])
    assert answer.pasted is not None
    assert (answer.pasted.effect, answer.pasted.p, answer.pasted.turned) == (0, 1, 0)
    assert (answer.erased.effect, answer.erased.p) == (0, 1)


def test_hosts_that_have_it_too_are_their_own_control():
    """What every photo of the other class shows at that place is no cue of this one."""
    own = photo("p0", 0, red=CORNER)
    answer = asked(own, drawn(*CORNER), [photo(f"h{i}", 1, red=CORNER) for i in range(1, 11)])
    assert answer.pasted is not None
    assert answer.pasted.effect == pytest.approx(0, abs=1e-6)


def test_a_region_moves_where_the_hosts_object_covers_it():
    own = photo("p0", 0, red=MIDDLE)
    hosts = [photo(f"h{i}", 1, thing=MIDDLE) for i in range(1, 11)]
    answer = asked(own, drawn(*MIDDLE), hosts)
    assert answer.pasted is not None
    assert answer.pasted.effect == pytest.approx(100 / SIDE**2, abs=1e-6)
    assert np.isnan(answer.pasted.own_effect)
    full = [photo(f"h{i}", 1, thing=(slice(0, SIDE), slice(0, SIDE))) for i in range(1, 11)]
    assert asked(own, drawn(*MIDDLE), full).pasted is None


def test_too_few_photos_are_said_and_groups_count_once():
    own, region = photo("p0", 0, red=CORNER), drawn(*CORNER)
    few = [photo(f"h{i}", 1) for i in range(1, ENOUGH)]
    answer = asked(own, region, few)
    assert answer.pasted is None
    assert f"only {ENOUGH - 1} photos" in answer.reason
    twins = [Photo(f"t{i}", each.pixels, each.mask, 1, 1) for i, each in enumerate(few)]
    assert asked(own, region, [*few[1:], *twins]).pasted is None
    # One photo of a class has no other photo of it to cut a control from.
    alone = [photo(f"h{i}", i) for i in range(1, 2 * ENOUGH)]
    assert asked(own, region, alone).pasted is None


def test_pictures_of_the_answer():
    own = photo("p0", 0, red=CORNER)
    answer = asked(own, drawn(*CORNER), [photo(f"h{i}", 1) for i in range(1, 11)])
    assert [(shot.arm, shot.host) for shot in answer.shots][:6] == [
        ("photo", ""), ("inpaint", ""), ("blur_noise", ""), ("as it is", "h1"), ("pasted", "h1"), ("control", "h1"),
    ]  # fmt: skip
    assert answer.shots[4].probability == pytest.approx(0.1 + 80 / SIDE**2, abs=1e-6)
    assert (answer.shots[4].pixels[2, 2] == RED).all()
    assert (answer.shots[5].pixels[2, 2] == GREY).all()


def test_polygons_become_regions():
    region = region_of([[0, 0], [0.5, 0], [0.5, 0.25], [0, 0.25]], (40, 80))
    assert region.shape == (40, 80)
    assert set(np.unique(region)) == {0, 1}
    assert region[:10, :40].all()
    assert region.sum() == 400
    triangle = region_of([[0, 0], [1, 0], [0, 1]], (40, 40))
    assert triangle.sum() == 40 * 39 / 2  # a pixel's middle on the edge is not inside


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        ("nonsense", "list of corners"),
        ([[0, 0], [1, 1]], "3 to 500 corners"),
        ([[0, 0, 0]] * 3, "3 to 500 corners"),
        ([[0, 0], [1.5, 0], [1, 1]], "between 0 and 1"),
        ([[0, 0], [float("nan"), 0], [1, 1]], "between 0 and 1"),
        ([[0, 0], [0.001, 0], [0, 0.001]], "of the picture"),
        ([[0, 0], [1, 0], [1, 1], [0, 1]], "of the picture"),
    ],
)
def test_what_is_no_region(corners, said):
    with pytest.raises(ConfigError, match=said):
        region_of(corners, (40, 40))


def test_hosts_without_a_valid_prediction_are_left_out():
    own = photo("p0", 0, red=CORNER, thing=MIDDLE)
    hosts = [photo(f"h{i}", 1, thing=MIDDLE) for i in range(1, 13)]
    hosts[3].pixels[39, 39] = 7

    def breaks(pixels: np.ndarray) -> Predictions:
        said = likes_red(pixels)
        said.probabilities[(pixels[:, 39, 39] == 7).all(axis=1)] = np.nan
        return said

    answer = try_region(own, drawn(*CORNER), hosts, 0, breaks, batch=7, seed=0)
    assert answer.pasted is not None
    assert answer.pasted.n == 11
    assert answer.pasted.effect == pytest.approx(80 / SIDE**2, abs=1e-6)


def test_an_erased_picture_without_a_valid_prediction_says_nothing():
    own = photo("p0", 0, red=CORNER, thing=MIDDLE)

    def breaks(pixels: np.ndarray) -> Predictions:
        said = likes_red(pixels)
        said.probabilities[(pixels[:, 2, 2, 0] - pixels[:, 2, 2, 1] < 90)] = (
            np.nan
        )  # the region is gone, or never there
        return said

    erased = try_region(own, drawn(*CORNER), [], 0, breaks, batch=7, seed=0).erased
    assert (erased.n, np.isnan(erased.effect), np.isnan(erased.p)) == (0, True, True)
