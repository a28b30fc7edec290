"""Zip and tar archives are what the folder is that was packed; what cannot be read of them is a row or a sentence."""

from __future__ import annotations

import io
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packed import as_folder, as_tar, as_zip, failing, refused, told

from bias_audit.data import tar_index
from bias_audit.data.archives import Archive, clean_name, open_archive
from bias_audit.data.locations import read_location, stamp
from bias_audit.data.sources import SourceOptions, open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.data.trees import Folder, place_of
from bias_audit.errors import DataError
from bias_audit.limits.bounds import Limits

PHOTOS = {
    "wolf/1.jpg": b"wolf 1", "wolf/deep/er/2.png": b"wolf 2" * 1000, "wolf-x/3.jpg": b"x", "husky/ä b.jpeg": b"husky",
    "husky/notes.txt": b"text", "husky/4.webp": b"skipped", "README": b"read me",
}  # fmt: skip
MASKS = {"wolf/1.png": b"mask 1", "wolf/deep/er/2.bmp": b"mask 2", "husky/ä b.png": b"mask 3"}


PACKED: dict[str, Callable[[Path, Mapping[str, bytes], str], Path]] = {
    "stored zip": lambda path, files, below: as_zip(path.with_suffix(".zip"), files, zipfile.ZIP_STORED, below),
    "deflated zip": lambda path, files, below: as_zip(path.with_suffix(".ZIP"), files, below=below),
    "ustar": lambda path, files, below: as_tar(path.with_suffix(".tar"), files, tarfile.USTAR_FORMAT, below),
    "gnu tar": lambda path, files, below: as_tar(path.with_suffix(".tar"), files, tarfile.GNU_FORMAT, below),
    "pax tar": lambda path, files, below: as_tar(path.with_suffix(".tar"), files, tarfile.PAX_FORMAT, below),
}


