"""What follows from decisions: the lists, how many images they ask for, and training images on other backgrounds."""

from __future__ import annotations

import csv
import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from made_run import info, made_parts, write_parts
from PIL import Image

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.cli import main
from bias_audit.config import Thresholds
from bias_audit.errors import ConfigError
from bias_audit.review.decisions import Decision, add
from bias_audit.review.next_steps import images_needed, write_next_steps
from bias_audit.review.swapped import _folders
from bias_audit.run.identity import finding_id
from bias_audit.run.progress import QUIET, Progress
from bias_audit.run.result import AuditResult, load

SILENT = Progress(QUIET)
WHITE, BLACK = 250, 5


def finding(code: str, subject: str, **changes: Any) -> RuleOutcome:
    values: dict[str, Any] = {"scope": "class", "level": "SUSPICIOUS", "measured": 0.5, "image_ids": ()}
    values |= changes
    return RuleOutcome(code=code, title="t", subject=subject, status="found", sentence="s", **values)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Huskies on black, wolves on white, both grey squares in the middle; EXIF that must not get out."""
    root = tmp_path / "photos"
    for name, ground in (("husky", BLACK), ("wolf", WHITE)):
        (root / name).mkdir(parents=True)
        (tmp_path / "masks" / name).mkdir(parents=True)
        for i in range(4):
            pixels = np.full((48, 64, 3), ground, np.uint8)
            pixels[16:32, 24:40] = 100 + 10 * i
            mask = np.zeros((48, 64), np.uint8)
            mask[16:32, 24:40] = 255
            exif = Image.Exif()
            exif[0x010F] = "SECRET CAMERA"
            Image.fromarray(pixels).save(root / name / f"{i}.jpg", quality=98, exif=exif)
            Image.fromarray(mask).save(tmp_path / "masks" / name / f"{i}.png")
    return root


@pytest.fixture
def result(data: Path, tmp_path: Path) -> AuditResult:
    parts = made_parts()
    parts.info = info(
        data=str(data), masks=str(data.parent / "masks"), class_names=("husky", "wolf"), input_size=(48, 64, 3),
        config={"donors": 2, "seed": 3}, thresholds=dataclasses.asdict(Thresholds()), content="da7a" * 16,
    )  # fmt: skip
    parts.images = [
        {
            "image_id": f"{name}/{i}.jpg", "label": name, "predicted": "wolf", "status": "ok", "mask_kind": "mask",
            "mask_status": "ok", "foreground_area": 256 / 3072, "content": f"{name[0]}{i}" * 8,
        }
        for name in ("husky", "wolf")
        for i in range(4)
    ]  # fmt: skip
    parts.classes = [
        {"class_name": "husky", "accuracy_low": 0.2, "other_background_accuracy": 0.0, "becomes": "wolf"},
        {"class_name": "wolf", "accuracy_low": 0.5, "other_background_accuracy": 0.9, "becomes": "husky"},
    ]
    parts.cues = [{"cue_id": "wolf-abc123", "class_name": "wolf", "n": 2}]  # type: ignore[attr-defined]
    spots = [{"cue_id": "wolf-abc123", "image_id": f"wolf/{i}.jpg"} for i in (1, 1, 2)]
    parts.cue_spots = spots  # type: ignore[attr-defined]
    parts.outcomes = (
        finding("BA201", "husky", image_ids=("husky/0.jpg", "husky/1.jpg")),
        finding("BA202", "wolf", scope="image", level="WATCH"),
        finding("BA302", "wolf-abc123", scope="cue", level="CONFIRMED", evidence={"class_name": "wolf"}),
        finding("BA901", "", scope="dataset", level="WATCH"),
    )
    return load(write_parts(parts, tmp_path / "run"))


def decide(result: AuditResult, number: int, verdict: str, reviewer: str = "Ada", note: str = "") -> None:
    """About the outcome of this number, counted as in `result.outcomes`."""
    key = finding_id(result.outcomes[number], result)
    add(result.path, Decision("finding", key, verdict, reviewer=reviewer, note=note))


def decide_image(result: AuditResult, key: str, verdict: str, **changes: str) -> None:
    add(result.path, Decision("image", key, verdict, **{"reviewer": "Ada", **changes}))


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_masks_and_labels_to_correct(result: AuditResult, tmp_path: Path):
    decide_image(result, "h0" * 8, "wrong mask", note="cuts the ears")
    decide_image(result, "h0" * 8, "wrong mask", reviewer="=Bob")
    decide_image(result, "h0" * 8, "bias", reviewer="Eve")
    decide_image(result, "w3" * 8, "wrong label", note="a husky")
    decide_image(result, "gone" * 4, "wrong mask")
    decide(result, 0, "wrong mask")
    decide(result, 2, "wrong label")
    write_next_steps(result, tmp_path / "next", progress=SILENT)
    masks = rows(tmp_path / "next" / "wrong_masks.csv")
    assert [(row["image"], row["because"]) for row in masks] == [
        ("husky/0.jpg", "the image"),
        ("husky/0.jpg", "finding BA201 husky"),
        ("husky/1.jpg", "finding BA201 husky"),
    ]
    assert masks[0] == {
        "image": "husky/0.jpg", "mask": "mask", "because": "the image", "state": "disagreement",
        "reviewers": "Ada; =Bob", "otherwise": "Eve: bias", "note": "cuts the ears",
    }  # fmt: skip
    labels = rows(tmp_path / "next" / "relabel.csv")
    assert [(row["image"], row["label"], row["predicted"], row["note"]) for row in labels] == [
        ("wolf/3.jpg", "wolf", "wolf", "a husky"),
        ("wolf/1.jpg", "wolf", "wolf", ""),
        ("wolf/2.jpg", "wolf", "wolf", ""),
    ]


def test_images_to_collect_for_what_was_called_bias(result: AuditResult, tmp_path: Path):
    decide(result, 0, "bias")
    decide(result, 2, "bias")
    decide(result, 1, "bias")
    decide(result, 1, "legitimate context", reviewer="Bob")  # no agreement, no step
    write_next_steps(result, tmp_path / "next", progress=SILENT)
    found = rows(tmp_path / "next" / "collect.csv")
    assert [(row["class"], row["finding"], row["collect"], row["at_least"]) for row in found] == [
        ("wolf", "BA302 cue 1 of wolf", "wolf without cue 1 of wolf (see its contact sheet in the report)", "93"),
        ("wolf", "BA302 cue 1 of wolf", "other classes with cue 1 of wolf (see its contact sheet in the report)",
         found[1]["at_least"]),
        ("husky", "BA201 husky", "husky on backgrounds that are usual for wolf", "16"),
        ("husky", "BA201 husky", "wolf on backgrounds that are usual for husky", "93"),
    ]  # fmt: skip
    assert "give 0% [0 to 19], which lies below the 20% that" in found[2]["reason"]


@pytest.mark.parametrize(
    ("usual", "other", "needed"),
    [
        (0.2, 0.0, 16),  # z^2 / (n + z^2) < .2: n > 4 z^2 = 15.4
        (0.72, 0.0, 10),  # 2 would do, but no class is judged on fewer than 10 photos
        (0.5, None, 93),  # z / sqrt(n + z^2) <= .2: n >= 24 z^2 = 92.2
        (0.5, 0.9, 93),  # better elsewhere: nothing to be told apart, the width alone counts
        (0.5, 0.5, 93),
        (0.5, 0.4999999, 93),  # no number of images is asked for that nobody could collect
    ],
)
def test_how_many_images(usual: float, other: float | None, needed: int):
    count, reason = images_needed(usual, other, Thresholds())
    assert count == needed
    assert str(needed) in reason


def test_undecided_findings_above_watch_count_when_asked_for(result: AuditResult, tmp_path: Path):
    said = write_next_steps(result, tmp_path / "without", progress=SILENT)
    assert "--undecided" in said
    assert not (tmp_path / "without" / "training").exists()
    decide(result, 0, "legitimate context")
    write_next_steps(result, tmp_path / "with", undecided=True, progress=SILENT)
    assert {row["finding"] for row in rows(tmp_path / "with" / "collect.csv")} == {"BA302 cue 1 of wolf"}


def test_training_images_have_their_object_their_label_and_another_ground(result: AuditResult, tmp_path: Path):
    decide(result, 0, "bias")
    out = tmp_path / "next"
    said = write_next_steps(result, out, progress=SILENT)
    listed = rows(out / "training" / "labels.csv")
    assert f"{len(listed)} training images" in said
    assert Counter(row["label"] for row in listed) == {"husky": 8, "wolf": 8}
    assert len({(row["object_from"], row["background_from"]) for row in listed}) == 16
    for row in listed:
        made = cv2.imread(str(out / "training" / row["image"]))
        assert made.shape == (48, 64, 3)
        assert row["object_from"].startswith(row["label"])
        assert row["background_from"].startswith(row["background_label"])
        assert row["image"].startswith(f"{row['label']}/")
        grey = 100 + 10 * int(row["object_from"][-5])
        assert abs(made[20:28, 28:36].mean() - grey) < 4, "the object is the one that the list names"
        ground = WHITE if row["label"] == "husky" else BLACK
        assert abs(made[:8].mean() - ground) < 4, "on the ground of the other class"
    assert "not be\ntested" in (out / "training" / "README.txt").read_text(encoding="utf-8")


def test_nothing_of_the_photos_metadata_gets_out(result: AuditResult, tmp_path: Path):
    decide(result, 0, "bias")
    write_next_steps(result, tmp_path / "next", progress=SILENT)
    assert b"SECRET" in (Path(result.info.data) / "husky" / "0.jpg").read_bytes()
    pictures = list((tmp_path / "next").rglob("*.jpg"))
    assert len(pictures) == 16
    for picture in pictures:
        assert b"SECRET" not in picture.read_bytes()
        with Image.open(picture) as opened:
            assert len(opened.getexif()) == 0


def test_the_data_and_folders_in_use_are_left_alone(result: AuditResult, data: Path, tmp_path: Path):
    decide(result, 0, "bias")
    used = tmp_path / "used"
    used.mkdir()
    (used / "mine.txt").write_text("mine")
    before = sorted(data.rglob("*"))
    link = tmp_path / "link"
    link.symlink_to(data)
    for folder, said in (
        (data / "extra", "within the audited data"),
        (link / "extra", "within the audited data"),
        (data.parent / "masks" / "x", "within the audited data"),
        (used, "not empty"),
        (used / "mine.txt", "not empty"),
    ):
        with pytest.raises(ConfigError, match=said):
            write_next_steps(result, folder, progress=SILENT)
    assert sorted(data.rglob("*")) == before
    assert [entry.name for entry in used.iterdir()] == ["mine.txt"]


def test_without_data_or_masks_the_lists_are_written_all_the_same(
    result: AuditResult, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    decide(result, 0, "bias")
    data.rename(tmp_path / "moved")
    assert main(["review", str(result.path), "--next", str(tmp_path / "next")]) == 0
    said = capsys.readouterr().out
    assert "No training images: the data of" in said
    assert "collect.csv: 2 rows" in said


def test_a_class_name_cannot_lead_out_of_the_folder():
    names = ("wolf", "Wolf", "../../etc", "a/b", "", "..", "a_b", "con\x00", "  ", "wölf 🐺")
    folders = _folders(names)
    assert folders["wolf"] == "wolf"
    assert len({each.casefold() for each in folders.values()}) == len(names)
    for folder in folders.values():
        assert folder.strip(" .")
        assert not set(folder) & set("/\\\x00:")
        assert ".." not in (folder, folder.strip())


def test_none_of_these_is_nothing_to_collect(result: AuditResult, tmp_path: Path):
    result.classes.loc["husky", "becomes"] = "none of these"
    decide(result, 0, "bias")
    write_next_steps(result, tmp_path / "next", progress=SILENT)
    asked = [row["collect"] for row in rows(tmp_path / "next" / "collect.csv")]
    assert asked == [
        "husky on backgrounds that are usual for other classes",
        "other classes on backgrounds that are usual for husky",
    ]
