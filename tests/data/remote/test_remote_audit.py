"""Audits of data that lie elsewhere: those of the folder, each file fetched once, and nothing for a finished run."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from file_server import Server
from packed import as_folder, as_zip
from pandas.testing import assert_frame_equal

import bias_audit
from bias_audit.cli.command_line import main
from bias_audit.data.contents import content_of
from bias_audit.errors import DataError
from bias_audit.pipeline.reopen import dataset_of
from bias_audit.pipeline.rescore import rescore
from bias_audit.run.result import load

pytestmark = pytest.mark.slow

NAMES = ("blue", "green")


def by_ground(images: np.ndarray) -> np.ndarray:
    """Probability of green by the corners of the picture."""
    greener = (images[:, :4, :4, 1] - images[:, :4, :4, 2]).mean(axis=(1, 2))
    p = 1 / (1 + np.exp(-greener / 10))
    return np.stack([1 - p, p], axis=1)


def _audit(data: Any, out: Path, **options: Any) -> Any:
    return bias_audit.audit(
        by_ground, data, out=out, image_size=(16, 16), batch_size=4, leakage=0, probes=0, discovery=0, **options
    )


def _same(one: Any, other: Any) -> None:
    for name in ("images", "classes"):
        assert_frame_equal(getattr(one, name), getattr(other, name))
    assert one.verdict == other.verdict
    assert one.info.content == other.info.content


class TestAudit:
    def test_it_is_that_of_the_folder(self, photos: Path, tmp_path: Path, bucket: Any) -> None:
        here = _audit(photos / "images", tmp_path / "here", masks=photos / "masks")
        there = _audit("memory://bucket/images", tmp_path / "there", masks="memory://bucket/masks")
        _same(here, there)
        assert there.info.data == "memory://bucket/images"
        assert there.info.name.endswith("on images")

    def test_it_is_that_of_the_archive(self, photos: Path, tmp_path: Path, bucket: Any) -> None:
        for name in ("images", "masks"):
            files = {str(file.relative_to(photos / name)): file.read_bytes() for file in (photos / name).rglob("*.png")}
            bucket.pipe(f"/bucket/{name}.zip", as_zip(tmp_path / f"{name}.zip", files).read_bytes())
        here = _audit(photos / "images", tmp_path / "here", masks=photos / "masks")
        there = _audit("memory://bucket/images.zip", tmp_path / "there", masks="memory://bucket/masks.zip")
        _same(here, there)
        bucket.store.clear()
        assert len(dataset_of(load(tmp_path / "there")).samples) == 6

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


def test_what_is_given_beside_the_data_may_lie_elsewhere(photos: Path, tmp_path: Path, bucket: Any) -> None:
    files = {str(file.relative_to(photos / "images")): file.read_bytes() for file in (photos / "images").rglob("*.png")}
    for name, data in files.items():
        bucket.pipe(f"/bucket/odd/{name}", data)
    bucket.pipe("/bucket/train.zip", as_zip(tmp_path / "train.zip", files).read_bytes())
    scenes = {f"{name}/{number}.png": next(iter(files.values())) for name in NAMES for number in range(2)}
    packed, unpacked = as_zip(tmp_path / "scenes.zip", scenes), as_folder(tmp_path / "scenes", scenes)
    results = [
        bias_audit.audit(
            by_ground, photos / "images", masks=photos / "masks", out=tmp_path / out, image_size=(16, 16), batch_size=4,
            probes=0, discovery=0, train=train, strangers=strangers, backgrounds=backgrounds,
        )
        for out, train, strangers, backgrounds in (
            ("here", photos / "images", as_folder(tmp_path / "odd", files), unpacked),
            ("there", "memory://bucket/train.zip", "memory://bucket/odd", packed),
        )
    ]  # fmt: skip
    here, there = results
    for name in ("images", "classes", "strangers", "leakage", "scenes"):
        assert_frame_equal(getattr(here, name), getattr(there, name))
    compared = [json.loads((result.path / "shards/train.json").read_text()) for result in results]
    assert compared[0] == compared[1]
    assert [each["name"] for each in compared[1]] == sorted(files)
    assert len(there.strangers) == 6
    assert (there.scenes["status"] == "ok").all()
    assert there.info.strangers == "memory://bucket/odd"


def test_commands_take_addresses(
    tmp_path: Path, bucket: Any, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net_of_grounds.py").write_text(
        "import numpy as np\n"
        "def predict(images):\n"
        "    p = (images[:, :4, :4, 1] > images[:, :4, :4, 2]).mean(axis=(1, 2))\n"
        "    return np.stack([1 - p, p], axis=1)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    few = ["--image-size", "16x16", "--quiet"]
    off = ["--leakage", "0", "--probes", "0", "--discovery", "0"]
    bucket_given = ["memory://bucket/images", "--masks", "memory://bucket/masks"]
    for given in (bucket_given, [f"{server.url}/photos.csv"]):
        out = tmp_path / given[0].rpartition("/")[2]
        assert main(["audit", "net_of_grounds:predict", *given, "--out", str(out), *few, *off]) == 0, (
            capsys.readouterr()
        )
        result = load(out)
        assert (result.info.data, len(result.images)) == (given[0], 6)
        assert set(result.images["mask_kind"]) == {"mask"}
    assert main(["data", *bucket_given]) == 0
    assert main(["composites", *bucket_given, "--out", str(tmp_path / "composites"), *few]) == 0
