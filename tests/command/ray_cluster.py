"""`audit --executor ray`: the run of a cluster is that of one process, also where a worker is lost. See `make ray`.

No part of `make test`: Ray is large, and each cluster takes seconds to start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from test_executors import FEW_OTHERS, NOTED, TWO_STAGES, call, class_shards, enter, noted
from test_shards import tables

from bias_audit.checks.background import staged as composites
from bias_audit.run.shares import state_of

sys.path.append(str(Path(__file__).parents[1]))
from staged import TWINS, write_world

HOOK = """
import contextlib, glob, os, time

def plain(pixels):
    if glob.glob("run/shards/.maps-*.lock"):
        open(f"pid-{os.getpid()}", "w").close()
        if glob.glob("run/shards/maps-*.npz"):
            with contextlib.suppress(FileNotFoundError):  # another worker was faster
                os.rename("arm", f"kill-{os.getpid()}")
                time.sleep(600)
    return pixels

def fails(pixels):
    if glob.glob("run/shards/.maps-*.lock"):
        raise ValueError("no such light")
    return pixels
"""
"""A preprocessing whose worker waits to be killed, once, when the first shard is there and it makes another."""

LATE = """
import glob, os, time
import numpy as np

def model(images):
    if glob.glob("run/shards/.maps-*.lock"):
        open(f"pid-{os.getpid()}-{time.monotonic()}", "w").close()
        time.sleep(600)
    return np.full((len(images), 2), 0.5)

model.input_size = (48, 48, 3)
"""
"""A model that does not return while it is given the photos."""

EIGHT = ("--batch-size", "2")
"""24 photos in three shards of four batches."""


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return enter(tmp_path, monkeypatch, HOOK)


@pytest.fixture
def cluster(monkeypatch):
    """Address of a cluster that was started beforehand, with a GPU, as it says."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    start = (
        "start --head --block --port 26379 --num-cpus 2 --num-gpus 1 --include-dashboard false --disable-usage-stats"
    )
    program = "import sys; from ray.scripts.scripts import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program, *start.split()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        yield "127.0.0.1:26379"
        process.terminate()


STRANGER = """
import sys
import ray._raylet
try:
    print(ray._raylet.GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=10))
except Exception as error:
    print(type(error).__name__)
"""


def stranger(address: str) -> str:
    """What another program is told by the cluster of an audit, which has another token."""
    asked = [sys.executable, "-c", STRANGER, address]
    mine = {**os.environ, "RAY_AUTH_TOKEN": "0" * 64}
    return subprocess.run(asked, env=mine, capture_output=True, text=True, timeout=120).stdout.strip()


def test_a_worker_is_killed(world, command):
    killed, refused = [], []

    def kill() -> None:
        while not (found := list(world.glob("kill-*"))):
            time.sleep(0.05)
        refused.append(stranger(sys.modules["ray"].get_runtime_context().gcs_address))
        killed.append(int(found[0].name.partition("-")[2]))
        os.kill(killed[0], signal.SIGKILL)

    (world / "arm").touch()
    threading.Thread(target=kill, daemon=True).start()
    code, out, err = command(*call("--out", "run", "--executor", "ray", *EIGHT))
    assert code == 0, err
    assert killed
    assert refused == ["AuthenticationError"]
    workers = {int(file.name.partition("-")[2]) for file in world.glob("pid-*")}
    assert workers > {*killed}
    assert os.getpid() not in workers
    assert not sys.modules["ray"].is_initialized()
    assert command(*call("--out", "whole", *EIGHT))[:2] == (0, out)
    assert sorted(file.name for file in (world / "run/shards").glob("maps-*")) == [
        "maps-00000.npz",
        "maps-00001.npz",
        "maps-00002.npz",
    ]
    assert len(tables(world / "run")) > 10
    assert tables(world / "run") == tables(world / "whole")


