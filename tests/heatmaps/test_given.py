"""Predictions and heatmaps of elsewhere: log-odds and other outputs from probabilities, and files of maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given as such
from hypothesis import strategies as st

from bias_audit.data.prediction_table import PredictionTable
from bias_audit.errors import DataError, ModelError
from bias_audit.heatmaps.given import LARGEST_GRID, GivenResults, Results, read_heatmaps
from bias_audit.limits.bounds import Limits
from bias_audit.models.given import Answers, NoModel, predictions_from
from bias_audit.run.statuses import NO_ROW, NOT_FINITE_OUTPUTS

IDS = ("husky/1.jpg", "wolf/2.jpg", "wolf/3.jpg")


def test_odds_are_those_against_everything_else():
    said = predictions_from(np.array([[0.75, 0.25], [0.5, 0.5]]))
    assert np.allclose(said.log_odds, [[np.log(3), -np.log(3)], [0, 0]])
    assert said.best.tolist() == [0, 0]
    assert said.outdone is None
    assert said.other.tolist() == [0, 0]


def test_odds_are_finite_where_the_rest_rounds_to_nothing():
    said = predictions_from(np.array([[1.0, 1e-12], [1.0, 0.0]]))
    assert np.isclose(said.log_odds[0, 0], 12 * np.log(10))
    assert np.isfinite(said.log_odds).all()
    assert said.valid.all()


@such(st.lists(st.floats(-8, 8), min_size=2, max_size=6))
def test_odds_of_a_softmax_are_those_of_its_logits(logits):
    logits = np.array(logits)
    p = np.exp(logits) / np.exp(logits).sum()
    expected = [z - np.log(np.exp(np.delete(logits, k)).sum()) for k, z in enumerate(logits)]
    assert np.allclose(predictions_from(p[None]).log_odds[0], expected, atol=1e-4)


def test_what_is_missing_is_another_output_that_can_outdo_the_classes():
    said = predictions_from(np.array([[0.3, 0.2], [0.5, 0.3], [0.35, 0.2]]))
    assert np.allclose(said.other, [0.5, 0.2, 0.45])
    assert said.predicted.tolist() == [2, 0, 2]
    assert np.isclose(said.log_odds[1, 0], 0, atol=1e-6)


def test_a_row_without_numbers_and_no_row_are_no_prediction():
    table = PredictionTable({"husky/1.jpg": 0, "wolf/2.jpg": 1}, np.array([[0.9, 0.1], [np.nan, np.nan]]), "0" * 64)
    answers = Answers(table)
    said = answers.of(["wolf/3.jpg", "husky/1.jpg", "wolf/2.jpg"])
    assert said.valid.tolist() == [False, True, False]
    assert said.predicted.tolist() == [-1, 0, -1]
    results = GivenResults(Results(answers), NoModel((8, 8, 3), 4, "0"), IDS, None)
    assert [results.why_invalid(position) for position in (1, 2)] == [NOT_FINITE_OUTPUTS, NO_ROW]


def test_the_labelled_class_has_a_map_where_it_is_predicted(tmp_path):
    np.savez(tmp_path / "m.npz", **{"husky/1.jpg": np.eye(2), "wolf/2.jpg": np.ones((2, 2))})
    maps = read_heatmaps(tmp_path / "m.npz", IDS, Limits())
    table = PredictionTable(dict.fromkeys(IDS, 0), np.array([[0.9, 0.1]]), "0")
    results = GivenResults(Results(Answers(table)), NoModel((8, 8, 3), 4, "0"), IDS, maps)
    made = results.explain_photos([1, 0, 2], np.zeros((3, 8, 8, 3), np.float32), np.array([1, 0, 1]))
    assert made.maps[:2].tolist() == [[[1, 1], [1, 1]], [[1, 0], [0, 1]]]
    assert np.isnan(made.maps[2]).all()
    assert np.isnan(made.maps_label[0]).all()
    assert made.maps_label[1].tolist() == [[1, 0], [0, 1]]
    assert [results.has_map(position) for position in range(3)] == [True, True, False]


def test_a_folder_of_files_by_id_or_stem(tmp_path):
    for name, value in (("husky/1.jpg.npy", 1), ("husky/1.npy", 5), ("wolf/2.npy", 2), ("cat/0.npy", 3)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        np.save(tmp_path / name, np.full((3, 4), value, np.float64))
    found = read_heatmaps(tmp_path, IDS, Limits())
    assert {name: heat[0, 0] for name, heat in found.maps.items()} == {"husky/1.jpg": 1, "wolf/2.jpg": 2}
    assert (found.grid, found.shape, found.others) == ((3, 4), (3, 4), 2)


def test_a_larger_map_is_averaged_and_keeps_its_shares(tmp_path):
    heat = np.zeros((128, 128), np.float32)
    heat[:64] = 1
    np.savez(tmp_path / "m.npz", **{"husky/1.jpg": heat})
    found = read_heatmaps(tmp_path / "m.npz", IDS, Limits())
    assert (found.grid, found.shape) == ((LARGEST_GRID, LARGEST_GRID), (128, 128))
    assert found.maps["husky/1.jpg"].mean() == 0.5


def test_the_order_of_memory_does_not_matter(tmp_path):
    heat = np.arange(6, dtype=np.int16).reshape(2, 3)
    for kind in ("C", "F"):
        np.save(tmp_path / "1.npy", np.asarray(heat, order=kind))
        assert read_heatmaps(tmp_path, ("1.jpg",), Limits()).maps["1.jpg"].tolist() == heat.tolist()


@pytest.mark.parametrize(
    ("heat", "said"),
    [
        (np.array([{}, {}], object), "it holds objects|no \\(h, w\\) of numbers"),
        (np.zeros(4), "no \\(h, w\\) of numbers: 4 of float64"),
        (np.zeros((2, 2, 3)), "2x2x3"),
        (np.zeros((0, 4)), "0x4"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.array([["a", "b"]]), "no \\(h, w\\) of numbers"),
        (np.zeros((1, 1)), "1x1 cells"),
        (np.zeros((1, 9000), np.uint8), "1x9000 cells"),
        (np.zeros((20, 20)), "beyond the limit pixels"),
    ],
)
def test_no_heatmap(tmp_path, heat, said):
    np.save(tmp_path / "1.npy", heat, allow_pickle=True)
    with pytest.raises(DataError, match=said):
        read_heatmaps(tmp_path, ("1.jpg",), Limits(pixels=399 if heat.shape == (20, 20) else 1e8))


def test_one_that_is_cut_short_or_declares_too_much(tmp_path):
    np.save(tmp_path / "1.npy", np.zeros((30, 30)))
    whole = (tmp_path / "1.npy").read_bytes()
    for data in (whole[:-9], whole[:20], b"", b"\x93NUMPY\x09\x00", whole + b"x"):
        (tmp_path / "1.npy").write_bytes(data)
        with pytest.raises(DataError, match=r"1\.npy"):
            read_heatmaps(tmp_path, ("1.jpg",), Limits())


def test_several_shapes_none_of_a_photo_and_no_path(tmp_path):
    np.savez(tmp_path / "m.npz", **{"husky/1.jpg": np.eye(2), "wolf/2.jpg": np.eye(3)})
    with pytest.raises(DataError, match=r"'husky/1\.jpg' of 2x2, 'wolf/2\.jpg' of 3x3"):
        read_heatmaps(tmp_path / "m.npz", IDS, Limits())
    with pytest.raises(DataError, match=r"none of the heatmaps in .* is of a photo"):
        read_heatmaps(tmp_path / "m.npz", ("cat/1.jpg",), Limits())
    with pytest.raises(DataError, match="no heatmaps at"):
        read_heatmaps(tmp_path / "nowhere", IDS, Limits())
    (tmp_path / "m.npz").write_bytes(b"PK\x03\x04 and more")
    with pytest.raises(DataError, match="cannot read the heatmaps"):
        read_heatmaps(tmp_path / "m.npz", IDS, Limits())


def test_no_map_is_read_outside_of_the_folder(tmp_path):
    np.save(tmp_path / "x.npy", np.eye(2))
    (tmp_path / "maps").mkdir()
    with pytest.raises(DataError, match="none of the heatmaps"):
        read_heatmaps(tmp_path / "maps", ("../x.jpg", str(tmp_path / "x.jpg")), Limits())


def test_without_a_model_nobody_answers():
    with pytest.raises(ModelError, match="asks the model"):
        NoModel((8, 8, 3), 4, "0").predict(np.zeros((1, 8, 8, 3), np.float32))
