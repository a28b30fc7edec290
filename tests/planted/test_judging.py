"""What is kept of an audit, and the digest of the code that judges; `test_end_to_end` judges a real run again."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest

import bias_audit
from bias_audit.errors import ResultError
from bias_audit.planted.benchmark import judging
from bias_audit.planted.benchmark.judging import LEFT_OUT, judged_again, package_digest, packed


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A copy of the package's source, of which the digest is made."""
    root = tmp_path / "bias_audit"
    for path in Path(bias_audit.__file__).parent.rglob("*.py"):
        copy = root / path.relative_to(Path(bias_audit.__file__).parent)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    monkeypatch.setattr(judging.bias_audit, "__file__", str(root / "__init__.py"))
    return root


def digest() -> str:
    return package_digest.__wrapped__()  # without its memory: source does not change while a process runs


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("checks/background/rule.py", True),
        ("stats/__init__.py", True),
        ("pipeline/judge.py", True),
        ("models/tensorflow/traced.py", True),
        ("planted/benchmark/table.py", False),
        ("report/page.py", False),
        ("cli/benchmark.py", False),
    ],
)
def test_the_digest_is_of_all_that_judges_and_of_nothing_that_shows(package, file, counts):
    before = digest()
    assert before == package_digest()
    (package / file).write_text((package / file).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert (digest() != before) == counts


def test_a_file_that_is_renamed_counts(package):
    before = digest()
    (package / "stats" / "__init__.py").rename(package / "stats" / "other.py")
    assert digest() != before


def test_page_and_pictures_are_not_kept(tmp_path):
    run = tmp_path / "run"
    (run / "shards").mkdir(parents=True)
    for name in (*LEFT_OUT, "audit.json", "shards/maps-00000.npz"):
        (run / name).write_bytes(name.encode())
    with tarfile.open(fileobj=io.BytesIO(packed(run))) as archive:
        assert sorted(archive.getnames()) == ["audit.json", "shards/maps-00000.npz"]


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_a_kept_run_that_is_gone_or_damaged_is_refused_in_a_sentence(tmp_path, content):
    archive = tmp_path / "run.tar.gz"
    if content is not None:
        archive.write_bytes(content)
    with pytest.raises(ResultError, match=r"run\.tar\.gz"):
        judged_again(archive)


def test_nothing_is_unpacked_outside(tmp_path):
    archive = tmp_path / "run.tar.gz"
    with tarfile.open(archive, "w:gz") as made:
        made.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    with pytest.raises(ResultError, match="damaged"):
        judged_again(archive)
