"""A file that changes while the audit runs has no pixels from then on, and is noticed once, with what changed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from bias_audit.data.batches import Geometry, load
from bias_audit.data.contents import Contents
from bias_audit.data.dataset import Sample
from bias_audit.data.mask_estimates import estimator
from bias_audit.data.masks import MaskReading
from bias_audit.run.statuses import CHANGED, MASK_UNREADABLE, OK


def _draw(path: Path, grey: int) -> None:
    picture = np.full((16, 16, 3), grey, np.uint8)
    picture[4:9, 4:9] = 255 - grey
    assert cv2.imwrite(str(path), picture)


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    _draw(tmp_path / "a.png", 40)
    _draw(tmp_path / "mask.png", 0)
    return Sample("a.png", tmp_path / "a.png", 0, mask=tmp_path / "mask.png")


@pytest.fixture
def told() -> list[tuple[Path, str]]:
    return []


@pytest.fixture
def geometry(told: list[tuple[Path, str]]) -> Geometry:
    contents = Contents(lambda path, reason: told.append((path, reason)))
    return Geometry((8, 8), 3, "stretch", "bilinear", MaskReading(), contents=contents)


def test_what_stays_is_read_again(sample, geometry, told):
    first, again = load(sample, geometry), load(sample, geometry)
    assert (first.status, again.status, first.mask_content) == (OK, OK, again.mask_content)
    assert len(first.mask_content) == 16
    assert np.array_equal(first.pixels, again.pixels)
    assert told == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda sample: sample.mask.unlink(), "its mask cannot be opened: No such file or directory"),
        (lambda sample: sample.path.unlink(), "the photo cannot be opened: No such file or directory"),
        (lambda sample: _draw(sample.path, 90), "the photo is another file than the one that was read first"),
        (lambda sample: _draw(sample.mask, 90), "its mask is another file than the one that was read first"),
        (lambda sample: sample.mask.write_bytes(b""), "its mask the file is empty (0 bytes)"),
    ],
)
def test_what_changed_has_neither_pixels_nor_mask(sample, geometry, told, change, reason):
    load(sample, geometry)
    change(sample)
    for _ in range(2):
        loaded = load(sample, geometry)
        assert (loaded.status, loaded.reason, loaded.pixels, loaded.mask) == (CHANGED, reason, None, None)
    assert told == [(sample.path, reason)]
    assert dict(geometry.contents.found) == {sample.path: reason}


def test_a_new_time_is_no_change(sample, geometry):
    load(sample, geometry)
    os.utime(sample.path, (1, 1))
    assert load(sample, geometry).status == OK


def test_a_mask_that_could_not_be_read_must_not_appear_later(sample, geometry):
    sample.mask.unlink()
    assert load(sample, geometry).mask_status == MASK_UNREADABLE
    _draw(sample.mask, 0)
    assert load(sample, geometry).status == CHANGED


def test_an_earlier_process_may_have_read_it(sample, geometry):
    geometry.contents.expect(sample.path, "0" * 16)
    assert load(sample, geometry).status == CHANGED


def test_estimates_are_of_the_content_not_of_the_name(sample):
    """By its name, the second picture would get the mask of the first."""
    estimate = estimator(lambda pixels: pixels[..., 0] > 128, "m:f")
    one, other = (np.zeros((8, 8, 3), np.uint8) for _ in range(2))
    one[:4], other[4:] = 255, 255
    assert not np.array_equal(estimate("one", one)[0], estimate("other", other)[0])


def test_a_pass_keeps_nothing_and_still_compares(sample, geometry, told):
    """A share of ten million photos has no memory for what each of them held."""
    passing = replace(geometry, contents=geometry.contents.once())
    load(sample, passing)
    _draw(sample.path, 90)
    assert load(sample, passing).status == OK  # no one else has read it before
    load(sample, geometry)  # now somebody has
    _draw(sample.path, 40)
    assert load(sample, passing).status == CHANGED
    assert geometry.contents.found == {sample.path: told[0][1]}
