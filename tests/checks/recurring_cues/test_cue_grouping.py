"""Groups of attended spots in made-up collections whose groups are known."""

from __future__ import annotations

import dataclasses

import numpy as np

from bias_audit.checks.recurring_cues.association import associate
from bias_audit.checks.recurring_cues.collect import Seen
from bias_audit.checks.recurring_cues.discover import _of_classes, from_arrays, to_arrays
from bias_audit.checks.recurring_cues.grouping import (
    VIEWS,
    by_components,
    by_maps,
    by_position,
    groups,
    spectral_embedding,
)
from bias_audit.checks.recurring_cues.spots import Spots, find_spots
from bias_audit.stats import wilson


def collection(n: int = 60, marked: int = 25, *, where: tuple[int, int] | None = None, seed: int = 0) -> Seen:
    """Class 0 and class 1 by turns; the first `marked` of class 0 look at one thing, all others at anything.

    The thing lies at `where`, or anywhere.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    with_thing = np.flatnonzero(labels == 0)[:marked]
    maps = np.zeros((n, 7, 7), np.float32)
    features = rng.normal(0, 1, (n, 40)).astype(np.float32)
    for i in range(n):
        maps[(i, *rng.integers(0, 7, 2))] = 1.0
    for i in with_thing:
        maps[i] = 0
        maps[i] = rng.uniform(0, 0.05, (7, 7))
        maps[(i, *(where or rng.integers(0, 7, 2)))] = 1.0
        features[i] = np.eye(40)[3] * 8 + rng.normal(0, 0.3, 40)
    ones = np.ones_like(maps)
    relevance = rng.normal(0, 0.1, (n, 12)).astype(np.float32)
    relevance[with_thing[:10], 5] += 4.0
    return Seen(
        np.arange(n),
        labels,
        labels,
        maps,
        ones,
        0 * ones,
        np.ones(n, bool),
        find_spots(maps, ones),
        features,
        relevance,
    )


def test_a_dense_group_of_features_is_found_wherever_it_lies():
    seen = collection()
    found = [group for group in groups(seen, 0) if group.view == "features"]
    thing = set(np.flatnonzero(seen.labels == 0)[:25].tolist())
    best = max(found, key=lambda group: len(thing & set(seen.spots.image[group.spots].tolist())))
    members = seen.spots.image[best.spots].tolist()
    assert len(thing & set(members)) >= 24
    assert set(members[:20]) <= thing  # typical ones first
    assert len(members) == len(set(members))


def test_a_fixed_position_is_found_and_a_wandering_one_is_not():
    fixed = collection(where=(6, 0))
    (spots,) = by_position(fixed, 0)
    assert set(np.flatnonzero(fixed.labels == 0)[:25]) <= set(fixed.spots.image[spots])
    assert list(by_position(collection(), 0)) == []


def test_maps_that_look_alike_are_grouped():
    seen = collection(80, 20, where=(6, 0))
    own = np.flatnonzero(seen.labels == 0)
    rng = np.random.default_rng(1)
    for image in own[20:]:
        seen.maps[image] = rng.uniform(0, 0.05, (7, 7))
        seen.maps[image, 2:5, 2:5] += 0.3
    seen = dataclasses.replace(seen, spots=find_spots(seen.maps, seen.allowed))
    parts = [frozenset(seen.spots.image[spots].tolist()) for spots in by_maps(seen, 0)]
    assert {frozenset(own[:20].tolist()), frozenset(own[20:].tolist())} <= set(parts)


def test_the_strongest_images_of_a_direction_of_relevance():
    seen = collection()
    first = next(iter(by_components(seen, 0)))
    thing = set(np.flatnonzero(seen.labels == 0)[:10].tolist())
    members = set(seen.spots.image[first].tolist())
    assert members == thing or not members & thing  # the sign of a direction: its largest or its smallest alpha


def test_two_separate_clouds_have_two_strategies():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 0.1, (30, 3)), rng.normal(5, 0.1, (34, 3))])
    embedding, count = spectral_embedding(points)
    assert count == 2
    assert embedding.shape == (64, 2)
    far = embedding[:30].mean(axis=0) - embedding[30:].mean(axis=0)
    assert np.linalg.norm(far) > 10 * max(embedding[:30].std(axis=0).max(), embedding[30:].std(axis=0).max())


def test_association_by_hand():
    labels = np.array([0] * 10 + [1] * 10)
    predicted = labels.copy()
    predicted[9] = 1
    found = associate(np.array([0, 1, 2, 3, 4, 9, 10]), labels, predicted, 2)
    assert (found.tied, found.n) == (0, 7)
    assert list(found.counts) == [5, 2]
    assert list(found.counts_label) == [6, 1]
    assert found.lift == (5 / 7) / (9 / 20)
    assert found.share == (5 / 9, *wilson(5, 9))
    assert found.purity == 6 / 7
    assert found.p == sum_hypergeometric(5, 20, 9, 7)


def sum_hypergeometric(at_least: int, size: int, marked: int, drawn: int) -> float:
    from math import comb

    import pytest

    ways = range(at_least, min(marked, drawn) + 1)
    return pytest.approx(sum(comb(marked, k) * comb(size - marked, drawn - k) for k in ways) / comb(size, drawn))


def test_what_was_seen_survives_its_shard():
    seen = collection(20, 6)
    again = from_arrays(to_arrays(seen))
    assert again.spots.grid == seen.spots.grid
    for name in ("positions", "maps", "features", "relevance", "masked"):
        np.testing.assert_array_equal(getattr(again, name), getattr(seen, name))
    np.testing.assert_array_equal(again.spots.share, seen.spots.share)


def test_too_little_gives_no_groups():
    empty = collection(6, 0)
    none = Spots(*(np.zeros(0, np.intp),) * 3, np.zeros(0), (7, 7))
    assert groups(empty, 0) == []
    bare = Seen(**{**{name: getattr(empty, name) for name in to_arrays(empty) if hasattr(empty, name)}, "spots": none})
    assert [list(view(bare, 0)) for view in VIEWS.values()] == [[]] * len(VIEWS)


def test_association_with_photos_that_are_none_of_these():
    """Of 8 photos 4 are none of the two classes, 3 are of class 0, 1 is of class 1: the tie is to a class."""
    labels = np.array([0] * 10 + [1] * 10)
    predicted = np.array([0] * 6 + [2] * 4 + [1] * 10)
    found = associate(np.array([0, 1, 2, 6, 7, 8, 9, 10]), labels, predicted, 2)
    assert (found.tied, found.n, list(found.counts)) == (0, 8, [3, 1, 4])
    assert found.lift == (3 / 8) / (6 / 20)
    assert found.share == (3 / 6, *wilson(3, 6))
    assert found.purity == 7 / 8


def test_a_group_of_photos_that_are_none_of_these_is_tied_to_nothing():
    seen = collection(where=(6, 0))
    nothing = np.where(np.isin(np.arange(60), np.flatnonzero(seen.labels == 0)[:25]), 2, seen.labels)
    of_none = dataclasses.replace(seen, predicted=nothing)
    (spots,) = by_position(seen, 0)
    assert _of_classes(spots, seen, 2)
    assert not _of_classes(spots, of_none, 2)
    mixed = nothing.copy()
    mixed[np.flatnonzero(seen.labels == 0)[:7]] = 0  # 7 of 25
    assert _of_classes(spots, dataclasses.replace(seen, predicted=mixed), 2)
