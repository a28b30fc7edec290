"""Audits that several processes share: their tables are those of one process, and no photo is passed twice."""

from __future__ import annotations

import fcntl
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_any_model import draw
from test_onnx_command import colours

from bias_audit.heatmaps.methods import Explainer
from bias_audit.pipeline.collect import collect
from bias_audit.run.lock import locked_file
from bias_audit.run.shares import Share, state_of

sys.path.append(str(Path(__file__).parents[1]))
from same_run import differences

AUDIT = ("audit", "net.onnx", "photos", "--masks", "masks", "--batch-size", "1", "--quiet")
"""24 photos in six shards of four batches."""
FEW = ("--interventions", "0", "--discovery", "0", "--leakage", "0", "--probes", "0")
"""Options without most experiments, where what a merge measures is not the question."""


@pytest.fixture
def world(tmp_path, monkeypatch):
    draw(tmp_path)
    (tmp_path / "net.onnx").write_bytes(colours())
    (tmp_path / "other.onnx").write_bytes(colours(bias=0.5))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def passed(monkeypatch):
    """Positions of the photos that passed through the model for their heatmaps, in this order."""
    positions: list[int] = []
    explain = Explainer.explain_photos

    def counted(self, at, pixels, labels):
        positions.extend(at)
        return explain(self, at, pixels, labels)

    monkeypatch.setattr(Explainer, "explain_photos", counted)
    return positions


def tables(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in run.iterdir() if file.suffix in (".csv", ".parquet")}


def contents(run: Path) -> dict[str, bytes]:
    """What a run folder holds, but for what a killed process has begun to write: whoever comes next deletes it."""
    files = [file for file in run.rglob("*") if file.is_file() and file.suffix != ".tmp"]
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


def test_shards_are_one_process(world, command, passed):
    """Two shares in one folder, and seven, of which one is empty, in a folder each; later numbers first."""
    code, _, err = command(*AUDIT, "--out", "whole")
    assert code == 0, err
    folders = [world / f"of 7, {number}" for number in range(1, 8)]
    for count, runs in ((2, [world / "of 2"] * 2), (7, folders)):
        passed.clear()
        for number in range(count, 0, -1):
            code, out, err = command(*AUDIT, "--out", runs[number - 1], "--shard", f"{number}/{count}")
            assert code == 0, err
        assert sorted(passed) == list(range(24))
        assert out.endswith("missing\n" if count == 2 else "maps-00004.npz, maps-00005.npz\n")
        assert command("status", *runs)[1] == "6 of 6 shards are there, 24 of 24 photos; nothing is missing\n"
    collect(folders, world / "run")
    before, one = (contents(world / name) for name in ("run", "of 2"))
    assert before == {name: one[name] for name in one if name != "started.json"}  # so the merge of both is the same
    passed.clear()
    code, _, err = command("merge", *folders, "--out", "run", "--quiet")
    assert code == 0, err
    assert passed == []
    assert len(tables(world / "run")) > 10
    assert tables(world / "run") == tables(world / "whole")
    unlike = [said for said in differences(world / "whole", world / "run") if "/digest" not in said]
    assert unlike == []  # but for the digest of when and how long
    assert command("status", "run")[:2] == (0, "finished: the shares were merged\n")
    assert "holds a finished run" in command(*AUDIT, "--out", "run", "--shard", "1/2")[2]


KILLED = """
import os, signal, sys
from bias_audit.cli import main
from bias_audit.heatmaps.methods import Explainer
from bias_audit.pipeline.collect import collect
explain = Explainer.explain_photos

def killed(self, at, pixels, labels):
    if 10 in at:
        os.kill(os.getpid(), signal.SIGKILL)
    return explain(self, at, pixels, labels)

Explainer.explain_photos = killed
main(sys.argv[1:])
"""
"""By the eleventh photo the first of three shards is written, the second perhaps, the third is not."""


