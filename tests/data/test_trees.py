"""Places of bytes that are no files of their own, and masks that are no pictures, take the way that files take."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from bias_audit.data.batches import Geometry, load
from bias_audit.data.contents import Contents, content_of
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.locations import Stored
from bias_audit.data.masks import BACKGROUND, FOREGROUND, VOID, MaskReading
from bias_audit.data.trees import Folder, Place, place_of
from bias_audit.errors import DataError
from bias_audit.run.statuses import CHANGED, EMPTY, OK, UNREADABLE

PIXELS = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)
PNG = cv2.imencode(".png", PIXELS[..., ::-1])[1].tobytes()
GEOMETRY = Geometry((8, 6), 3, "stretch", "nearest", MaskReading())


@dataclass(frozen=True)
class Held(Stored):
    """Bytes in memory, which another test may exchange."""

    key: str
    bytes: list[bytes] = field(default_factory=lambda: [PNG], compare=False)

    def read(self) -> bytes:
        if not self.bytes:
            raise OSError("it is gone")
        return self.bytes[0]

    def stamp(self) -> str:
        return str(len(self.bytes[0])) if self.bytes else "missing"

    def __str__(self) -> str:
        return f"held {self.key}"

    @property
    def name(self) -> str:
        return f"{self.key}.png"


@dataclass(frozen=True)
class Left:
    """The left half is foreground, the last column void; or nothing at all."""

    empty: bool = False
    kind = "mask"

    @property
    def content(self) -> str:
        return f"left {self.empty}"

    def draw(self, size: tuple[int, int]) -> tuple[np.ndarray, str]:
        mask = np.full(size, BACKGROUND, np.uint8)
        if not self.empty:
            mask[:, : size[1] // 2], mask[:, -1] = FOREGROUND, VOID
        return mask, OK


class TestStored:
    def test_it_is_read_as_a_file_is(self) -> None:
        loaded = load(Sample("a", Held("a"), 0, mask=Left()), GEOMETRY)
        assert (loaded.status, loaded.mask_status, loaded.mask_kind) == (OK, OK, "mask")
        assert (loaded.content, loaded.mask_content) == (content_of(PNG), "left False")
        assert np.array_equal(loaded.pixels, PIXELS)
        assert np.array_equal(loaded.mask, np.array([[1, 1, 1, 0, 0, 2]] * 8))

    def test_what_is_gone_is_a_row(self) -> None:
        loaded = load(Sample("a", Held("a", []), 0), GEOMETRY)
        assert (loaded.status, loaded.reason) == (UNREADABLE, "cannot be opened: it is gone")

    def test_shapes_without_a_pixel_are_empty(self) -> None:
        loaded = load(Sample("a", Held("a"), 0, mask=Left(empty=True)), GEOMETRY)
        assert (loaded.status, loaded.mask_status) == (OK, EMPTY)

    def test_a_change_is_noticed(self) -> None:
        held, noticed = Held("a"), []
        geometry = Geometry(
            *((8, 6), 3, "stretch", "nearest", MaskReading()),
            contents=Contents(lambda place, reason: noticed.append((str(place), reason))),
        )
        assert load(Sample("a", held, 0, mask=Left()), geometry).status == OK
        held.bytes[0] = PNG + b"more"
        assert load(Sample("a", held, 0, mask=Left()), geometry).status == CHANGED
        assert noticed == [("held a", "the photo is another file than the one that was read first")]

    def test_a_fingerprint_sees_place_and_mask(self) -> None:
        def of(place: Held, mask: Left) -> str:
            return Dataset((Sample("a", place, 0, mask=mask),), ("x", "y"), "folder").fingerprint()

        first = of(Held("a"), Left())
        assert first == of(Held("a"), Left())
        assert first != of(Held("a", [PNG + b"more"]), Left())
        assert first != of(Held("a"), Left(empty=True))


class TestFolder:
    def test_names(self, tmp_path: Path) -> None:
        (tmp_path / "b/c").mkdir(parents=True)
        (tmp_path / "a").mkdir()
        for name in ("b/c/1.png", "b/2.png", "a/3.png", "4.png"):
            (tmp_path / name).write_bytes(b"")
        tree = Folder(tmp_path)
        assert tree.files().files == ["4.png", "a/3.png", "b/2.png", "b/c/1.png"]
        assert tree.files("b").files == ["b/2.png", "b/c/1.png"]
        assert tree.files("no such").files == []
        assert tree.files("no such").unread == {}
        assert tree.top()[:2] == (["a", "b"], ["4.png"])
        assert (tree.has("b/c/1.png"), tree.has("b/c"), tree.has("b/9.png")) == (True, False, False)
        assert (tree.has("b/" + "x" * 5000), tree.files("x" * 5000).files) == (False, [])
        assert tree.location("b/2.png") == tmp_path / "b/2.png"

    def test_what_it_names(self, tmp_path: Path) -> None:
        tree = Folder(tmp_path)
        assert tree.named("a\\b.png", "row 1") == ("a/b.png", (tmp_path / "a/b.png").resolve())
        assert tree.named("b.png", "row 1", below="a") == ("a/b.png", (tmp_path / "a/b.png").resolve())
        assert tree.named("../b.png", "row 1", below="a")[0] == "b.png"
        for wrong, says in (("../b.png", "leaves the folder"), ("", "no image path"), ("a\0b", "zero byte")):
            with pytest.raises(DataError, match=says):
                tree.named(wrong, "row 1")
        outside = (tmp_path.parent / "b.png").resolve()
        assert tree.named("../b.png", "row 1", outside=True) == (outside.as_posix(), outside)

    def test_places(self, tmp_path: Path) -> None:
        (tmp_path / "T.CSV").write_text("")
        assert place_of(tmp_path) == Place(Folder(tmp_path))
        place = place_of(tmp_path / "T.CSV")
        assert (place.suffix, place.location, str(place)) == (".csv", tmp_path / "T.CSV", str(tmp_path / "T.CSV"))
