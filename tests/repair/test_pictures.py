"""Which pictures are made of training photos, how much each counts, and how their features are kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.data.dataset import Sample
from bias_audit.interventions.edits import FILLS
from bias_audit.repair import composites
from bias_audit.repair.composites import EMPTIED, ERASED, LENT, ON_BACKGROUND, ORIGINAL, PROPERTY, Wanted
from bias_audit.repair.features import features_of
from bias_audit.repair.heads import NO_CLASS
from bias_audit.repair.refit import FOLDS
from bias_audit.repair.training import SEEN_FILLS, Photos

SIZE, CLASSES, EACH = (16, 20), 3, 15


def photos(groups: np.ndarray | None = None) -> Photos:
    """Photos of one grey each, with their object in the middle; emptied they are a hundred brighter."""
    count = CLASSES * EACH
    samples = tuple(Sample(f"{i}.png", Path(f"{i}.png"), i % CLASSES) for i in range(count))
    pixels = np.zeros((count, *SIZE, 3), np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]
    masks = np.zeros((count, *SIZE), np.uint8)
    masks[:, 5:11, 6:14] = 1
    emptied = np.stack([pixels + 100, pixels + 100], axis=1)
    every = np.ones(count, bool)
    codes = np.arange(count) if groups is None else groups
    contents = tuple(f"{i:016x}" for i in range(count))
    return Photos(samples, pixels, masks, every, every.copy(), emptied, codes, contents, count, 0, 0, 0, 0, 0)


def planned(made: Photos, wanted: Wanted) -> list[composites.Picture]:
    return composites.planned(made, wanted, composites.folds_of(made, 0), CLASSES, 0)


def test_the_refit_sees_other_fills_than_the_audit_reads_its_gaps_on():
    assert not {FIRST_FILL, SECOND_FILL} & set(SEEN_FILLS)
    assert set(SEEN_FILLS) <= set(FILLS)


def test_every_photo_counts_once_whatever_is_made_of_it():
    made = photos()
    made.usable[::4] = made.lends[::4] = False
    pictures = planned(made, Wanted(True, properties=("colour",)))
    weights = composites.weights_of(pictures)
    of_photo = Counter()
    for picture, weight in zip(pictures, weights, strict=True):
        of_photo[picture.photo] += weight
    assert len(of_photo) == CLASSES * EACH
    assert np.allclose(list(of_photo.values()), 1)


def test_objects_get_backgrounds_of_every_class_as_often_of_each():
    pictures = [each for each in planned(photos(), Wanted(True)) if each.kind == ON_BACKGROUND]
    counts = Counter((each.label, each.ground) for each in pictures)
    assert set(counts) == {(a, b) for a in range(CLASSES) for b in range(CLASSES)}
    assert max(counts.values()) < 1.6 * min(counts.values())
    assert all(each.donor != each.photo for each in pictures)


def test_photos_of_a_group_share_a_fold_and_lend_each_other_nothing():
    groups = np.arange(CLASSES * EACH) // (2 * CLASSES)  # six photos each, of all classes
    made = photos(groups)
    folds = composites.folds_of(made, 0)
    assert all(len(set(folds[groups == group])) == 1 for group in set(groups))
    assert all(groups[each.photo] != groups[each.donor] for each in planned(made, Wanted(True)) if each.donor >= 0)


def test_who_lends_is_of_the_same_fold():
    made = photos()
    folds = composites.folds_of(made, 0)
    assert sorted(Counter(folds).items()) == [(fold, CLASSES * EACH // FOLDS) for fold in range(FOLDS)]
    lent = [each for each in planned(made, Wanted(True)) if each.donor >= 0]
    assert lent
    assert all(folds[each.photo] == folds[each.donor] for each in lent)


def test_a_legitimate_background_stays_behind_its_class():
    pictures = planned(photos(), Wanted(True, kept=frozenset({1})))
    assert {each.label for each in pictures if each.kind == ON_BACKGROUND} == {0, 2}
    assert {each.ground for each in pictures if each.kind == EMPTIED} == {0, 2}
    assert {each.label for each in pictures if each.kind == ORIGINAL} == {0, 1, 2}


def test_without_a_proven_background_none_is_exchanged():
    kinds = {each.kind for each in planned(photos(), Wanted(False, properties=("brightness",)))}
    assert kinds == {ORIGINAL, PROPERTY}


def test_each_picture_is_what_its_plan_says():
    made = photos()
    region = np.zeros(SIZE, np.uint8)
    region[:4, :4] = 1
    wanted = Wanted(True, properties=("brightness",), regions=((1, False, {1: region, 4: region}),))
    first = {each.kind: each for each in reversed(planned(made, wanted))}
    assert np.array_equal(composites.draw(first[ORIGINAL], made, wanted), made.pixels[first[ORIGINAL].photo])
    pasted = composites.draw(first[ON_BACKGROUND], made, wanted)
    assert pasted[0, 0, 0] == first[ON_BACKGROUND].donor + 100
    assert pasted[8, 10, 0] == pytest.approx(first[ON_BACKGROUND].photo, abs=2)  # the edge is soft
    assert composites.draw(first[EMPTIED], made, wanted)[8, 10, 0] == first[EMPTIED].photo + 100
    assert first[EMPTIED].label == NO_CLASS
    bright = composites.draw(first[PROPERTY], made, wanted)
    assert bright.mean() == pytest.approx(min(first[PROPERTY].donor, 4 * first[PROPERTY].photo), abs=0.5)
    assert first[ERASED].photo in (1, 4)
    lent = composites.draw(first[LENT], made, wanted)
    assert first[LENT].donor in (1, 4)
    assert first[LENT].label != 1
    assert first[LENT].ground == 1
    assert lent[0, 0, 0] == pytest.approx(first[LENT].donor, abs=0.5)
    assert lent[8, 10, 0] == pytest.approx(first[LENT].photo, abs=0.5)


class TestFeatures:
    @staticmethod
    def compute(asked: list[int], until: int | None = None):
        def made(start: int):
            asked.append(start)
            for place in range(start, 40, 2):
                if until is not None and place >= until:
                    raise KeyboardInterrupt
                yield place, np.add(np.full((2, 3), place, np.float32), [[0], [1]])

        return made

    def test_a_killed_pass_goes_on_where_it_noted_last(self, tmp_path):
        asked: list[int] = []
        with pytest.raises(KeyboardInterrupt):
            features_of(tmp_path, "key", 40, 3, self.compute(asked, until=21), lambda _: None)
        told: list[int] = []
        table = features_of(tmp_path, "key", 40, 3, self.compute(asked), told.append)
        assert asked == [0, 16]
        assert sum(told) == 40
        assert np.array_equal(table, np.repeat(np.arange(40)[:, None], 3, axis=1))
        features_of(tmp_path, "key", 40, 3, self.compute(asked), lambda _: None)
        assert asked == [0, 16, 40]

    @pytest.mark.parametrize("damage", ["other key", "shorter file", "no json"])
    def test_features_of_something_else_are_made_again(self, tmp_path, damage):
        asked: list[int] = []
        features_of(tmp_path, "key", 40, 3, self.compute(asked), lambda _: None)
        if damage == "shorter file":
            (tmp_path / "features.f32").write_bytes(b"1234")
        if damage == "no json":
            (tmp_path / "features.json").write_text("{")
        table = features_of(
            tmp_path, "other" if damage == "other key" else "key", 40, 3, self.compute(asked), lambda _: None
        )
        assert asked == [0, 0]
        assert table[39].tolist() == [39, 39, 39]
