"""Damaged pieces of a run: whoever can make them again is told and does, everybody else gets one sentence."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bias_audit.errors import ResultError
from bias_audit.heatmaps.attention import sound
from bias_audit.run.folder import SHARDS, STARTED, Run

KEY = {"model": "m1"}


def _npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


WHOLE = _npz(a=np.arange(1000))
ARRAYS = {
    "truncated": WHOLE[:500],
    "empty": b"",
    "garbage": bytes(range(256)),
    "a flipped byte": WHOLE[:700] + bytes([WHOLE[700] ^ 255]) + WHOLE[701:],
    "pickled": _npz(a=np.array([{}], object)),
    "one array without a name": WHOLE[:4] + b"\x93NUMPY",
}
JSON = {
    "truncated": b'{"a": [1, ',
    "empty": b"",
    "no text": b'{"a": "\xe4"}',
    "deep": b"[" * 100_000,
    "digits": b'{"a": ' + b"9" * 5000 + b"}",
    "twice": b'{"a": 1, "a": 2}',
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_damaged_arrays(tmp_path: Path, kind: str) -> None:
    _damaged(tmp_path, ARRAYS[kind], lambda run: run.read_arrays("x"))


@pytest.mark.parametrize("kind", JSON)
def test_damaged_json(tmp_path: Path, kind: str) -> None:
    _damaged(tmp_path, JSON[kind], lambda run: run.read_json("x"))


def test_arrays_that_their_reader_does_not_take(tmp_path: Path) -> None:
    for build in (lambda arrays: arrays["b"], lambda arrays: arrays["a"].nothing, lambda arrays: {}[1]):
        _damaged(tmp_path, WHOLE, lambda run, build=build: run.read_arrays("x", build))


def _damaged(folder: Path, content: bytes, read: Callable[[Run], Any]) -> None:
    (folder / "x").write_bytes(content)
    with pytest.raises(ResultError, match=r"x' is damaged: ") as caught:
        read(Run(folder))
    assert "allow_pickle" not in caught.value.message
    told: list[str] = []
    assert read(Run(folder, told.append)) is None
    assert len(told) == 1
    assert "is damaged" in told[0]
    assert "made again" in told[0]


@pytest.mark.parametrize("content", [b"", b"[]", b"[" * 100_000, b"\xff", b"null"])
def test_a_run_whose_start_is_not_known_starts_anew(tmp_path: Path, content: bytes) -> None:
    Run(tmp_path).start(KEY, resume=False, overwrite=False)
    (tmp_path / SHARDS / "maps-00000.npz").write_bytes(b"of who knows what")
    (tmp_path / STARTED).write_bytes(content)
    told: list[str] = []
    run = Run(tmp_path, told.append)
    run.start(KEY, resume=True, overwrite=False)
    assert run.read_json(STARTED) == KEY
    assert not list((tmp_path / SHARDS).iterdir())
    assert any("starts anew" in said for said in told)


@pytest.mark.parametrize("flags", [{"resume": True, "overwrite": False}, {"resume": False, "overwrite": True}])
def test_a_link_in_place_of_the_shards_is_removed_and_nothing_outside(tmp_path: Path, flags: dict[str, bool]) -> None:
    outside, folder = tmp_path / "outside", tmp_path / "run"
    Run(folder).start(KEY, resume=False, overwrite=False)
    outside.mkdir()
    (outside / "maps-00000.npz").write_bytes(b"precious")
    (folder / SHARDS).rmdir()
    (folder / SHARDS).symlink_to(outside)
    run = Run(folder, lambda _: None)
    run.start(KEY, **flags)
    run.write(f"{SHARDS}/maps-00000.npz", b"new")
    assert (outside / "maps-00000.npz").read_bytes() == b"precious"
    assert not (folder / SHARDS).is_symlink()


def test_a_file_in_place_of_the_shards_is_replaced(tmp_path: Path) -> None:
    Run(tmp_path).start(KEY, resume=False, overwrite=False)
    (tmp_path / SHARDS).rmdir()
    (tmp_path / SHARDS).write_bytes(b"")
    told: list[str] = []
    Run(tmp_path, told.append).start(KEY, resume=True, overwrite=False)
    assert (tmp_path / SHARDS).is_dir()
    assert "it is no folder" in told[0]


def test_a_shard_of_heatmaps_is_that_of_its_images() -> None:
    records = '[{"status": "unreadable", "#position": 4}, {"status": "ok", "#position": 5, "x": NaN}]'
    one = {name: np.zeros((1, 2, 2)) for name in ("maps", "foreground", "background", "perfect")}
    shard = {
        **one, "records": np.array(records), "positions": np.array([5]), "log_odds": np.zeros((1, 3)),
        "scales": np.ones(1), "positions_label": np.array([5]), "maps_label": np.zeros((1, 2, 2)),
        "scales_label": np.ones(1),
    }  # fmt: skip
    rows, _ = sound(shard, 4, 2)
    assert [row["#position"] for row in rows] == [4, 5]
    for start, count in ((0, 2), (4, 1), (5, 2)):
        with pytest.raises(ValueError, match="records"):
            sound(shard, start, count)
    for name in shard:
        with pytest.raises(KeyError):
            sound({key: value for key, value in shard.items() if key != name}, 4, 2)
    for name in ("maps", "scales", "perfect", "positions", "maps_label", "log_odds"):
        with pytest.raises((ValueError, IndexError)):
            sound({**shard, name: shard[name][:0]}, 4, 2)