@pytest.fixture(params=PACKED)
def pack(request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Packs name -> bytes into an archive of each kind: (path without suffix, files, folder above all)."""
    packed = PACKED[request.param]
    return lambda path, files, below="": packed(path, files, below)


class TestAsTheFolder:
    @pytest.mark.parametrize("below", ["", "photos/", "./", "a/b/"])
    def test_a_folder_per_class(self, tmp_path: Path, pack: Callable[..., Path], below: str) -> None:
        photos, masks = as_folder(tmp_path / "photos", PHOTOS), as_folder(tmp_path / "masks", MASKS)
        packed = {name: data for name, data in PHOTOS.items() if not below.strip("./") or name != "README"}
        archive, packed_masks = pack(tmp_path / "p", packed, below), pack(tmp_path / "m", MASKS, below)
        expected = attach_masks(open_dataset(photos, None), masks)
        for found in (
            attach_masks(open_dataset(archive, None), packed_masks),
            attach_masks(open_dataset(archive, None), masks),
            attach_masks(open_dataset(photos, None), packed_masks),
        ):
            assert told(found) == told(expected)
            assert (found.class_names, found.ignored_files) == (expected.class_names, expected.ignored_files)
        assert sum(sample.mask is not None for sample in expected.samples) == 3

    def test_photos_and_masks_of_one_archive(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        files = {f"photos/{name}": data for name, data in PHOTOS.items()}
        archive = pack(tmp_path / "p", {**files, **{f"masks/{name}": data for name, data in MASKS.items()}})
        expected = attach_masks(open_dataset(pack(tmp_path / "a", PHOTOS), None), pack(tmp_path / "m", MASKS))
        found = attach_masks(open_dataset(archive / "photos", None), archive / "masks")
        assert [sample.image_id for sample in found.samples] == [sample.image_id for sample in expected.samples]
        assert [sample.mask is None for sample in found.samples] == [sample.mask is None for sample in expected.samples]
        assert any(sample.mask is not None for sample in found.samples)
        with pytest.raises(DataError, match="no 'other' in the archive"):
            attach_masks(found, archive / "other")

    def test_masks_of_one_class_alone(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        photos = as_folder(tmp_path / "photos", PHOTOS)
        masks = pack(tmp_path / "m", {"wolf/1.png": b"mask", "wolf/deep/9.png": b"mask"})
        found = attach_masks(open_dataset(photos, None), masks)
        assert [sample.image_id for sample in found.samples if sample.mask is not None] == ["wolf/1.jpg"]

    def test_a_table_with_masks(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        rows = "image,label,mask,age\nwolf/1.jpg,wolf,masks/1.png,3\nhusky\\2.jpg,husky,,4\n"
        files = {"t.csv": rows.encode(), "wolf/1.jpg": b"1", "husky/2.jpg": b"2", "masks/1.png": b"m"}
        folder, archive = as_folder(tmp_path / "data", files), pack(tmp_path / "p", files, "in/side/")
        expected = open_dataset(folder / "t.csv", None)
        assert told(open_dataset(archive / "in/side/t.csv", None)) == told(expected)
        assert str(place_of(archive / "in/side/t.csv")) == f"{archive}/in/side/t.csv"
        refused(lambda: open_dataset(archive / "in/t.csv", None), "no 'in/t.csv' in the archive")

    def test_a_folder_of_an_archive(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        archive = pack(tmp_path / "p", {"train/a/1.jpg": b"1", "test/a/2.jpg": b"2", "test/b/3.jpg": b"3"})
        assert [sample.image_id for sample in open_dataset(archive / "test", None).samples] == ["a/2.jpg", "b/3.jpg"]

    def test_trees_say_the_same(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        folder, packed = Folder(as_folder(tmp_path / "photos", PHOTOS)), open_archive(pack(tmp_path / "p", PHOTOS))
        assert packed.top() == folder.top()
        for below in ("", "wolf", "wolf/deep", "husky", "no such", "wol"):
            assert packed.files(below) == folder.files(below)
        for name in (*PHOTOS, "wolf", "wolf/deep", "none"):
            assert packed.has(name) == folder.has(name)
        for value, below in (("a\\b.png", ""), ("./b.png", "wolf"), ("../b.png", "wolf")):
            assert packed.named(value, "row 1", below=below)[0] == folder.named(value, "row 1", below=below)[0]

    def test_many_threads_read_at_the_same_time(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        files = {f"a/{number}.jpg": bytes([number]) * (number * 700) for number in range(200)}
        archive = open_archive(pack(tmp_path / "p", files))
        with ThreadPoolExecutor(16) as pool:
            read = pool.map(lambda name: read_location(archive.location(name)), [*files] * 3)
        assert list(read) == [*files.values()] * 3

    def test_what_macos_adds_is_no_class(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        files = {"photos/a/1.jpg": b"1", "photos/b/2.jpg": b"2", "__MACOSX/photos/a/._1.jpg": b"x", ".DS_Store": b"x"}
        dataset = open_dataset(pack(tmp_path / "p", files), None)
        assert dataset.class_names == ("a", "b")
        assert dataset.ignored_files == ("__MACOSX/photos/a/._1.jpg (a note of macOS)",)
        assert dataset.left_out == {}


NAMES = st.text(st.characters(blacklist_characters="\0/\\:", blacklist_categories=["Cs"]), min_size=1, max_size=150)
FILES = st.dictionaries(NAMES.map(lambda name: f"d/{name}"), st.binary(max_size=1500), max_size=6)


class TestTarIndex:
    @settings(max_examples=80, deadline=None)
    @given(FILES, st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    def test_it_lists_what_tarfile_lists(self, files: dict[str, bytes], kind: int) -> None:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w", format=kind) as writing:
            folder = tarfile.TarInfo("d")
            folder.type = tarfile.DIRTYPE
            writing.addfile(folder)
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size, info.mtime = len(data), 1234.5  # a time of parts of a second is a record of pax
                try:
                    writing.addfile(info, io.BytesIO(data))
                except ValueError:  # USTAR has no room for long names
                    continue
                link = tarfile.TarInfo(f"link {len(name)}")
                link.type, link.linkname = tarfile.SYMTYPE, name
                if kind != tarfile.USTAR_FORMAT:
                    writing.addfile(link)
        packed.seek(0)
        with tarfile.open(fileobj=packed) as reading:
            expected = [(each.name, each.offset_data, each.size, each.isdir(), each.issym()) for each in reading]
        found = tar_index.entries(packed)
        assert [
            (each.name.rstrip("/"), each.offset, each.size, each.folder, bool(each.other)) for each in found
        ] == expected

    def test_sparse_files_are_rows_and_what_follows_is_found(self, tmp_path: Path) -> None:
        path = as_tar(tmp_path / "p.tar", {"a/1.jpg": b"1" * 700, "a/2.jpg": b"2", "b/3.jpg": b"3"}, tarfile.GNU_FORMAT)
        data = bytearray(path.read_bytes())
        data[156:157] = b"S"
        data[148:156] = b"%06o\0 " % (256 + sum(data[:148]) + sum(data[156:512]))
        path.write_bytes(data)
        with tarfile.open(path) as reading:
            assert [each.sparse is not None for each in reading] == [True, False, False]
        first, *others = open_dataset(path, None).samples
        assert "holes" in failing(first.path)
        assert [read_location(sample.path) for sample in others] == [b"2", b"3"]

    @pytest.mark.parametrize("end", ["without a mark", "in a header", "in the data", "other bytes", "another archive"])
    def test_what_is_cut_off_or_damaged_is_said(self, tmp_path: Path, end: str) -> None:
        files = {"a/1.jpg": b"1" * 600, "b/2.jpg": b"2" * 600, "b/3.jpg": b"3" * 600}
        path = as_tar(tmp_path / "p.tar", files)
        data = path.read_bytes()  # each file takes 1536 bytes
        path.write_bytes({
            "without a mark": data[: 2 * 1536], "in a header": data[: 2 * 1536 + 100],
            "in the data": data[: 2 * 1536 - 700],
            "other bytes": data[: 2 * 1536] + b"x" * 512 + data[2 * 1536 + 512 :],
            "another archive": data[: 2 * 1536] + bytes(1024) + data,
        }[end])  # fmt: skip
        dataset = open_dataset(path, None)
        assert [sample.image_id for sample in dataset.samples] == ["a/1.jpg", "b/2.jpg"]
        (unread,) = dataset.unread_folders
        assert unread.startswith("p.tar (what follows the first 2 files is not read: ")
        assert read_location(dataset.samples[0].path) == b"1" * 600
        if end == "in the data":
            assert failing(dataset.samples[1].path) == "the archive ends within it"
        assert "of which what follows" in failing(open_archive(path).location("b/3.jpg"))

    def test_a_whole_archive_says_nothing(self, tmp_path: Path) -> None:
        assert open_dataset(as_tar(tmp_path / "p.tar", PHOTOS), None).unread_folders == ()


class TestNames:
    @pytest.mark.parametrize("name", ["../x.jpg", "/etc/x.jpg", "a/../../x.jpg", "C:/x.jpg", "c:x.jpg", "a/" * 2100])
    def test_names_that_lead_out_are_listed_and_not_read(self, tmp_path: Path, pack: Callable[..., Path], name: str):
        if name.startswith("a/a/"):
            name += "x.jpg"
        try:
            archive = pack(tmp_path / "p", {"a/1.jpg": b"1", "b/2.jpg": b"2", name: b"3"})
        except ValueError:
            pytest.skip("this format has no room for the name")
        dataset = open_dataset(archive, None)
        assert [sample.image_id for sample in dataset.samples] == ["a/1.jpg", "b/2.jpg"]
        (ignored,) = dataset.ignored_files
        assert ignored.startswith(name[:50])
        assert ignored.endswith("(a name that would lead out of the archive)")
        if len(name) < 100:
            assert dataset.left_out == {"were not read (a name that would lead out of the archive)": 1}

    def test_a_zero_byte(self, tmp_path: Path) -> None:
        path = as_zip(tmp_path / "p.zip", {"a/1.jpg": b"1", "b/2.jpg": b"2", "b/3.jpgX.txt": b"3"})
        path.write_bytes(path.read_bytes().replace(b"3.jpgX", b"3.jpg\0"))
        dataset = open_dataset(path, None)
        assert [sample.image_id for sample in dataset.samples] == ["a/1.jpg", "b/2.jpg"]
        assert len(dataset.ignored_files) == 1

    def test_folders_of_windows(self, tmp_path: Path) -> None:
        path = as_zip(tmp_path / "p.zip", {"a\\1.jpg": b"1", "b\\c\\2.jpg": b"2", "b\\..\\..\\3.jpg": b"3"})
        assert [sample.image_id for sample in open_dataset(path, None).samples] == ["a/1.jpg", "b/c/2.jpg"]

    @pytest.mark.parametrize(
        "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"V"]
    )
    def test_links_and_devices_of_tar(self, tmp_path: Path, kind: bytes) -> None:
        path = as_tar(tmp_path / "p.tar", {"a/1.jpg": b"1", "b/2.jpg": b"2"})
        with tarfile.open(path, "a") as packed:
            info = tarfile.TarInfo("b/3.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            packed.addfile(info)
        dataset = open_dataset(path, None)
        assert [sample.image_id for sample in dataset.samples] == ["a/1.jpg", "b/2.jpg"]
        assert dataset.ignored_files[0].startswith("b/3.jpg (")
        assert list(dataset.left_out.values()) == [1]

    def test_links_of_zip(self, tmp_path: Path) -> None:
        path = as_zip(tmp_path / "p.zip", {"a/1.jpg": b"1", "b/2.jpg": b"2"})
        with zipfile.ZipFile(path, "a") as packed:
            info = zipfile.ZipInfo("b/3.jpg")
            info.external_attr = 0o120777 << 16
            packed.writestr(info, "/etc/passwd")
        dataset = open_dataset(path, None)
        assert dataset.ignored_files == ("b/3.jpg (a link)",)
        assert dataset.left_out == {"were not read (a link)": 1}

    def test_a_table_leads_out_of_no_archive(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        for name in ("../x.jpg", "/etc/x.jpg", "C:\\x.jpg", "a/../../x.jpg"):
            archive = pack(tmp_path / "p", {"in/t.csv": f"image,label\n{name},a\n".encode(), "x.jpg": b"1"})
            for outside in (False, True):
                options = SourceOptions(outside=outside)
                refused(
                    lambda o=options, a=archive: open_dataset(a / "in/t.csv", None, o), "row 2", "leaves the folder"
                )

    @given(st.text())
    def test_clean_names_stay_below_the_root(self, name: str) -> None:
        clean = clean_name(name)
        assert clean == clean_name(clean)
        parts = clean.split("/")
        assert not clean or not {"", ".", ".."} & {*parts}

    def test_two_files_of_one_name_are_a_row(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `zipfile` says of the second that it is one
            archive = pack(tmp_path / "p", _Twice({"a/1.jpg": b"1", "b/2.jpg": b"2"}))
        dataset = open_dataset(archive, None)
        assert [sample.image_id for sample in dataset.samples] == ["a/1.jpg", "b/2.jpg"]
        assert failing(dataset.samples[0].path) == "the archive holds more than one file of this name"


class _Twice(dict[str, bytes]):
    """Files of which the first is listed twice."""

    def items(self):  # type: ignore[no-untyped-def]
        every = list(super().items())
        return [*every, (every[0][0], b"another")]


class TestDamagedZips:
    def _one(self, tmp_path: Path, data: bytes, method: int = zipfile.ZIP_DEFLATED) -> tuple[Path, bytearray]:
        path = as_zip(tmp_path / "p.zip", {"a/1.jpg": data, "b/2.jpg": b"2"}, method)
        return path, bytearray(path.read_bytes())

    def _reason(self, path: Path, **limits: int) -> str:
        first, second = open_dataset(path, None, SourceOptions(limits=Limits(**limits))).samples
        assert read_location(second.path) == b"2"
        return failing(first.path)

    def test_a_bomb_is_refused_by_what_it_declares(self, tmp_path: Path) -> None:
        path, _ = self._one(tmp_path, bytes(3_000_000))
        assert path.stat().st_size < 10_000
        reason = self._reason(path, member_bytes=2_000_000)
        assert "3,000,000 bytes, beyond the limit member_bytes of 2,000,000" in reason
        assert "--limit member_bytes=3000000" in reason

    def test_a_bomb_that_lies_is_unpacked_no_further_than_it_declares(self, tmp_path: Path, monkeypatch) -> None:
        path, data = self._one(tmp_path, bytes(3_000_000))
        at = data.rindex(b"PK\1\2", 0, data.rindex(b"PK\1\2"))
        data[at + 24 : at + 28] = struct.pack("<I", 1000)
        path.write_bytes(data)
        unpacked: list[int] = []
        real = zlib.decompressobj

        class Watched:
            def __init__(self, *given: int) -> None:
                self._real = real(*given)

            def decompress(self, packed: bytes, most: int) -> bytes:
                found = self._real.decompress(packed, most)
                unpacked.append(len(found))
                return found

            eof = property(lambda self: self._real.eof)

        monkeypatch.setattr("bias_audit.data.archive_members.zlib.decompressobj", Watched)
        assert "does not unpack to the 1,000 bytes" in self._reason(path)
        assert max(unpacked) == 1001

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda data, at, local: data.__setitem__(slice(at + 16, at + 20), b"1234"), "CRC-32"),
            (lambda data, at, local: data.__setitem__(slice(local + 38, local + 44), b"\xff" * 6), "damaged"),
            (lambda data, at, local: data.__setitem__(slice(local, local + 4), b"nope"), "does not begin"),
            (lambda data, at, local: data.__setitem__(slice(at + 8, at + 10), b"\1\0"), "encrypted"),
            (lambda data, at, local: data.__setitem__(slice(at + 10, at + 12), b"\x0c\0"), "by the method 12"),
            (lambda data, at, local: data.__setitem__(slice(at + 20, at + 24), b"\0\0\0\1"), "ends within it"),
            (lambda data, at, local: data.__setitem__(slice(at + 24, at + 28), b"\0\1\0\0"), "256 bytes"),
        ],
    )
    def test_a_damaged_file_is_a_row(self, tmp_path: Path, change: Callable[..., None], says: str) -> None:
        path, data = self._one(tmp_path, b"some bytes" * 100)
        at = data.rindex(b"PK\1\2", 0, data.rindex(b"PK\1\2"))
        change(data, at, 0)
        path.write_bytes(data)
        assert says in self._reason(path)

    def test_what_is_no_archive_is_one_sentence(self, tmp_path: Path) -> None:
        path, data = self._one(tmp_path, b"x" * 1000)
        path.write_bytes(data[:-40])
        refused(lambda: open_dataset(path, None), "p.zip", "no zip archive that can be read", "to its end")
        for name in ("p.zip", "p.tar"):
            for content in (b"", b"no such", b"x" * 5000):
                (tmp_path / name).write_bytes(content)
                refused(lambda name=name: open_dataset(tmp_path / name, None), "archive that can be read")

    @pytest.mark.parametrize(
        ("suffix", "mode"), [("tar.gz", "w:gz"), ("tgz", "w:gz"), ("tar.xz", "w:xz"), ("tar", "w:bz2")]
    )
    def test_compressed_tars_are_one_sentence(self, tmp_path: Path, suffix: str, mode: str) -> None:
        path = tmp_path / f"p.{suffix}"
        with tarfile.open(path, mode) as packed:
            packed.addfile(tarfile.TarInfo("a/1.jpg"))
        for call in (lambda: open_dataset(path, None), lambda: open_archive(path)):
            refused(call, "compressed as a whole", "tar -xf", ".zip")


class TestPlaces:
    def test_equal_places_are_equal_and_a_stamp_sees_changes(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        path = pack(tmp_path / "p", PHOTOS)
        one, other = (open_archive(path).location("wolf/1.jpg") for _ in range(2))
        assert one == other
        assert hash(one) == hash(other)
        assert one != open_archive(path).location("README")
        assert stamp(one) == stamp(other)
        assert (one.name, str(one)) == ("1.jpg", f"{path}/wolf/1.jpg")
        before, fingerprint = stamp(one), open_dataset(path, None).fingerprint()
        pack(tmp_path / "p", {**PHOTOS, "wolf/1.jpg": b"another wolf"})
        assert stamp(one) != before
        assert failing(one) == "the archive was changed after it was listed"
        assert open_dataset(path, None).fingerprint() != fingerprint
        path.unlink()
        assert stamp(one) == "missing"
        assert "No such file" in failing(one)

    def test_trees_of_one_archive_are_equal(self, tmp_path: Path, pack: Callable[..., Path]) -> None:
        path = pack(tmp_path / "p", PHOTOS)
        assert open_archive(path) == open_archive(path)
        assert isinstance(place_of(path).tree, Archive)
        assert open_archive(path).below("wolf") != open_archive(path)
