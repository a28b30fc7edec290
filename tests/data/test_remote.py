"""Data that lie elsewhere: a bucket (memory:// of fsspec) and a server of this machine give what the folder gives."""

from __future__ import annotations

import contextlib
import dataclasses
import email.utils
import http.server
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import fsspec
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import bias_audit
from bias_audit.cli.command_line import _parser, main
from bias_audit.data.addresses import Url, data_address
from bias_audit.data.contents import content_of
from bias_audit.data.remote import failing
from bias_audit.data.remote.cache import Cache, folder
from bias_audit.data.remote.reach import Reach
from bias_audit.data.remote.tree import Remote
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.attach import attach_masks
from bias_audit.data.sources.options import SourceOptions
from bias_audit.errors import DataError, PackageError
from bias_audit.limits.bounds import Limits
from bias_audit.pipeline.reopen import dataset_of
from bias_audit.pipeline.rescore import rescore
from bias_audit.run.result import load

NAMES = ("blue", "green")


def by_ground(images: np.ndarray) -> np.ndarray:
    """Probability of green by the corners of the picture."""
    greener = (images[:, :4, :4, 1] - images[:, :4, :4, 2]).mean(axis=(1, 2))
    p = 1 / (1 + np.exp(-greener / 10))
    return np.stack([1 - p, p], axis=1)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """images/ and masks/ with two classes of three photos, and a table beside them."""
    root = tmp_path_factory.mktemp("photos")
    rows = ["image,label,mask"]
    for label, ground in (("blue", (200, 60, 60)), ("green", (60, 200, 60))):
        for number in range(3):
            rng = np.random.default_rng((number, len(label)))
            picture = np.clip(np.full((24, 20, 3), ground) + rng.normal(0, 8, (24, 20, 3)), 0, 255).astype(np.uint8)
            mask = np.zeros((24, 20), np.uint8)
            mask[8:16, 6:14] = 255
            for kind, values in (("images", picture), ("masks", mask)):
                (root / kind / label).mkdir(parents=True, exist_ok=True)
                name = f"{label}/{number} é.png"
                (root / kind / name).write_bytes(cv2.imencode(".png", values)[1].tobytes())
            rows.append(f"images/{name},{label},masks/{name}")
    (root / "photos.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIAS_AUDIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(failing, "WAITS", (0.01, 0.01, 0.01))
    return folder()


@pytest.fixture
def bucket(photos: Path) -> Iterator[Any]:
    """The photos in fsspec's memory:// as memory://bucket."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    for file in photos.rglob("*"):
        if file.is_file():
            system.pipe(f"/bucket/{file.relative_to(photos).as_posix()}", file.read_bytes())
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


class Server:
    """A server of a folder that counts what it is asked, and answers some paths in other ways.

    Attributes:
        asked: (method, path) -> how often.
        answers: path -> statuses that it answers first, one a time; a header Location where it is a text.
        signs: whether it sends Last-Modified.
    """

    def __init__(self, root: Path) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.answers: dict[str, list[Any]] = {}
        self.signs = True
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(root))

            def _answered(self) -> bool:
                path = self.path.partition("?")[0]
                outer.asked[self.command, path] += 1
                if not outer.answers.get(path):
                    return False
                answer = outer.answers[path].pop(0)
                if isinstance(answer, int):
                    self.send_error(answer)
                elif isinstance(answer, float):  # a byte, and seconds until the next
                    self.send_response(200)
                    self.end_headers()
                    with contextlib.suppress(OSError):
                        for _ in range(100 if self.command == "GET" else 0):
                            self.wfile.write(b"x")
                            time.sleep(answer)
                elif isinstance(answer, bytes):  # a length that is none
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer) + 100))
                    self.end_headers()
                    self.wfile.write(answer if self.command == "GET" else b"")
                else:
                    self.send_response(302)
                    self.send_header("Location", answer)
                    self.end_headers()
                return True

            def do_GET(self) -> None:
                if not self._answered():
                    super().do_GET()

            def do_HEAD(self) -> None:
                if not self._answered():
                    super().do_HEAD()

            def send_header(self, keyword: str, value: str) -> None:
                if keyword != "Last-Modified" or outer.signs:
                    super().send_header(keyword, value)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def gets(self) -> int:
        return sum(times for (method, _), times in self.asked.items() if method == "GET")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(photos: Path, tmp_path: Path) -> Iterator[Server]:
    shutil.copytree(photos, tmp_path / "served")
    served = Server(tmp_path / "served")
    yield served
    served.close()


def _audit(data: Any, out: Path, **options: Any) -> Any:
    return bias_audit.audit(
        by_ground, data, out=out, image_size=(16, 16), batch_size=4, leakage=0, probes=0, discovery=0, **options
    )


def _same(one: Any, other: Any) -> None:
    for name in ("images", "classes"):
        assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.verdict == other.verdict
    assert one.info.content == other.info.content


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


@pytest.mark.slow
class TestAudit:
    def test_it_is_that_of_the_folder(self, photos: Path, tmp_path: Path, bucket: Any) -> None:
        here = _audit(photos / "images", tmp_path / "here", masks=photos / "masks")
        there = _audit("memory://bucket/images", tmp_path / "there", masks="memory://bucket/masks")
        _same(here, there)
        assert there.info.data == "memory://bucket/images"
        assert there.info.name.endswith("on images")

    def test_it_is_that_of_the_table(self, photos: Path, tmp_path: Path, server: Server) -> None:
        here = _audit(photos / "photos.csv", tmp_path / "here")
        _same(here, _audit(f"{server.url}/photos.csv", tmp_path / "there"))
        assert max(times for (method, _), times in server.asked.items() if method == "GET") == 1  # whatever the stages

    def test_a_second_audit_fetches_what_changed(self, tmp_path: Path, server: Server) -> None:
        _audit(f"{server.url}/photos.csv", tmp_path / "first")
        before = server.gets()
        assert before == 13  # the table, 6 photos, 6 masks
        _audit(f"{server.url}/photos.csv", tmp_path / "second")
        assert server.gets() == before
        changed = tmp_path / "served/images/green/0 é.png"
        changed.write_bytes(cv2.imencode(".png", np.zeros((24, 20, 3), np.uint8))[1].tobytes())
        third = _audit(f"{server.url}/photos.csv", tmp_path / "third")
        assert server.gets() == before + 1
        assert third.images.loc["images/green/0 é.png", "content"] == content_of(changed.read_bytes())

    def test_an_interrupted_audit_goes_on_without_fetching_again(
        self, tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*arguments: Any, **options: Any) -> Any:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr("bias_audit.pipeline.audit.finish", interrupted)
            with pytest.raises(KeyboardInterrupt):
                _audit(f"{server.url}/photos.csv", tmp_path / "run")
        before = server.gets()
        assert before == 13
        resumed = _audit(f"{server.url}/photos.csv", tmp_path / "run", resume=True)
        assert server.gets() == before
        _same(resumed, _audit(f"{server.url}/photos.csv", tmp_path / "another"))

    def test_what_cannot_be_fetched_is_a_row(self, tmp_path: Path, server: Server) -> None:
        (tmp_path / "served/images/blue/0 é.png").unlink()
        refused, busy, cut, large = (
            f"/images/{name}%20%C3%A9.png" for name in ("blue/1", "blue/2", "green/0", "green/1")
        )
        server.answers = {refused: [403] * 99, busy: [503] * 99, cut: [b"\x89PNG"] * 99, large: [b"x" * 5000] * 99}
        limits = {"fetched_bytes": 4000}
        result = _audit(f"{server.url}/photos.csv", tmp_path / "run", limits=limits, segmenter="none")
        reasons = dict(result.images["status_reason"])
        assert "HTTP 404" in reasons["images/blue/0 é.png"]
        assert "access is denied (HTTP 403)" in reasons["images/blue/1 é.png"]
        assert "HTTP 503" in reasons["images/blue/2 é.png"]
        assert "cut off after 4 of 104 bytes" in reasons["images/green/0 é.png"]
        assert "limit fetched_bytes" in reasons["images/green/1 é.png"]
        assert reasons["images/green/2 é.png"] == ""
        assert server.asked["HEAD", refused] == 1  # a refusal is not asked again
        assert server.asked["HEAD", busy] == 4

    def test_a_passing_failure_is_asked_again(self, tmp_path: Path, server: Server) -> None:
        busy = "/images/blue/0%20%C3%A9.png"
        server.answers = {busy: [503, 429, 503]}
        result = _audit(f"{server.url}/photos.csv", tmp_path / "run")
        assert set(result.images["status"]) == {"ok"}

    def test_a_server_that_sends_a_byte_now_and_then_is_left(self, server: Server) -> None:
        server.answers = {"/slow.png": [0.05] * 99}
        with pytest.raises(failing.NotFetched, match=r"not done after 0.2 seconds \(limit seconds_per_fetch\)"):
            Reach(limits=Limits(seconds_per_fetch=0.2)).read(Url("http", f"{server.url[7:]}/slow.png"))
        assert server.asked["GET", "/slow.png"] == 4

    def test_no_token_is_written(self, tmp_path: Path, server: Server) -> None:
        rows = ["image,label"]
        for label in NAMES:
            rows += [f"{server.url}/images/{label}/{n}%20%C3%A9.png?sig=sesame{n},{label}" for n in range(3)]
        rows.append(f"{server.url}/images/blue/none.png?sig=sesame9,blue")
        (tmp_path / "t.csv").write_text("\n".join(rows))
        result = _audit(tmp_path / "t.csv", tmp_path / "run", allow_outside=True, segmenter="none")
        assert len(result.images) == 7
        assert (result.images["status"] == "ok").sum() == 6
        for place in ("run", "cache"):
            for file in (tmp_path / place).rglob("*"):
                assert not file.is_file() or b"sesame" not in file.read_bytes(), file


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


@pytest.mark.slow
class TestFinishedRun:
    """Nothing is fetched because a run names it."""

    def test_it_opens_from_the_cache(self, tmp_path: Path, server: Server, bucket: Any) -> None:
        for data, masks in ((f"{server.url}/photos.csv", None), ("memory://bucket/images", "memory://bucket/masks")):
            out = tmp_path / data.rpartition("/")[2]
            result = _audit(data, out, masks=masks)
            asked = Counter(server.asked)
            if masks:
                bucket.store.clear()
            dataset = dataset_of(load(out))
            assert [sample.image_id for sample in dataset.samples] == list(result.images.index)
            assert all(sample.path.read() and sample.mask.read() for sample in dataset.samples)
            rescored = rescore(out, out=tmp_path / f"{out.name}-again")
            assert_frame_equal(rescored.images[["predicted"]], result.images[["predicted"]])
            assert main(["report", str(out)]) == 0
            assert main(["gate", str(out)]) in (0, 1)
            assert server.asked == asked

    def test_without_the_cache_it_is_one_sentence(
        self, tmp_path: Path, server: Server, bucket: Any, own_cache: Path
    ) -> None:
        _audit("memory://bucket/images", tmp_path / "one")
        _audit(f"{server.url}/photos.csv", tmp_path / "two")
        shutil.rmtree(own_cache)
        asked = Counter(server.asked)
        for run in ("one", "two"):
            with pytest.raises(DataError, match="nothing is fetched for a finished run"):
                dataset_of(load(tmp_path / run))
        assert server.asked == asked

    def test_a_run_that_names_a_strange_server_asks_it_for_nothing(self, tmp_path: Path, server: Server) -> None:
        _audit(f"{server.url}/photos.csv", tmp_path / "run")
        result = load(tmp_path / "run")
        strange = dataclasses.replace(result, info=dataclasses.replace(result.info, data=f"{server.url}/other.csv"))
        asked = Counter(server.asked)
        with pytest.raises(DataError, match="nothing is fetched"):
            dataset_of(strange)
        assert server.asked == asked


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
