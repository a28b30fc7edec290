"""`bias-audit explain`: overlays and maps of single pictures."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

import bias_audit
from bias_audit.heatmaps.explanation import chance, output_names


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "explain.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("style", ["grey", "colour", "contour"])
def test_overlay_map_and_table_of_a_picture(tiny, command, tmp_path, style):
    picture = tiny.images / "a" / "a_00.png"
    code, out, err = command(
        "explain", tiny.follows_object, picture, "--out", tmp_path, "--classes", "red,white", "--style", style
    )
    assert code == 0, err
    (row,) = rows(tmp_path)
    assert (row["status"], row["class_1"], row["class_2"], row["explained"]) == ("ok", "red", "white", "red")
    assert float(row["probability_1"]) + float(row["probability_2"]) == pytest.approx(1, abs=1e-4)
    assert "red" in out
    assert "a_00.png" in out
    heat = np.load(tmp_path / "a_00.npy")
    assert (heat.shape, heat.dtype) == ((12, 12), np.float32)
    # The object model sees red alone: its evidence lies on the disc and nowhere else.
    disc = cv2.imread(str(tiny.masks / "a" / "a_00.png"), cv2.IMREAD_GRAYSCALE)
    inside = cv2.resize(disc, (12, 12), interpolation=cv2.INTER_AREA) > 0
    assert heat[~inside].max() < 0.02 * heat.max()
    drawn = cv2.imread(str(tmp_path / "a_00.png"))
    assert drawn.shape[1] == 560
    assert drawn.shape[0] > 560  # the title stands above the photo


def test_another_class_can_be_explained(tiny, command, tmp_path):
    picture = tiny.images / "a" / "a_00.png"
    labels = tmp_path / "labels.txt"
    labels.write_text("red\nwhite\n\n", encoding="utf-8")
    base = ("explain", tiny.follows_background, picture, "--labels", labels, "--out")
    assert command(*base, tmp_path / "own")[0] == 0
    assert command(*base, tmp_path / "other", "--class", "white")[0] == 0
    own, other = (np.load(tmp_path / name / "a_00.npy") for name in ("own", "other"))
    np.testing.assert_allclose(other, -own, rtol=1e-4, atol=1e-6)  # two classes: evidence for one is against the other
    (row,) = rows(tmp_path / "other")
    assert (row["class_1"], row["explained"]) == ("red", "white")


def test_folders_equal_names_and_pictures_that_cannot_be_read(tiny, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture = (tiny.images / "a" / "a_00.png").read_bytes()
    for place in ("one", "two/deep", "two/.hidden"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "photo.png").write_bytes(picture)
    (tmp_path / "one" / "broken.jpg").write_text("no picture")
    (tmp_path / "one" / "notes.txt").write_text("no picture either")
    code, out, err = command("explain", tiny.follows_object, "one", "two", "one/photo.png", "missing.png")
    assert code == 0, err
    folder = tmp_path / "reports" / "explain-object"
    found = rows(folder)
    assert [row["image"] for row in found] == ["one/broken.jpg", "one/photo.png", "two/deep/photo.png", "missing.png"]
    assert [row["status"] for row in found] == ["unreadable", "ok", "ok", "unreadable"]
    assert [row["overlay"] for row in found if row["overlay"]] == ["one-photo.png", "deep-photo.png"]
    assert {path.name for path in folder.iterdir()} == {
        "explain.csv", "one-photo.png", "one-photo.npy", "deep-photo.png", "deep-photo.npy"
    }  # fmt: skip
    assert "not read: one/broken.jpg" in out
    assert "not read: missing.png: cannot be opened" in out
    assert "output 0" in out


def test_exit_2_only_if_no_picture_could_be_read(tiny, command, tmp_path):
    code, _, err = command("explain", tiny.follows_object, tmp_path / "no.png", "--out", tmp_path / "out")
    assert code == 2
    assert "none of the 1 pictures could be read" in err
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    code, _, err = command("explain", tiny.follows_object, tmp_path / "empty")
    assert code == 2
    assert "no pictures in" in err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--style", "gray"), "style must be one of grey, colour, contour"),
        (("--class", "wulf", "--classes", "husky,wolf"), "Did you mean 'wolf'?"),
        (("--classes", "a,b,c"), "3 names were given for the 2 classes"),
        (("--labels", "missing.txt"), "cannot read the labels"),
        (("--preprocess", "auto"), "only an audit can choose the preprocessing"),
        (("--method", "auto"), "needs pictures to choose by"),
    ],
)
def test_bad_options_end_in_a_sentence(tiny, command, tmp_path, flags, said):
    picture = tiny.images / "a" / "a_00.png"
    code, _, err = command("explain", tiny.follows_object, picture, "--out", tmp_path / "out", *flags)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_python_returns_maps_and_writes_nothing(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pictures = [tiny.images / "a" / "a_00.png", tiny.images / "b"]
    records = bias_audit.explain(tiny.follows_object, pictures, classes=("red", "white"), batch_size=5)
    assert [record.predicted for record in records] == ["red", *["white"] * 12]
    assert all(record.map is not None and record.map.shape == (12, 12) for record in records)
    assert all(record.overlay is None for record in records)
    assert list(tmp_path.iterdir()) == []
    # A method that does not weigh activations has no labels either.
    (record,) = bias_audit.explain(tiny.follows_object, pictures[0], method="occlusion", batch_size=5)
    assert record.method == "occlusion"
    assert record.map.max() > 0


def test_names_of_files_never_meet():
    given = ("x/a.jpg", "x/a.png", "y/A.jpg", "z/b.jpg", "z/x-a.jpg.png", "q/x-a.jpg")
    names = output_names([Path(path) for path in given])
    assert len({name.casefold() for name in names}) == len(given)
    assert names[3] == "b"
    assert output_names([Path("p/one.jpg"), Path("q/one.jpg")]) == ["p-one", "q-one"]
    assert len(output_names([Path("ä" * 200 + ".jpg")])[0].encode()) <= 180


def test_a_chance_is_never_rounded_to_certainty():
    assert [chance(p) for p in (0.0, 0.004, 0.5, 0.9949, 0.996, 1.0)] == [
        "0%", "0.4%", "50%", "99.5%", "99.6%", "100%",
    ]  # fmt: skip
