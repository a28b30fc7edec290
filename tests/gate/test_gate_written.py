"""What a gate leaves in the run folder, and what it loads."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from agreeing import agreeing
from gate_runs import WOLF, outcome, read, run_of

from bias_audit.errors import ResultError
from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, judge, read_gate, write_gate
from bias_audit.run import result


def test_write_gate(tmp_path: Path) -> None:
    given = outcome("found", "SUSPICIOUS", measured=0.8, low=math.nan, threshold=0.05)
    others = outcome("not applicable", code="BA101"), outcome("ignored", code="BA102")
    gate = judge(run_of(given, *others), read_gate(None))
    (tmp_path / "gate.json").write_text("old")
    paths = write_gate(tmp_path, gate)
    assert [path.name for path in paths] == ["gate.json", "gate.md", "gate.junit.xml", "gate.sarif"]
    assert {*tmp_path.iterdir()} == {*paths}, "no temporary file stays"
    content = json.loads(paths[0].read_text(encoding="utf-8"))
    assert content["format_version"] == 1
    assert (content["passed"], content["exit_code"], content["summary"]) == (False, 1, gate.summary)
    assert content["counts"] == {"failed": 1, "warning": 0, "not judged": 1, "waived": 0, "passed": 1, "ignored": 1}
    assert content["thresholds"]["fail.class"] == "SUSPICIOUS"
    assert content["source"] is None
    assert [row["status"] for row in content["rows"]] == [FAILED, NOT_JUDGED, PASSED]
    assert content["rows"][0]["low"] is None
    text = paths[1].read_text(encoding="utf-8")
    assert text.startswith("## Failed: background-bias gate\n\nGate failed: 1 of 2 checks failed")
    what = "SUSPICIOUS: What happened."
    assert (
        f"| wolf | prediction follows the background (BA201) | background gap 80 pp | 5 pp | {what} | default |" in text
    )
    for part in (
        "### Failed (1)",
        "Not judged (1)</summary>",
        "Passed (1)</summary>",
        "Ignored on purpose: 1 check",
        "the defaults",
    ):
        assert part in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = "<script>|`x`\n**bold** [a](b) & ünï \N{WOLF FACE} \udcff"
    config = read(tmp_path, "[class]\nmax_background_gap = 0.1\n")
    write_gate(tmp_path, judge(run_of(classes=({**WOLF, "class_name": name},)), config))
    content = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))
    assert name in {row["subject"] for row in content["rows"]}
    lines = (tmp_path / "gate.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if "| max&#95;background" in line]
    assert line.count("|") == 7
    assert not set("<`*[") & set(line)
    assert "ünï \N{WOLF FACE}" in line


def test_long_lists_are_cut_in_the_summary_only(tmp_path: Path) -> None:
    classes = tuple({**WOLF, "class_name": f"class {i}"} for i in range(300))
    write_gate(tmp_path, judge(run_of(classes=classes), read(tmp_path, "[class]\nmax_background_gap = 0.1\n")))
    assert len(json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))["rows"]) == 601
    text = (tmp_path / "gate.md").read_text(encoding="utf-8")
    assert "| class 199 | max&#95;" in text
    assert "| class 200 | max&#95;" not in text
    assert "and 100 more, see gate.json" in text


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    gate = judge(run_of(), read_gate(None))
    with pytest.raises(ResultError, match=r"cannot write .*gate\.json"):
        write_gate(tmp_path / "nowhere", gate)
    (tmp_path / "gate.md").mkdir()
    with pytest.raises(ResultError, match=r"cannot write .*gate\.md"):
        write_gate(tmp_path, gate)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["gate.json", "gate.md"]


def test_result_gate_judges_with_a_file(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text("[class]\nmin_accuracy = 0.99\n")
    assert run_of().gate().passed
    assert not run_of().gate(file).passed


# -- a fast start ---------------------------------------------------------------------------

HEAVY = ("numpy", "pandas", "scipy", "sklearn", "cv2", "matplotlib", "tensorflow", "keras", "pyarrow", "PIL")

SCRIPT = """
import sys
{before}
from bias_audit.gate import judge, read_gate, write_gate
from bias_audit.run.result import load
gate = judge(load(sys.argv[1]), read_gate(sys.argv[2]))
write_gate(sys.argv[1], gate)
print(gate.exit_code, *sorted(set(sys.modules) & set({heavy!r})))
"""


def modules_of_a_gate(tmp_path: Path, before: str) -> list[str]:
    """Judge a stored run in a fresh interpreter: the exit code and the heavy modules it imported."""
    content = result.to_json(agreeing(run_of(outcome("found", "SUSPICIOUS"))))
    (tmp_path / "audit.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "gate.toml").write_text("[dataset]\nmin_accuracy = 0.5\n[class]\nmax_background_gap = 0.1\n")
    script = SCRIPT.format(before=before, heavy=HEAVY)
    arguments = [sys.executable, "-c", script, str(tmp_path), str(tmp_path / "gate.toml")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_gate_imports_nothing_heavy(tmp_path: Path) -> None:
    assert modules_of_a_gate(tmp_path, "") == ["1"]


def test_the_import_test_can_fail(tmp_path: Path) -> None:
    assert modules_of_a_gate(tmp_path, "import numpy") == ["1", "numpy"]
