"""Which photos get composites, on which backgrounds: by seed and name alone, in equal arms, every exclusion named."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.checks.background.composites import count_composites
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.interventions.donors import Donors, choose_donors, donors_per_class, next_donor, plan, stream
from bias_audit.run import statuses

NAMES = ("fox", "husky", "wolf")


def _dataset(counts: tuple[int, ...], order: np.ndarray | None = None) -> Dataset:
    samples = [
        Sample(f"{NAMES[label]}/{i}.jpg", Path(f"{i}.jpg"), label) for label, n in enumerate(counts) for i in range(n)
    ]
    if order is not None:
        samples = [samples[i] for i in order]
    return Dataset(tuple(samples), NAMES[: len(counts)], "folder")


def _areas(dataset: Dataset) -> dict[int, float]:
    """An area per photo that follows its name, with every kind of exclusion among them."""
    values = (0.2, 0.3, 0.005, 0.95, 0.8, 0.4, 0.25, None)
    areas = {}
    for position, sample in enumerate(dataset.samples):
        area = values[int(sample.path.stem) % len(values)]
        if area is not None:
            areas[position] = area
    return areas


def _ids(dataset: Dataset, chosen: dict[int, tuple[int, ...]]) -> dict[int, list[str]]:
    return {label: [dataset.samples[i].image_id for i in positions] for label, positions in chosen.items()}


class TestPlan:
    @given(st.integers(0, 2**32 - 1), st.integers(0, 5), st.integers(1, 12))
    def test_does_not_depend_on_the_order_of_samples(self, shuffle: int, seed: int, photos: int) -> None:
        ordered = _dataset((20, 17, 9))
        shuffled = _dataset((20, 17, 9), np.random.default_rng(shuffle).permutation(46))
        first = plan(ordered, _areas(ordered), photos=photos, donors=3, seed=seed)
        second = plan(shuffled, _areas(shuffled), photos=photos, donors=3, seed=seed)
        assert _ids(ordered, first.photos) == _ids(shuffled, second.photos)
        assert _ids(ordered, first.donors) == _ids(shuffled, second.donors)
        assert {ordered.samples[i].image_id: text for i, text in first.status.items()} == {
            shuffled.samples[i].image_id: text for i, text in second.status.items()
        }
        for label, positions in first.photos.items():
            for position in positions:
                image_id = ordered.samples[position].image_id
                elsewhere = next(i for i, sample in enumerate(shuffled.samples) if sample.image_id == image_id)
                ours = choose_donors(first.donors, label, position, image_id, 3, seed)
                theirs = choose_donors(second.donors, label, elsewhere, image_id, 3, seed)
                for arm, other in zip(ours, theirs, strict=True):
                    assert [ordered.samples[i].image_id for i in arm] == [shuffled.samples[i].image_id for i in other]

    def test_bounded_and_seeded(self) -> None:
        dataset = _dataset((40, 40, 40))
        areas = dict.fromkeys(range(120), 0.3)
        chosen = [plan(dataset, areas, photos=7, donors=3, seed=seed).photos for seed in (0, 0, 1)]
        assert chosen[0] == chosen[1]
        assert chosen[0] != chosen[2]
        assert all(len(positions) == 7 for positions in chosen[0].values())
        assert all(dataset.samples[i].label == label for label, positions in chosen[0].items() for i in positions)
        # a larger bound keeps the photos of the smaller one
        more = plan(dataset, areas, photos=20, donors=3, seed=0).photos
        assert all(more[label][:7] == positions for label, positions in chosen[0].items())

    def test_zero_photos_is_no_composite(self) -> None:
        dataset = _dataset((4, 4))
        todo = plan(dataset, dict.fromkeys(range(8), 0.3), photos=0, donors=3, seed=0)
        assert count_composites(todo, 3) == 0
        assert set(todo.status.values()) == {statuses.NOT_SAMPLED}

    def test_every_exclusion_has_its_reason(self) -> None:
        dataset = _dataset((8, 3))
        areas = {0: 0.0, 1: float("nan"), 3: 0.009, 4: 0.91, 5: 0.01, 6: 0.9, 7: 0.5, 8: 0.3, 9: 0.3, 10: 0.3}
        todo = plan(dataset, areas, photos=2, donors=3, seed=0)
        status = [todo.status[i] for i in range(8)]
        assert status[:3] == [statuses.NO_USABLE_MASK] * 3  # empty, unknown, missing
        assert status[3] == statuses.TOO_SMALL_TO_PASTE
        assert status[4] == statuses.FILLS_FRAME
        # 1 % and 90 % are still inside; two of the three are sampled
        assert Counter(status[5:]) == {statuses.DONE: 2, statuses.NOT_SAMPLED: 1}
        assert set(todo.status) == set(range(11))

    def test_an_object_that_covers_most_of_its_picture_lends_no_background(self) -> None:
        dataset = _dataset((4, 4))
        areas = {0: 0.3, 1: 0.3, 2: 0.7, 3: 0.71, **dict.fromkeys(range(4, 8), 0.3)}
        todo = plan(dataset, areas, photos=9, donors=3, seed=0)
        assert set(todo.donors[0]) == {0, 1, 2}
        assert set(todo.photos[0]) == {0, 1, 2, 3}

    @pytest.mark.parametrize(
        ("areas", "done"),
        [
            ({0: 0.3, 4: 0.3, 5: 0.3}, {4, 5}),  # one photo of class 0 has no second background of its class
            ({0: 0.3, 1: 0.3}, set()),  # nobody lends another class's background
            ({0: 0.3, 1: 0.3, 4: 0.8}, set()),  # class 1 has a photo, but no background to lend
            ({0: 0.3, 1: 0.3, 4: 0.3}, {0, 1}),  # one background of the other class is enough
        ],
    )
    def test_no_donors(self, areas: dict[int, float], done: set[int]) -> None:
        todo = plan(_dataset((4, 4)), areas, photos=9, donors=3, seed=0)
        assert {i for i, text in todo.status.items() if text == statuses.DONE} == done
        assert {i for positions in todo.photos.values() for i in positions} == done
        for i in set(areas) - done:  # of an object of .8 the reason is its size
            assert todo.status[i] == (statuses.FILLS_FRAME if areas[i] > 0.7 else statuses.NO_DONORS)


class TestChooseDonors:
    lent_sizes = st.lists(st.integers(0, 9), min_size=2, max_size=6)

    @given(lent_sizes, st.integers(1, 7), st.integers(0, 3))
    def test_laws(self, sizes: list[int], donors: int, seed: int) -> None:
        lent, at = {}, 0
        for label, size in enumerate(sizes):
            lent[label] = tuple(range(at, at + size))
            at += size
        lent = Donors(lent)
        owner = {position: label for label, positions in lent.items() for position in positions}
        inside, outside = (lent[0][0] if lent[0] else 999), 999
        for position in (inside, outside):  # the photo lends its own background to others, or does not
            same, other = choose_donors(lent, 0, position, "a.jpg", donors, seed)
            assert position not in same + other
            assert len(set(same)) == len(same) <= donors
            assert len(set(other)) == len(other) <= donors
            assert {owner[i] for i in same} <= {0}
            assert 0 not in {owner[i] for i in other}
            own, foreign = len([i for i in lent[0] if i != position]), sum(sizes[1:])
            if own and foreign:
                assert len(same) == len(other) >= 1
                counts = Counter(owner[i] for i in other)
                usable = [label for label, size in enumerate(sizes) if label and size]
                assert len(counts) == min(len(usable), len(other))  # as many classes as can be
                # balanced: nobody lends twice more while another, not yet exhausted, lends less
                for label in counts:
                    for rival in counts:
                        assert counts[label] <= counts[rival] + 1 or counts[rival] == sizes[rival]
            assert (same, other) == choose_donors(lent, 0, position, "a.jpg", donors, seed)

    @given(lent_sizes, st.integers(1, 7), st.integers(0, 3))
    def test_classes_are_drawn_one_by_one_from_the_stream_of_the_photo(
        self, sizes: list[int], donors: int, seed: int
    ) -> None:
        """What is kept of all classes for all photos draws as a look at each class does, for every one of them."""
        lent = Donors({label: tuple(range(10 * label, 10 * label + size)) for label, size in enumerate(sizes)})
        for label in lent:
            rng = stream(seed, "a.jpg")
            own = list(lent[label])
            same = [own[i] for i in rng.permutation(len(own))[:donors]]
            classes = [other for other in lent if other != label and lent[other]]
            turns = [classes[i] for i in rng.permutation(len(classes))][:donors]
            orders = {other: rng.permutation(len(lent[other])) for other in turns}
            others = [lent[name][orders[name][turn]] for turn in range(9) for name in turns if turn < len(lent[name])]
            others = others[: min(donors, max(len(same), 1))]
            assert choose_donors(lent, label, 999, "a.jpg", donors, seed) == (same[: len(others)], others)

    def test_only_what_is_there_lends(self) -> None:
        lent, odd = Donors({0: (0, 1, 2), 1: (3,), 2: (4,)}), {1, 3, 5}
        assert lent.among(odd) == {0: (1,), 1: (3,), 2: ()}
        assert lent.among(odd).classes.tolist() == [0, 1]
        assert lent.among({4}) == {0: (), 1: (), 2: (4,)}, "not what another collection left"

    def test_name_and_seed_change_the_choice(self) -> None:
        lent = Donors({0: tuple(range(50)), 1: tuple(range(50, 100))})
        first = choose_donors(lent, 0, 0, "a.jpg", 5, 0)
        assert first != choose_donors(lent, 0, 0, "b.jpg", 5, 0)
        assert first != choose_donors(lent, 0, 0, "a.jpg", 5, 1)

    def test_every_background_gets_its_turn(self) -> None:
        lent = Donors({0: tuple(range(6)), 1: tuple(range(6, 12)), 2: tuple(range(12, 18))})
        used = Counter()
        for i in range(200):
            same, other = choose_donors(lent, 0, 0, f"{i}.jpg", 3, 0)
            used.update(same + other)
        assert set(used) == set(range(1, 18))
        assert max(used[i] for i in range(1, 6)) < 2 * min(used[i] for i in range(1, 6))
        assert max(used[i] for i in range(6, 18)) < 2.5 * min(used[i] for i in range(6, 18))


class TestGroups:
    def test_a_photo_gets_no_background_of_its_own_group(self) -> None:
        lent = Donors({0: (0, 1, 2, 3), 1: (4, 5)})
        groups = {0: 7, 1: 7, 2: 8, 3: 7, 4: 9, 5: 9}
        for name in "abcdef":
            same, _ = choose_donors(lent, 0, 0, name, 3, 0, groups)
            assert same == [2]  # 1 and 3 show the same patient

    def test_a_class_of_one_group_has_no_donors(self) -> None:
        dataset = _dataset((3, 3))
        areas = dict.fromkeys(range(6), 0.3)
        todo = plan(dataset, areas, photos=9, donors=3, seed=0, groups={0: 1, 1: 1, 2: 1, 3: 2, 4: 3, 5: 4})
        assert todo.photos[0] == ()
        assert {todo.status[i] for i in range(3)} == {statuses.NO_DONORS}
        assert set(todo.photos[1]) == {3, 4, 5}


class TestNextDonor:
    def test_the_next_class_that_lends(self) -> None:
        lent = Donors({0: (0,), 1: (), 2: (5, 6), 3: (7,)})
        assert {next_donor(lent, 0, name, 0) for name in "abcdefgh"} == {5, 6}
        assert next_donor(lent, 2, "a", 0) == 7
        assert next_donor(lent, 3, "a", 0) == 0  # after the last comes the first

    def test_nobody_else_lends(self) -> None:
        assert next_donor(Donors({0: (0, 1), 1: ()}), 0, "a", 0) is None


@pytest.mark.parametrize(("classes", "most"), [(1, 400), (4, 100), (20, 20), (67, 20), (100, 20), (200, 10), (1000, 6)])
def test_chance_among_donors_decides_little_while_they_can_be_held(classes: int, most: int) -> None:
    """Issue 18, row 3: on d24a023 six from 67 classes on."""
    assert donors_per_class(classes, 5) == most
