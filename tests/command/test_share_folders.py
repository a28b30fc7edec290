"""Shares of an audit in a folder each: what is brought together is theirs, and nothing in their folders is changed."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_any_model import draw
from test_onnx_command import colours
from test_shards import AUDIT, FEW, contents

from bias_audit.heatmaps.methods import Explainer
from bias_audit.pipeline import collect as collecting
from bias_audit.pipeline.collect import collect
from bias_audit.run.atomic import place

RUNS = ("run-1", "run-2", "run-3")
MERGE = ("merge", *RUNS, "--out", "run", "--quiet")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A world with three shares of two shards each, in a folder each."""
    from bias_audit.cli import main

    folder, here = tmp_path_factory.mktemp("shares"), Path.cwd()
    draw(folder)
    (folder / "net.onnx").write_bytes(colours())
    os.chdir(folder)
    try:
        for number, run in enumerate(RUNS, start=1):
            assert main([*AUDIT, *FEW, "--out", run, "--shard", f"{number}/3"]) == 0
    finally:
        os.chdir(here)
    return folder


@pytest.fixture
def world(made, tmp_path, monkeypatch):
    folder = tmp_path / "world"
    shutil.copytree(made, folder)  # with the times of the files, by which the photos are known
    monkeypatch.chdir(folder)
    return folder


def edit(file: Path, section: str, name: str, value: object) -> None:
    known = json.loads(file.read_text())
    known[section][name] = value
    file.write_text(json.dumps(known))


def test_nothing_in_their_folders_is_changed(world, command):
    before = {run: (contents(world / run), sorted(os.listdir(world / run))) for run in RUNS}
    (world / "run-2/shards/changed.jsonl").write_text('["frog/03.png", "the photo is another"]\n["frog/0')  # killed
    (world / "run-3/shards/changed.jsonl").write_text('["swan/01.png", "the photo is another"]\n')
    code, _, err = command(*MERGE)
    assert code == 0, err
    for run in RUNS:
        (world / run / "shards/changed.jsonl").unlink(missing_ok=True)
        assert (contents(world / run), sorted(os.listdir(world / run))) == before[run]
    assert (world / "run/shards/maps-00003.npz").samefile(world / "run-2/shards/maps-00003.npz")
    assert (world / "run/images.csv").read_text().count("the photo is another") == 2
    assert not (world / "run/shared.json").exists()
    code, _, err = command(*MERGE)
    assert (code, "'run' holds a finished run; it was not changed" in err) == (2, True), err


