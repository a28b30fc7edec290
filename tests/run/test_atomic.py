"""Files are written as a whole or not at all, and what is no regular file is written into, never replaced."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bias_audit.errors import ResultError
from bias_audit.run.atomic import sweep, write_atomically

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no links, pipes and devices as here")

HINT = "Do something."


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    link.symlink_to("folder/target")
    for content in (b"one", b"two"):  # the first time it leads nowhere yet
        write_atomically(link, content, HINT)
        assert link.is_symlink()
        assert target.read_bytes() == content
    assert sorted(os.listdir(tmp_path / "folder")) == ["target"]


def test_in_a_run_folder_a_link_is_replaced_and_nothing_outside_written(tmp_path: Path) -> None:
    outside, link = tmp_path / "outside", tmp_path / "gate.json"
    outside.write_bytes(b"precious")
    link.symlink_to(outside)
    write_atomically(link, b"new", HINT, own=True)
    assert outside.read_bytes() == b"precious"
    assert not link.is_symlink()
    assert link.read_bytes() == b"new"


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    with pytest.raises(ResultError, match=r"cannot write .*pipe"):  # nobody reads: a sentence, no endless waiting
        write_atomically(pipe, b"x", HINT)
    descriptor = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    second = os.open(pipe, os.O_WRONLY)  # the reader waits, instead of finding the end at once
    content = b"x" * 1_000_000  # more than a pipe holds

    def take() -> None:
        with open(descriptor, "rb") as file:
            read.append(file.read())

    reader = threading.Thread(target=take)
    reader.start()
    write_atomically(pipe, content, HINT)
    os.close(second)
    reader.join(20)
    assert read == [content]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    with pytest.raises(ResultError, match="no regular file"):
        write_atomically(pipe, b"x", HINT, own=True)
    assert os.listdir(tmp_path) == ["pipe"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root makes devices")
def test_a_device_stays_a_device(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.close(os.open(device, os.O_WRONLY))
    except OSError:
        pytest.skip("no devices can be made here")
    write_atomically(device, b"x", HINT)
    assert stat.S_ISCHR(device.lstat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_that_is_a_file_is_written_into_in_turn(tmp_path: Path, name: str) -> None:
    if not os.path.exists(name):
        pytest.skip(f"no {name}")
    code = (
        "from pathlib import Path\n"
        "from bias_audit.run.atomic import write_atomically\n"
        f"print('before'); write_atomically(Path({name!r}), b'content\\n', ''); print('after')\n"
    )
    out = tmp_path / "out"
    with out.open("wb") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, check=True, timeout=60)
    assert out.read_text() == "before\ncontent\nafter\n"


def test_links_in_a_circle_and_long_names_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for name in ("a", "n" * 300, "nul\0"):
        with pytest.raises(ResultError, match="cannot write"):
            write_atomically(tmp_path / name, b"x", HINT)
    assert (tmp_path / "a").is_symlink()


def test_a_link_in_place_of_the_temporary_file_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"precious")
    monkeypatch.setattr("bias_audit.run.atomic._COUNT", iter([0]))
    (tmp_path / f".a.{os.getpid()}-0.tmp").symlink_to(outside)
    write_atomically(tmp_path / "a", b"new", HINT)
    assert outside.read_bytes() == b"precious"
    assert (tmp_path / "a").read_bytes() == b"new"


def test_temporary_files_of_ended_processes_are_swept(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = (f".a.json.{gone.pid}.tmp", f".a.json.{gone.pid}-3.tmp", f".a.{10**30}.tmp")
    others = (f".a.json.{os.getpid()}-0.tmp", "a.tmp", ".mine.tmp", f"a.{gone.pid}.tmp")
    for name in (*dead, *others):
        (tmp_path / name).write_bytes(b"")
    sweep(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(others)
    sweep(tmp_path / "gone")
