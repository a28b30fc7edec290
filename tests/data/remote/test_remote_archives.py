"""Archives, shards and Parquet files that lie elsewhere: kept here as a whole, and then what those of this disk are."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from file_server import Server
from packed import as_tar, as_zip, failing, refused, told

from bias_audit.data.addresses import Url, data_address
from bias_audit.data.remote import stores
from bias_audit.data.remote.reach import Reach
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.data.sources.options import SourceOptions
from bias_audit.data.trees import place_of
from bias_audit.limits.bounds import Limits

Address = Callable[[str], Path | Url]


def _contents(root: Path) -> dict[str, bytes]:
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def packed(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos as archives, shards and Parquet files, in a folder of this disk."""
    root = tmp_path_factory.mktemp("packed")
    images, masks = _contents(photos / "images"), _contents(photos / "masks")
    as_zip(root / "photos.zip", images)
    as_tar(root / "photos.tar", images)
    as_zip(root / "masks.zip", masks, below="masks/")
    as_zip(root / "all.zip", _contents(photos))
    (root / "shards").mkdir()
    (root / "hub").mkdir()
    for number, name in enumerate(sorted(images)):
        stem, label = name.removesuffix(".png"), name.partition("/")[0]
        members = {name: images[name], f"{stem}.cls": label.encode(), f"{stem}.mask.png": masks[name]}
        as_tar(root / f"shards/s-{number}.tar", members)
    for part, names in (("test", sorted(images)), ("train", sorted(images)[:2])):
        rows = [
            {"image": {"bytes": images[name], "path": name}, "mask": {"bytes": masks[name], "path": None},
             "label": name.partition("/")[0]}
            for name in names
        ]  # fmt: skip
        for shard in range(2):
            file = root / f"hub/{part}-0000{shard}-of-00002.parquet"
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows[shard::2]), file, row_group_size=1)
    return root


@pytest.fixture
def served(packed: Path, tmp_path: Path) -> Iterator[Server]:
    shutil.copytree(packed, tmp_path / "packed")
    server = Server(tmp_path / "packed")
    yield server
    server.close()


@pytest.fixture
def stored(packed: Path, bucket: Any) -> Any:
    for name, data in _contents(packed).items():
        bucket.pipe(f"/bucket/{name}", data)
    return bucket


@pytest.fixture(params=["memory", "http"])
def there(request: pytest.FixtureRequest) -> Address:
    """The address of what is packed, in fsspec's memory or on a server of this machine."""
    if request.param == "memory":
        request.getfixturevalue("stored")
        return lambda name: data_address(f"memory://bucket/{name}")
    server = request.getfixturevalue("served")
    return lambda name: data_address(f"{server.url}/{name}")


