"""Pictures of more than 8 bits: the values that other readers give, brought to the range that the user names."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bias_audit.config import AuditConfig
from bias_audit.data.batches import Geometry, load
from bias_audit.data.dataset import Sample
from bias_audit.data.masks import MaskReading
from bias_audit.data.pictures import decode
from bias_audit.data.sources import open_dataset
from bias_audit.errors import ConfigError
from bias_audit.heatmaps.inspection import pictures_read
from bias_audit.input_texts import PixelRange, pixel_range
from bias_audit.models.decoding import geometry_of, tensorflow_decoder
from bias_audit.run.statuses import OK, UNREADABLE

GREY = np.random.default_rng(0).integers(0, 65536, (9, 7)).astype(np.uint16)
COLOUR = np.random.default_rng(1).integers(0, 65536, (9, 7, 3)).astype(np.uint16)


def _png(values: np.ndarray) -> bytes:
    return cv2.imencode(".png", values if values.ndim == 2 else values[..., ::-1])[1].tobytes()


def _tiff(values: np.ndarray) -> bytes:
    return cv2.imencode(".tiff", values if values.ndim == 2 else values[..., ::-1])[1].tobytes()


def _tiff_by_hand(bits: int, kind: int, data: bytes, width: int, height: int) -> bytes:
    """An uncompressed TIFF of one channel; kind 1 = unsigned, 2 = signed, 3 = floating point."""
    tags = ((256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, 1), (273, 4, 8), (277, 3, 1),
            (278, 4, height), (279, 4, len(data)), (339, 3, kind))  # fmt: skip
    entries = b"".join(struct.pack("<HHII", tag, form, 1, value) for tag, form, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def _read(content: bytes, folder: Path, wanted: PixelRange | None, channels: int = 1) -> np.ndarray:
    (folder / "x").write_bytes(content)
    pixels, reason = decode(folder / "x", channels, pixel_range=wanted)
    assert reason == ""
    assert pixels is not None
    return pixels


def _why(content: bytes, folder: Path, wanted: PixelRange | None = None) -> str:
    (folder / "x").write_bytes(content)
    pixels, reason = decode(folder / "x", 3, pixel_range=wanted)
    assert pixels is None
    return reason


class TestValues:
    @pytest.mark.parametrize("encode", [_png, _tiff])
    def test_they_are_those_of_pillow_and_opencv(self, tmp_path: Path, encode) -> None:
        content = encode(GREY)
        exact = GREY[..., None] / 65535 * 255
        assert np.abs(_read(content, tmp_path, (0, 65535)) - exact).max() < 1e-4
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), GREY)
        assert np.array_equal(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED), GREY)
        assert np.array_equal(_read(content, tmp_path, "full"), _read(content, tmp_path, (0, 65535)))
        colours = _read(encode(COLOUR), tmp_path, (0, 65535), 3)
        assert np.abs(colours - COLOUR / 65535 * 255).max() < 1e-4

    @pytest.mark.heavy
    def test_they_are_those_of_tensorflow(self, tmp_path: Path) -> None:
        import tensorflow as tf

        for values in (GREY, COLOUR):
            of_tf = tf.io.decode_png(_png(values), channels=3, dtype=tf.uint16).numpy()
            assert np.abs(_read(_png(values), tmp_path, "full", 3) - of_tf / 65535 * 255).max() < 1e-4

    @pytest.mark.heavy
    def test_by_the_decoder_of_tensorflow_the_higher_bits_are_read_as_its_loader_does(self, tmp_path: Path) -> None:
        (tmp_path / "x.png").write_bytes(_png(GREY))
        pixels, reason = decode(tmp_path / "x.png", 3, tensorflow_decoder)
        assert reason == ""
        assert np.array_equal(pixels, np.repeat(GREY[..., None] >> 8, 3, axis=2))

    def test_a_range_by_hand(self, tmp_path: Path) -> None:
        content = _png(np.array([[0, 1000, 2000], [3000, 4000, 65535]], np.uint16))
        by_hand = [[0, 0, 85], [170, 255, 255]]  # (v - 1000) / 3000 * 255, clipped
        assert np.allclose(_read(content, tmp_path, (1000, 4000))[..., 0], by_hand, atol=1e-4)
        of_file = _read(content, tmp_path, "file")[..., 0]
        assert np.allclose(of_file, np.array([[0, 1000, 2000], [3000, 4000, 65535]]) / 65535 * 255, atol=1e-4)
        assert (_read(_png(np.full((2, 2), 700, np.uint16)), tmp_path, "file") == 0).all()

    def test_fractions_of_grey_levels_stay(self, tmp_path: Path) -> None:
        """12 bits in a range of 16 are 16 grey levels: rounded, 4,096 values would be left as 17."""
        values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
        pixels = _read(_png(values), tmp_path, (0, 65535))
        assert len(np.unique(pixels)) == 4096
        for interpolation in ("nearest", "bilinear", "antialias", "area", "bicubic", "antialias_lanczos"):
            geometry = Geometry((64, 64), 1, "stretch", interpolation, MaskReading(), pixel_range=(0, 65535))
            (tmp_path / "x.png").write_bytes(_png(values))
            loaded = load(Sample("x", tmp_path / "x.png", 0), geometry)
            assert loaded.status == OK
            assert np.abs(loaded.pixels - pixels).max() < 1e-3

    def test_grey_and_colours(self, tmp_path: Path) -> None:
        three = _read(_png(GREY), tmp_path, "full", 3)
        assert np.array_equal(three, np.repeat(_read(_png(GREY), tmp_path, "full"), 3, axis=2))
        luma = COLOUR @ np.array([0.299, 0.587, 0.114]) / 65535 * 255
        assert np.abs(_read(_png(COLOUR), tmp_path, "full")[..., 0] - luma).max() < 1e-3

    def test_transparency_is_dropped(self, tmp_path: Path) -> None:
        content = cv2.imencode(".png", np.dstack([COLOUR[..., ::-1], GREY]))[1].tobytes()
        assert np.array_equal(_read(content, tmp_path, "full", 3), _read(_png(COLOUR), tmp_path, "full", 3))

    @pytest.mark.parametrize(
        ("bits", "kind", "form", "low", "high"),
        [(16, 2, "<i2", -1000, 400), (32, 1, "<u4", 0, 4e9), (32, 2, "<i4", -7, 2e9), (32, 3, "<f4", -0.5, 1.5)],
    )
    def test_other_types_of_tiff(self, tmp_path: Path, bits, kind, form, low, high) -> None:
        values = np.linspace(low, high, 12).astype(form).reshape(3, 4)
        content = _tiff_by_hand(bits, kind, values.tobytes(), 4, 3)
        expected = (values.astype(float) - low) / (high - low) * 255
        assert np.abs(_read(content, tmp_path, (low, high))[..., 0] - expected).max() < 0.01
        if kind != 3:
            about = np.iinfo(form)
            expected = (values.astype(float) - about.min) / (float(about.max) - about.min) * 255
            assert np.abs(_read(content, tmp_path, "full")[..., 0] - expected).max() < 0.01

    def test_pictures_of_8_bits_are_read_as_ever(self, tmp_path: Path) -> None:
        picture = (GREY >> 8).astype(np.uint8)
        assert np.array_equal(_read(_png(picture), tmp_path, (0, 4095))[..., 0], picture)

    def test_the_first_page_of_several(self, tmp_path: Path) -> None:
        pages = [Image.fromarray(values) for values in (GREY, GREY[::-1].copy())]
        pages[0].save(tmp_path / "x", "TIFF", save_all=True, append_images=pages[1:])
        assert np.array_equal(
            _read((tmp_path / "x").read_bytes(), tmp_path, "full"), _read(_tiff(GREY), tmp_path, "full")
        )


class TestRefused:
    def test_without_a_range_the_flag_is_named(self, tmp_path: Path) -> None:
        assert "PNG of 16 bits per channel (I;16)" in _why(_png(GREY), tmp_path)
        assert _why(_png(GREY), tmp_path).endswith("--pixel-range 0,65535")
        floats = _tiff_by_hand(32, 3, np.ones(4, "<f4").tobytes(), 2, 2)
        assert "TIFF of 32 bits floating point" in _why(floats, tmp_path)
        assert _why(floats, tmp_path).endswith("--pixel-range LOW,HIGH")

    def test_what_no_range_helps(self, tmp_path: Path) -> None:
        floats = _tiff_by_hand(32, 3, np.ones(4, "<f4").tobytes(), 2, 2)
        assert "no full range" in _why(floats, tmp_path, "full")
        broken = _tiff_by_hand(32, 3, np.array([1, np.nan, 1, 1], "<f4").tobytes(), 2, 2)
        assert "not finite" in _why(broken, tmp_path, (0, 1))
        assert "12 bits" in _why(_tiff_by_hand(12, 1, bytes(6), 2, 2), tmp_path, (0, 4095))
        grey_map = b"P5 2 2 65535\n" + bytes(8)
        assert "PNG and TIFF" in _why(grey_map, tmp_path, "full")
        assert "PNG and TIFF" in _why(grey_map, tmp_path)

    def test_pixels_are_counted_before_they_are_decoded(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(_png(np.zeros((200, 200), np.uint16)))
        pixels, reason = decode(tmp_path / "x", 1, most=10_000, pixel_range="full")
        assert pixels is None
        assert "limit pixels" in reason

    def test_damage_is_a_row(self, tmp_path: Path) -> None:
        whole = _tiff(np.random.default_rng(2).integers(0, 65536, (40, 40)).astype(np.uint16))
        geometry = Geometry((8, 8), 3, "stretch", "bilinear", MaskReading(), pixel_range="full")
        for cut in (20, len(whole) // 3, len(whole) - 40):
            (tmp_path / "x.tiff").write_bytes(whole[:cut])
            loaded = load(Sample("x", tmp_path / "x.tiff", 0), geometry)
            assert loaded.status == UNREADABLE
            assert loaded.reason

    @pytest.mark.parametrize("text", ["", "5,5", "9,3", "a,b", "nan,1", "0,inf", "0,1,2", "0, 1", "FULL", "0,1e13"])
    def test_texts(self, text: str) -> None:
        with pytest.raises(ConfigError, match="pixel_range"):
            AuditConfig(pixel_range=text)

    def test_what_is_understood(self) -> None:
        assert pixel_range("-1000,400.5") == (-1000, 400.5)
        assert pixel_range("0,1e3") == (0, 1000)
        assert (pixel_range("full"), pixel_range("file")) == ("full", "file")


def test_the_setting_reaches_the_geometry_and_the_hash() -> None:
    with_range = AuditConfig(pixel_range="0,4095")
    assert geometry_of(with_range, (8, 8, 3)).pixel_range == (0, 4095)
    assert geometry_of(AuditConfig(), (8, 8, 3)).pixel_range is None
    assert with_range.digest() != AuditConfig().digest() != AuditConfig(pixel_range="full").digest()
    assert "pixel_range" not in AuditConfig().as_dict()  # older runs keep their hash


def test_segmenters_get_8_bits(tmp_path: Path) -> None:
    seen = []

    def estimate(content: str, pixels: np.ndarray) -> tuple[np.ndarray, str]:
        seen.append(pixels)
        return np.ones(pixels.shape[:2], np.uint8), OK

    (tmp_path / "x.png").write_bytes(_png(GREY))
    geometry = Geometry((9, 7), 3, "stretch", "nearest", MaskReading(), estimate=estimate, pixel_range="full")
    assert load(Sample("x", tmp_path / "x.png", 0), geometry).mask_kind == "estimated"
    assert seen[0].dtype == np.uint8
    assert np.array_equal(seen[0][..., 0], np.rint(GREY / 65535 * 255))


def test_a_folder_without_any_format_of_keras_is_read(tmp_path: Path) -> None:
    for name in ("a/1.tif", "b/2.dcm"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(_tiff(GREY))
    assert [sample.skip for sample in open_dataset(tmp_path, None).samples] == ["", ""]
    (tmp_path / "b/3.png").write_bytes(_png(GREY))
    skipped = {sample.image_id: bool(sample.skip) for sample in open_dataset(tmp_path, None).samples}
    assert skipped == {"a/1.tif": True, "b/2.dcm": True, "b/3.png": False}


@pytest.mark.parametrize(
    ("options", "channels", "says"),
    [
        ({}, 3, ("RGB", "three equal channels", "need --pixel-range", "DICOM files by their window")),
        ({}, 1, ("as grey", "ITU-R 601")),
        ({"decoder": "tensorflow"}, 3, ("higher 8 of 16 bits",)),
        ({"pixel_range": "0,4095"}, 3, ("0,4095 is black to white",)),
        ({"pixel_range": "file"}, 3, ("the least and greatest value of each file",)),
    ],
)
def test_inspect_says_how_pictures_are_read(options: dict[str, str], channels: int, says: tuple[str, ...]) -> None:
    told = pictures_read(AuditConfig(**options), channels)
    assert all(each in told for each in says)
