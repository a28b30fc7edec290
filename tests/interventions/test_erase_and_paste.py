"""Asking about changed pictures, on a model that reads its answer off their first pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bias_audit.interventions.edits import FILLS
from bias_audit.interventions.erase_and_paste import Answer, Asked, control_of, erased, of_weaker_fill, turned_rate
from bias_audit.models.base import Predictions

WATCHED = 1


def brightness(pixels: np.ndarray) -> Predictions:
    """p(class 1) = first pixel / 256, the rest goes to class 0: every such number is exact."""
    p = pixels[:, 0, 0, 0] / 256
    both = np.stack([1 - p, p], axis=1).astype(np.float32)
    return Predictions(both, np.log(both) - np.log(1 - both), np.zeros(len(both), np.float32))


def picture(value: float) -> np.ndarray:
    return np.full((2, 3, 3), value, np.float32)


class TestAsked:
    def test_answers_by_hand(self):
        asked: Asked[str] = Asked(brightness, WATCHED, batch=2)
        for change, value in (("dark", 64), ("bright", 192), ("dark", 32)):
            asked.ask(change, picture(value))
        asked.finish()
        assert asked.answers == {
            "dark": [Answer(0.25, turned=False), Answer(0.125, turned=False)],
            "bright": [Answer(0.75, turned=True)],
        }

    def test_another_class_is_watched(self):
        asked: Asked[str] = Asked(brightness, 0, batch=8)
        asked.ask("dark", picture(64))
        asked.finish()
        assert asked.answers == {"dark": [Answer(0.75, turned=True)]}

    def test_what_is_not_finite_is_no_answer(self):
        asked: Asked[str] = Asked(brightness, WATCHED, batch=8)
        for change, value in (("dark", 64), ("broken", np.nan)):
            asked.ask(change, picture(value))
        asked.finish()
        (dark,), (broken,) = asked.answers["dark"], asked.answers["broken"]
        assert (dark.valid, broken.valid, broken.turned) == (True, False, False)

    @pytest.mark.parametrize("batch", [1, 2, 3, 6, 7, 8, 100])
    def test_the_batch_size_does_not_change_which_picture_gets_which_answer(self, batch):
        """Seven pictures, each with a probability of its own, under four changes."""
        values = {("pasted", 0): [16], ("control", 0): [32, 48, 64], ("pasted", 1): [80], ("control", 1): [96, 240]}
        asked: Asked[tuple[str, int]] = Asked(brightness, WATCHED, batch)
        for change, each in values.items():
            for value in each:
                asked.ask(change, picture(value))
        asked.finish()
        said = {change: [answer.probability for answer in answers] for change, answers in asked.answers.items()}
        assert said == {change: [value / 256 for value in each] for change, each in values.items()}
        assert list(said) == list(values)
        assert [answer.turned for answer in asked.answers["control", 1]] == [False, True]

    @pytest.mark.parametrize(
        ("count", "batch", "calls"), [(7, 3, [3, 3, 1]), (6, 3, [3, 3]), (2, 3, [2]), (3, 1, [1, 1, 1]), (0, 3, [])]
    )
    def test_the_model_gets_full_batches_and_what_is_left(self, count, batch, calls):
        got: list[int] = []

        def watch(pixels: np.ndarray) -> Predictions:
            got.append(len(pixels))
            return brightness(pixels)

        asked: Asked[int] = Asked(watch, WATCHED, batch)
        for each in range(count):
            asked.ask(each, picture(8 * each + 8))
        assert got == [batch] * (count // batch)
        asked.finish()
        asked.finish()  # nothing waits any more
        assert got == calls

    def test_only_what_was_to_be_kept_is_kept_and_of_one_change_the_first(self):
        asked: Asked[str] = Asked(brightness, WATCHED, batch=2)
        for change, value, keep in (("a", 8, True), ("b", 16, False), ("a", 24, True), ("c", 32, True)):
            asked.ask(change, picture(value), keep=keep)
        asked.finish()
        assert {change: float(pixels[0, 0, 0]) for change, pixels in asked.pictures.items()} == {"a": 8, "c": 32}
        assert len(asked.answers["a"]) == 2

    def test_a_model_that_says_too_little_is_no_answer(self):
        asked: Asked[str] = Asked(lambda pixels: brightness(pixels[1:]), WATCHED, batch=8)
        asked.ask("a", picture(8))
        asked.ask("b", picture(16))
        with pytest.raises(ValueError, match="shorter"):
            asked.finish()


class TestErased:
    def test_region_and_controls_under_both_fills(self):
        """White with a black square: erased it is white, and a white piece erased leaves the square."""
        pixels = np.full((20, 20, 3), 255, np.float32)
        pixels[2:6, 2:6] = 0
        region, beside, below = (np.zeros((20, 20), np.uint8) for _ in range(3))
        region[1:7, 1:7] = beside[1:7, 12:18] = below[12:18, 1:7] = 1
        made = list(erased(pixels, region, [beside, below]))
        assert [arm for arm, _ in made] == [
            "inpaint", "inpaint control", "inpaint control", "blur_noise", "blur_noise control", "blur_noise control",
        ]  # fmt: skip
        black = [int((changed[..., 0] < 128).sum()) for _, changed in made]
        assert black == [0, 16, 16, 0, 16, 16]
        assert (pixels[2:6, 2:6] == 0).all()  # the photo itself stays

    def test_without_room_for_a_control(self):
        region = np.zeros((20, 20), np.uint8)
        region[5:9, 5:9] = 1
        assert [arm for arm, _ in erased(np.zeros((20, 20, 3), np.float32), region, [])] == ["inpaint", "blur_noise"]

    def test_arms_are_fills_and_have_controls_of_their_own(self):
        assert {control_of(fill) for fill in FILLS}.isdisjoint(FILLS)
        assert control_of("pasted") == "pasted control"


class TestWeakerFill:
    @pytest.mark.parametrize(
        ("effects", "chosen"),
        [
            ({"inpaint": 0.4, "blur_noise": 0.1}, "blur_noise"),
            ({"inpaint": 0.1, "blur_noise": 0.4}, "inpaint"),
            ({"inpaint": -0.1, "blur_noise": 0.0}, "inpaint"),  # smaller, not nearer to nothing
            ({"inpaint": 0.2, "blur_noise": 0.2}, "inpaint"),
        ],
    )
    def test_the_smaller_effect_counts(self, effects, chosen):
        assert of_weaker_fill(lambda fill: (fill, effects[fill]), lambda result: result[1]) == (chosen, effects[chosen])


class TestTurnedRate:
    def test_hosts_count_once_however_many_pictures_they_got(self):
        yes, no = Answer(0.9, turned=True), Answer(0.2, turned=False)
        assert turned_rate([[yes], [no], [no], [yes]]) == 0.5
        assert turned_rate([[yes, yes, no, no], [no]]) == 0.25
        assert turned_rate([[yes], [no, no, no]]) == 0.5

    def test_nobody_was_asked(self):
        assert math.isnan(turned_rate([]))
