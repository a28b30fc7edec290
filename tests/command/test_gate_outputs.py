"""`bias-audit gate`: what is printed and written in which format, and ready files that work as they are."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agreeing import write_audit_json
from ruamel.yaml import YAML

import bias_audit
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.cli.command_line import _parser
from bias_audit.gate.ci import READY, ready_file
from bias_audit.gate.formats import FILES
from bias_audit.run.result import AuditResult, RunInfo, load

WRITTEN = set(FILES.values())


@pytest.fixture
def run_folder(tmp_path, monkeypatch) -> Path:
    """A run with one finding, written by hand; its gate fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    folder = tmp_path / "run"
    folder.mkdir()
    info = RunInfo(
        name="m on d", model="m.keras", data="d", masks=None, model_sha256="0", fingerprint="0", version="0",
        created="2026-01-01T00:00:00+00:00", seconds={}, config={}, thresholds={}, class_names=("husky", "wolf"),
        layer="l", grid=(7, 7), method="hires_cam", head="softmax", input_size=(8, 8, 3),
        counts={"images": 20, "read": 20}, statuses={}, mask_kind="mask", content="ab" * 32,
    )  # fmt: skip
    passed = RuleOutcome("BA201", "prediction follows the background", "class", "husky", "passed", "Nothing lost.")
    found = dataclasses.replace(
        passed, subject="wolf", status="found", level="SUSPICIOUS", sentence="Wolves are lost: 76 %.", measured=0.76,
        threshold=0.05, low=0.5, high=0.9, n=10,
    )  # fmt: skip
    classes = tuple({"class_name": name, "n": 10, "n_read": 10} for name in info.class_names)
    write_audit_json(AuditResult(folder, info, "SUSPICIOUS: wolf.", (passed, found), (), classes))
    return folder


def test_every_format_lies_in_the_run_folder(command, run_folder):
    code, out, _ = command("gate", run_folder)
    assert code == 1
    assert "Gate failed" in out
    assert "::error" not in out
    assert {entry.name for entry in run_folder.iterdir()} == {"audit.json", *WRITTEN}
    assert json.loads((run_folder / "gate.json").read_text())["run"] == str(run_folder)


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("json", "{\n"),
        ("junit", "<?xml"),
        ("markdown", "## Failed"),
        ("sarif", '{"$schema": '),
        ("github", "::error file="),
    ],
)
def test_one_format_can_be_printed_instead_of_the_table(command, run_folder, name, start):
    code, out, _ = command("gate", run_folder, "--format", name)
    assert code == 1
    assert out.startswith(start)
    if name in FILES:
        assert out == (run_folder / FILES[name]).read_text(), "the printed one is the written one"


def test_formats_are_written_to_further_files(command, run_folder):
    code, out, _ = command("gate", run_folder, "--format", "junit:a.xml", "--format", "github:b.txt")
    assert code == 1
    assert "Gate failed" in out
    assert Path("a.xml").read_text() == (run_folder / "gate.junit.xml").read_text()
    assert Path("b.txt").read_text().startswith("::error file=gate.toml,line=1,")


def test_two_formats_cannot_be_printed(command, run_folder):
    code, _, err = command("gate", run_folder, "--format", "json", "--format", "sarif")
    assert code == 2
    assert "only one format can be printed, got json and sarif" in err
    assert {entry.name for entry in run_folder.iterdir()} == {"audit.json"}


@pytest.mark.parametrize("wrong", ["yaml", "json:", ":x"])
def test_an_unknown_format_is_bad_input(command, run_folder, wrong):
    code, _, err = command("gate", run_folder, "--format", wrong)
    assert code == 2
    assert f"{wrong!r} is no format" in err
    assert "json, junit, markdown, sarif, github" in err


def test_a_file_that_cannot_be_written_is_one_sentence(command, run_folder):
    code, _, err = command("gate", run_folder, "--format", "json:nowhere/x.json")
    assert code == 2
    assert "cannot write 'nowhere/x.json'" in err


