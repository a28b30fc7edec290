"""`bias_audit.testing` and the pytest fixture: a gate in one's own test suite."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bias_audit.errors import ConfigError, ResultError
from bias_audit.gate.formats import FILES
from bias_audit.run.result import load
from bias_audit.testing import MOST_NAMED, assert_no_background_bias, failure_message

pytest_plugins = ["pytester"]


@pytest.fixture
def run_folder(finished, tmp_path):
    """A copy of the run of the model that follows the background: a gate writes into it."""
    import shutil

    return shutil.copytree(finished, tmp_path / "run")


class TestAssertion:
    def test_names_what_failed_and_where_the_report_is(self, run_folder):
        with pytest.raises(AssertionError) as caught:
            assert_no_background_bias(run_folder)
        message = str(caught.value)
        assert message.startswith("Gate failed: ")
        assert "\n- BA201 prediction follows the background: a\n  " in message
        assert f"\nReport: {run_folder / 'report.html'}\n" in message
        assert "bias-audit rule BA201" in message
        assert all((run_folder / file).exists() for file in FILES.values())

    def test_passes_where_the_gate_passes(self, run_folder, tmp_path):
        gate = tmp_path / "gate.toml"
        gate.write_text(lenient(run_folder))
        verdict = assert_no_background_bias(load(run_folder), gate=gate)
        assert verdict.passed
        assert json.loads((run_folder / "gate.json").read_text())["passed"] is True

    def test_a_model_is_audited_first(self, tiny, tmp_path):
        out = tmp_path / "run"
        with pytest.raises(AssertionError, match="BA201"):
            assert_no_background_bias(
                tiny.follows_background, tiny.images, masks=tiny.masks, out=out, batch_size=4, discovery=0, probes=0
            )
        assert (out / "report.html").exists()

    def test_a_baseline_makes_findings_known(self, run_folder, tmp_path):
        """The same finding in an older run is no news; the gate file says what that does."""
        gate = tmp_path / "gate.toml"
        gate.write_text(lenient(run_folder).replace('"none"', '"SUSPICIOUS"') + '[baseline]\nknown = "pass"\n')
        with pytest.raises(AssertionError):
            assert_no_background_bias(run_folder, gate=gate)
        assert assert_no_background_bias(run_folder, gate=gate, baseline=run_folder).passed

    def test_long_lists_are_cut(self):
        from pathlib import Path

        verdict = lists(MOST_NAMED + 3)
        message = failure_message(verdict, Path("runs/x"))
        assert message.count("\n- BA201") == MOST_NAMED
        assert "- and 3 more, see runs/x/gate.md" in message
        assert "All checks: runs/x/gate.md" in message, "no report is promised that is not there"

    def test_wrong_use_is_one_sentence(self, run_folder, tmp_path):
        with pytest.raises(ConfigError, match="masks: a finished run takes no options of an audit"):
            assert_no_background_bias(run_folder, masks="masks")
        with pytest.raises(ConfigError, match="without data a run is wanted, got object"):
            assert_no_background_bias(object())
        with pytest.raises(ResultError, match="no run folder"):
            assert_no_background_bias(tmp_path / "nowhere")
        with pytest.raises(ConfigError, match=r"gate\.toml"):
            assert_no_background_bias("no model", "no data", gate=tmp_path / "gate.toml")


class TestFixture:
    def test_fails_a_test_and_shows_its_line(self, pytester, run_folder):
        pytester.makepyfile(f"def test_model(background_bias_gate):\n    background_bias_gate({str(run_folder)!r})\n")
        done = pytester.runpytest_subprocess("-p", "bias_audit.pytest_plugin")
        done.assert_outcomes(failed=1)
        done.stdout.fnmatch_lines(["*AssertionError: Gate failed: *", "*- BA201 prediction follows the background: a*"])
        done.stdout.no_fnmatch_line("*testing.py*")

    @pytest.mark.parametrize("name", ["gate.toml", "ci/strict.toml"])
    def test_takes_the_gate_file_of_the_project(self, pytester, run_folder, name):
        file = pytester.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(lenient(run_folder))
        setting = "" if name == "gate.toml" else f"background_bias_gate = {name}\n"
        pytester.makeini(f"[pytest]\n{setting}")
        pytester.makepyfile(
            f"def test_model(background_bias_gate):\n    assert background_bias_gate({str(run_folder)!r}).passed\n"
        )
        pytester.runpytest_subprocess("-p", "bias_audit.pytest_plugin").assert_outcomes(passed=1)

    def test_a_named_gate_file_must_be_there(self, pytester, run_folder):
        pytester.makeini("[pytest]\nbackground_bias_gate = nowhere.toml\n")
        pytester.makepyfile(f"def test_model(background_bias_gate):\n    background_bias_gate({str(run_folder)!r})\n")
        done = pytester.runpytest_subprocess("-p", "bias_audit.pytest_plugin")
        done.assert_outcomes(failed=1)
        done.stdout.fnmatch_lines(["*nowhere.toml*"])


def test_the_plugin_costs_nothing():
    """It is loaded by every test run of everybody who has bias-audit installed."""
    heavy = ("numpy", "pandas", "tensorflow", "rich", "jinja2", "bias_audit.config", "bias_audit.testing")
    code = f"import bias_audit.pytest_plugin, sys; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def lenient(run_folder) -> str:
    """A gate file under which the run passes: no finding fails, and every state is allowed."""
    from bias_audit.gate.states import STATES

    levels = "".join(f'{scope} = "none"\n' for scope in ("dataset", "class", "cue", "slice", "image"))
    return f"allow = {json.dumps([*STATES])}\n[fail]\n{levels}"


def lists(n: int):
    from bias_audit.gate import FAILED, GateResult, GateRow, read_gate

    rows = tuple(
        GateRow("class", f"class {i}", "BA201", 0.5, 0.4, 0.6, 0.05, FAILED, f"Sentence {i}.") for i in range(n)
    )
    return GateResult(False, rows, "Gate failed.", read_gate(None))
