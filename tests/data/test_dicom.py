"""DICOM files: the grey levels that a viewer shows, against pydicom's own formulas; and nothing but pixels."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import bias_audit
from bias_audit.checks.data_leaks.properties import file_properties
from bias_audit.data.batches import Geometry, load
from bias_audit.data.dataset import Sample
from bias_audit.data.masks import MaskReading
from bias_audit.data.pictures import decode
from bias_audit.limits.bounds import Limits
from bias_audit.run.statuses import OK, UNREADABLE

pydicom = pytest.importorskip("pydicom")

from dicom_files import (  # noqa: E402
    BIG,
    DEFLATED,
    EXPLICIT,
    IMPLICIT,
    J2K,
    JPEG,
    RLE,
    SECRETS,
    compressed,
    dicom,
    literal,
    rle,
)
from pydicom.dataset import Dataset  # noqa: E402
from pydicom.pixels.processing import apply_voi, apply_windowing  # noqa: E402

RNG = np.random.default_rng(0)
CT = RNG.integers(0, 4096, (9, 7)).astype(np.uint16)
COLOUR = RNG.integers(0, 256, (8, 6, 3)).astype(np.uint8)


def _read(content: bytes, folder: Path, wanted: Any = None, channels: int = 1) -> np.ndarray:
    (folder / "x").write_bytes(content)
    pixels, reason = decode(folder / "x", channels, pixel_range=wanted)
    assert reason == ""
    assert pixels is not None
    return pixels


def _why(content: bytes, folder: Path, most: int = Limits.pixels) -> str:
    (folder / "x").write_bytes(content)
    pixels, reason = decode(folder / "x", 3, most=most)
    assert pixels is None
    return reason


class TestWindow:
    def test_by_hand(self, tmp_path: Path) -> None:
        """Linear, centre 100, width 101: 49.5 is black, 149.5 white, and x is (x - 49.5) / 100 of the way."""
        values = np.array([[0, 49, 50], [99, 149, 150]], np.uint16)
        pixels = _read(dicom(values, WindowCenter=100, WindowWidth=101), tmp_path)
        assert np.allclose(pixels[..., 0], np.array([[0, 0, 0.5], [49.5, 99.5, 100]]) * 2.55, atol=1e-4)

    @pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
    @pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
    def test_it_is_that_of_pydicom(self, tmp_path: Path, function: str | None, syntax: str) -> None:
        window = {"WindowCenter": 2000.5, "WindowWidth": 1500, **({"VOILUTFunction": function} if function else {})}
        content = dicom(CT, syntax, **window)
        file = pydicom.dcmread(io.BytesIO(content))
        shown = apply_windowing(file.pixel_array, file) / 4095 * 255
        assert np.abs(_read(content, tmp_path)[..., 0] - shown).max() < 1e-3

    def test_rescaled_to_hounsfield_units(self, tmp_path: Path) -> None:
        signed = (CT.astype(np.int16) - 2048).astype(np.int16)
        content = dicom(signed, WindowCenter=40, WindowWidth=400, RescaleSlope=2, RescaleIntercept=-100)
        file = pydicom.dcmread(io.BytesIO(content))
        low, high = -2048 * 2 - 100, 2047 * 2 - 100
        shown = (apply_windowing(file.pixel_array * 2.0 - 100, file) - low) / (high - low) * 255
        assert np.abs(_read(content, tmp_path)[..., 0] - shown).max() < 1e-3

    def test_the_first_of_several_windows(self, tmp_path: Path) -> None:
        both = _read(dicom(CT, WindowCenter=[900, 2000], WindowWidth=[300, 50]), tmp_path)
        assert np.array_equal(both, _read(dicom(CT, WindowCenter=900, WindowWidth=300), tmp_path))

    def test_monochrome1_is_turned(self, tmp_path: Path) -> None:
        window = {"WindowCenter": 2000, "WindowWidth": 1500}
        plain = _read(dicom(CT, **window), tmp_path)
        turned = _read(dicom(CT, **window, PhotometricInterpretation="MONOCHROME1"), tmp_path)
        assert np.allclose(turned, 255 - plain)

    @pytest.mark.parametrize("bits", [12, 16])
    def test_lookup_tables_are_those_of_pydicom(self, tmp_path: Path, bits: int) -> None:
        table = Dataset()
        table.LUTDescriptor = [1000, 500, bits]
        table.LUTData = np.sort(np.random.default_rng(3).integers(0, 2**bits, 1000)).astype("<u2").tobytes()
        content = dicom(CT, VOILUTSequence=[table], WindowCenter=1, WindowWidth=2)
        file = pydicom.dcmread(io.BytesIO(content))
        expected = apply_voi(file.pixel_array, file) / (2**bits - 1) * 255
        assert np.abs(_read(content, tmp_path)[..., 0] - expected).max() < 1e-3
        content = dicom(CT, ModalityLUTSequence=[table], WindowCenter=2**bits // 2, WindowWidth=2**bits)
        file = pydicom.dcmread(io.BytesIO(content))
        rescaled = np.frombuffer(table.LUTData, "<u2")[np.clip(CT.astype(int) - 500, 0, 999)]
        expected = apply_windowing(rescaled, file) / (2**bits - 1) * 255
        assert np.abs(_read(content, tmp_path)[..., 0] - expected).max() < 1e-3

    def test_a_range_goes_before_the_window(self, tmp_path: Path) -> None:
        content = dicom(CT, WindowCenter=40, WindowWidth=400, RescaleSlope=1, RescaleIntercept=-1024)
        units = CT.astype(float) - 1024
        expected = np.clip((units + 1000) / 1400, 0, 1) * 255
        assert np.abs(_read(content, tmp_path, (-1000, 400))[..., 0] - expected).max() < 1e-3
        expected = (units - units.min()) / (units.max() - units.min()) * 255
        assert np.abs(_read(content, tmp_path, "file")[..., 0] - expected).max() < 1e-3
        assert np.abs(_read(content, tmp_path, "full")[..., 0] - CT / 4095 * 255).max() < 1e-3  # of the bits stored

    def test_8_bits_without_a_window_are_grey_levels(self, tmp_path: Path) -> None:
        assert np.array_equal(_read(dicom(COLOUR[..., 0]), tmp_path)[..., 0], COLOUR[..., 0])
        assert "without a window" in _why(dicom(CT), tmp_path)
        assert _why(dicom(CT), tmp_path).endswith("--pixel-range LOW,HIGH")
        assert "without a window" in _why(dicom(COLOUR[..., 0], RescaleSlope=2, RescaleIntercept=0), tmp_path)


class TestColour:
    def test_rgb_by_pixel_and_by_plane(self, tmp_path: Path) -> None:
        assert np.array_equal(_read(dicom(COLOUR), tmp_path, channels=3), COLOUR)
        planes = np.ascontiguousarray(np.moveaxis(COLOUR, -1, 0)).reshape(COLOUR.shape)
        assert np.array_equal(_read(dicom(planes, PlanarConfiguration=1), tmp_path, channels=3), COLOUR)
        grey = np.asarray(Image.fromarray(COLOUR).convert("L"))
        assert np.array_equal(_read(dicom(COLOUR), tmp_path)[..., 0], grey)

    def test_ybr(self, tmp_path: Path) -> None:
        as_ybr = np.asarray(Image.fromarray(COLOUR).convert("YCbCr"))
        pixels = _read(dicom(as_ybr, PhotometricInterpretation="YBR_FULL"), tmp_path, channels=3)
        assert np.abs(pixels.astype(int) - COLOUR).max() <= 3

    def test_grey_has_three_equal_channels_for_a_model_of_colours(self, tmp_path: Path) -> None:
        pixels = _read(dicom(CT, WindowCenter=2000, WindowWidth=1500), tmp_path, channels=3)
        assert pixels.shape == (9, 7, 3)
        assert (pixels == pixels[..., :1]).all()


class TestCompressed:
    def test_jpeg_is_read_as_pydicom_reads_it(self, tmp_path: Path) -> None:
        smooth = np.asarray(Image.fromarray(COLOUR).resize((32, 24), Image.Resampling.BICUBIC))
        frame = compressed(smooth, "JPEG", quality=95)
        content = dicom(smooth, JPEG, frame=frame, PhotometricInterpretation="YBR_FULL_422")
        expected = pydicom.dcmread(io.BytesIO(content)).pixel_array
        pixels = _read(content, tmp_path, channels=3)
        assert np.array_equal(pixels, expected)
        assert np.abs(pixels.astype(int) - np.asarray(Image.open(io.BytesIO(frame)))).max() <= 3
        grey = dicom(smooth[..., 0], JPEG, frame=compressed(smooth[..., 0], "JPEG", quality=95))
        assert np.array_equal(_read(grey, tmp_path)[..., 0], pydicom.dcmread(io.BytesIO(grey)).pixel_array)

    def test_jpeg_2000_of_16_bits(self, tmp_path: Path) -> None:
        values = RNG.integers(0, 65536, (32, 32)).astype(np.uint16)
        content = dicom(values, J2K, frame=compressed(values, "JPEG2000", no_jp2=True), BitsStored=16, HighBit=15)
        assert np.abs(_read(content, tmp_path, "full")[..., 0] - values / 65535 * 255).max() < 1e-3

    def testrle(self, tmp_path: Path) -> None:
        frame = rle([literal((CT >> 8).astype(np.uint8).tobytes()), literal((CT & 255).astype(np.uint8).tobytes())])
        content = dicom(CT, RLE, frame=frame)
        assert np.array_equal(pydicom.dcmread(io.BytesIO(content)).pixel_array, CT)
        assert np.abs(_read(content, tmp_path, (0, 4095))[..., 0] - CT / 4095 * 255).max() < 1e-3
        runs = rle([bytes([256 - 49, 9]) + literal(bytes(13)), literal(bytes(63))])  # 50 times 9, 13 times 0
        expected = np.where(np.arange(63) < 50, 9 * 256, 0).reshape(9, 7)
        pixels = _read(dicom(CT, RLE, frame=runs), tmp_path, (0, 4095))
        assert np.abs(pixels[..., 0] - expected / 4095 * 255).max() < 1e-3

    def test_others_are_a_row_that_names_what_would_be_needed(self, tmp_path: Path) -> None:
        for syntax in ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80"):  # JPEG lossless, JPEG-LS
            reason = _why(dicom(CT, syntax, frame=b"\xff\xd8\xff\xd9"), tmp_path)
            assert f"transfer syntax {syntax} is not read" in reason
            assert "pylibjpeg" in reason


class TestRefused:
    def test_a_deflated_file_is_not_unpacked(self, tmp_path: Path) -> None:
        whole = dicom(CT)
        start = whole.index(b"DICM")
        bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = bomb.compress(bytes(50_000_000)) + bomb.flush()
        meta = whole[: start + 4] + b"\x02\0\x10\0UI" + struct.pack("<H", len(DEFLATED)) + DEFLATED.encode() + body
        assert f"transfer syntax {DEFLATED} is not read" in _why(meta, tmp_path)

    def test_frames(self, tmp_path: Path) -> None:
        assert "3 frames" in _why(dicom(np.tile(CT, (3, 1)), Rows=9, NumberOfFrames=3), tmp_path)
        assert "limit pixels" in _why(dicom(CT, NumberOfFrames=200), tmp_path, most=10_000)

    def test_a_size_that_the_file_does_not_have(self, tmp_path: Path) -> None:
        assert "too many pixels" in _why(dicom(CT, Rows=60_000, Columns=60_000, NumberOfFrames=9), tmp_path)
        assert "end too early" in _why(dicom(CT, Rows=900, WindowCenter=1, WindowWidth=9), tmp_path)
        assert "no pixels" in _why(dicom(CT, Rows=0), tmp_path)

    def test_a_frame_of_another_size(self, tmp_path: Path) -> None:
        large = compressed(np.zeros((3000, 3000, 3), np.uint8), "JPEG")
        assert "more pixels than it declares" in _why(dicom(COLOUR, JPEG, frame=large), tmp_path)
        other = compressed(np.zeros((6, 8, 3), np.uint8), "JPEG")
        assert "a JPEG of 6x8" in _why(dicom(COLOUR, JPEG, frame=other), tmp_path)
        assert "a BMP" in _why(dicom(COLOUR, JPEG, frame=compressed(COLOUR, "BMP")), tmp_path)

    def test_runs_that_unpack_to_more(self, tmp_path: Path) -> None:
        bomb = rle([bytes([129, 0]) * 100_000, bytes([129, 0]) * 100_000])
        assert "unpack to more pixels" in _why(dicom(CT, RLE, frame=bomb, WindowCenter=1, WindowWidth=9), tmp_path)

    def test_kinds_of_pixels(self, tmp_path: Path) -> None:
        assert "PALETTE COLOR" in _why(dicom(COLOUR[..., 0], PhotometricInterpretation="PALETTE COLOR"), tmp_path)
        assert "3 samples of 16 bits" in _why(dicom(np.dstack([CT] * 3)), tmp_path)
        assert "width of 0" in _why(dicom(CT, WindowCenter=1, WindowWidth=0), tmp_path)
        assert "none of LINEAR" in _why(dicom(CT, WindowCenter=1, WindowWidth=9, VOILUTFunction="CUBIC"), tmp_path)

    def test_no_damage_raises(self, tmp_path: Path) -> None:
        whole = dicom(CT, WindowCenter=2000, WindowWidth=1500)
        rng = np.random.default_rng(5)
        geometry = Geometry((8, 8), 3, "stretch", "bilinear", MaskReading())
        seen = set()
        for _ in range(300):
            changed = bytearray(whole[: rng.integers(132, len(whole) + 1)] if rng.random() < 0.3 else whole)
            for at in rng.integers(132, len(changed) + 1, 3):
                changed[min(at, len(changed) - 1)] = rng.integers(0, 256)
            (tmp_path / "x").write_bytes(changed)
            loaded = load(Sample("x", tmp_path / "x", 0), geometry)
            seen.add(loaded.status)
            assert loaded.status in (OK, UNREADABLE)
            assert loaded.status == OK or loaded.reason
            assert not any(secret.decode()[:4] in loaded.reason for secret in SECRETS)
        assert seen == {OK, UNREADABLE}

    def test_without_pydicom_it_is_a_row_with_the_command(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        content = dicom(CT, WindowCenter=2000, WindowWidth=1500)
        monkeypatch.setattr("bias_audit.packages.installed", lambda module: module != "pydicom")
        for name in [name for name in sys.modules if name.partition(".")[0] == "pydicom"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "pydicom", None)
        reason = _why(content, tmp_path)
        assert "pydicom is not installed" in reason
        assert "pip install 'bias-audit[dicom]'" in reason


def test_properties_are_of_the_file_and_not_of_the_patient(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(dicom(CT))
    found = file_properties(tmp_path / "x")
    assert (found["width"], found["height"], found["file type"]) == (7.0, 9.0, "DICOM")
    assert set(found) == {"width", "height", "aspect ratio", "bytes per pixel", "file type"}


def by_brightness(images: np.ndarray) -> np.ndarray:
    """Probability of "bright" by the mean of the picture."""
    p = 1 / (1 + np.exp(-(images.mean(axis=(1, 2, 3)) - 128) / 20))
    return np.stack([p, 1 - p], axis=1)


def test_an_audit_of_a_clinics_folder_holds_no_field_of_a_patient(tmp_path: Path) -> None:
    for name, low in (("bright", 2500), ("dark", 0)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for number in range(6):
            values = np.random.default_rng((number, low)).integers(low, low + 1500, (40, 40)).astype(np.uint16)
            file = tmp_path / "data" / name / f"{number}.dcm"
            file.write_bytes(dicom(values, WindowCenter=2048, WindowWidth=4096))
    result = bias_audit.audit(
        by_brightness, tmp_path / "data", out=tmp_path / "run", image_size=(16, 16), batch_size=4, segmenter="none"
    )
    assert list(result.images["status"].unique()) == ["ok"]
    assert (result.images["predicted"] == result.images["label"]).all()
    written = [file for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert len(written) > 5
    for file in written:
        content = file.read_bytes()
        for secret in SECRETS:
            assert secret not in content, file
