"""The run folder: whole files or none, a resume that names what changed, an overwrite that spares the user's files."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bias_audit.errors import ConfigError, ResultError
from bias_audit.run.folder import FINISHED, STARTED, Run
from bias_audit.run.json_values import plain
from bias_audit.run.schema import TABLES

KEY = {"model": "m1", "data": "d1", "configuration": "c1"}


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "deep" / "run")
    run.start(KEY, resume=False, overwrite=False)
    return run


class TestWrite:
    def test_leaves_the_file_and_nothing_else(self, run: Run) -> None:
        run.write("a.txt", b"one")
        run.write("a.txt", b"two")
        assert (run.path / "a.txt").read_bytes() == b"two"
        assert _files(run.path) == {STARTED, "a.txt"}

    def test_a_failing_write_leaves_the_old_file(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        run.write("a.txt", b"old")

        def fails(_: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", fails)
        with pytest.raises(ResultError) as caught:
            run.write("a.txt", b"new")
        assert "a.txt" in caught.value.message
        assert "No space left on device" in caught.value.message
        assert "--resume" in caught.value.hint
        assert (run.path / "a.txt").read_bytes() == b"old"
        assert _files(run.path) == {STARTED, "a.txt"}  # no temporary file stays behind

    def test_the_new_file_appears_by_its_renaming_only(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        run.write("a.txt", b"old")

        def fails(self: Path, _: Path) -> None:
            assert self.read_bytes() == b"new"
            raise OSError(13, "Permission denied")

        monkeypatch.setattr(Path, "replace", fails)
        with pytest.raises(ResultError, match="Permission denied"):
            run.write("a.txt", b"new")
        assert (run.path / "a.txt").read_bytes() == b"old"

    def test_an_interrupt_leaves_the_old_file_too(self, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        run.write("a.txt", b"old")

        def interrupted(_: int) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("os.fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run.write("a.txt", b"new")
        assert (run.path / "a.txt").read_bytes() == b"old"
        assert _files(run.path) == {STARTED, "a.txt"}

    def test_a_missing_folder_is_a_sentence(self, run: Run) -> None:
        with pytest.raises(ResultError, match=r"cannot write .*gone.*No such file"):
            run.write("gone/a.txt", b"x")

    @pytest.mark.skipif(sys.platform == "win32", reason="no file size limit to set")
    def test_a_full_disk(self, tmp_path: Path) -> None:
        """A limit on the size of files stands for the disk: the write fails midway, as on a full one."""
        code = (
            "import resource, sys\n"
            "from pathlib import Path\n"
            "from bias_audit.errors import ResultError\n"
            "from bias_audit.run.folder import Run\n"
            "run = Run(Path(sys.argv[1]))\n"
            "run.start({'model': 'm'}, resume=False, overwrite=False)\n"
            "run.write('shards/a.npz', b'old')\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
            "try:\n"
            "    run.write('shards/a.npz', b'x' * 100_000)\n"
            "except ResultError as error:\n"
            "    print(error.message)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"cannot write {str(tmp_path / 'run/shards/a.npz')!r}: File too large")
        assert (tmp_path / "run" / "shards" / "a.npz").read_bytes() == b"old"
        assert _files(tmp_path / "run") == {STARTED, "shards/a.npz"}


class TestValues:
    def test_arrays_come_back(self, run: Run) -> None:
        arrays = {
            "maps": np.arange(6, dtype=np.float16).reshape(1, 2, 3),
            "records": np.array('[{"a": "ä"}]'),
            "none": np.zeros((0, 2)),
        }
        run.write_arrays("shards/s.npz", arrays)
        back = run.read_arrays("shards/s.npz")
        assert back is not None
        assert set(back) == set(arrays)
        for name, array in arrays.items():
            assert back[name].dtype == array.dtype
            assert np.array_equal(back[name], array)
        assert run.read_arrays("shards/other.npz") is None

    def test_json_comes_back(self, run: Run) -> None:
        run.write_json("x.json", {"a": np.float32(0.5), "b": [np.int64(3), float("nan"), np.bool_(True)], "ä": "🐺"})
        assert run.read_json("x.json") == {"a": 0.5, "b": [3, None, True], "ä": "🐺"}
        assert run.read_json("y.json") is None

    def test_a_name_that_is_no_utf8_does_not_stop_the_run(self, run: Run) -> None:
        run.write_json("x.json", {"file": "\udcff.jpg"})
        assert (run.path / "x.json").read_bytes().decode("utf-8")

    def test_plain(self) -> None:
        value = {1: (np.float64("inf"), -np.inf, None, "x", np.float32(2)), "deep": {"n": np.int8(1)}}
        assert plain(value) == {"1": [None, None, None, "x", 2.0], "deep": {"n": 1}}
        json.dumps(plain(value), allow_nan=False)


class TestCheck:
    def test_a_new_and_an_empty_folder(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        for name in ("new", "empty"):
            Run(tmp_path / name).check(resume=False, overwrite=False)
            Run(tmp_path / name).check(resume=True, overwrite=False)
        assert not (tmp_path / "new").exists()

    def test_refusals_touch_nothing(self, run: Run, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "thesis.tex").write_text("x")
        finished = Run(tmp_path / "finished")
        finished.start(KEY, resume=False, overwrite=False)
        finished.finish({})
        before = _files(tmp_path)
        cases = [
            (Run(tmp_path / "file"), {}, "is a file", ""),
            (Run(tmp_path / "mine"), {}, "not empty and holds no run", "--out"),
            (Run(tmp_path / "mine"), {"overwrite": True}, "not empty and holds no run", "--out"),
            (Run(tmp_path / "mine"), {"resume": True}, "not empty and holds no run", "--out"),
            (finished, {}, "finished run", "--overwrite"),
            (finished, {"resume": True}, "finished run", "--overwrite"),
            (run, {}, "unfinished run", "--resume"),
            (run, {"resume": True, "overwrite": True}, "contradict", ""),
        ]
        for at, flags, says, hint in cases:
            flags = {"resume": False, "overwrite": False, **flags}
            for action in (at.check, functools.partial(at.start, KEY)):
                with pytest.raises(ConfigError) as caught:
                    action(**flags)
                assert says in caught.value.message
                assert hint in caught.value.hint
        assert _files(tmp_path) == before

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("x")
        with pytest.raises(ResultError, match="cannot write"):
            Run(tmp_path / "file" / "run").start(KEY, resume=False, overwrite=False)


class TestResume:
    def test_the_same_key_keeps_what_is_there(self, run: Run) -> None:
        run.write("shards/maps-00000.npz", b"work")
        Run(run.path).start(KEY, resume=True, overwrite=False)
        assert (run.path / "shards/maps-00000.npz").read_bytes() == b"work"

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"model": "m2"}, "the model changed"),
            ({"data": "d2", "configuration": "c2"}, "the data and the configuration changed"),
            ({"version": "2"}, "the version changed"),
        ],
    )
    def test_another_key_is_named_and_nothing_lost(self, run: Run, changes: dict[str, str], says: str) -> None:
        run.write("shards/maps-00000.npz", b"work")
        with pytest.raises(ConfigError) as caught:
            Run(run.path).start({**KEY, **changes}, resume=True, overwrite=False)
        assert says in caught.value.message
        assert "--overwrite" in caught.value.hint
        assert (run.path / "shards/maps-00000.npz").exists()

    def test_resume_of_nothing_starts(self, tmp_path: Path) -> None:
        Run(tmp_path / "new").start(KEY, resume=True, overwrite=False)
        assert json.loads((tmp_path / "new" / STARTED).read_text()) == KEY

    def test_a_finished_run_forgets_how_it_started(self, run: Run) -> None:
        run.finish({"verdict": "fine"})
        assert run.read_json(FINISHED) == {"verdict": "fine"}
        assert not (run.path / STARTED).exists()


def test_overwrite_deletes_what_a_run_wrote_and_nothing_else(run: Run) -> None:
    own = [f"{table}.{kind}" for table in TABLES for kind in ("csv", "parquet")]
    own += ["shards/maps-00000.npz", "pictures.json", "report.html", "gate.json", "gate.md", ".images.csv.123.tmp"]
    foreign = [
        "decisions.sqlite", "notes.md", "my measurements.csv", "labels.parquet", "gate.toml", "scratch.tmp",
        "photos/1.jpg", ".gitignore",
    ]  # fmt: skip
    for name in (*own, *foreign):
        (run.path / name).parent.mkdir(exist_ok=True)
        (run.path / name).write_bytes(b"x")
    run.finish({})
    Run(run.path).start({"model": "m2"}, resume=False, overwrite=True)
    assert _files(run.path) == {STARTED, *foreign}
    assert json.loads((run.path / STARTED).read_text()) == {"model": "m2"}