class TestAsOnDisk:
    @pytest.mark.parametrize("name", ["photos.zip", "photos.tar"])
    def test_an_archive(self, packed: Path, there: Address, name: str) -> None:
        expected = told(attach_masks(open_dataset(packed / name, None), packed / "masks.zip"))
        dataset = open_dataset(there(name), None)
        assert told(attach_masks(dataset, there("masks.zip"))) == expected
        assert len(expected) == 6
        assert dataset.fingerprint() == open_dataset(there(name), None).fingerprint()

    @pytest.mark.parametrize("inside", ["all.zip/photos.csv", "all.zip/images"])
    def test_a_place_in_an_archive(self, packed: Path, there: Address, inside: str) -> None:
        assert told(open_dataset(there(inside), None)) == told(open_dataset(packed / inside, None))
        refused(lambda: open_dataset(there("all.zip/none"), None), "no 'none' in the archive", "all.zip'")

    def test_a_parquet_file(self, packed: Path, there: Address) -> None:
        name = "hub/test-00000-of-00002.parquet"
        dataset = open_dataset(there(name), None)
        assert told(dataset) == told(open_dataset(packed / name, None))
        assert (dataset.source, len(dataset.samples)) == ("parquet", 3)

    @pytest.mark.parametrize(
        "pattern", ["hub/test-{00000..00001}-of-00002.parquet", "shards/s-{0..5}.tar", "shards/s-{0,4}.tar"]
    )
    def test_a_pattern(self, packed: Path, there: Address, pattern: str) -> None:
        assert told(open_dataset(there(pattern), None)) == told(open_dataset(packed / pattern, None))

    def test_a_folder_of_shards(self, packed: Path, stored: Any) -> None:
        assert told(open_dataset(data_address("memory://bucket/shards"), None)) == told(
            open_dataset(packed / "shards", None)
        )

    def test_of_a_folder_of_parquet_files_one_part_is_fetched(
        self, packed: Path, stored: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fetched, pieces = [], stores.pieces

        def counted(url: Url, limits: Limits, stamp: str) -> Any:
            fetched.append(url.name)
            return pieces(url, limits, stamp)

        monkeypatch.setattr(stores, "pieces", counted)
        dataset = open_dataset(data_address("memory://bucket/hub"), None)
        assert told(dataset) == told(open_dataset(packed / "hub", None))
        assert sorted(fetched) == ["test-00000-of-00002.parquet", "test-00001-of-00002.parquet"]
        assert dataset.notes == (
            "2 of 4 files are of other parts than test (train), and were not fetched; see --split.",
        )
        of_train = open_dataset(data_address("memory://bucket/hub"), None, SourceOptions(split="train"))
        assert len(of_train.samples) == 2


class TestFetched:
    def test_once_and_kept(self, served: Server) -> None:
        for _ in range(2):
            told(open_dataset(data_address(f"{served.url}/photos.zip"), None))
        assert served.gets() == 1

    def test_again_where_the_cache_has_lost_it(self, served: Server, own_cache: Path) -> None:
        dataset = open_dataset(data_address(f"{served.url}/photos.tar"), None)
        first = told(dataset)
        for file in own_cache.iterdir():
            file.unlink()
        assert told(dataset) == first
        assert served.gets() == 2

    def test_again_where_the_cache_is_damaged(self, served: Server, own_cache: Path) -> None:
        first = told(open_dataset(data_address(f"{served.url}/photos.tar"), None))
        (file,) = own_cache.iterdir()
        data = file.read_bytes()
        for damaged in (data[:-1], data[:-1] + b"x", data[:40], b"", b"{}\n", data.replace(b"{", b"[", 1)):
            file.write_bytes(damaged)
            assert told(open_dataset(data_address(f"{served.url}/photos.tar"), None)) == first
        assert served.gets() == 7

    def test_another_archive_of_that_name_gives_nothing(
        self, served: Server, own_cache: Path, tmp_path: Path, packed: Path
    ) -> None:
        dataset = open_dataset(data_address(f"{served.url}/photos.tar"), None)
        for file in own_cache.iterdir():
            file.unlink()
        data = bytearray((packed / "photos.tar").read_bytes())
        data[600] ^= 1  # in the first photo
        (tmp_path / "packed/photos.tar").write_bytes(data)
        assert {failing(sample.path) for sample in dataset.samples} == {"the archive was changed after it was listed"}

    def test_in_pieces(self, packed: Path, stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stores, "PIECE", 1000)
        address = data_address("memory://bucket/photos.tar")
        assert told(open_dataset(address, None)) == told(open_dataset(packed / "photos.tar", None))

    def test_what_changes_while_it_comes_is_refused(
        self, packed: Path, stored: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stores, "PIECE", 1000)
        ask = stores._ask

        def changing(system: Any, method: str, *arguments: Any, **options: Any) -> Any:
            if options.get("start") == 2000:
                stored.pipe("/bucket/photos.tar", (packed / "photos.tar").read_bytes())
            return ask(system, method, *arguments, **options)

        monkeypatch.setattr(stores, "_ask", changing)
        address = data_address("memory://bucket/photos.tar")
        refused(lambda: open_dataset(address, None), "it was changed while it was fetched")

    def test_what_is_cut_off_is_asked_for_again(self, served: Server, packed: Path) -> None:
        reach, url = Reach(), Url("http", f"{served.url[7:]}/photos.zip")
        reach.stamp(url)
        served.answers = {"/photos.zip": [503, b"PK"]}
        file, _ = reach.open(url)
        with file:
            assert file.read() == (packed / "photos.zip").read_bytes()
        assert served.asked["GET", "/photos.zip"] == 3

    def test_a_finished_run_reads_what_is_kept(self, served: Server, stored: Any, own_cache: Path) -> None:
        for address in (
            f"{served.url}/shards/s-{{0..5}}.tar",
            "memory://bucket/hub",
            "memory://bucket/all.zip/photos.csv",
        ):
            first = told(open_dataset(data_address(address), None))
            if address.endswith(".csv"):
                stored.store.clear()
            asked = dict(served.asked)
            assert told(open_dataset(data_address(address), None, SourceOptions(fetch=False))) == first
            assert served.asked == asked
        shutil.rmtree(own_cache)
        for address in (
            f"{served.url}/photos.zip",
            "memory://bucket/photos.zip",
            f"{served.url}/shards/s-{{0..5}}.tar",
        ):
            refused(
                lambda address=address: open_dataset(data_address(address), None, SourceOptions(fetch=False)),
                "nothing is fetched for a finished run",
            )


class TestRefused:
    @pytest.mark.parametrize("name", ["photos.zip", "hub/test-00000-of-00002.parquet", "shards/s-{0..5}.tar"])
    def test_what_is_too_large_is_one_sentence_and_not_fetched(
        self, there: Address, name: str, request: pytest.FixtureRequest, own_cache: Path
    ) -> None:
        for limit, says in (("fetched_bytes", "too large: "), ("cache_bytes", "kept in the cache as a whole")):
            options = SourceOptions(limits=Limits(**{limit: 500}))
            error = refused(lambda options=options: open_dataset(there(name), None, options), says)
            assert f"beyond the limit {limit} of 500 (raise it with --limit {limit}=" in error.message
        if "served" in request.fixturenames:
            assert request.getfixturevalue("served").gets() == 0

    def test_all_together_have_to_fit(self, served: Server, packed: Path) -> None:
        sizes = [file.stat().st_size for file in (packed / "shards").iterdir()]
        options = SourceOptions(limits=Limits(cache_bytes=sum(sizes)))  # a tenth of it stays free
        address = data_address(f"{served.url}/shards/s-{{0..5}}.tar")
        refused(lambda: open_dataset(address, None, options), f"beyond the limit cache_bytes of {sum(sizes):,}")
        assert served.gets() == 0
        enough = SourceOptions(limits=Limits(cache_bytes=sum(sizes) * 10 // 9 + 2))
        assert len(told(open_dataset(address, None, enough))) == 6

    def test_a_size_that_nobody_says_is_bounded(self, served: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bias_audit.data.remote.web.stamp", lambda url, limits: ("::never", True))
        for limit in ("fetched_bytes", "cache_bytes"):
            options = SourceOptions(limits=Limits(**{limit: 500}))
            address = data_address(f"{served.url}/photos.zip")
            refused(
                lambda options=options, address=address: open_dataset(address, None, options), f"limit {limit} of 500"
            )

    def test_a_shard_that_is_missing(self, served: Server, stored: Any) -> None:
        served.answers = {"/shards/s-3.tar": [403] * 9}
        address = f"{served.url}/shards/s-{{0..7}}.tar"
        refused(
            lambda: open_dataset(data_address(address), None),
            "names 8 files, of which 3 cannot be read, the first 's-3.tar': access is denied (HTTP 403)",
        )
        refused(
            lambda: open_dataset(data_address("memory://bucket/shards/s-{0..7}.tar"), None),
            "of which 2 cannot be read, the first 's-6.tar': there is no such file",
        )
        refused(lambda: open_dataset(data_address("memory://{a,b}/s.tar"), None), "in the name of a server or a bucket")
        assert served.gets() == 0

    def test_what_is_not_there(self, there: Address) -> None:
        refused(lambda: open_dataset(there("none.zip"), None), "none.zip'", "there is no such file")

    def test_a_compressed_tar_is_not_fetched_to_say_so(self, served: Server, tmp_path: Path) -> None:
        (tmp_path / "packed/photos.tar.gz").write_bytes(b"\x1f\x8b")
        refused(lambda: open_dataset(data_address(f"{served.url}/photos.tar.gz"), None), "compressed as a whole")
        assert served.gets() == 0

    def test_a_cache_that_cannot_be_written(self, there: Address, tmp_path: Path) -> None:
        (tmp_path / "cache").write_bytes(b"a file")
        error = refused(lambda: open_dataset(there("photos.zip"), None), "it cannot be kept in the cache (")
        assert "BIAS_AUDIT_CACHE names another folder" in error.message

    def test_masks_that_are_a_file(self, packed: Path, there: Address) -> None:
        dataset = open_dataset(packed / "photos.zip", None)
        refused(lambda: attach_masks(dataset, there("all.zip/photos.csv")), "is a file, not a folder")


def test_a_name_at_the_root_of_a_bucket_is_asked_for_alone(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*arguments: Any) -> Any:
        raise AssertionError("the bucket is listed")

    asked, kind = [], stores.kind
    monkeypatch.setattr(stores, "files", none)
    monkeypatch.setattr(stores, "folders", none)
    monkeypatch.setattr(stores, "kind", lambda url, limits: asked.append(str(url)) or kind(url, limits))
    tree = place_of(data_address("memory://bucket"), Reach()).tree
    asked.clear()
    for _ in range(2):
        assert tree.has("photos.csv")
        assert not tree.has("none.csv")
        assert not tree.has("images")  # a folder
    assert sorted(asked) == [f"memory://bucket/{name}" for name in ("images", "none.csv", "photos.csv")]
    offline = place_of(data_address("memory://bucket"), Reach(fetch=False)).tree
    assert [offline.has(name) for name in ("photos.csv", "none.csv", "images")] == [True, False, False]
