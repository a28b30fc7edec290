"""Parts of photos: the pixels of the whole photo there, of 8 bits and of more, decoded once for crops that follow."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from coco_files import HEIGHT, WIDTH, annotation, one, rectangle
from dicom_files import dicom
from PIL import Image

from bias_audit.data import crops
from bias_audit.data.batches import Geometry, load, reduced
from bias_audit.data.crops import Crop
from bias_audit.data.dataset import Part
from bias_audit.data.masks import MaskReading
from bias_audit.data.pictures import decode, size_of
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.options import SourceOptions
from bias_audit.limits import room
from bias_audit.run.statuses import OK, UNREADABLE

SIZE = (9, 13)
PART = Part(2, 1, 7, 5, SIZE)
WINDOW = np.s_[1:6, 2:9]

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 65536, SIZE).astype(np.uint16)
COLOUR = RNG.integers(0, 65536, (*SIZE, 3)).astype(np.uint16)
TWELVE = (GREY >> 4).astype(np.uint16)


def _png(values: np.ndarray) -> bytes:
    return cv2.imencode(".png", values)[1].tobytes()


def _tiff(values: np.ndarray) -> bytes:
    made = io.BytesIO()
    Image.fromarray(values).save(made, "TIFF")
    return made.getvalue()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("content", "pixel_range"),
    [
        (_png((GREY >> 8).astype(np.uint8)), None),
        (_png((COLOUR >> 8).astype(np.uint8)), "full"),
        *((_png(GREY), each) for each in ((0, 4095), (1000, 60000.5), "full", "file")),
        *((_png(COLOUR), each) for each in (None, (0, 4095), "file")),
        *((_tiff((GREY / 65535).astype(np.float32)), each) for each in ((0, 1), (0.25, 0.5), "file")),
        *((dicom(TWELVE, WindowCenter=2000, WindowWidth=3000), each) for each in (None, (0, 4095), "full", "file")),
        (dicom(TWELVE, PhotometricInterpretation="MONOCHROME1", RescaleSlope=2, RescaleIntercept=-9), (0, 8000)),
        (dicom((GREY >> 8).astype(np.uint8)), None),
        (dicom((COLOUR >> 8).astype(np.uint8)), None),
    ],
)
def test_a_crop_is_a_part_of_the_decoded_photo(
    tmp_path: Path, content: bytes, pixel_range: object, channels: int
) -> None:
    photo = tmp_path / "photo"
    photo.write_bytes(content)
    crop = Crop(photo, PART)
    whole, reason = decode(photo, channels, pixel_range=pixel_range)
    assert reason == ""
    part, reason = decode(crop, channels, pixel_range=pixel_range)
    assert reason == ""
    # Colours become grey by sums, whose last digit depends on the size of the picture.
    assert np.abs(part - whole[WINDOW].astype(float)).max() < (1e-4 if channels == 1 else 1e-12)
    assert len(np.unique(part)) > 3
    assert crop.picture(pixel_range) == crop.picture(pixel_range)
    geometry = Geometry((5, 7), channels, "stretch", "nearest", MaskReading(), pixel_range=pixel_range)
    assert np.array_equal(reduced(crop, geometry, lambda pixels: pixels), part)


class TestDeep:
    def test_the_flag_that_is_named_helps(self, tmp_path: Path) -> None:
        file = one(tmp_path, annotation(1, 1, 7, rectangle(10, 10, 50, 50)))
        values = np.random.default_rng(1).integers(0, 4096, (HEIGHT, WIDTH)).astype(np.uint16)
        (tmp_path / "a.png").write_bytes(_png(values))
        (sample,) = open_dataset(file, None, SourceOptions(objects="each")).samples
        geometry = Geometry((56, 56), 1, "stretch", "nearest", MaskReading())
        refused = load(sample, geometry)
        assert refused.status == UNREADABLE
        assert refused.reason.endswith("say which range training read as black to white: --pixel-range 0,65535")
        for pixel_range in ((0, 65535), (0, 4095), "file"):
            loaded = load(sample, Geometry(*list(vars(geometry).values())[:5], pixel_range=pixel_range))
            assert (loaded.status, loaded.mask_status) == (OK, OK)
            low, high = (values.min(), values.max()) if pixel_range == "file" else pixel_range
            expected = (values[2:58, 2:58] - float(low)) / (float(high) - float(low)) * 255
            assert np.abs(loaded.pixels[..., 0] - expected).max() < 1e-3

    def test_contents_tell_parts_of_other_shapes_and_ranges_apart(self, tmp_path: Path) -> None:
        (tmp_path / "photo").write_bytes(_png(np.full(SIZE, 700, np.uint16)))
        parts = [Crop(tmp_path / "photo", Part(0, 0, *shape, SIZE)) for shape in ((2, 6), (6, 2), (3, 4))]
        assert len({crop.picture("full") for crop in parts} | {parts[0].picture((0, 4095))}) == 4

    def test_no_file_passes_for_a_part(self, tmp_path: Path) -> None:
        (tmp_path / "photo").write_bytes(_png(GREY))
        (tmp_path / "made").write_bytes(Crop(tmp_path / "photo", PART).picture("full"))
        pixels, reason = decode(tmp_path / "made", 3, pixel_range="full")
        assert (pixels, reason) == (None, "not a picture of a kind that is read, whatever its name says")

    @pytest.mark.parametrize("content", [_png(GREY), dicom(TWELVE, WindowCenter=2000, WindowWidth=3000)])
    def test_pixels_are_counted_before_they_are_decoded(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "photo").write_bytes(content)
        pixels, reason = decode(Crop(tmp_path / "photo", PART, most=100), 3, pixel_range="full")
        assert pixels is None
        assert "limit pixels" in reason

    def test_a_photo_of_another_size_or_a_damaged_one_is_a_reason(self, tmp_path: Path) -> None:
        (tmp_path / "photo").write_bytes(_png(GREY[:-1]))
        assert "the photo has 13x8, not 13x9" in decode(Crop(tmp_path / "photo", PART), 3, pixel_range="full")[1]
        (tmp_path / "photo").write_bytes(_png(GREY)[:-60])
        assert decode(Crop(tmp_path / "photo", PART), 3, pixel_range="full")[1] != ""


class TestTheLastPhoto:
    @pytest.fixture
    def decodings(self, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
        """Bytes of the photos that are decoded for crops."""
        seen: list[bytes] = []
        for name in ("decoded", "decoded_deep"):
            real = getattr(crops, name)
            monkeypatch.setattr(crops, name, lambda *given, real=real: seen.append(given[0]) or real(*given))
        monkeypatch.setattr(crops, "_last", crops._Last())
        return seen

    def _crops(self, photo: Path) -> list[Crop]:
        return [Crop(photo, Part(left, 0, 4, 4, SIZE)) for left in range(5)]

    def test_it_is_decoded_once_for_crops_that_follow(self, tmp_path: Path, decodings: list[bytes]) -> None:
        for name, content in (("a", _png((COLOUR >> 8).astype(np.uint8))), ("b", _png(GREY))):
            (tmp_path / name).write_bytes(content)
        parts = [crop for name in "ab" for crop in self._crops(tmp_path / name)]
        once = [crop.picture("full") for crop in parts]
        assert len(decodings) == 2
        alone = []
        for crop in parts:
            crops._last.pixels = None
            alone.append(crop.picture("full"))
        assert once == alone
        assert len(decodings) == 2 + len(parts)

    def test_a_photo_that_changes_and_another_range_are_decoded_anew(
        self, tmp_path: Path, decodings: list[bytes]
    ) -> None:
        (tmp_path / "a").write_bytes(_png(GREY))
        crop = Crop(tmp_path / "a", PART)
        first = crop.picture("full")
        assert crop.picture((0, 4095)) != first
        (tmp_path / "a").write_bytes(_png(65535 - GREY))
        assert crop.picture("full") != first
        (tmp_path / "a").write_bytes(_png(GREY))
        assert crop.picture("full") == first
        assert len(decodings) == 4

    def test_a_damaged_photo_is_no_last_one(self, tmp_path: Path, decodings: list[bytes]) -> None:
        whole = _png((COLOUR >> 8).astype(np.uint8))
        (tmp_path / "a").write_bytes(whole)
        crop = Crop(tmp_path / "a", PART)
        good = crop.picture(None)
        (tmp_path / "a").write_bytes(b"\x89PNG")
        with pytest.raises(ValueError, match=r"not a picture|damaged"):
            crop.picture(None)
        (tmp_path / "a").write_bytes(whole)
        assert crop.picture(None) == good

    def test_a_photo_beyond_the_share_of_a_thread_is_not_kept(
        self, tmp_path: Path, decodings: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = _png((COLOUR >> 8).astype(np.uint8))
        (tmp_path / "a").write_bytes(content)
        taken = len(content) + 3 * SIZE[0] * SIZE[1]
        for room_for, count in ((taken - 1, 5), (taken, 1)):
            monkeypatch.setattr(crops, "kept_bytes", lambda size=room_for: size)
            monkeypatch.setattr(crops, "_last", crops._Last())
            decodings.clear()
            for crop in self._crops(tmp_path / "a"):
                crop.picture(None)
            assert len(decodings) == count

    def test_threads_keep_their_own(self, tmp_path: Path, decodings: list[bytes]) -> None:
        (tmp_path / "a").write_bytes(_png((COLOUR >> 8).astype(np.uint8)))
        crop = Crop(tmp_path / "a", PART)
        found = []
        for _ in range(2):
            thread = threading.Thread(target=lambda: found.append(crop.picture(None)))
            thread.start()
            thread.join()
        assert found == [crop.picture(None)] * 2
        assert len(decodings) == 3

    def test_all_threads_together_keep_a_share_of_the_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(room, "main_memory", lambda: 10**9)
        monkeypatch.setattr(room.os, "cpu_count", lambda: 10)
        room.kept_bytes.cache_clear()
        try:
            assert room.kept_bytes() == 5_000_000
        finally:
            room.kept_bytes.cache_clear()


class TestSize:
    def test_it_is_that_of_the_decoded_picture(self, tmp_path: Path) -> None:
        turned = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray((COLOUR >> 8).astype(np.uint8)).save(turned, "JPEG", exif=exif)
        for content in (_png(GREY), turned.getvalue(), dicom(TWELVE), _tiff((GREY / 65535).astype(np.float32))):
            (tmp_path / "photo").write_bytes(content)
            assert size_of(tmp_path / "photo", 200) == (SIZE, "")
            size, reason = size_of(tmp_path / "photo", 100)
            assert size is None
            assert reason.startswith("too many pixels: 9x13") or "1 x 9x13" in reason

    def test_what_has_none(self, tmp_path: Path) -> None:
        assert size_of(tmp_path / "none", 100)[1].startswith("cannot be opened: ")
        (tmp_path / "photo").write_bytes(b"")
        assert size_of(tmp_path / "photo", 100)[1] == "not a picture of a kind that is read, whatever its name says"
        (tmp_path / "photo").write_bytes(dicom(TWELVE)[:200])
        assert size_of(tmp_path / "photo", 100)[1].startswith("DICOM: ")
