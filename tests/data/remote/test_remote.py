"""Data that lie elsewhere: a bucket (memory:// of fsspec) and a server of this machine give what the folder gives."""

from __future__ import annotations

import email.utils
import os
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from file_server import Server

from bias_audit.cli.command_line import _parser, main
from bias_audit.data.addresses import Url, data_address
from bias_audit.data.remote import failing, stores
from bias_audit.data.remote.cache import Cache
from bias_audit.data.remote.reach import Reach
from bias_audit.data.remote.tree import Remote
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.data.sources.options import SourceOptions
from bias_audit.data.trees import place_of
from bias_audit.errors import DataError, PackageError
from bias_audit.limits.bounds import Limits


class TestAddresses:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("s3://bucket/a b/c/", Url("s3", "bucket/a b/c")),
            ("S3://bucket", Url("s3", "bucket")),
            ("hf://datasets/me/dogs@main/test", Url("hf", "datasets/me/dogs@main/test")),
            ("https://host:8443/a/t.csv", Url("https", "host:8443/a/t.csv")),
            ("http://localhost:80/t.csv", Url("http", "localhost:80/t.csv")),
            ("http://[::1]:80/t.csv", Url("http", "[::1]:80/t.csv")),
            ("photos/test", Path("photos/test")),
            ("C://photos", Path("C://photos")),
        ],
    )
    def test_read(self, text: str, expected: Any) -> None:
        assert data_address(text) == expected
        if isinstance(expected, Url):
            assert data_address(str(expected)) == expected  # what a run keeps opens again

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("http://example.org/t.csv", "not encrypted"),
            ("http://127.0.0.1.example.org/t.csv", "not encrypted"),
            ("http://localhost@example.org/t.csv", "a user or a password"),
            ("https://me:secret@example.org/t.csv", "a user or a password"),
            ("s3://key:secret@bucket/a", "a user or a password"),
            ("https://example.org/t.csv?sig=secret", "has a query"),
            ("https://example.org/t.csv#secret", "no address"),
            ("file:///etc/passwd", "file:// are not read"),
            ("local://etc", "local:// are not read"),
            ("ssh://host/a", "ssh:// are not read"),
            ("ftp://host/a", "ftp:// are not read"),
            ("github://org:repo@main/a", "a user or a password"),
            ("zip::s3://bucket/a.zip", "zip::s3:// are not read"),
            ("simplecache::https://example.org/a.csv", "are not read"),
            ("s3://", "no address"),
            ("s3://bucket/../other", "names nothing"),
            ("https://host/a/../../b.csv", "names nothing"),
            ("s3://bucket/a\x00b", "no address"),
        ],
    )
    def test_refused(self, text: str, says: str) -> None:
        with pytest.raises(DataError) as caught:
            data_address(text)
        assert says in str(caught.value)
        assert "secret" not in str(caught.value)

    def test_an_address_that_was_made_a_path_is_told(self) -> None:
        with pytest.raises(DataError, match="made a path"):
            data_address(Path("s3://bucket/a"))

    def test_a_query_is_in_no_text(self) -> None:
        url = Url("https", "host/a.jpg", "sig=secret")
        assert "secret" not in f"{url} {url!r} {Remote(url, Reach())!r} {Remote(url, Reach())}"

    def test_the_command_line_takes_an_address_as_it_is(self) -> None:
        given = ["audit", "m.keras", "s3://bucket/a", "--masks", "s3://bucket/m"]
        parsed = _parser(given).parse_args(given)
        assert (str(parsed.data), str(parsed.masks), parsed.data.stem) == ("s3://bucket/a", "s3://bucket/m", "a")
        assert main(["audit", "m.keras", "https://me:pw@example.org/t.csv"]) == 2

    def test_a_file_system_that_is_not_installed_is_one_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("bias_audit.packages.installed", lambda module: module not in ("s3fs", "gcsfs"))
        for address, command in (("s3://b/a", "pip install s3fs"), ("gs://b/a", "pip install gcsfs")):
            with pytest.raises(PackageError, match=command):
                open_dataset(data_address(address), None)


