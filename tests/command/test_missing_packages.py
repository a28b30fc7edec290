"""A package that is not installed is one sentence with the command that brings it, whatever the command."""

from __future__ import annotations

import importlib
import re
import tomllib
from pathlib import Path

import pytest
from without import without

import bias_audit
from bias_audit.errors import PackageError
from bias_audit.gate.ci import READY, ready_file
from bias_audit.packages import PACKAGES, needed, require, sentence

ROOT = Path(__file__).parents[2]
FRAMEWORK = ("tensorflow", "keras", "tf_keras", "h5py")
MODULES = {"Pillow": "PIL", "opencv-python": "cv2", "pyyaml": "yaml", "scikit-learn": "sklearn"}
"""Package -> its module, where their names differ."""


@pytest.fixture
def folder(result, tmp_path: Path, photo_folder: Path) -> Path:
    """A finished run, photos, and files with the names of models: none of them is read before its framework is."""
    for name in ("m.keras", "m.h5", "s.tflite", "s.keras"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"")
    return tmp_path


def told(answer: tuple[int, str, str]) -> str:
    """What was said by a command that ended with code 2 and one line."""
    code, out, err = answer
    assert code == 2, err
    assert out == ""
    lines = err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_what_needs_tensorflow_says_so(folder):
    audit = ["audit", "m.keras", "photos", "--out", "out"]
    commands = (
        ["audit", "m.h5", "photos", "--out", "out"],
        ["audit", "saved", "photos", "--out", "out"],
        ["explain", "m.keras", "photos/wolf/0.jpg", "--out", "out"],
        ["inspect", "m.keras"],
        ["demo", "--out", "out"],
        ["benchmark", "--quick", "--out", "out"],
        audit,
    )
    wanted = ("'m.h5'", "'saved'", "'m.keras'", "'m.keras'", "the demo", "the benchmark", "'m.keras'")
    for answer, by in zip(without(FRAMEWORK, commands, folder), wanted, strict=True):
        said = re.escape(f"is not installed, and {by} needs it: pip install 'bias-audit[tensorflow]'")
        assert re.fullmatch(f"bias-audit: TensorFlow( with Keras)? {said}", told(answer))
    assert not (folder / "out" / "audit.json").exists()
    assert not (folder / "out" / "images").exists(), "nothing is drawn for a demo that cannot be trained"


@pytest.mark.parametrize("absent", ["starlette", "uvicorn"])
def test_review_needs_its_server_to_serve_only(folder, absent):
    served, exported = without(
        [absent], [["review", "run", "--no-browser"], ["review", "run", "--export", "d.csv"]], folder
    )
    assert re.fullmatch(
        r"bias-audit: \w+ is not installed, and the review server needs it: pip install 'bias-audit\[review\]'",
        told(served),
    )
    assert exported[0] == 0
    assert (folder / "d.csv").is_file()


def test_the_live_test_of_review_names_its_model(folder):
    (answer,) = without(FRAMEWORK, [["review", "run", "--no-browser", "--model", "m.keras"]], folder)
    assert answer[0] == 2
    assert "Traceback" not in answer[2]


OTHERS = ("PIL", "cv2", "jinja2", "markupsafe", "matplotlib", "pyarrow", "scipy", "sklearn")


