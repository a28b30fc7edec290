"""A network with more outputs than classes: what an output outside the class map takes is none of these.

The photos are those of `tiny`. Output 0 answers to the red disc of class a, output 1 to the white disc of class b,
output 2 to blue ground, more strongly than the discs do. With output 2 outside the class map, b's photos, which have
blue ground, are none of these, and so is a's disc on b's grounds. Between a and b alone nothing would be noticed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PHOTOS, SIZE

import bias_audit
from bias_audit.run.statuses import NONE_OF_THESE

OUTSIDE = {"a": [0], "b": [1]}
COVERED = {"a": [0], "b": [1, 2]}


@pytest.fixture(scope="session")
def network(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import keras

    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(3, 1, activation="relu", name="colours"),
            keras.layers.AveragePooling2D(4, name="cells"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(3, activation="softmax", name="head"),
        ]
    )
    colours = np.array([[1, 1, -1], [-1, 1, -1], [-1, 1, 1]], float)  # red alone; all bright; blue alone
    model.get_layer("colours").set_weights([colours[None, None], np.array([0, -2, 0], float)])
    model.get_layer("head").set_weights([40 * np.eye(3), np.zeros(3)])
    path = tmp_path_factory.mktemp("networks") / "three.keras"
    model.save(path)
    return path


@pytest.fixture(scope="session")
def outside(tiny: Any, network: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("runs") / "outside"
    strangers = tiny.images / "b"
    return bias_audit.audit(network, tiny.images, masks=tiny.masks, out=out, class_map=OUTSIDE, strangers=strangers)


def test_photos_that_another_output_takes_are_none_of_these(outside: Any) -> None:
    images = outside.images
    of_b = images["label"] == "b"
    assert set(images.loc[of_b, "predicted"]) == {NONE_OF_THESE}
    assert set(images.loc[~of_b, "predicted"]) == {"a"}
    assert outside.classes["accuracy"].to_dict() == {"a": 1.0, "b": 0.0}
    assert outside.classes["n_read"].to_dict() == {"a": PHOTOS, "b": PHOTOS}
    counted = [tuple(row) for row in outside.confusion[["label", "predicted", "n"]].to_numpy()]
    assert counted == [("a", "a", PHOTOS), ("b", NONE_OF_THESE, PHOTOS)]
    np.testing.assert_allclose(images.loc[of_b, "probability"], images.loc[of_b, "probability_other"])
    assert (images.loc[of_b, "probability"] > images.loc[of_b, "probability_label"]).all()
    # The map and its log-odds are those of the most probable class, which here is the label.
    np.testing.assert_allclose(images.loc[of_b, "log_odds"], images.loc[of_b, "log_odds_label"])
    np.testing.assert_allclose(
        images.loc[of_b, "background_excess"], images.loc[of_b, "background_excess_label"], atol=1e-6
    )


def test_an_object_becomes_none_of_these(outside: Any) -> None:
    a = outside.classes.loc["a"]
    assert (a["same_background_accuracy"], a["other_background_accuracy"], a["becomes"]) == (1, 0, NONE_OF_THESE)
    images = outside.images[outside.images["label"] == "a"]
    assert set(images["other_background_predicted"]) == {NONE_OF_THESE}
    assert set(images["background_only_predicted"]) == {NONE_OF_THESE}  # three equal outputs: no class exceeds
    assert not outside.images["rests_on_background"].fillna(False).any()
    assert outside.classes.loc["b", ["same_background_accuracy", "other_background_accuracy"]].tolist() == [0, 1]


def test_the_page_and_the_pictures_say_so(outside: Any) -> None:
    pictures = json.loads((outside.path / "pictures.json").read_text())
    heat = {name: picture["heat_class"] for name, picture in pictures["images"].items()}
    assert heat == {name: name[0] for name in outside.images.index}
    assert {picture["heat_class"] for picture in pictures["strangers"].values()} == {"b"}
    tiles = [row for row in pictures["composites"]["a"] if row["arm"] == "other"]
    assert {row["predicted"] for row in tiles} == {NONE_OF_THESE}
    assert any("leaves 1 of 3 outputs over" in note for note in outside.info.notes)
    page = (outside.path / "report.html").read_text()
    assert f'<th scope="col"><bdi>{NONE_OF_THESE}</bdi></th>' in page
    assert f"taken for {NONE_OF_THESE}" in page  # the strangers


def test_strangers(outside: Any) -> None:
    met = outside.strangers
    assert set(met["predicted"]) == {NONE_OF_THESE}
    assert set(met["second"]) == {"b"}
    assert (met["probability"] > met["second_probability"]).all()
    assert (met["log_odds"] < 0).all()


def test_a_run_with_it_is_rescored_gated_and_compared(outside: Any, tiny: Any, command: Any, tmp_path: Path) -> None:
    again = tmp_path / "again"
    code, _, err = command("rescore", outside.path, "--masks", tiny.masks, "--out", again)
    assert code == 0, err
    before, after = ((path / "pictures.json").read_text() for path in (outside.path, again))
    assert json.loads(after)["images"] == json.loads(before)["images"]
    assert bias_audit.load(again).images["predicted"].tolist() == outside.images["predicted"].tolist()
    assert command("gate", again)[0] in (0, 1)
    code, _, err = command("compare", outside.path, again)
    assert code == 0, err


def test_a_map_of_all_outputs_has_none(network: Path, tiny: Any, tmp_path: Path) -> None:
    run = bias_audit.audit(
        network, tiny.images, masks=tiny.masks, out=tmp_path / "run", class_map=COVERED, interventions=0, discovery=0,
        probes=0, leakage=0,
    )  # fmt: skip
    assert run.images["correct"].all()
    assert run.confusion["predicted"].tolist() == ["a", "b"]
    assert not any("outputs over" in note for note in run.info.notes)


def test_single_pictures(network: Path, tiny: Any, tmp_path: Path) -> None:
    photo = tiny.images / "b" / "b_00.png"
    (record,) = bias_audit.explain(network, photo, class_map=OUTSIDE, out=tmp_path / "out")
    assert [name for name, _ in record.top] == [NONE_OF_THESE, "b", "a"]
    assert sum(probability for _, probability in record.top) == pytest.approx(1)
    assert (record.predicted, record.explained) == (NONE_OF_THESE, "b")
    assert record.explained_probability == record.top[1][1]
    (of_b,) = bias_audit.explain(network, photo, class_map=OUTSIDE, target="b")
    np.testing.assert_array_equal(record.map, of_b.map)
    assert NONE_OF_THESE in (tmp_path / "out" / "explain.csv").read_text()


def test_a_region_of_such_a_photo_watches_its_label(outside: Any, network: Path) -> None:
    from bias_audit.pipeline.live_test import LiveModel
    from bias_audit.run.progress import QUIET, Progress

    live = LiveModel(outside.path, network, Progress(QUIET))
    answer = live.answer("b/b_00.png", [[0.1, 0.1], [0.5, 0.1], [0.5, 0.5]], "ground", "Ada")
    assert answer["hypothesis"]["class_name"] == "b"


def test_a_class_of_that_name_is_refused_only_where_outputs_are_left(
    network: Path, tiny: Any, command: Any, tmp_path: Path
) -> None:
    for groups, code in (({NONE_OF_THESE: [0], "b": [1]}, 2), ({NONE_OF_THESE: [0], "b": [1, 2]}, 0)):
        mapping = tmp_path / "map.json"
        mapping.write_text(json.dumps(groups))
        got, _, err = command("explain", network, tiny.images / "b", "--class-map", mapping, "--out", tmp_path / "out")
        assert got == code, err
        assert (code == 0) or "the class map calls a class 'none of these'" in err
