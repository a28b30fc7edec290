"""The script that tells whether two runs are the same must see what differs, and nothing else."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from same_run import differences


def write(folder: Path, **info: object) -> Path:
    folder.mkdir(parents=True)
    content = {"info": {"created": "now", "seconds": {"a": 1}, "version": "1", **info}, "outcomes": [{"code": "BA201"}]}
    (folder / "audit.json").write_text(json.dumps(content))
    (folder / "images.csv").write_text("a,reason_code\n1,new\n" if "version" in info else "a\n1\n")
    return folder


def test_it_sees_numbers_and_not_the_time(tmp_path: Path):
    one, other = write(tmp_path / "one"), write(tmp_path / "other", created="later", version="2")
    (other / "report.html").write_text("another page")
    assert list(differences(one, other)) == []
    (other / "images.csv").write_text("a\n2\n")
    content = json.loads((other / "audit.json").read_text())
    content["outcomes"][0] |= {"code": "BA202", "reason_code": "new"}
    (other / "audit.json").write_text(json.dumps(content))
    shutil.copy(other / "images.csv", other / "more.csv")
    assert list(differences(one, other)) == [
        f"only in {other}: more.csv",
        "audit.json: /outcomes/0/code: 'BA201' and 'BA202'",
        "images.csv: cells differ",
    ]


def test_two_folders_without_a_run_are_not_the_same(tmp_path: Path):
    assert list(differences(tmp_path / "one", tmp_path / "other")) == [
        f"{tmp_path / name} holds no finished run" for name in ("one", "other")
    ]
