"""What a command may load: TensorFlow takes seconds, pandas and SciPy take most of the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from agreeing import write_audit_json

import bias_audit
from bias_audit.run.result import load

CHECKS = Path(bias_audit.__file__).parent / "checks"

HEAVY = ("tensorflow", "keras", "torch", "sklearn", "scipy", "matplotlib", "cv2", "pandas", "pyarrow", "PIL")


def loaded(code: str) -> set[str]:
    """Heavy packages in sys.modules after running `code` in a fresh interpreter."""
    ask = f"{code}\nimport sys\nprint('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return set(done.stdout.rsplit("LOADED", 1)[1].split())


def command(*arguments: str) -> str:
    return f"from bias_audit.cli import main\ntry:\n    main({list(arguments)!r})\nexcept SystemExit:\n    pass"


def test_importing_the_package_loads_nothing():
    assert loaded("import bias_audit; bias_audit.AuditConfig, bias_audit.DataError, bias_audit.load") == set()


@pytest.mark.parametrize("arguments", [["--help"], ["audit", "--help"], ["gate", "--help"], ["--version"]])
def test_help_loads_nothing(arguments):
    assert loaded(command(*arguments)) == set()


def test_what_declares_a_check_loads_nothing():
    roles = ("check", "columns", "rule", "image_rule")
    names = [f"{path.parent.name}.{path.stem}" for path in sorted(CHECKS.glob("*/*.py")) if path.stem in roles]
    assert len(names) > 15
    assert loaded("import " + ", ".join(f"bias_audit.checks.{name}" for name in (*names, "evidence"))) == set()


def test_gate_loads_no_table_and_no_model(finished_run):
    assert loaded(command("gate", str(finished_run))) == set()
    assert loaded(command("gate", str(finished_run), "--baseline", str(finished_run))) == set()
    assert loaded(command("gate", "--example")) == set()


def test_gate_reads_tables_without_a_library(finished_run):
    file = finished_run / "gate.toml"
    assert loaded(command("gate", str(finished_run), "--init", "--gate", str(file))) == set()
    assert file.is_file()
    (finished_run / "images.csv").write_text("image_id,label,background_gap\na/1.jpg,a,0.5\n")
    write_audit_json(load(finished_run))
    with file.open("a") as more:
        more.write('[[metric]]\ntable = "image"\nname = "background_gap"\nmax = 0.4\n')
        more.write('[[metric]]\ntable = "class"\nname = "background_gap"\nmax_increase = 0.4\n')
    assert loaded(command("gate", str(finished_run), "--gate", str(file), "--baseline", str(finished_run))) == set()
    assert "1 of 1 images" in (finished_run / "gate.json").read_text()
    assert loaded(command("gate", str(finished_run), "--prune", str(file))) == set()


def test_formats_and_ready_files_load_no_table_and_no_model(finished_run):
    run = str(finished_run)
    assert loaded(command("gate", run, "--format", "sarif", "--format", f"github:{run}/annotations.txt")) == set()
    assert loaded(command("gate", "--ci", "github")) == set()
    assert loaded("import bias_audit.pytest_plugin, bias_audit.testing") == set()


def test_rule_loads_nothing():
    assert loaded(command("rule", "BA201")) == set()
    assert loaded(command("rule")) == set()


def test_status_loads_nothing(tmp_path):
    (tmp_path / "shared.json").write_text('{"size": {"photos": 9, "per_file": 4}}')
    assert loaded(command("status", str(tmp_path))) == set()


def test_report_loads_no_model(finished_run):
    assert loaded(command("report", str(finished_run))) <= {"pandas", "pyarrow", "PIL"}
    assert (finished_run / "report.html").stat().st_size > 1000


def test_review_loads_no_model_and_decisions_load_nothing(finished_run):
    run = str(finished_run)
    served = "from bias_audit.review.server import create_app\n"
    served += f"from starlette.testclient import TestClient\nclient = TestClient(create_app({run!r}, 't' * 32), 'http://127.0.0.1:8000')\n"
    served += "client.get('/' + 't' * 32 + '/').raise_for_status()"
    assert loaded(served) <= {"pandas", "pyarrow", "PIL"}
    assert loaded(command("review", run, "--export", f"{run}/decisions.csv")) <= {"pandas", "pyarrow", "PIL"}
    assert loaded("import bias_audit.review.decisions, bias_audit.review.exchange") == set()


def test_comparing_runs_loads_no_model_and_no_pixels(finished_run, tmp_path):
    run, page, text = str(finished_run), str(tmp_path / "page.html"), str(tmp_path / "page.md")
    compared = loaded(command("compare", run, run, "--out", page, "--markdown", text))
    assert compared <= {"pandas", "pyarrow", "PIL"}
    past = loaded(command("history", run, run, "--out", page))
    assert past <= {"pandas", "pyarrow", "PIL"}


def test_the_check_can_fail():
    assert loaded("import pandas") >= {"pandas"}
    assert "cv2" in loaded("import bias_audit.data.batches")


def test_public_names_are_importable_and_complete():
    import bias_audit

    for name in bias_audit.__all__:
        assert getattr(bias_audit, name) is not None
    assert set(bias_audit._HOME) == set(bias_audit.__all__) - {"__version__"}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = bias_audit.nonsense


def test_help_names_every_choice():
    """Choices live in the registries; the help text must not fall behind them."""
    from bias_audit.cli.command_line import _parser
    from bias_audit.config import DECODERS, INTERPOLATIONS, LOADERS, PREPROCESSES, RESIZES
    from bias_audit.data.preprocess import PREPROCESS
    from bias_audit.heatmaps.methods import METHODS

    actions = _parser([])._subparsers._group_actions[0].choices["audit"]._actions  # type: ignore[union-attr]
    text = {action.dest: action.help or "" for action in actions}
    for dest, names in (
        ("method", METHODS),
        ("resize", RESIZES),
        ("interpolation", INTERPOLATIONS),
        ("preprocess", PREPROCESS),
        ("loader", LOADERS),
        ("decoder", DECODERS),
    ):
        assert all(name in text[dest] for name in names), dest
    assert set(PREPROCESS) == set(PREPROCESSES)
