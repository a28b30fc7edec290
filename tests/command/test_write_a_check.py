"""The check of docs/how-to/write-a-check.md, installed word for word: every command knows it without another edit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import cv2
import pandas as pd
import pytest
from agreeing import forge
from test_onnx_command import colours

from bias_audit.gate.values import FAILED, NOT_JUDGED, PASSED
from bias_audit.run.folder import Run

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-check.md"
PACKAGE = "bias_audit_dark_corner"

GATE = '[[metric]]\ntable = "dark_corner"\nname = "share"\nmax = 0.6\n'


def blocks() -> dict[str, str]:
    """File -> its text, of every block of the page that names one in its first line."""
    found = re.findall(r"^```\w+\n(?:# |<!-- )(\S+\.\w+)(?: -->)?\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    return dict(found)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of the page, installed."""
    return install(blocks(), tmp_path_factory.mktemp("site"))


def install(files: dict[str, str], folder: Path) -> Path:
    """A folder as pip leaves it: the package, and a dist-info with its entry point."""
    (folder / PACKAGE).mkdir()
    (folder / PACKAGE / "__init__.py").touch()
    for name, text in files.items():
        if name.startswith(PACKAGE):
            (folder / name).write_text(text, encoding="utf-8")
    project = tomllib.loads(files["pyproject.toml"])["project"]
    about = folder / f"{PACKAGE}-{project['version']}.dist-info"
    about.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (about / "METADATA").write_text(head, encoding="utf-8")
    ((group, points),) = project["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]
    (about / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def bias_audit(*arguments: object, site: Path | None) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with or without the check's package."""
    path = "" if site is None else f"import sys; sys.path.insert(0, {str(site)!r}); "
    code = f"{path}from bias_audit.cli import main; raise SystemExit(main({[str(each) for each in arguments]!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8")


def test_it_is_one_folder_of_at_most_120_lines() -> None:
    own = {name: text for name, text in blocks().items() if name.startswith(PACKAGE)}
    assert set(own) == {f"{PACKAGE}/{name}" for name in ("check.py", "section.html", "DC001.md")}
    assert sum(len(text.splitlines()) for text in own.values()) <= 120


def test_help_and_rule_know_it(site: Path) -> None:
    shown = bias_audit("audit", "--help", site=site)
    assert (shown.returncode, "--dark-corners N" in shown.stdout) == (0, True)
    assert "--dark-corners" not in bias_audit("audit", "--help", site=None).stdout
    text = bias_audit("rule", "dc001", site=site)
    assert (text.returncode, text.stdout.startswith("DC001: photos with a dark corner")) == (0, True)
    assert "`min_photos`" not in text.stdout
    assert "min_photos = 10" in text.stdout
    assert "DC001" in bias_audit("rule", site=site).stdout
    assert bias_audit("rule", "DC001", site=None).returncode == 2


COLUMN = '            Column("darkest", "float", "mean grey value of the darkest corner, 0..255", "low"),\n'


def test_a_column_is_declared_in_one_place(site: Path, tmp_path: Path) -> None:
    """One more line in the table of the check: it is made, explained, wanted on load and judged by the gate."""
    files = blocks()
    check = files[f"{PACKAGE}/check.py"]
    last = next(line for line in check.splitlines(keepends=True) if '"share_high", "float"' in line)
    longer = install({**files, f"{PACKAGE}/check.py": check.replace(last, last + COLUMN)}, tmp_path)
    code = f"""
import sys
sys.path.insert(0, {str(longer)!r})
from pathlib import Path
from bias_audit.checks import registry
from bias_audit.errors import ResultError
from bias_audit.gate.metrics import metric_of, names_of
from bias_audit.report.account import dictionary
from bias_audit.gate.values import FAILED, NOT_JUDGED, PASSED
from bias_audit.run.folder import Run
from bias_audit.run.tables import read_table, table, write_table
registry.every()
made = table("dark_corner", [{{"class_name": "a", "n": 3, "darkest": 12.5}}])
assert made.loc["a", "darkest"] == 12.5
assert any(each["name"] == "darkest" for part in dictionary() for each in part["columns"])
assert "darkest" in names_of("dark_corner") and metric_of("dark_corner", "share").low == "share_low"
run = Run(Path({str(tmp_path / "run")!r}))
run.path.mkdir()
write_table(run, "dark_corner", made)
assert read_table(run.path, "dark_corner").equals(made)
write_table(run, "dark_corner", made.drop(columns="darkest"))
try:
    read_table(run.path, "dark_corner")
except ResultError as error:
    assert "darkest" in str(error)
else:
    raise AssertionError("a missing column was not missed")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_breaks_the_rules_is_refused_in_a_sentence(site: Path, tmp_path: Path) -> None:
    check = blocks()[f"{PACKAGE}/check.py"]
    for number, (old, new, said) in enumerate(
        (
            ('code="DC001"', 'code="BA999"', "has a rule 'BA999'"),
            ('name = "dark_corner"', 'name = "corners"', "calls itself 'corners'"),
            ('"dark_corner": (', '"images": (', "must have one table, 'dark_corner'"),
            (", index=True", "", "without an index"),
            ('"--dark-corners"', '"--probes"', "has an option --probes that is taken"),
            ("class DarkCorner", "1 / 0\nclass DarkCorner", "cannot be imported: ZeroDivisionError"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        broken = install({**blocks(), f"{PACKAGE}/check.py": check.replace(old, new, 1)}, folder)
        done = bias_audit("rule", site=broken)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert said in " ".join(done.stderr.split())


@pytest.fixture(scope="module")
def photos(tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photos of the tiny world, those of class a with a dark corner."""
    folder = Path(shutil.copytree(tiny.images, tmp_path_factory.mktemp("corners") / "photos"))
    for file in sorted((folder / "a").iterdir()):
        picture = cv2.imread(str(file))
        picture[:6, -6:] = 0
        cv2.imwrite(str(file), picture)
    return folder


@pytest.fixture(scope="module")
def run(photos: Path, site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An audit with the check, of a model that a process of its own loads in no time, unlike TensorFlow."""
    folder = tmp_path_factory.mktemp("audited") / "run"
    model = folder.with_name("net.onnx")
    model.write_bytes(colours())
    quick = [word for flag in ("--interventions", "--discovery", "--probes", "--leakage") for word in (flag, 0)]
    done = bias_audit("audit", model, photos, *quick, "--dark-corners", 50, "--quiet", "--out", folder, site=site)
    assert done.returncode == 0, done.stderr
    return folder


def outcomes(run: Path) -> dict[str, tuple[str, str | None]]:
    """Class -> status and level of DC001."""
    content = json.loads((run / "audit.json").read_text(encoding="utf-8"))
    return {one["subject"]: (one["status"], one["level"]) for one in content["outcomes"] if one["code"] == "DC001"}


def test_an_audit_measures_judges_and_shows_it(run: Path) -> None:
    table = pd.read_csv(run / "dark_corner.csv", index_col="class_name")
    assert table["share"].to_dict() == {"a": 1.0, "b": 0.0}
    assert pd.read_parquet(run / "dark_corner.parquet")["n"].tolist() == table["n"].tolist()
    assert outcomes(run) == {"a": ("found", "WATCH"), "b": ("passed", None)}
    content = json.loads((run / "audit.json").read_text(encoding="utf-8"))
    assert content["info"]["config"]["extra"] == [["dark_corners", 50]]
    page = (run / "report.html").read_text(encoding="utf-8")
    assert '<section id="dark-corner"' in page
    assert 'href="#dark-corner"' in page  # from the finding to the section
    assert "share of them with a dark corner, 0..1" in page
    assert "All photos of one class come from a dermatoscope" in page


def test_rescore_judges_it_again_and_compare_tells_what_changed(run: Path, site: Path, tmp_path: Path) -> None:
    stricter = tmp_path / "stricter"
    done = bias_audit("rescore", run, "--threshold", "min_photos=1000", "--out", stricter, site=site)
    assert done.returncode == 0, done.stderr
    assert outcomes(stricter) == dict.fromkeys("ab", ("not applicable", None))
    assert (stricter / "dark_corner.csv").read_bytes() == (run / "dark_corner.csv").read_bytes()
    compared = bias_audit("compare", stricter, run, site=site)
    assert "DC001" in compared.stdout


@pytest.mark.parametrize("fault", ["1 / 0", "raise SystemExit(0)"])
def test_a_check_that_fails_ends_in_a_sentence(run: Path, tmp_path: Path, fault: str) -> None:
    """Above all not with exit code 0, and without half a run."""
    check = blocks()[f"{PACKAGE}/check.py"].replace("    n, share, least =", f"    {fault}\n    n, share, least =")
    broken = install({**blocks(), f"{PACKAGE}/check.py": check}, tmp_path)
    done = bias_audit("rescore", run, "--out", tmp_path / "again", site=broken)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "the check 'dark_corner' of the package 'bias-audit-dark-corner' failed (judge)" in " ".join(
        done.stderr.split()
    )
    assert not (tmp_path / "again").exists()


def gated(run: Path, file: Path, site: Path | None) -> tuple[int, list[dict]]:
    """Exit code, and the rows of the gate about the check."""
    done = bias_audit("gate", run, "--gate", file, site=site)
    assert done.returncode in (0, 1), done.stderr
    rows = json.loads((run / "gate.json").read_text(encoding="utf-8"))["rows"]
    about = [row for row in rows if row["check"] in ("dark_corner", "max_share")]
    return done.returncode, about


def test_the_gate_judges_its_column(run: Path, site: Path, tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text(GATE, encoding="utf-8")
    code, rows = gated(run, file, site)
    assert code == 1
    assert {row["subject"]: row["status"] for row in rows} == {"a": FAILED, "b": PASSED}


def test_a_run_whose_check_is_not_installed_is_not_passed(run: Path, site: Path, tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    for text in (GATE, "", 'allow = ["check not installed"]\n'):
        file.write_text(text, encoding="utf-8")
        code, rows = gated(run, file, None)
        assert {row["state"] for row in rows} == {"check not installed"}
        assert all(row["status"] == (NOT_JUDGED if "allow" in text else FAILED) for row in rows)
        assert code == 1 or "allow" in text
    # The other way round: the gate asks for a table that the run does not hold.
    bare = Path(shutil.copytree(run, tmp_path / "bare"))
    for suffix in ("csv", "parquet"):
        (bare / f"dark_corner.{suffix}").unlink()
    assert "'dark_corner.csv' is missing" in bias_audit("gate", bare, site=site).stderr
    forge(bare, lambda content: [content["tables"].pop(f"dark_corner.{suffix}") for suffix in ("csv", "parquet")])
    file.write_text(GATE, encoding="utf-8")
    assert [row["state"] for row in gated(bare, file, site)[1]] == ["no rows"]
    unknown = bias_audit("gate", bare, "--gate", file, site=None)
    assert (unknown.returncode, "dark_corner" in unknown.stderr) == (2, True)


def test_overwriting_the_run_removes_its_table_and_nothing_of_the_user(run: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(run, tmp_path / "again"))
    for suffix in ("csv", "parquet"):
        (again / f"mine.{suffix}").write_text("mine")
    Run(again).start({}, resume=False, overwrite=True)
    assert sorted(path.name for path in again.iterdir()) == ["mine.csv", "mine.parquet", "shards", "started.json"]