class TestListed:
    def test_a_folder(self, photos: Path, bucket: Any) -> None:
        here = open_dataset(photos / "images", None)
        there = open_dataset(data_address("memory://bucket/images"), None)
        assert [(s.image_id, s.label) for s in there.samples] == [(s.image_id, s.label) for s in here.samples]
        assert there.class_names == here.class_names
        masked = attach_masks(there, data_address("memory://bucket/masks"))
        assert [sample.mask.read() for sample in masked.samples] == [
            (photos / "masks" / sample.image_id).read_bytes() for sample in here.samples
        ]

    def test_a_table(self, photos: Path, bucket: Any, server: Server) -> None:
        here = open_dataset(photos / "photos.csv", None)
        for address in ("memory://bucket/photos.csv", f"{server.url}/photos.csv"):
            there = open_dataset(data_address(address), None)
            assert [s.image_id for s in there.samples] == [s.image_id for s in here.samples]
            assert [s.path.read() for s in there.samples] == [s.path.read_bytes() for s in here.samples]
            assert [s.mask.read() for s in there.samples] == [s.mask.read_bytes() for s in here.samples]

    def test_what_is_not_there(self, bucket: Any, server: Server) -> None:
        with pytest.raises(DataError, match="no data at 'memory://bucket/none': there is no such file"):
            open_dataset(data_address("memory://bucket/none"), None)
        with pytest.raises(DataError, match="HTTP 404"):
            open_dataset(data_address(f"{server.url}/none.csv"), None)
        for address in (server.url, f"{server.url}/images", "https://example.invalid/images/"):
            with pytest.raises(DataError, match="cannot be listed"):
                open_dataset(data_address(address), None)

    def test_a_folder_is_listed_once_to_say_what_is_there(self, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        tree = place_of(data_address("memory://bucket")).tree
        names, asked, ask = tree.files("masks").files, [], stores.files

        def counted(url: Url, limits: Limits) -> Any:
            asked.append(str(url))
            return ask(url, limits)

        monkeypatch.setattr(stores, "files", counted)
        assert len(names) > len({name.rpartition("/")[0] for name in names}) > 0
        for _ in range(2):
            assert [name for name in names if not tree.has(name)] == []
            assert not tree.has("masks/none")
        folders = {name.rpartition("/")[0] for name in [*names, "masks/none"]}
        assert sorted(asked) == sorted(f"memory://bucket/{folder}" for folder in folders)

    def test_a_listing_has_a_bound(self, bucket: Any) -> None:
        with pytest.raises(DataError, match=r"3 files, beyond the limit remote_files of 2 .*--limit remote_files=3"):
            open_dataset(data_address("memory://bucket/images"), None, SourceOptions(limits=Limits(remote_files=2)))

    @pytest.mark.parametrize("value", ["../secret.png", "/etc/passwd", "a/../../s.png", "..\\s.png"])
    def test_a_table_there_names_nothing_outside_of_its_folder(self, bucket: Any, value: str) -> None:
        bucket.pipe("/bucket/deep/t.csv", f"image,label\nok.png,a\n{value},b\n".encode())
        for outside in (False, True):  # a whole address says where it leads, a path of dots does not
            with pytest.raises(DataError, match=r"row 3: .* leaves"):
                open_dataset(data_address("memory://bucket/deep/t.csv"), None, SourceOptions(outside=outside))

    def test_addresses_in_a_table(self, photos: Path, tmp_path: Path, server: Server) -> None:
        name = "images/blue/0%20%C3%A9.png"
        rows = f"image,label\n{server.url}/{name}?sig=secret,blue\n"
        (tmp_path / "t.csv").write_text(rows)
        with pytest.raises(DataError) as caught:
            open_dataset(tmp_path / "t.csv", None)
        assert "row 2" in str(caught.value)
        assert "--allow-outside" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert server.asked == {}
        (sample,) = open_dataset(tmp_path / "t.csv", None, SourceOptions(outside=True)).samples
        assert sample.image_id == f"{server.url}/{name}"
        assert sample.path.read() == (photos / "images/blue/0 é.png").read_bytes()
        (tmp_path / "t.csv").write_text("image,label\nfile:///etc/passwd,blue\n")
        with pytest.raises(DataError, match=r"row 2: .*file:// are not read"):
            open_dataset(tmp_path / "t.csv", None, SourceOptions(outside=True))


class TestRedirects:
    @pytest.mark.parametrize(
        ("leads_to", "says"),
        [
            ("http://example.org/x.png", "a place that is not read"),
            ("file:///etc/passwd", "HTTP 302"),
            ("ftp://example.org/x.png", "a place that is not read"),
            ("https://me:secret@example.org/x.png", "a place that is not read"),
        ],
    )
    def test_they_lead_nowhere_else(self, server: Server, leads_to: str, says: str) -> None:
        server.answers = {"/x.png": [leads_to] * 9}
        with pytest.raises(failing.NotFetched, match=says) as caught:
            Reach().read(Url("http", f"{server.url[7:]}/x.png"))
        assert "secret" not in str(caught.value)

    def test_from_here_to_here(self, server: Server, photos: Path) -> None:
        server.answers = {"/x.png": [f"{server.url}/photos.csv"] * 2}
        assert Reach().read(Url("http", f"{server.url[7:]}/x.png")) == (photos / "photos.csv").read_bytes()

    def test_in_a_circle(self, server: Server) -> None:
        server.answers = {"/x.png": [f"{server.url}/x.png"] * 99}
        with pytest.raises(failing.NotFetched):
            Reach().read(Url("http", f"{server.url[7:]}/x.png"))


def test_a_server_that_sends_a_byte_now_and_then_is_left(server: Server) -> None:
    server.answers = {"/slow.png": [0.05] * 99}
    with pytest.raises(failing.NotFetched, match=r"not done after 0.2 seconds \(limit seconds_per_fetch\)"):
        Reach(limits=Limits(seconds_per_fetch=0.2)).read(Url("http", f"{server.url[7:]}/slow.png"))
    assert server.asked["GET", "/slow.png"] == 4


def test_so_is_one_that_sends_its_header_so(server: Server) -> None:
    server.answers = {"/slow.png": [0.05j] * 99}
    with pytest.raises(failing.NotFetched, match="no answer in time"):
        Reach(limits=Limits(seconds_per_fetch=0.2)).read(Url("http", f"{server.url[7:]}/slow.png"))
    assert server.asked["HEAD", "/slow.png"] == 4


class TestCache:
    def test_what_is_least_recently_used_goes_first(self, tmp_path: Path) -> None:
        cache = Cache(tmp_path / "c", 5000)
        for number in range(4):
            cache.keep(str(number), "s", bytes(1000))
            file = cache._file(str(number))
            os.utime(file, (number, number))
        assert cache.kept("0") == ("s", bytes(1000))  # used: now 1 is the oldest
        cache.keep("4", "s", bytes(1000))
        there = [number for number in range(5) if cache._file(str(number)).exists()]
        assert 0 in there
        assert 1 not in there
        assert sum(file.stat().st_size for file in (tmp_path / "c").iterdir()) <= 5000
        cache.keep("large", "s", bytes(6000))
        assert not cache._file("large").exists()

    def test_damage_is_fetched_again(self, tmp_path: Path) -> None:
        cache = Cache(tmp_path / "c", 10**6)
        assert cache.get("k", "s", lambda: b"right") == b"right"
        file = cache._file("k")
        for damaged in (
            file.read_bytes()[:-1] + b"x",
            b"",
            b"[1]\nright",
            b"{}\nright",
            b"\xff\n",
            file.read_bytes()[:9],
        ):
            file.write_bytes(damaged)
            assert cache.get("k", "s", lambda: b"right") == b"right"
        assert cache.get("k", "s", lambda: b"wrong") == b"right"
        assert cache.get("k", "another stamp", lambda: b"new") == b"new"

    def test_of_several_threads_one_fetches(self, tmp_path: Path) -> None:
        cache, fetched = Cache(tmp_path / "c", 10**6), []
        gate = threading.Event()

        def fetch() -> bytes:
            fetched.append(1)
            gate.wait(5)
            return b"x"

        threads = [threading.Thread(target=lambda: cache.get("k", "s", fetch)) for _ in range(8)]
        for thread in threads:
            thread.start()
        gate.set()
        for thread in threads:
            thread.join()
        assert len(fetched) == 1

    def test_a_cache_that_cannot_be_written_costs_nothing_but_time(self, tmp_path: Path) -> None:
        (tmp_path / "c").write_bytes(b"a file")
        assert Cache(tmp_path / "c", 10**6).get("k", "s", lambda: b"x") == b"x"

    def test_only_its_user_may_read_it(self, tmp_path: Path) -> None:
        cache = Cache(tmp_path / "c", 10**6)
        cache.keep("k", "s", b"x")
        assert (tmp_path / "c").stat().st_mode & 0o077 == 0

    def test_a_server_without_signs_is_asked_by_every_process(
        self, server: Server, photos: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.signs = False
        url = Url("http", f"{server.url[7:]}/photos.csv")
        first = Reach().stamp(url)
        assert Reach().read(url) == Reach().read(url) == (photos / "photos.csv").read_bytes()
        assert server.gets() == 1
        monkeypatch.setattr("bias_audit.data.remote.reach._PROCESS", "another")
        Reach().read(url)
        assert server.gets() == 2
        assert Reach().stamp(url) == first  # an audit that is resumed sees the same data set


def test_a_table_of_stamps_is_asked_for_at_once(server: Server) -> None:
    dataset = open_dataset(data_address(f"{server.url}/photos.csv"), None)
    dataset.fingerprint()
    assert sum(times for (method, _), times in server.asked.items() if method == "HEAD") == 13


def test_dates_differ_where_files_do(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "served/photos.csv"
    url = Url("http", f"{server.url[7:]}/photos.csv")
    stamp, sure = Reach().stamp(url)
    assert sure
    assert email.utils.formatdate(file.stat().st_mtime, usegmt=True) in stamp
    assert pd.read_csv(file).shape == (6, 3)