def test_actions_get_their_annotations_at_the_line_of_the_gate_file(command, run_folder, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    Path("gate.toml").write_text('# one\n[fail]\nclass = "SUSPICIOUS"\n')
    code, out, _ = command("gate", run_folder, "--gate", "gate.toml")
    assert code == 1
    lines = [line for line in out.splitlines() if line.startswith("::")]
    assert (
        "::error file=gate.toml,line=3,title=BA201 prediction follows the background%3A wolf::SUSPICIOUS: Wolves"
        in ("\n".join(lines))
    )
    result = json.loads((run_folder / "gate.sarif").read_text())["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 3


def test_alerts_are_about_classes_never_about_single_images(command, run_folder):
    """A data set of ten thousand images must not become ten thousand alerts."""
    lines = [f"{name}/{i}.jpg,{name},ok,ok,9.0" for name in ("husky", "wolf") for i in range(40)]
    header = "image_id,label,status,attention_status,background_excess"
    (run_folder / "images.csv").write_text("\n".join([header, *lines]) + "\n")
    write_audit_json(load(run_folder))
    Path("gate.toml").write_text('[[metric]]\ntable = "image"\nname = "background_excess"\nmax = 1.5\n')
    assert command("gate", run_folder, "--gate", "gate.toml")[0] == 1
    results = json.loads((run_folder / "gate.sarif").read_text())["runs"][0]["results"]
    beyond = [result for result in results if result["ruleId"] == "max_background_excess"]
    assert sorted(result["properties"]["subject"] for result in beyond) == ["husky", "wolf"]
    assert all("40 of 40 images" in result["message"]["text"] for result in beyond)
    assert {result["locations"][0]["physicalLocation"]["region"]["startLine"] for result in beyond} == {1}


class TestReadyFiles:
    @pytest.mark.parametrize("service", READY)
    def test_is_printed_as_it_lies_in_the_package(self, command, service):
        code, out, _ = command("gate", "--ci", service)
        assert (code, out) == (0, ready_file(service))
        assert READY[service] in out.splitlines()[0]

    def test_an_unknown_service_is_bad_input(self, command):
        code, _, err = command("gate", "--ci", "jenkins")
        assert code == 2
        assert "github, gitlab, pre-commit" in err

    @pytest.mark.parametrize(
        ("service", "schema"),
        [
            ("github", "vendor.github-workflows"),
            ("github", "custom.github-workflows-require-timeout"),
            ("gitlab", "vendor.gitlab-ci"),
        ],
    )
    def test_fits_the_schema_of_the_service(self, tmp_path, service, schema):
        file = tmp_path / "ready.yml"
        file.write_text(ready_file(service))
        assert checked(file, schema) == 0
        file.write_text(
            ready_file(service).replace("  stage: test", "  stage: 3").replace("runs-on: ubuntu-latest", "")
        )
        assert checked(file, schema) != 0 or schema.startswith("custom"), "the check can fail"

    @pytest.mark.parametrize("service", READY)
    def test_its_commands_are_ours(self, service):
        commands = [line for line in lines_of(yaml(service)) if line.startswith("bias-audit ")]
        assert commands
        for line in commands:
            options = _parser([]).parse_args(shlex.split(line.replace("$", ""))[1:])
            assert callable(options.run)

    @pytest.mark.parametrize("service", ["github", "gitlab"])
    def test_files_that_it_takes_are_those_the_gate_writes(self, service):
        named = set(re.findall(r"reports/gate/(gate\.[a-z.]+)", ready_file(service)))
        assert named <= WRITTEN
        assert named

    @pytest.mark.parametrize(
        ("service", "schema"), [("github", "vendor.github-workflows"), ("gitlab", "vendor.gitlab-ci")]
    )
    def test_the_commented_baseline_is_a_step_once_its_marks_are_gone(self, tmp_path, service, schema):
        text = with_baseline(service)
        file = tmp_path / "ready.yml"
        file.write_text(text)
        assert checked(file, schema) == 0
        lines = lines_of(YAML(typ="safe").load(text))
        assert "git archive FETCH_HEAD reports/released | tar -x" in lines
        (line,) = [line for line in lines if line.startswith("bias-audit gate ")]
        assert _parser([]).parse_args(shlex.split(line)[1:]).baseline is not None

    @pytest.mark.parametrize("service", ["github", "gitlab"])
    def test_what_is_installed_is_a_file_that_a_clone_can_make(self, service):
        """Not the bare name, since nothing of that name is on PyPI; the version is this one."""
        wheel = f"bias_audit-{bias_audit.__version__}-py3-none-any.whl[tensorflow]"
        assert re.findall(r"BIAS_AUDIT: (\S+)$", ready_file(service), re.M) == [f"ci/{wheel}"]
        assert ready_file(service).count('pip install "$BIAS_AUDIT"') == 1
        assert ready_file(service).count('pip install --no-deps "$BIAS_AUDIT" rich') == 1

    def test_pre_commit_hook(self):
        (repo,) = yaml("pre-commit")["repos"]
        (hook,) = repo["hooks"]
        assert repo["repo"] == "local"
        assert {"id", "name", "entry", "language"} <= set(hook), "what pre-commit requires of a local hook"
        assert hook["pass_filenames"] is False
        assert all(re.match(hook["files"], name) for name in ("gate.toml", "reports/mine/audit.json"))
        assert not re.match(hook["files"], "reports/mine/audit.json.bak")

    def test_nothing_of_a_pull_request_is_run_as_a_command(self):
        """`${{ ... }}` of a title or branch inside `run:` is how workflows are taken over."""
        assert "${{" not in ready_file("github")


class TestAction:
    """`action.yml`, which GitHub runs in the place of a workflow of one's own."""

    FILE = Path(__file__).parents[2] / "action.yml"

    def steps(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = YAML(typ="safe").load(self.FILE.read_text())["runs"]["steps"]
        return steps

    def test_fits_the_schema_of_actions(self, tmp_path):
        assert checked(self.FILE, "vendor.github-actions") == 0
        broken = tmp_path / "action.yml"
        broken.write_text(self.FILE.read_text().replace("using: composite", "using: magic"))
        assert checked(broken, "vendor.github-actions") != 0

    def test_no_input_is_part_of_a_script(self):
        assert not any("${{" in step.get("run", "") for step in self.steps())

    @pytest.mark.parametrize("more", [{}, {"GATE": "my gate.toml", "BASELINE": "old run"}])
    def test_its_scripts_run_our_commands(self, tmp_path, more):
        """The steps as bash runs them, with a `bias-audit` that writes down how it was called, and fails as a gate."""
        calls, summary = tmp_path / "calls", tmp_path / "summary"
        tool = tmp_path / "bin" / "bias-audit"
        tool.parent.mkdir()
        tool.write_text(f'#!/bin/bash\nprintf "%s\\n" "$@" -- >> {calls}\n[ "$1" != gate ]\n')
        tool.chmod(0o755)
        (tmp_path / "run 1").mkdir()
        (tmp_path / "run 1" / "gate.md").write_text("failed\n")
        known = {
            "MODEL": "my model.keras", "DATA": "photos", "MASKS": "my masks", "OPTIONS": "--seed 3", "RUN": "run 1",
            "GATE": "", "BASELINE": "", "GITHUB_STEP_SUMMARY": str(summary), **more,
            "PATH": f"{tool.parent}:{os.environ['PATH']}",
        }  # fmt: skip
        scripts = [step["run"] for step in self.steps() if step.get("name") in ("Audit", "Gate")]
        codes = [
            subprocess.run(["bash", "-eo", "pipefail", "-c", each], env=known, cwd=tmp_path, check=False).returncode
            for each in scripts
        ]
        assert codes == [0, 1], "the job fails with the gate"
        assert summary.read_text() == "failed\n"
        audit, gate = (call.split("\n")[:-1] for call in calls.read_text().split("--\n")[:-1])
        assert audit == ["audit", "my model.keras", "photos", "--out", "run 1", "--seed", "3", "--masks", "my masks"]
        wanted = [word for name, value in more.items() for word in (f"--{name.lower()}", value)]
        assert gate == ["gate", "run 1", *wanted]
        for call in (audit, gate):
            assert callable(_parser([]).parse_args(call).run)


def with_baseline(service: str) -> str:
    """A ready file with its commented lines made steps, and the flag that goes with them."""
    text = re.sub(r"^( *)# (- name: Baseline|  run: \||    git .*|- git .*)$", r"\1\2", ready_file(service), flags=re.M)
    assert text != ready_file(service)
    return text.replace("gate reports/gate --gate", "gate reports/gate --baseline reports/released --gate")


def yaml(service: str) -> Any:
    return YAML(typ="safe").load(ready_file(service))


def lines_of(value: Any) -> list[str]:
    """Every text in a YAML document, line by line."""
    if isinstance(value, dict | list):
        return [line for item in (value.values() if isinstance(value, dict) else value) for line in lines_of(item)]
    return str(value).splitlines()


def checked(file: Path, schema: str) -> int:
    tool = shutil.which("check-jsonschema", path=str(Path(sys.executable).parent))
    assert tool
    return subprocess.run([tool, "--builtin-schema", schema, str(file)], capture_output=True, check=False).returncode