def test_a_worker_is_killed_among_the_composites(tmp_path, monkeypatch, command):
    """Each class is made by a worker; the one whose worker was killed is made by another."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write_world(tmp_path, [50] * 4, TWINS)
    (tmp_path / "noted_composites.py").write_text(NOTED)
    (tmp_path / "arm").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(composites, "predict_composites", composites.predict_composites)  # undone at the end
    monkeypatch.delitem(sys.modules, "noted_composites", raising=False)
    audit = (*TWO_STAGES, *FEW_OTHERS, "--masks", "masks")
    code, out, err = command(*audit, "--out", "run", "--executor", "ray")
    assert code == 0, err
    assert not Path("arm").exists()
    made = noted()
    assert str(os.getpid()) not in {process for process, *_ in made}
    assert command(*audit, "--out", "whole")[:2] == (0, out)
    alone = [rest for _, *rest in noted()]
    once = [rest for _, *rest in made]
    lost = next(rest for rest in alone if rest[0] == "1")  # the killed worker had begun it
    assert sorted(once) == sorted([*alone, lost])
    assert len(class_shards(tmp_path / "run")) == 8
    assert class_shards(tmp_path / "run") == class_shards(tmp_path / "whole")
    assert tables(tmp_path / "run") == tables(tmp_path / "whole")
    sys.modules.pop("noted_composites", None)


def test_a_late_call_names_its_limit(world, command):
    """And is not tried again."""
    (world / "late_model.py").write_text(LATE)
    limited = ("audit", "late_model:model", "photos", "--masks", "masks", "--limit", "seconds_per_call=2", *EIGHT)
    code, out, err = command(*limited, "--out", "run", "--quiet", "--executor", "ray")
    assert (code, out) == (2, "")
    assert "has not returned within 2 seconds, the limit seconds_per_call (raise it with" in " ".join(err.split())
    assert "Start it again with --resume" in " ".join(err.split())
    assert 1 <= len(list(world.glob("pid-*"))) <= 3  # one for each shard


def test_a_cluster_at_an_address(world, command, cluster):
    """What a share has made is kept, one worker with the GPU does the rest, and the cluster goes on after the audit."""
    assert command(*call("--out", "run", "--shard", "1/3", *EIGHT))[0] == 0
    there = world / "run/shards/maps-00000.npz"
    made = there.stat().st_mtime_ns
    for file in world.glob("pid-*"):
        file.unlink()
    for _ in range(60):  # until it has started
        code, out, err = command(*call("--out", "run", "--executor", f"ray:{cluster}", "--resume", *EIGHT))
        if "there is no Ray cluster at '127.0.0.1:26379'" not in " ".join(err.split()):
            break
        time.sleep(1)
    assert code == 0, err
    assert there.stat().st_mtime_ns == made
    assert len(list(world.glob("pid-*"))) == 1
    assert command(*call("--out", "whole", *EIGHT))[:2] == (0, out)
    assert tables(world / "run") == tables(world / "whole")
    import ray  # only here: the first audit sets what Ray knows from its import on

    ray.init(address=cluster)
    assert ray.cluster_resources()["CPU"] == 2
    ray.shutdown()


def test_what_goes_wrong_is_one_sentence(world, command):
    code, out, err = command(*call("--out", "run", "--executor", "ray", *EIGHT, preprocess="fails"))
    assert (code, out, "no such light" in err, "Traceback" in err) == (2, "", True, False), err
    assert state_of(world / "run").there == ()
    code, out, err = command("audit", "none.onnx", "photos", "--out", "other", "--quiet", "--executor", "ray")
    assert (code, out) == (2, "")
    assert err == command("audit", "none.onnx", "photos", "--out", "other", "--quiet")[2]


def test_a_killed_command_leaves_no_worker_behind(world):
    (world / "arm").touch()
    audit = [sys.executable, "-m", "bias_audit.cli.command_line", *call("--out", "run", "--executor", "ray", *EIGHT)]
    until = time.monotonic() + 120
    with subprocess.Popen(audit) as driver:
        while not (found := list(world.glob("kill-*"))):
            assert driver.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        driver.kill()
    while is_running(int(found[0].name.partition("-")[2])):
        assert time.monotonic() < until
        time.sleep(0.1)


def is_running(process: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()[:80]
    except OSError:
        return False
