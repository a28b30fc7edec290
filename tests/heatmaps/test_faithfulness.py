"""Insertion and deletion on a model that looks at one known region, and the choice by them; no TensorFlow."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bias_audit.errors import ConfigError
from bias_audit.heatmaps import faithfulness
from bias_audit.heatmaps.faithfulness import (
    CENTRE,
    RANDOM,
    candidate_layers,
    insertion_deletion,
    most_faithful,
    resolve,
)
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.base import Explanation, Predictions

SIDE, CELLS = 32, 8
REGION = np.s_[8:16, 16:24]  # 2 x 2 cells of the 8 x 8 grid
AT = np.s_[2:4, 4:6]


class SeesRegion:
    """The logit of class 0 is 8 x (mean of the region - 1/2), pixels in 0..1. Maps by layer and method are given."""

    differentiable, batch_size, input_size = True, 32, (SIDE, SIDE, 3)
    layers = (("first", (16, 16)), ("early", (16, 16)), ("pad", (17, 17)), ("late", (8, 8)), ("after", (8, 8)))

    def __init__(self, maps: dict[tuple[str, str], np.ndarray], layer: str = "late") -> None:
        self.maps, self.layer, self.grid, self.asked = maps, layer, dict(self.layers)[layer], 0

    def at_layer(self, path: str) -> SeesRegion:
        return SeesRegion(self.maps, path)

    def predict(self, images: np.ndarray) -> Predictions:
        self.asked += len(images)
        logit = 8 * (images[:, *REGION].mean(axis=(1, 2, 3)) - 0.5)
        odds = np.stack([logit, -logit], axis=1).astype(np.float32)
        return Predictions(1 / (1 + np.exp(-odds)), odds, np.zeros(len(images), np.float32))

    def explain(self, images: np.ndarray, labels: np.ndarray, weigh: Any) -> Explanation:
        name = weigh.__self__.name
        chosen = self.maps.get((name, self.layer), self.maps["other", ""])
        maps = np.repeat(chosen[None], len(images), axis=0).astype(np.float32)
        return Explanation(self.predict(images), maps, maps)


def unit(pixels: np.ndarray) -> np.ndarray:
    return pixels / np.float32(255)


def on_region() -> np.ndarray:
    heat = np.zeros((CELLS, CELLS), np.float32)
    heat[AT] = 1
    return heat


def elsewhere() -> np.ndarray:
    return np.roll(on_region(), (3, -4), axis=(0, 1))


def pictures(n: int = 16) -> np.ndarray:
    """Dark noise, bright in the region: class 0, and only because of it."""
    pixels = np.random.default_rng(0).uniform(0, 40, (n, SIDE, SIDE, 3)).astype(np.float32)
    pixels[:, *REGION] += 200
    return pixels


def test_the_map_on_the_region_wins() -> None:
    pixels, targets = pictures(4), np.zeros(4, int)
    explained = Explainer(SeesRegion({}), "hires_cam", unit)
    scores = {
        name: insertion_deletion(explained.predict, pixels, targets, np.repeat(heat[None], 4, axis=0))
        for name, heat in {"on": on_region(), "off": elsewhere(), "against": -on_region()}.items()
    }
    assert (scores["on"] > 0.4).all()
    assert (scores["on"] > scores["off"] + 0.3).all()
    assert (scores["against"] < -0.4).all()  # the region goes last and comes last


def test_the_areas_by_hand() -> None:
    """A model that counts bright pixels, of which a blurred picture has none: the curves are straight lines."""
    pixels = np.zeros((1, 8, 8, 1), np.float32)
    pixels[0, :4:2, ::2] = pixels[0, 1:4:2, 1::2] = 255  # a chequered top: a quarter of all pixels

    def predict(images: np.ndarray) -> Predictions:
        share = (images > 254).mean(axis=(1, 2, 3))
        return Predictions(np.stack([share, 1 - share], axis=1), np.zeros((len(images), 2)), np.zeros(len(images)))

    rows = np.repeat(np.arange(8, 0, -1.0)[:, None], 8, axis=1)[None]  # top rows first, ties in reading order
    # Insertion: from 0 to 1/4 while the top comes, then flat: 3/16. Deletion: from 1/4 to 0 while the top goes: 1/16.
    score = insertion_deletion(predict, pixels, np.array([0]), rows, steps=4)
    assert score == pytest.approx(3 / 16 - 1 / 16)
    assert insertion_deletion(predict, pixels, np.array([1]), rows, steps=4) == pytest.approx(-1 / 8)
    bottom_first = insertion_deletion(predict, pixels, np.array([0]), rows[:, ::-1], steps=4)
    assert bottom_first == pytest.approx(1 / 16 - 3 / 16)
    assert np.isnan(insertion_deletion(predict, pixels, np.array([0]), rows * np.nan, steps=4)).all()
    assert insertion_deletion(predict, pixels[:0], np.zeros(0, int), rows[:0]).shape == (0,)


def test_candidate_layers_pass_over_padding() -> None:
    assert candidate_layers(SeesRegion({})) == ("late", "early")
    assert candidate_layers(SeesRegion({}, "after")) == ("after", "early")
    assert candidate_layers(SeesRegion({}, "early")) == ("early",)


def test_the_most_faithful_candidate_is_chosen() -> None:
    model = SeesRegion({("other", ""): elsewhere(), ("layer_cam", "early"): on_region()})
    assert most_faithful(model, unit, 0, pictures(), other_layers=True)[:2] == ("layer_cam", "early")
    method, layer, table = most_faithful(model, unit, 0, pictures(), other_layers=False)
    assert (method, layer) == ("hires_cam", "late")  # the layer that was asked for; there all are equal
    assert {row["layer"] for row in table} == {"late", ""}
    assert len(table) == len(faithfulness.CANDIDATES) + 2


def test_the_table_has_baselines_and_marks_the_choice() -> None:
    model = SeesRegion({("other", ""): elsewhere(), ("grad_cam", "late"): on_region()})
    method, layer, table = most_faithful(model, unit, 0, pictures(), other_layers=True)
    assert (method, layer) == ("grad_cam", "late")
    assert table[0]["method"] == "grad_cam"
    assert [row["chosen"] for row in table] == [True] + [False] * 11
    scores = [row["score"] for row in table]
    assert scores == sorted(scores, reverse=True)
    by_name = {(row["method"], row["layer"]): row for row in table}
    assert {RANDOM, CENTRE} <= {row["method"] for row in table}
    assert by_name[RANDOM, ""]["score"] < table[0]["score"] - 0.2
    assert by_name["grad_cam", "late"]["ahead"] == pytest.approx(
        table[0]["score"] - by_name["hires_cam", "late"]["score"]
    )
    assert by_name["hires_cam", "late"]["ahead"] == 0
    assert by_name["layer_cam", "early"]["grid"] == [16, 16]


def test_ties_go_to_the_default() -> None:
    assert most_faithful(SeesRegion({("other", ""): on_region()}), unit, 0, pictures(), other_layers=True)[:2] == (
        "hires_cam",
        "late",
    )
    # A better mean that rests on one picture is within its standard error.
    model = SeesRegion({("other", ""): elsewhere(), ("xgrad_cam", "late"): on_region()})
    few = np.concatenate([pictures(1), np.zeros((3, SIDE, SIDE, 3), np.float32)])
    method, _, table = most_faithful(model, unit, 0, few, other_layers=False)
    assert method == "hires_cam"
    best = next(row for row in table if row["method"] == "xgrad_cam")
    assert 0 < best["ahead"] == pytest.approx(best["error"])  # x / n and (x / sqrt n) / sqrt n


def test_resolve_stores_the_choice_and_takes_it_up_again() -> None:
    model = SeesRegion({("other", ""): elsewhere(), ("layer_cam", "early"): on_region()})
    explainer, choice = resolve(model, "auto", unit, 0, other_layers=True, pixels=pictures)
    assert (explainer.name, explainer.model.layer, explainer.grid) == ("layer_cam", "early", (16, 16))
    assert choice is not None
    assert "chosen on 16 images: layer_cam at early" in explainer.notes[0]
    stored = json.loads(json.dumps(choice))

    def never() -> np.ndarray:
        raise AssertionError("a resumed run must not choose anew")

    again, same = resolve(model, "auto", unit, 0, other_layers=True, pixels=never, known=stored)
    assert (again.name, again.model.layer, again.notes, same) == ("layer_cam", "early", explainer.notes, stored)
    lines = faithfulness.table_lines(stored["table"])
    assert lines[0].startswith("* +0.")
    assert "layer_cam at early (16x16)" in lines[0]
    named, nothing = resolve(model, "grad_cam", unit, 0, other_layers=True, pixels=never)
    assert (named.name, nothing) == ("grad_cam", None)


def test_without_a_choice_auto_is_the_default() -> None:
    model = SeesRegion({("other", ""): on_region()})
    explainer, choice = resolve(model, "auto", unit, 0, other_layers=True, pixels=lambda: pictures(0))
    assert (explainer.name, explainer.notes) == ("hires_cam", ())
    assert choice is not None
    assert choice["table"] == []
    model.differentiable = False
    explainer, choice = resolve(model, "auto", unit, 0, other_layers=True, pixels=pictures)
    assert explainer.name == "none"
    assert "no gradients" in explainer.notes[0]
    with pytest.raises(ConfigError, match="needs pictures"):
        Explainer(model, "auto", unit)