@pytest.mark.parametrize(
    "absent", ["numpy", "pandas", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_no_command_takes_a_missing_package_for_a_bug(folder, absent):
    run = ("report", "compare", "history", "rescore", "name", "review")
    more = {"compare": ["run"], "name": ["wolf-000000", "x"], "review": ["--export", "d.json"]}
    commands = [[name, "run", *more.get(name, [])] for name in run]
    commands += [["audit", "m.keras", "photos", "--out", "out"], ["explain", "m.keras", "p.jpg"], ["gate", "run"]]
    for (code, _, err), command in zip(without([absent, *FRAMEWORK], commands, folder), commands, strict=True):
        assert code in (0, 1, 2), (command, err)
        assert "Traceback" not in err
        if "is not installed" in err and PACKAGES[absent][0] in err:
            assert err.endswith(" needs it: pip install bias-audit\n")


def test_what_reads_tables_names_pyarrow(folder):
    for answer in without(["pyarrow"], [["report", "run"], ["compare", "run", "run"]], folder):
        assert "PyArrow is not installed, and bias-audit" in told(answer)


def test_the_gate_needs_rich_alone(folder):
    """`pip install --no-deps bias-audit rich`: Rich's own dependencies are not there either."""
    commands = (
        ["gate", "run", "--init", "--gate", "gate.toml"],
        ["gate", "run"],
        ["gate", "run", "--gate", "gate.toml", "--baseline", "run"],
        ["gate", "run", "--prune", "gate.toml"],
        ["gate", "run", "--format", "sarif", "--format", "github:annotations.txt"],
        ["gate", "--example"],
        ["gate", "--ci", "github"],
        ["rule", "BA201"],
        ["rule"],
        ["--version"],
        ["--help"],
        ["report", "run"],
    )
    *answers, last = without([], commands, folder, only=("bias_audit", "rich"))
    codes = [code for code, _, _ in answers]
    assert codes == [0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0], answers
    assert {"gate.json", "gate.md", "gate.junit.xml", "gate.sarif"} <= {
        each.name for each in (folder / "run").iterdir()
    }
    assert re.fullmatch(
        r"bias-audit: \w+ is not installed, and bias-audit report needs it: pip install bias-audit", told(last)
    )


def test_the_blocking_can_fail(folder):
    """Without it the same command reaches the file, which holds no run any more."""
    (folder / "run" / "audit.json").unlink()
    (answer,) = without([], [["report", "run"]], folder)
    assert "is not installed" not in told((answer[0], answer[1], answer[2].split("\n\n")[0]))


@pytest.mark.parametrize("service", [name for name in READY if name != "pre-commit"])
def test_ready_files_install_rich_alone_where_they_gate(service):
    lines = [line.split("run: ")[-1].strip("- ") for line in ready_file(service).splitlines()]
    installing = [line for line in lines if line.startswith("python -m pip install")]
    assert installing == ['python -m pip install "$BIAS_AUDIT"', 'python -m pip install --no-deps "$BIAS_AUDIT" rich']
    places = [next(i for i, line in enumerate(lines) if line.startswith(f"bias-audit {x}")) for x in ("audit", "gate")]
    auditing, gating = places
    assert lines.index(installing[0]) < auditing < lines.index(installing[1]) < gating


class TestPackages:
    def test_every_declared_package_has_its_command(self):
        """What pyproject.toml brings and what the sentences name are the same."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = project["optional-dependencies"]
        declared = {_module(text): "bias-audit" for text in project["dependencies"]}
        names = {"tensorflow", "torch", "onnx", "review", "keras2", "completion", "dicom", "remote"}
        for extra in (*names, "ray"):
            for text in extras[extra]:
                if not text.startswith("bias-audit["):
                    declared[_module(text)] = f"bias-audit[{extra}]"
        of_users = ("rich", "safetensors", "timm", "torchvision", "transformers", "s3fs", "gcsfs", "huggingface_hub")
        users = {name: name for name in of_users}
        assert {name: what for name, (_, what) in PACKAGES.items()} == {**declared, **users}
        assert _named(extras["all"]) == names
        assert _named(extras["keras2"]) == {"tensorflow"}

    def test_a_version_that_lacks_a_module_is_no_missing_package(self):
        assert sentence(ModuleNotFoundError("no", name="numpy.nonsense"), "x") is None
        assert sentence(ImportError("cannot import name 'x' from 'numpy'", name="numpy"), "x") is None

    def test_a_module_of_the_users_is_none_of_ours(self):
        with pytest.raises(ModuleNotFoundError), needed("x"):
            importlib.import_module("no_such_module_of_mine")

    def test_a_missing_library_of_the_system_is_told(self):
        told = sentence(ImportError("libGL.so.1: cannot open shared object file", name="cv2"), "x")
        assert told is not None
        assert "OpenCV cannot be imported: libGL.so.1" in told.message
        assert "opencv-python-headless" in told.hint

    def test_requiring_imports_nothing(self, monkeypatch):
        require("numpy", "x")
        monkeypatch.setitem(PACKAGES, "no_such_module_of_ours", ("Nothing", "bias-audit[nothing]"))
        with pytest.raises(PackageError, match=r"Nothing is not installed, and x needs it: pip install 'bias-audit\[n"):
            require("no_such_module_of_ours", "x")

    def test_the_decoder_of_tensorflow_is_asked_for_before_any_photo(self, monkeypatch):
        from bias_audit.models.decoding import find_decoder

        monkeypatch.setattr("bias_audit.packages.installed", lambda module: False)
        assert find_decoder("pillow") is None
        with pytest.raises(PackageError, match="the decoder of TensorFlow needs it"):
            find_decoder("tensorflow")

    def test_the_class_is_public(self):
        assert bias_audit.PackageError is PackageError


def _module(requirement: str) -> str:
    package = re.split(r"[><=\[ ]", requirement)[0]
    return MODULES.get(package) or MODULES.get(package.capitalize()) or package


def _named(requirements: list[str]) -> set[str]:
    """Extras of bias-audit that requirements name."""
    found = [re.fullmatch(r"bias-audit\[(.+)\]", text) for text in requirements]
    return {extra for one in found if one for extra in one[1].split(",")}
