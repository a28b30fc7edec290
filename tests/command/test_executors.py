"""`audit --executor`: the run of several processes is that of one, and none of them is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_any_model import draw
from test_onnx_command import colours
from test_shards import AUDIT, FEW, tables

import bias_audit
from bias_audit.checks.background import staged as composites
from bias_audit.errors import BiasAuditError, ConfigError, ModelError, ResultError
from bias_audit.heatmaps import attention
from bias_audit.pipeline import outlines
from bias_audit.pipeline.executors import EXECUTORS, find_executor
from bias_audit.pipeline.executors.local import devices
from bias_audit.pipeline.executors.work import as_raised, as_told, in_words
from bias_audit.run.folder import Run
from bias_audit.run.shares import state_of

sys.path.append(str(Path(__file__).parents[1]))
from staged import TWINS, write_world

HOOK = """
import contextlib, glob, os, signal, time

def plain(pixels):
    return pixels

def killed(pixels):
    if glob.glob("run/shards/maps-*.npz"):
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            os.unlink("arm")
            os.kill(os.getpid(), signal.SIGKILL)
    return pixels

def waits(pixels):
    if glob.glob("run/shards/.maps-*.lock"):
        open(f"pid-{os.getpid()}", "w").close()
        time.sleep(600)
    return pixels

def exits(pixels):
    if glob.glob("run/shards/.maps-*.lock"):
        os._exit(0)
    return pixels
"""
"""A module with preprocessings that do what processes die of: `killed` once, when a shard is there."""


NOTED = f"""
import contextlib, os, signal, sys

sys.path.append({str(Path(__file__).parents[1])!r})
from staged import told_apart_by_the_ground

from bias_audit.checks.background import staged

make, tells_apart = staged.predict_composites, told_apart_by_the_ground(4)


def noted(dataset, label, todo, *others, **options):
    with open("made.txt", "a") as file:
        print(os.getpid(), label, todo.photos[label], sorted(options["choice"].kinds), sep=";", file=file)
    if label == 1:
        with contextlib.suppress(FileNotFoundError):
            os.unlink("arm")
            os.kill(os.getpid(), signal.SIGKILL)
    return make(dataset, label, todo, *others, **options)


staged.predict_composites = noted


def model(images):
    return tells_apart(images)


model.input_size = tells_apart.input_size
"""
"""A model of a module that notes who makes which composites, and is killed, once, with those of the second class."""

TWO_STAGES = ("audit", "noted_composites:model", "images", "--quiet", "--donors", "3", "--batch-size", "16")
FEW_OTHERS = ("--discovery", "0", "--leakage", "0", "--probes", "0")


def enter(folder: Path, monkeypatch: pytest.MonkeyPatch, hook: str) -> Path:
    """Make a folder with photos, masks, a network and the module `hook` the working folder."""
    draw(folder)
    (folder / "net.onnx").write_bytes(colours())
    (folder / "hook.py").write_text(hook)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def world(tmp_path, monkeypatch):
    return enter(tmp_path, monkeypatch, HOOK)


def call(*options: str, preprocess: str = "plain") -> tuple[str, ...]:
    return (*AUDIT, *FEW, "--preprocess", f"hook:{preprocess}", *options)


def running() -> set[str]:
    """Processes that run for an audit in this folder."""
    found = set()
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if "executors.child" in (each / "cmdline").read_text() and (each / "cwd").samefile("."):
                found.add(each.name)
        except OSError:
            continue
    return found


def test_a_process_is_killed_and_the_audit_goes_on(world, command):
    """In another number of processes; what was there is not made again, and in the end the tables are those of one."""
    Path("arm").touch()
    code, out, err = command(*call("--out", "run", "--executor", "local:2", preprocess="killed"))
    assert (code, out) == (2, "")
    assert "was ended by SIGKILL; perhaps for want of memory" in " ".join(err.split())
    assert not running()
    there = {file: file.stat().st_mtime_ns for file in Path("run/shards").glob("maps-*.npz")}
    assert len(there) == len(state_of(world / "run").there) in range(1, 6)

    assert "'run' holds an unfinished run" in command(*call("--out", "run", "--executor", "local:2"))[2]
    code, out, err = command(*call("--out", "run", "--executor", "local:1", "--resume", preprocess="killed"))
    assert code == 0, err
    assert {file: file.stat().st_mtime_ns for file in there} == there
    assert not Path("run/shared.json").exists()
    assert command(*call("--out", "whole", preprocess="killed"))[1] == out
    assert len(tables(world / "run")) > 10
    assert tables(world / "run") == tables(world / "whole")


def test_a_killed_command_leaves_no_process_behind(world):
    audit = [
        sys.executable,
        "-m",
        "bias_audit.cli.command_line",
        *call("--out", "run", "--executor", "local:1", preprocess="waits"),
    ]
    with subprocess.Popen(audit, stderr=subprocess.PIPE) as parent:
        until = time.monotonic() + 120
        while not list(Path().glob("pid-*")):
            assert parent.poll() is None, parent.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.05)
        assert len(running()) == 1
        parent.kill()
    while running():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_errors_of_a_process_are_those_of_the_audit(world, monkeypatch, capfd):
    """In Python: the first refuses the model; the second is ended by the user's code, with the exit code of success."""
    said = []
    for executor in (None, "local:1"):
        with pytest.raises(ModelError) as caught:
            bias_audit.audit("photos/frog/00.png", "photos", out="run", executor=executor)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert not Path("run").exists()
    monkeypatch.syspath_prepend(world)
    with pytest.raises(ResultError, match=r"share 1/1 of the audit ended with exit code 0 before it was done"):
        bias_audit.audit("net.onnx", "photos", masks="masks", preprocess="hook:exits", out="run", executor="local:1")
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def twins(tmp_path, monkeypatch):
    """Four classes of 50 photos, of which two are suspected, and a model that notes who makes composites."""
    write_world(tmp_path, [50] * 4, TWINS)
    (tmp_path / "noted_composites.py").write_text(NOTED)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(composites, "predict_composites", composites.predict_composites)  # undone at the end
    monkeypatch.delitem(sys.modules, "noted_composites", raising=False)
    yield tmp_path
    sys.modules.pop("noted_composites", None)


