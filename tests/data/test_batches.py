"""Decoding: bit-equal to Pillow where Keras reads with Pillow, and a reason for every file that is no clean picture."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bias_audit.data import batches
from bias_audit.data.batches import Geometry, load, load_in_order
from bias_audit.data.dataset import Sample
from bias_audit.data.masks import BACKGROUND, MaskReading
from bias_audit.data.pictures import decode
from bias_audit.run import statuses
from bias_audit.run.statuses import NO_MASK

SQUARE = Geometry((16, 16), 3, "stretch", "bilinear", MaskReading())


def _sample(path: Path, **more: object) -> Sample:
    return Sample(path.name, path, 0, **more)


def _pillow(path: Path, mode: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert(mode))


def _same_as_pillow(path: Path) -> None:
    colour, reason = decode(path, 3)
    assert reason == ""
    assert np.array_equal(colour, _pillow(path, "RGB"))
    grey, _ = decode(path, 1)
    assert np.array_equal(grey[..., 0], _pillow(path, "L"))


class TestEqualToPillow:
    @pytest.mark.parametrize("quality", [30, 75, 95, 100])
    @pytest.mark.parametrize("subsampling", [0, 1, 2])
    def test_jpeg(self, photo, tmp_path: Path, quality: int, subsampling: int) -> None:
        for i, (height, width) in enumerate(((61, 83), (64, 64), (9, 200))):
            path = tmp_path / f"{i}.jpg"
            image = Image.fromarray(photo(height, width, i))
            image.save(path, quality=quality, subsampling=subsampling, progressive=i == 1)
            _same_as_pillow(path)

    def test_grey_jpeg(self, photo, tmp_path: Path) -> None:
        Image.fromarray(photo(40, 50)[..., 0]).save(tmp_path / "g.jpg")
        _same_as_pillow(tmp_path / "g.jpg")

    def test_cmyk_jpeg(self, photo, tmp_path: Path) -> None:
        """Colours of a CMYK file differ by converter: shape and grey levels near Pillow's, or a reason."""
        Image.fromarray(photo(40, 50)).convert("CMYK").save(tmp_path / "c.jpg", quality=95)
        pixels, reason = decode(tmp_path / "c.jpg", 3)
        assert reason == ""
        difference = np.abs(pixels.astype(int) - _pillow(tmp_path / "c.jpg", "RGB").astype(int))
        assert difference.max() <= 2

    def test_rgb_and_grey_and_one_bit_png(self, photo, tmp_path: Path) -> None:
        Image.fromarray(photo(30, 20)).save(tmp_path / "rgb.png")
        Image.fromarray(photo(30, 20)[..., 0]).save(tmp_path / "grey.png")
        Image.fromarray(photo(30, 20)[..., 0] > 128).save(tmp_path / "bit.png")
        for name in ("rgb.png", "grey.png", "bit.png"):
            _same_as_pillow(tmp_path / name)

    def test_palette_png_and_gif(self, photo, tmp_path: Path) -> None:
        indexed = Image.fromarray(photo(30, 20)).quantize(40)
        indexed.save(tmp_path / "p.png")
        indexed.save(tmp_path / "p.gif")
        indexed.save(tmp_path / "t.png", transparency=3)
        for name in ("p.png", "p.gif", "t.png"):
            _same_as_pillow(tmp_path / name)

    def test_alpha_is_dropped_as_pillow_drops_it(self, photo, tmp_path: Path) -> None:
        alpha = np.tile(np.arange(0, 240, 12, dtype=np.uint8), (30, 1))[..., None]
        Image.fromarray(np.concatenate([photo(30, 20), alpha], axis=2)).save(tmp_path / "rgba.png")
        Image.fromarray(np.concatenate([photo(30, 20)[..., :1], alpha], axis=2), "LA").save(tmp_path / "la.png")
        _same_as_pillow(tmp_path / "rgba.png")
        _same_as_pillow(tmp_path / "la.png")

    def test_bmp_and_webp_and_tiff(self, photo, tmp_path: Path) -> None:
        image = Image.fromarray(photo(30, 20))
        image.save(tmp_path / "a.bmp")
        image.save(tmp_path / "a.webp", lossless=True)
        image.save(tmp_path / "a.tiff")
        for name in ("a.bmp", "a.webp", "a.tiff"):
            _same_as_pillow(tmp_path / name)

    def test_exif_orientation_is_not_applied(self, photo, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6  # rotate by 90 degrees: Keras's loaders show the picture as it is stored
        Image.fromarray(photo(30, 50)).save(tmp_path / "r.jpg", exif=exif)
        _same_as_pillow(tmp_path / "r.jpg")
        pixels, _ = decode(tmp_path / "r.jpg", 3)
        assert pixels.shape == (30, 50, 3)

    def test_an_animation_gives_its_first_frame(self, photo, tmp_path: Path) -> None:
        frames = [Image.fromarray(photo(20, 20, seed)).quantize(30) for seed in range(3)]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        _same_as_pillow(tmp_path / "a.gif")

    def test_the_content_counts_and_not_the_name(self, photo, tmp_path: Path) -> None:
        Image.fromarray(photo(20, 20)).save(tmp_path / "png.jpg", "PNG")
        _same_as_pillow(tmp_path / "png.jpg")

    @pytest.mark.parametrize(
        "name",
        ["a b.jpg", 'it\'s "q".jpg', "<script>alert(1)<script>.jpg", "Köln ñ.jpg", "🐺.jpg", "a\nb.jpg", "%s{}.jpg"],
    )
    def test_names(self, photo, tmp_path: Path, name: str) -> None:
        Image.fromarray(photo(20, 20)).save(tmp_path / name, "JPEG")
        _same_as_pillow(tmp_path / name)


def _png_header(width: int, height: int) -> bytes:
    """A PNG of one grey pixel of data whose header promises more."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def _encoded(pixels: np.ndarray, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


class TestBadFiles:
    def _refused(self, path: Path, *says: str) -> None:
        for channels in (1, 3):
            pixels, reason = decode(path, channels)
            assert pixels is None
            for part in says:
                assert part in reason
            assert "\n" not in reason
        loaded = load(_sample(path), SQUARE)
        assert loaded.status == statuses.UNREADABLE
        assert loaded.pixels is loaded.mask is None

    def test_missing_folder_and_empty(self, tmp_path: Path) -> None:
        self._refused(tmp_path / "none.jpg", "cannot be opened", "No such file")
        (tmp_path / "dir.jpg").mkdir()
        self._refused(tmp_path / "dir.jpg", "cannot be opened")
        (tmp_path / "empty.jpg").touch()
        self._refused(tmp_path / "empty.jpg", "0 bytes")

    @pytest.mark.parametrize("content", [b"I am a text", b"<html></html>", b"\0" * 500, b"\xff\xd8\xff"])
    def test_no_picture(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "t.jpg").write_bytes(content)
        self._refused(tmp_path / "t.jpg", "not a picture")

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP"])
    @pytest.mark.parametrize("kept", [0.3, 0.6, 0.95])
    def test_truncated(self, photo, tmp_path: Path, kind: str, kept: float) -> None:
        whole = _encoded(photo(120, 90), kind)
        (tmp_path / "t").write_bytes(whole[: int(len(whole) * kept)])
        self._refused(tmp_path / "t")

    @pytest.mark.parametrize("missing", [1, 2, 12])
    def test_a_picture_that_lacks_only_its_end_mark_is_read_or_named(self, photo, tmp_path: Path, missing: int) -> None:
        """All pixels are there: whatever is decided, no grey rest and no crash."""
        for kind in ("JPEG", "PNG"):
            whole = _encoded(photo(60, 60), kind)
            (tmp_path / "whole").write_bytes(whole)
            (tmp_path / "short").write_bytes(whole[:-missing])
            pixels, reason = decode(tmp_path / "short", 3)
            assert (pixels is None) == bool(reason)
            if pixels is not None and missing < 3:
                assert np.array_equal(pixels, decode(tmp_path / "whole", 3)[0])

    def test_bytes_after_the_end_do_no_harm(self, photo, tmp_path: Path) -> None:
        """Some cameras append kilobytes of their own."""
        for kind in ("JPEG", "PNG"):
            (tmp_path / kind).write_bytes(_encoded(photo(60, 60), kind) + b"\0" * 5000)
            _same_as_pillow(tmp_path / kind)

    def test_a_png_with_a_broken_middle(self, photo, tmp_path: Path) -> None:
        broken = bytearray(_encoded(photo(120, 90), "PNG"))
        broken[len(broken) // 2 : len(broken) // 2 + 40] = b"\x55" * 40
        (tmp_path / "b.png").write_bytes(broken)
        self._refused(tmp_path / "b.png", "damaged")

    def test_a_png_whose_chunk_declares_gigabytes_is_named_before_it_is_decoded(self, photo, tmp_path: Path) -> None:
        """OpenCV makes room for all of them first: 2 GB for each thread."""
        whole = _encoded(photo(60, 60), "PNG")
        for at in (whole.index(b"IDAT") - 4, len(whole) - 12):
            (tmp_path / "b.png").write_bytes(whole[:at] + b"\x7f\xff\xff\xffIDAT" + whole[at + 8 :])
            self._refused(tmp_path / "b.png", "damaged PNG: a chunk declares 2,147,483,647 bytes")

    def test_a_decompression_bomb_is_refused_by_its_header(self, tmp_path: Path) -> None:
        (tmp_path / "bomb.png").write_bytes(_png_header(60_000, 60_000))
        self._refused(tmp_path / "bomb.png", "too many pixels")

    def test_16_bit_and_float_are_named(self, tmp_path: Path) -> None:
        Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 160).save(tmp_path / "i16.png")
        self._refused(tmp_path / "i16.png", "PNG", "16 bits", "I;16", "--pixel-range 0,65535")
        Image.fromarray(np.ones((20, 20), np.float32)).save(tmp_path / "f.tiff")
        self._refused(tmp_path / "f.tiff", "TIFF", "32 bits floating point", "--pixel-range")

    def test_16_bit_colour_is_read_as_pillow_reads_it_or_named(self, tmp_path: Path) -> None:
        import cv2

        rng = np.random.default_rng(0)
        cv2.imwrite(str(tmp_path / "c16.png"), rng.integers(0, 65536, (20, 20, 3)).astype(np.uint16))
        pixels, reason = decode(tmp_path / "c16.png", 3)
        if pixels is None:
            assert "8 bits" in reason
        else:
            assert np.array_equal(pixels, _pillow(tmp_path / "c16.png", "RGB"))

    @pytest.mark.filterwarnings("ignore::UserWarning:PIL")
    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
    def test_no_damage_raises(self, photo, tmp_path: Path, kind: str) -> None:
        whole = _encoded(photo(24, 30), kind)
        rng = np.random.default_rng(11)
        path = tmp_path / "d.jpg"
        for _ in range(40):
            broken = bytearray(whole[: rng.integers(1, len(whole) + 1)])
            for place in rng.integers(0, min(len(broken), 400), 5):
                broken[place] = rng.integers(256)
            path.write_bytes(broken)
            loaded = load(_sample(path), SQUARE)
            assert loaded.status in (statuses.OK, statuses.UNREADABLE)
            assert bool(loaded.reason) == (loaded.status != statuses.OK)

    def test_a_strip_that_padding_would_blow_up(self, tmp_path: Path) -> None:
        Image.fromarray(np.zeros((2, 20_000), np.uint8)).save(tmp_path / "strip.png")
        padded = load(_sample(tmp_path / "strip.png"), Geometry((16, 16), 3, "pad", "bilinear", MaskReading()))
        assert padded.status == statuses.UNREADABLE
        assert padded.reason == (
            "too many pixels: 2x20000 would be padded to 20000x20000: 400,000,000 pixels, beyond the limit pixels of "
            "100,000,000 (raise it with --limit pixels=400000000)"
        )
        assert load(_sample(tmp_path / "strip.png"), SQUARE).status == statuses.OK
        Image.fromarray(np.zeros((2, 60_000), np.uint8)).save(tmp_path / "strip.png")
        large = Geometry((224, 224), 3, "shorter", "antialias", MaskReading())
        assert "2x60000 would be resized to 256x7680000:" in load(_sample(tmp_path / "strip.png"), large).reason


class TestDecoder:
    """A decoder of the user's framework gets the file's content, after the header was checked."""

    def test_its_pixels_are_taken(self, photo, tmp_path: Path) -> None:
        Image.fromarray(photo(16, 16)).save(tmp_path / "p.png")
        asked: list[tuple[bytes, int]] = []

        def sevens(data: bytes, channels: int) -> np.ndarray:
            asked.append((data, channels))
            return np.full((16, 16, channels), 7, np.uint8)

        for channels in (3, 1):
            geometry = Geometry((16, 16), channels, "stretch", "bilinear", MaskReading(), sevens)
            loaded = load(_sample(tmp_path / "p.png"), geometry)
            assert (loaded.pixels == 7).all()
            assert loaded.pixels.shape == (16, 16, channels)
        assert asked == [((tmp_path / "p.png").read_bytes(), 3), ((tmp_path / "p.png").read_bytes(), 1)]

    def test_what_it_cannot_decode_is_a_row(self, photo, tmp_path: Path) -> None:
        def refuses(data: bytes, channels: int) -> np.ndarray:
            raise ValueError("no such format")

        Image.fromarray(photo(16, 16)).save(tmp_path / "p.webp")
        assert decode(tmp_path / "p.webp", 3, refuses) == (None, "cannot decode this WEBP: no such format")
        (tmp_path / "text.jpg").write_text("no picture")
        assert (
            decode(tmp_path / "text.jpg", 3, refuses)[1]
            == "not a picture of a kind that is read, whatever its name says"
        )


class TestLoad:
    def test_skip_is_not_opened(self, tmp_path: Path) -> None:
        loaded = load(_sample(tmp_path / "none.webp", skip="a reason"), SQUARE)
        assert (loaded.status, loaded.reason) == (statuses.SKIPPED, "a reason")

    def test_without_mask_there_is_background_and_void_where_padded(self, photo, tmp_path: Path) -> None:
        Image.fromarray(photo(8, 16)).save(tmp_path / "p.png")
        loaded = load(_sample(tmp_path / "p.png"), Geometry((16, 16), 3, "pad", "bilinear", MaskReading()))
        assert (loaded.status, loaded.mask_status) == (statuses.OK, NO_MASK)
        assert loaded.pixels.shape == (16, 16, 3)
        assert loaded.pixels.dtype == np.float32
        assert loaded.mask.tolist() == [[2] * 16] * 4 + [[BACKGROUND] * 16] * 8 + [[2] * 16] * 4

    def test_a_broken_mask_costs_the_mask_only(self, photo, tmp_path: Path) -> None:
        Image.fromarray(photo(8, 16)).save(tmp_path / "p.png")
        (tmp_path / "m.png").write_bytes(b"no mask")
        loaded = load(_sample(tmp_path / "p.png", mask=tmp_path / "m.png"), SQUARE)
        assert (loaded.status, loaded.mask_status, loaded.mask_kind) == (statuses.OK, "mask unreadable", "mask")
        assert not loaded.mask.any()


class TestLoadInOrder:
    @pytest.fixture
    def samples(self, photo, tmp_path: Path) -> list[Sample]:
        for i in range(11):
            Image.fromarray(np.full((4 + i, 5, 3), 10 * i, np.uint8)).save(tmp_path / f"{i}.png")
        (tmp_path / "5.png").write_bytes(b"broken")
        return [_sample(tmp_path / f"{i}.png") for i in range(11)]

    @pytest.mark.parametrize("group", [1, 3, 4, 11, 50])
    @pytest.mark.parametrize("ahead", [0, 2])
    def test_order_and_groups(self, samples: list[Sample], group: int, ahead: int) -> None:
        groups = list(load_in_order(samples, SQUARE, group, ahead=ahead))
        assert [start for start, _ in groups] == list(range(0, 11, group))
        assert [len(loaded) for _, loaded in groups] == [min(group, 11 - start) for start in range(0, 11, group)]
        flat = [loaded for _, part in groups for loaded in part]
        assert [loaded.status == statuses.OK for loaded in flat] == [i != 5 for i in range(11)]
        assert [float(loaded.pixels.mean()) for loaded in flat if loaded.pixels is not None] == pytest.approx(
            [10 * i for i in range(11) if i != 5]
        )

    def test_nothing_to_load(self) -> None:
        assert list(load_in_order([], SQUARE, 4)) == []

    def test_closing_early_leaves_no_threads(self, samples: list[Sample]) -> None:
        before = set(threading.enumerate())
        stream = load_in_order(samples, SQUARE, 2)
        assert next(stream)[0] == 0
        assert set(threading.enumerate()) > before  # it does use threads, or this test shows nothing
        stream.close()
        assert set(threading.enumerate()) == before

    def test_it_decodes_at_most_ahead_groups(self, samples: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[str] = []
        whole = batches.load

        def counted(sample: Sample, *how: Any) -> batches.Loaded:
            seen.append(sample.image_id)
            return whole(sample, *how)

        monkeypatch.setattr(batches, "load", counted)
        stream = load_in_order(samples, SQUARE, 2, ahead=1)
        next(stream)
        stream.close()
        assert len(seen) <= 2 * 2  # the group that was asked for and one ahead