def test_a_killed_share_is_resumed_and_a_missing_one_is_named(world, command, passed):
    share = (*AUDIT, "--out", "run", "--shard", "1/2")
    assert subprocess.run([sys.executable, "-c", KILLED, *share]).returncode == -signal.SIGKILL
    there = sorted(file.name for file in Path("run/shards").glob("maps-*"))
    assert there in (["maps-00000.npz"], ["maps-00000.npz", "maps-00001.npz"])
    code, out, err = command("merge", "run")
    assert (code, out) == (2, "")
    assert (
        f"{len(there)} of 6 shards are there, {4 * len(there)} of 24 photos; missing: maps-0000{len(there)}.npz" in err
    )
    code, out, err = command(*share)
    assert code == 0, err
    assert passed == list(range(4 * len(there), 12))
    wanted = "3 of 6 shards are there, 12 of 24 photos; missing: maps-00003.npz, maps-00004.npz, maps-00005.npz\n"
    assert out == f"share 1/2 is done: {wanted}"
    assert command("status", "run")[1] == f"{wanted}no shard is being made now\n"
    assert command(*AUDIT, "--out", "run", "--shard", "2/2")[0] == 0
    (world / "run/shards/maps-00004.npz").write_bytes((world / "run/shards/maps-00003.npz").read_bytes())
    before = contents(world / "run")
    passed.clear()
    code, _, err = command("merge", "run")
    assert (code, "maps-00004.npz' is damaged: its records are those of other images" in err) == (2, True)
    assert "Run its share again" in err
    assert contents(world / "run") == before
    assert passed == []


def test_what_differs_is_named(world, command):
    assert command(*AUDIT, "--out", "run", "--shard", "1/2")[0] == 0
    before = {file: file.read_bytes() for file in Path("run").rglob("*") if file.is_file()}
    for changed, said in (
        (("--batch-size", "2"), "batch_size is 2 here and 1 there"),
        (("--donors", "3"), "donors is 3 here and 5 there"),
        (("--ignore", "BA401"), "ignore is ['BA401'] here and [] there"),
    ):
        code, _, err = command(*AUDIT, *changed, "--out", "run", "--shard", "2/2")
        assert (code, said in " ".join(err.split())) == (2, True), err
    code, _, err = command("audit", "other.onnx", *AUDIT[2:], "--out", "run", "--shard", "2/2")
    assert (code, "the model differs" in err) == (2, True), err
    known = json.loads(Path("run/shared.json").read_text())
    known["packages"]["numpy"] = "1.0"
    Path("run/shared.json").write_text(json.dumps(known))
    code, _, err = command(*AUDIT, "--out", "run", "--shard", "2/2")
    assert (code, f"numpy is '{np.__version__}' here and '1.0' there" in " ".join(err.split())) == (2, True), err
    assert {file: file.read_bytes() for file in before if file.name != "shared.json"} == {
        file: content for file, content in before.items() if file.name != "shared.json"
    }


def test_a_shard_is_made_by_one_process(world, command):
    """The second of two processes with the same share is refused; others go on."""
    assert command(*AUDIT, "--out", "run", "--shard", "1/6")[0] == 0
    with locked_file(world / "run/shards/maps-00003.npz", "a test"):
        code, _, err = command(*AUDIT, "--out", "run", "--shard", "2/2")
        assert (code, "maps-00003.npz' is being written by another process: a test" in err) == (2, True), err
        assert command(*AUDIT, "--out", "run", "--shard", "3/6")[0] == 0
    assert state_of(world / "run").there == (0, 2)
    assert not list(Path("run/shards").glob(".*"))