def noted() -> list[list[str]]:
    """[process, class, photos, kinds] of the composites that were made since the last call, in any order."""
    file = Path("made.txt")
    lines = file.read_text().splitlines() if file.exists() else []
    file.unlink(missing_ok=True)
    return [line.split(";", 3) for line in lines]


def class_shards(run: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (run / "shards").glob("interventions-*")}


@pytest.mark.parametrize(
    ("options", "shards", "passed"),
    [
        (("--masks", "masks"), 8, ()),
        (("--masks", "masks", "--thorough"), 4, ("1/2", "2/2")),
        (("--segmenter", "auto", "--interventions", "20"), 8, ()),
    ],
)
def test_composites_are_made_by_the_processes(twins, command, monkeypatch, options, shards, passed):
    """Each once, as one process makes them, also those that the second stage and estimates of masks decide about.

    And where shares have passed the photos before.
    """
    audit = (*TWO_STAGES, *FEW_OTHERS, *options)
    code, out, err = command(*audit, "--out", "whole")
    assert code == 0, err
    alone = noted()
    for share in passed:
        assert command(*audit, "--out", "run", "--shard", share)[0] == 0
    monkeypatch.setattr(attention, "scored", None)  # of this process, which passes no photo any more
    with monkeypatch.context() as patched:
        patched.setattr(outlines, "_estimated", None)  # of the process that finishes the audit
        assert command(*audit, "--out", "run", "--executor", "local:2", *["--resume"] * bool(passed))[:2] == (0, out)
    made = noted()
    assert len({process for process, *_ in made}) == 2
    assert str(os.getpid()) not in {process for process, *_ in made}
    assert sorted(rest for _, *rest in made) == sorted(rest for _, *rest in alone)
    assert len(class_shards(twins / "run")) == shards
    assert class_shards(twins / "run") == class_shards(twins / "whole")
    assert len(tables(twins / "run")) > 10
    assert tables(twins / "run") == tables(twins / "whole")
    assert not Path("run/shared-parts.json").exists()


def test_a_process_is_killed_among_the_composites(twins, command):
    """The others are named as they are there, and only what is missing is made."""
    audit = (*TWO_STAGES, *FEW_OTHERS, "--masks", "masks", "--out", "run")
    Path("arm").touch()
    code, out, err = command(*audit, "--executor", "local:2")
    assert (code, out) == (2, "")
    assert "was ended by SIGKILL; perhaps for want of memory" in " ".join(err.split())
    assert not running()
    there = {file: file.stat().st_mtime_ns for file in Path("run/shards").glob("interventions-*")}
    assert len(there) < 4
    code, out, _ = command("status", "run")
    lines = out.splitlines()
    assert lines[0].endswith("200 of 200 photos; nothing is missing")
    assert lines[1] == f"Interventions: {len(there)} of 4 files are there"
    told = json.loads(command("status", "run", "--json")[1])["experiments"]
    assert (told["stage"], told["files"], told["files_done"]) == ("Interventions", 4, len(there))
    noted()
    assert command(*audit, "--executor", "local:2", "--resume")[0] == 0
    kinds = {file.name.count("-more") for file in Path("run/shards").glob("interventions-*")}
    assert kinds == {0, 1}
    assert {file: file.stat().st_mtime_ns for file in there} == there
    first = {label for _, label, *_ in noted()}
    assert first == {"0", "1", "2", "3"}  # in the second stage all, of two what the rules read
    assert command(*TWO_STAGES, *FEW_OTHERS, "--masks", "masks", "--out", "whole")[0] == 0
    assert tables(twins / "run") == tables(twins / "whole")


