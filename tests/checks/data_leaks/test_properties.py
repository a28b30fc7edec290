"""Properties of image files by hand, and how they go with the label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import mannwhitneyu

from bias_audit.checks.data_leaks.properties import associations, file_properties, pixel_properties


def photo(path: Path, size: tuple[int, int] = (30, 20), **options: object) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), np.uint8)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("quality", [1, 10, 35, 50, 75, 90, 95, 100])
def test_jpeg_quality_is_read_from_the_tables(tmp_path, quality):
    found = file_properties(photo(tmp_path / "a.jpg", quality=quality))["JPEG quality"]
    assert abs(found - quality) <= (2 if quality > 10 else 10)


def test_header_exif_and_size(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "One"
    exif.get_ifd(0x8769)[0x9003] = "2021:05:30 10:11:12"
    file = photo(tmp_path / "a.jpg", exif=exif)
    found = file_properties(file)
    assert (found["width"], found["height"], found["aspect ratio"]) == (30, 20, 1.5)
    assert found["bytes per pixel"] == file.stat().st_size / 600
    assert (found["file type"], found["camera"], found["month taken"]) == ("JPEG", "Maker One", "2021-05")
    png = file_properties(photo(tmp_path / "b.png"))
    assert (png["file type"], png["camera"], png["month taken"], png["JPEG quality"]) == ("PNG", "none", "none", None)


def test_a_file_that_cannot_be_read_has_no_properties(tmp_path):
    (tmp_path / "a.jpg").write_text("no picture")
    assert file_properties(tmp_path / "a.jpg") == {}
    assert file_properties(tmp_path / "missing.jpg") == {}


def test_colours_light_and_corners_by_hand():
    red = np.zeros((100, 100, 3), np.float32)
    red[..., 0] = 255
    found = pixel_properties(red)
    assert found["brightness"] == pytest.approx(0.299 * 255, abs=0.1)
    assert (found["contrast"], found["sharpness"], found["black corners"]) == (0, 0, 0)
    assert (found["saturation"], found["redness"]) == pytest.approx((1, 1))
    frame = np.full((100, 100, 3), 200, np.float32)
    frame[:6], frame[-6:, :6] = 0, 0
    found = pixel_properties(frame)
    assert found["black corners"] == 3
    assert (found["saturation"], found["redness"], found["blueness"]) == (0, 0, 0)
    assert pixel_properties(frame[..., :1])["brightness"] == found["brightness"]


def test_numbers_are_compared_by_auc_and_mann_whitney():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    values = rng.normal(size=60) + 2 * (labels == 1)
    found = {one.class_name: one for one in associations([{"x": v} for v in values], labels, "abc", seed=0)}
    assert list(found) == ["a", "b", "c"]
    reference = mannwhitneyu(values[labels == 1], values[labels != 1])
    assert found["b"].value == pytest.approx(reference.statistic / (20 * 40))
    assert found["b"].p == pytest.approx(reference.pvalue, rel=0.05)
    assert found["b"].low < found["b"].value < found["b"].high
    assert found["a"].value < 0.5


def test_of_two_classes_one_says_it():
    rows, labels = [{"x": float(i)} for i in range(24)], np.arange(24) % 2
    assert [one.class_name for one in associations(rows, labels, "ab", seed=0)] == ["a"]


def test_words_are_compared_by_cramers_v_and_name_the_value():
    labels = np.repeat([0, 1], 20)
    rows = [{"camera": "old" if label and number % 4 else "new"} for number, label in enumerate(labels)]
    (one,) = associations(rows, labels, ("cat", "dog"), seed=0)
    assert (one.measure, one.class_name, one.n) == ("Cramér's V", "", 40)
    assert one.p == 0.001
    assert one.low <= one.value <= one.high
    assert one.typical == "new: 20 of 20 cat, 25 in all"
    rng = np.random.default_rng(0)
    (none,) = associations([{"camera": str(rng.integers(2))} for _ in range(40)], labels, ("cat", "dog"), seed=0)
    assert none.p > 0.05


def test_constants_names_of_photos_and_small_classes_are_left_out():
    labels = np.repeat([0, 1], 60)
    rows = [{"name": f"photo {i}", "same": 1.0, "missing": None} for i in range(120)]
    assert associations(rows, labels, "ab", seed=0) == []
    few = np.repeat([0, 1], [111, 9])
    assert associations([{"x": float(i % 7), "w": str(i % 3)} for i in range(120)], few, "ab", seed=0) == []


def test_missing_values_are_left_out_of_one_property_only():
    labels = np.repeat([0, 1], 15)
    rows = [{"x": float(i), "y": float(i) if i % 5 else None} for i in range(30)]
    assert [(one.name, one.n) for one in associations(rows, labels, "ab", seed=0)] == [("x", 30), ("y", 24)]


def test_photos_of_a_group_count_once():
    labels = np.repeat([0, 1], 60)
    patients = np.repeat(np.arange(24), 5)
    rows = [{"x": float(patient % 7)} for patient in patients]
    (one,) = associations(rows, labels, "ab", seed=0, groups=patients)
    (alone,) = associations(rows[::5], labels[::5], "ab", seed=0)
    assert one == alone