@pytest.mark.parametrize("linked", [True, False])
def test_it_goes_on_after_a_kill_and_without_hard_links(world, monkeypatch, linked):
    """Killed before each of its files; the next call goes on."""
    runs = [world / run for run in RUNS]
    collect(runs, world / "wanted")

    def unlinked(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    if not linked:
        monkeypatch.setattr(os, "link", unlinked)
    for allowed in range(8):
        left = iter(range(allowed))

        def killed(target: Path, source: Path, hint: str, left=left) -> None:
            if next(left, None) is None:
                raise KeyboardInterrupt
            place(target, source, hint)

        with monkeypatch.context() as context:
            context.setattr(collecting, "place", killed)
            if allowed < 7:  # the choice of preprocessing, and six shards
                with pytest.raises(KeyboardInterrupt):
                    collect(runs, world / "run")
            else:
                collect(runs, world / "run")
    assert contents(world / "run") == contents(world / "wanted")
    same = [
        (world / f"run/shards/maps-0000{n}.npz").samefile(runs[n // 2] / f"shards/maps-0000{n}.npz") for n in range(6)
    ]
    assert same == [linked] * 6


@pytest.mark.parametrize(
    ("file", "section", "name", "value", "said"),
    [
        ("shared.json", "audit", "donors", 3, "donors is 3 in 'run-3' and 5 in 'run-1'"),
        ("shared.json", "packages", "numpy", "1.0", "numpy is '1.0' in 'run-3' and"),
        ("shared.json", "threads", "MKL_NUM_THREADS", "3", "MKL_NUM_THREADS is '3' in 'run-3' and None in 'run-1'"),
        ("shared.json", "new section", "a", 1, "a is 1 in 'run-3' and None in 'run-1'"),
        ("shared.json", "key", "model", "0", "the model differs"),
        (
            "shared-choices.json",
            "chosen",
            "preprocess",
            "unit",
            "preprocess is 'unit' in 'run-3' and 'none' in 'run-1'",
        ),
    ],
)
def test_shares_of_other_audits_are_named(world, command, file, section, name, value, said):
    path = world / "run-3" / file
    known = json.loads(path.read_text())
    path.write_text(json.dumps({**known, section: {**known.get(section, {}), name: value}}))
    for words in (MERGE, ("status", *RUNS)):
        code, out, err = command(*words)
        assert (code, out, "'run-3' holds no share of the audit in 'run-1'" in err) == (2, "", True), err
        assert said in " ".join(err.split()), err
    assert not Path("run").exists()


def test_places_may_differ(world, command):
    edit(world / "run-3/shared.json", "places", "data", "/elsewhere/photos")
    assert command("status", *RUNS)[0] == 0
    collect([world / run for run in RUNS], world / "run")
    assert json.loads(Path("run/shared.json").read_text())["places"]["data"] == "photos"


def test_each_shard_is_there_once(world, command):
    code, _, err = command("merge", "run-1", "run-3", "--out", "run")
    assert (code, "missing: maps-00002.npz, maps-00003.npz" in " ".join(err.split())) == (2, True), err
    shutil.copy("run-1/shards/maps-00001.npz", "run-3/shards")
    collect([world / run for run in RUNS], world / "run")  # twice, and the same
    shutil.copy("run-1/shards/maps-00000.npz", "run-3/shards/maps-00001.npz")
    code, _, err = command(*MERGE)
    said = "'shards/maps-00001.npz' is not the same in 'run-1' and 'run-3'"
    assert (code, said in " ".join(err.split())) == (2, True), err
    Path("run-3/shards/maps-00001.npz").unlink()
    Path("run-3/shards/maps-00005.npz").unlink()
    Path("run-3/shards/maps-00005.npz").symlink_to(world / "net.onnx")
    code, _, err = command(*MERGE)
    assert (code, "'run-3/shards/maps-00005.npz' is damaged: it is no file" in err) == (2, True), err


def test_a_damaged_shard_and_the_folder_of_its_share_are_named(world, command, monkeypatch):
    def explained(*_: object) -> None:
        raise AssertionError("a photo passed the model again")

    monkeypatch.setattr(Explainer, "explain_photos", explained)
    whole = (world / "run-2/shards/maps-00002.npz").read_bytes()
    (world / "run-2/shards/maps-00002.npz").write_bytes(whole[:-100])
    code, _, err = command(*MERGE)
    assert (code, "'run/shards/maps-00002.npz' is damaged" in err) == (2, True), err
    assert "Run the share of 'run-2' again" in err
    Path("run-2/shards/maps-00002.npz").unlink()  # as its share does, which renames a new file over it
    (world / "run-2/shards/maps-00002.npz").write_bytes(whole)
    (world / "run/started.json").write_text("{")  # damage of which no shard is lost
    assert command(*MERGE)[0] == 0


def test_a_merge_has_the_packages_of_the_shares(world, command):
    for run in RUNS:
        edit(world / run / "shared.json", "packages", "numpy", "1.0")
    code, _, err = command(*MERGE)
    assert (code, "is '2" in err and "here and '1.0' in the shares" in " ".join(err.split())) == (2, True), err
    for run in RUNS:
        edit(world / run / "shared.json", "packages", "numpy", np.__version__)
        edit(world / run / "shared.json", "threads", "cores", 1000)
    shutil.rmtree("run")
    code, _, err = command(*MERGE[:-1])
    assert (code, "1000 in the shares: numbers of the experiments may differ" in " ".join(err.split())) == (0, True), (
        err
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (RUNS, "Name it with --out RUN."),
        ((*RUNS, "--out", "run-2"), "'run-2' is the folder of a share"),
        ((*RUNS, "--out", "photos"), "'photos' is not empty and holds no run; nothing in it was touched"),
        ((*RUNS, "--out", "net.onnx"), "'net.onnx' is a file"),
        (("run-1", "photos", "--out", "run"), "'photos' holds no audit that was shared with --shard"),
    ],
)
def test_wrong_folders(world, command, given, said):
    before = contents(world)
    code, _, err = command("merge", *given)
    assert (code, said in " ".join(err.split())) == (2, True), err
    assert contents(world) == before


def test_status_tells_the_speed_and_who_makes_what(world, command, monkeypatch):
    """Four shards of four photos, the last 20 s after the first share began: 0.8 photos a second, 10 s for the rest."""
    begun = 1_700_000_000
    for number in (4, 5):
        Path(f"run-3/shards/maps-0000{number}.npz").unlink()
    lock = world / "run-3/shards/.maps-00004.lock"
    about = {"doing": "share 3/3 of an audit", "process": 7, "host": "node\x1b4", "since": "today"}

    def status(now: float, *options: str) -> tuple[str, list[str]]:
        for run in RUNS:
            os.utime(world / run / "shared.json", (begun, begun))
        for number, came in enumerate((10, 20, 9, 19)):
            os.utime(world / f"run-{1 + number // 2}/shards/maps-0000{number}.npz", (begun + came, begun + came))
        os.utime(lock, (begun + 18, begun + 18))
        monkeypatch.setattr("time.time", lambda: begun + now)
        code, out, err = command("status", *RUNS, "run-4", *options)
        assert code == 0, err
        return out, out.splitlines()

    lock.write_text(json.dumps(about))
    first = "4 of 6 shards are there, 16 of 24 photos; missing: maps-00004.npz, maps-00005.npz"
    who, last = "share 3/3 of an audit (process 7 on node4)", "'run-4': no share has begun"
    ended = f"{who} has ended without maps-00004.npz: start it again"
    assert status(24)[1] == [first, ended, "no shard is being made now", last]
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        making = f"{who} has been making maps-00004.npz for 6.0 s"
        assert status(24)[1] == [first, "photos: 1.2 s each, 6.0 s left", making, last]
        assert status(77)[1][:2] == [first, "photos: 1.2 s each"]
        assert "making maps-00004.npz for 59 s" in status(77)[0]
        assert f"{who} stands still: maps-00004.npz for 61 s, others took 5.0 s" in status(79)[0].replace(
            "1 min 01", "61"
        )
        told = json.loads(status(24, "--json")[0])
        assert (told["photos_per_second"], told["seconds_left"], told["photos_done"]) == (0.8, 6.0, 16)
        assert told["missing"] == ["maps-00004.npz", "maps-00005.npz"]
        assert told["begun"] == [{"holder": who, "shards": ["maps-00004.npz"], "seconds": 6.0, "runs": True}]
    lock.write_text("")
    assert "another process has ended without maps-00004.npz" in status(24)[0]
    shutil.rmtree("run-3")
    assert command("status", "run-3")[0] == 2
    assert command("status", "run-1", "run-3")[1].endswith("'run-3': no share has begun\n")
