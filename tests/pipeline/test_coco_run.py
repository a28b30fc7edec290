"""An audit of a COCO file: equal to one of the same photos and masks in folders, and read again in the same way."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from bias_audit import audit
from bias_audit.data.contents import content_of
from bias_audit.data.locations import read_location
from bias_audit.pipeline.reopen import contents_of, dataset_of
from bias_audit.run.result import AuditResult, load

sys.path.append(str(Path(__file__).parents[1] / "data"))
from coco_files import annotation, category, image, of_masks, rectangle, write

SIDE, PHOTOS = 48, 12


class Ground:
    """Tells a fox from an owl by the colour below the object alone."""

    input_size = (SIDE, SIDE, 3)

    def predict(self, images: np.ndarray) -> np.ndarray:
        low = images[:, SIDE * 3 // 4 :]
        fox = 1 / (1 + np.exp(-(low[..., 0] - low[..., 2]).mean(axis=(1, 2)) / 10))
        return np.stack([fox, 1 - fox], axis=1)


def draw(folder: Path) -> None:
    """Foxes on red and owls on blue, discs in the middle with their masks."""
    for name, ground in (("fox", (60, 60, 160)), ("owl", (160, 60, 60))):
        for number in range(PHOTOS):
            rng = np.random.default_rng((number, ground[0]))
            picture = np.full((SIDE, SIDE, 3), ground, np.float32) + rng.normal(0, 8, (SIDE, SIDE, 3))
            mask = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (24, 20), 10, 255, -1)
            picture[mask > 0] = 120 + rng.normal(0, 8, (int((mask > 0).sum()), 3))
            for kind, content in (("photos", picture.clip(0, 255).astype(np.uint8)), ("masks", mask)):
                (folder / kind / name).mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(folder / kind / name / f"{number:02d}.png"), content)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    draw(folder)
    of_masks(folder / "photos", folder / "masks", folder / "instances.json")
    return folder


@pytest.fixture(scope="module")
def of_coco(place: Path) -> AuditResult:
    return audit(
        Ground().predict, place / "instances.json", images=place / "photos", out=place / "coco", image_size=(SIDE, SIDE)
    )


def test_photos_classes_and_verdict_are_those_of_folders(place: Path, of_coco: AuditResult) -> None:
    of_folder = audit(
        Ground().predict, place / "photos", masks=place / "masks", out=place / "folder", image_size=(SIDE, SIDE)
    )
    assert "SUSPICIOUS" in of_folder.verdict
    assert of_coco.verdict == of_folder.verdict
    # The identity of a mask is that of its file or of its shapes.
    names = [name for name in of_folder.images if name != "mask_content"]
    pd.testing.assert_frame_equal(of_coco.images[names], of_folder.images[names])
    pd.testing.assert_frame_equal(of_coco.classes, of_folder.classes)


def test_a_run_reads_its_data_again(place: Path, of_coco: AuditResult) -> None:
    result = load(of_coco.path)
    assert result.info.data_options == {"images": str(place / "photos")}
    dataset = dataset_of(result)
    assert [sample.image_id for sample in dataset.samples] == list(result.images.index)
    assert [sample.mask.content for sample in dataset.samples] == result.images["mask_content"].tolist()


def test_a_run_of_objects_reads_its_data_again(place: Path) -> None:
    names = sorted((place / "photos/fox").iterdir()) + sorted((place / "photos/owl").iterdir())
    images = [image(number, path.relative_to(place).as_posix(), SIDE, SIDE) for number, path in enumerate(names)]
    objects = [
        annotation(2 * number + side, number, 1 + (number >= PHOTOS), rectangle(24 * side, 4, 24 * side + 22, 44))
        for number in range(2 * PHOTOS)
        for side in (0, 1)
    ]
    file = write(place / "objects.json", images, objects, [category(1, "fox"), category(2, "owl")])
    made = audit(Ground().predict, file, objects="each", object_size=20, out=place / "objects", image_size=(SIDE, SIDE))
    result = load(made.path)
    assert result.info.data_options == {"objects": "each", "object_size": 20}
    assert set(result.images["status"]) == set(result.images["mask_status"]) == {"ok"}
    dataset = dataset_of(result)
    assert len(dataset.samples) == 4 * PHOTOS
    assert dataset.samples[3].image_id == "photos/fox/01.png#3"
    kept = contents_of(result, dataset)
    for sample, content in zip(dataset.samples, result.images["content"], strict=True):
        assert kept.changed(sample, (content, ""), ("", "")) == ""
        assert content_of(read_location(sample.path)) == content