def test_a_merge_waits_for_no_share_and_shares_for_no_merge(world, command, monkeypatch):
    monkeypatch.setattr("bias_audit.run.folder.PATIENCE", 0.0)
    assert command(*AUDIT, "--out", "run", "--shard", "1/1")[0] == 0
    with Path("run/.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)  # as another share holds it
        assert command(*AUDIT, "--out", "run", "--shard", "1/1")[0] == 0
        code, _, err = command("merge", "run")
        assert (code, "is being written by" in err) == (2, True), err
        fcntl.flock(file, fcntl.LOCK_EX)
        code, _, err = command(*AUDIT, "--out", "run", "--shard", "1/1")
        assert (code, "is being written by" in err) == (2, True), err


def test_a_run_folder_cannot_ask_for_code_or_for_data_elsewhere(world, command, monkeypatch):
    assert command(*AUDIT, *FEW, "--method", "auto", "--out", "run", "--shard", "1/1")[0] == 0
    file = world / "run/shared.json"
    known = json.loads(file.read_text())
    for section, name, value, said in (
        ("places", "model", "mine:rule", "--model mine:rule"),
        ("places", "data", "https://example.org/a.zip", "--data https://example.org/a.zip"),
        ("data", "images", "https://example.org/b", "--images https://example.org/b"),
        ("audit", "preprocess", "mine:rule", "--preprocess mine:rule"),
        ("audit", "segmenter", "mine:rule", "--segmenter mine:rule"),
        ("audit", "custom_objects", "mine", "--custom-objects mine"),
    ):
        file.write_text(json.dumps({**known, section: {**known[section], name: value}}))
        code, _, err = command("merge", "run")
        assert (code, said in " ".join(err.split())) == (2, True), err
    for section, name, value in (
        ("audit", "image_size", 3),
        ("audit", "class_map", 3),
        ("audit", "donors", "x"),
        ("thresholds", "fdr", []),
        ("rules", "ignore", None),
        ("size", "photos", 10**30),
        ("size", "per_file", -1),
        ("places", "masks", 3),
        ("data", "sample", "x"),
    ):
        file.write_text(json.dumps({**known, section: {**known[section], name: value}}))
        assert (command("merge", "run")[0], name, value) == (2, name, value)
    (world / "evil.py").write_text("open('it ran', 'w').close()\ndef rule(*_): pass\n")
    monkeypatch.syspath_prepend(world)
    choice = world / "run/shards/preprocess.json"
    choice.write_text(json.dumps({**json.loads(choice.read_text()), "name": "evil:rule"}))
    layer = json.loads((world / "run/shared-choices.json").read_text())["chosen"]["layer"]
    row = {"method": "evil:rule", "layer": layer, "score": 1, "chosen": True}
    table = {"method": "evil:rule", "layer": layer, "images": 3, "table": [row]}
    (world / "run/shards/faithfulness.json").write_text(json.dumps(table))
    file.write_text(json.dumps({**known, "data": {"allow_outside": True, "out": "elsewhere"}}))
    shutil.move(world / "photos", world / "moved")
    code, _, err = command("merge", "run")
    assert (code, "'photos'" in err) == (2, True), err
    code, _, err = command("merge", "run", "--data", "moved", "--quiet")
    assert code == 0, err
    assert not Path("elsewhere").exists()
    assert not Path("it ran").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--shard", "0/3"), "'0/3' is no share"),
        (("--shard", "4/3"), "'4/3' is no share"),
        (("--shard", "1"), "'1': expected I/N"),
        (("--shard", "1/2", "--overwrite"), "--shard and --overwrite contradict each other"),
        (("--shard", "1/2", "--profile"), "--shard and --profile contradict each other"),
        (("--shard", "auto"), "SLURM_ARRAY_TASK_ID is not set"),
    ],
)
def test_wrong_shares(world, command, monkeypatch, given, said):
    monkeypatch.delenv("SLURM_ARRAY_TASK_ID", raising=False)
    code, _, err = command(*AUDIT, "--out", "run", *given)
    assert (code, said in " ".join(err.split())) == (2, True), err
    assert not Path("run").exists()


def test_a_task_of_a_slurm_array(world, command, monkeypatch):
    for name, value in (("ID", "12"), ("MIN", "10"), ("COUNT", "3")):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert command(*AUDIT, "--out", "run", "--shard", "auto")[1].startswith(
        "share 3/3 is done: 2 of 6 shards are there"
    )
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "13")
    assert "task 13 of 3 from 10 on is no share" in command(*AUDIT, "--out", "run", "--shard", "auto")[2]


@pytest.mark.parametrize("count", [0, 1, 5, 6, 7, 1000])
@pytest.mark.parametrize("of", [1, 2, 7])
def test_every_shard_is_of_one_share(count, of):
    shares = [list(Share(number, of).files(count)) for number in range(1, of + 1)]
    assert [number for share in shares for number in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_keras_too(tiny, command, tmp_path):
    """The shards of a share are, byte for byte, those of one process; all else is made of them."""
    audit = ("audit", tiny.follows_background, tiny.images, "--masks", tiny.masks, "--batch-size", "2", "--quiet")
    for share in ("1/1", "2/2"):
        assert command(*audit, "--out", tmp_path / share[0], "--shard", share)[0] == 0
    whole, half = (contents(tmp_path / name) for name in ("1", "2"))
    assert sorted(file for file in half if "maps" in file) == ["shards/maps-00001.npz", "shards/maps-00002.npz"]
    assert half.items() <= whole.items()