def test_shares_do_not_go_on_with_what_another_audit_has_begun(world, command):
    Run(world / "run").start({"options": "others"}, resume=False, overwrite=False)
    code, _, err = command(*AUDIT, "--out", "run", "--shard", "1/1")
    assert (code, "cannot resume 'run': the options" in err) == (2, True), err
    assert not Path("run/shared.json").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("local:0",), "local:0: expected local:N with N processes, from 1 to 256"),
        (("local:257",), "local:257: expected local:N"),
        (("local",), "local:: expected local:N"),
        (("local:two",), "local:two: expected local:N"),
        (("spark",), "spark: there is no such executor Write local:N or ray[:HOST:PORT]"),
        (("ray:ray://there:10001",), "expected ray, ray:auto or ray:HOST:PORT"),
        (("local:2", "--shard", "1/2"), "--shard and --executor contradict each other"),
        (("local:2", "--overwrite"), "--executor and --overwrite contradict each other"),
        (("local:2", "--profile"), "--executor and --profile contradict each other"),
    ],
)
def test_wrong_executors(world, command, given, said):
    code, _, err = command(*AUDIT, "--out", "run", "--executor", *given)
    assert (code, said in " ".join(err.split())) == (2, True), err
    assert not Path("run").exists()


def test_ray_is_not_installed(world, command, monkeypatch):
    monkeypatch.setattr("bias_audit.packages.installed", lambda module: module != "ray")
    code, _, err = command(*AUDIT, "--out", "run", "--executor", "ray")
    told = "Ray is not installed, and --executor ray needs it: pip install 'bias-audit[ray]'"
    assert (code, told in " ".join(err.split())) == (2, True), err


def test_what_is_in_memory_cannot_be_shared(world):
    for model, data in ((lambda pixels: pixels, "photos"), ("net.onnx", [("photos/frog/00.png", "frog")])):
        with pytest.raises(ConfigError, match="a model and photos that every process finds on disk"):
            bias_audit.audit(model, data, executor="local:2")
    with pytest.raises(ConfigError, match="--executor and --predictions contradict each other"):
        bias_audit.audit(None, "photos", predictions="p.csv", executor="local:2")
    with pytest.raises(ConfigError, match="an argument cannot be handed to another process"):
        bias_audit.audit("net.onnx", "photos", out="run", class_map={"frog": lambda: 0}, executor="local:2")


def test_one_process_for_each_gpu():
    """Which GPUs CUDA shows: the list ends at the first that is none."""
    assert devices({"CUDA_VISIBLE_DEVICES": "2, 5,GPU-8932f937"}) == ["2", "5", "GPU-8932f937"]
    assert devices({"CUDA_VISIBLE_DEVICES": "3,-1,4"}) == ["3"]
    assert devices({"CUDA_VISIBLE_DEVICES": ""}) == devices({"CUDA_VISIBLE_DEVICES": "-1"}) == []


def test_an_error_is_the_same_in_another_process():
    for error in (ModelError("a", "b"), ConfigError("a"), ResultError("a\nb", "c")):
        again = as_raised(as_told(error))
        assert (type(again), again.message, again.hint) == (type(error), error.message, error.hint)
    assert type(as_raised({"error": "annotations", "message": "a", "hint": ""})) is BiasAuditError


def test_errors_of_the_system_are_told():
    with pytest.raises(ResultError, match="cannot use 'nowhere': No such file"), in_words():
        Path("nowhere").read_text()
    with pytest.raises(ConfigError, match="a module ended the process before it was done: SystemExit"), in_words():
        sys.exit()
    with pytest.raises(ZeroDivisionError), in_words():
        _ = 1 / 0


def test_every_executor_is_found():
    assert set(EXECUTORS) == {"local", "ray"}
    assert callable(find_executor("local:3"))
