"""What is imported, from where, on whose word; and what becomes of a module that ends the program."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from agreeing import forge
from test_onnx_command import colours

BIN = Path(sys.executable).parent / "bias-audit"
QUICK = ("--interventions", "0", "--discovery", "0", "--probes", "0", "--leakage", "0", "--batch-size", "4", "--quiet")

MODULE = "from pathlib import Path\nPath({mark!r}).write_text('ran')\n"
SCALE = "def scale(pixels):\n    return pixels\n"


def run_in(folder: Path, *arguments: object, module: bool = False) -> subprocess.CompletedProcess[str]:
    """The installed command, or `python -m bias_audit`, started in a folder as a user starts it."""
    command = [sys.executable, "-m", "bias_audit"] if module else [str(BIN)]
    return subprocess.run(
        [*command, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False, timeout=180
    )


@pytest.fixture(scope="module")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the tiny world that a process of its own loads in no time, unlike TensorFlow."""
    file = tmp_path_factory.mktemp("onnx") / "net.onnx"
    file.write_bytes(colours())
    return file


@pytest.mark.parametrize("module", [False, True])
def test_a_module_beside_the_model_does_not_run_in_place_of_a_package(tiny, onnx, tmp_path, module):
    """Item 2: the working folder stood first on the path while TensorFlow was imported.

    Where Python is asked for a module it puts the folder there, so this is tried with TensorFlow.
    """
    model = shutil.copy(tiny.follows_object if module else onnx, tmp_path)
    shadows = ("keras", "h5py", "tensorflow", "onnxruntime", "rich", "numpy", "tf_keras", "cv2", "pandas", "scipy")
    for name in shadows:
        (tmp_path / f"{name}.py").write_text(MODULE.format(mark=str(tmp_path / f"{name}-ran")))
    done = run_in(tmp_path, "inspect", Path(model).name, "--quiet", module=module)
    assert (done.returncode, list(tmp_path.glob("*-ran"))) == (0, []), done.stderr


def test_a_named_module_is_found_in_the_working_folder_behind_everything_else(onnx, tmp_path):
    for name in ("own", "numpy", "cv2", "onnxruntime"):
        (tmp_path / f"{name}.py").write_text(MODULE.format(mark=str(tmp_path / f"{name}-ran")) + SCALE)
    done = run_in(tmp_path, "inspect", onnx, "--preprocess", "own:scale", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.glob("*-ran")] == ["own-ran"]


def test_the_first_entry_is_gone_before_anything_is_imported(tmp_path):
    ask = "import sys, runpy\nsys.argv = ['x', '--version']\nsys.path.insert(0, {folder!r})\n"
    ask += "try:\n    runpy.run_module('bias_audit.__main__', run_name='__main__')\nexcept SystemExit:\n    pass\n"
    ask += "print({folder!r} in sys.path)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", ask.format(folder=str(tmp_path))],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "True"  # -P: Python put nothing there, so this entry is the user's own


ENDINGS = {
    "exit": "import sys\nsys.exit(0)",
    "exit_text": "raise SystemExit('bye')",
    "interrupt": "raise KeyboardInterrupt",
    "base": "class Odd(BaseException): pass\nraise Odd('odd')",
    "generator": "raise GeneratorExit",
    "error": "raise ValueError('two\\nlines')",
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    ("setting", "at"),
    [("custom-objects", "import"), ("preprocess", "import"), ("preprocess", "call"), ("method", "import"),
     ("method", "call"), ("segmenter", "import"), ("segmenter", "call")],
)  # fmt: skip
def test_whatever_a_module_raises_is_one_sentence(tiny, tmp_path, command, monkeypatch, ending, setting, at):
    """Item 4: exit code 0 without a run, and with --gate a green CI."""
    module = f"own_{setting[:3]}_{at}_{ending}"
    body = ENDINGS[ending]
    called = "def own(*given):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    (tmp_path / f"{module}.py").write_text(f"{body}\ndef own(*given): pass" if at == "import" else called)
    (tmp_path / "gate.toml").write_text('allow = ["no masks"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = module if setting == "custom-objects" else f"{module}:own"
    code, out, err = command(
        "audit", tiny.follows_object, tiny.images, "--out", "run", f"--{setting}", name, *QUICK, "--gate", "gate.toml"
    )
    assert code == 2, (out, err)
    first = err.strip().splitlines()[0]
    assert first.startswith("bias-audit: ")
    assert name in first
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "audit.json").exists()


def test_a_module_that_leaves_ends_the_process_with_2(tiny, tmp_path):
    (tmp_path / "own.py").write_text("import sys\nsys.exit(0)\n")
    done = run_in(tmp_path, "audit", tiny.follows_object, tiny.images, "--out", "run", "--method", "own:maps")
    assert done.returncode == 2
    assert done.stderr.startswith("bias-audit: cannot import the heatmap method 'own:maps': SystemExit 0, raised in")


CLASSES = """
import keras
@keras.saving.register_keras_serializable(package="own")
class Leaves(keras.layers.Layer):
    def call(self, x):
        import own
        if own.armed:
            raise SystemExit(0)
        return x
armed = False
"""


def test_a_class_that_ends_the_program_while_the_model_runs(tiny, tmp_path, monkeypatch):
    import keras

    (tmp_path / "own.py").write_text(CLASSES)
    monkeypatch.syspath_prepend(tmp_path)
    own = importlib.import_module("own")
    del sys.modules["own"]
    layers = [own.Leaves(), keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D()]
    keras.Sequential([keras.Input((48, 48, 3)), *layers, keras.layers.Softmax()]).save(tmp_path / "m.keras")
    (tmp_path / "own.py").write_text(CLASSES.replace("armed = False", "armed = True"))
    done = run_in(tmp_path, "audit", "m.keras", tiny.images, "--out", "run", "--custom-objects", "own", *QUICK)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "SystemExit 0, raised in" in done.stderr
    assert "own.py, line 8" in done.stderr


def test_ctrl_c_is_still_an_interruption(onnx, tmp_path):
    (tmp_path / "own.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)\n" + SCALE
    )
    done = run_in(tmp_path, "inspect", onnx, "--preprocess", "own:scale")
    assert done.returncode == 130
    assert "interrupted" in done.stderr


@pytest.fixture(scope="module")
def received(tiny, finished, tmp_path_factory) -> Path:
    """A run folder as somebody may send it: its audit.json names modules, which lie in the working folder."""
    folder = tmp_path_factory.mktemp("received")
    shutil.copytree(finished, folder / "run")
    for name in ("evil_objects", "evil_pixels", "evil_maps"):
        text = MODULE.format(mark=str(folder / f"{name}-ran")) + SCALE + "def maps(values, gradients, xp):\n"
        (folder / f"{name}.py").write_text(text + "    return xp.sum(values * gradients, axis=3)\n")

    def name_modules(content: dict[str, Any]) -> None:
        named = {"preprocess": "evil_pixels:scale", "method": "evil_maps:maps"}
        content["info"]["config"] |= {"custom_objects": "evil_objects", **named}
        content["info"] |= named

    forge(folder / "run", name_modules)
    return folder


FLAGS = ("--custom-objects", "evil_objects", "--preprocess", "evil_pixels:scale", "--method", "evil_maps:maps")


def ran(folder: Path) -> set[str]:
    found = {path.name.removesuffix("-ran") for path in folder.glob("*-ran")}
    for path in folder.glob("*-ran"):
        path.unlink()
    return found


def test_a_received_run_imports_nothing(tiny, received):
    """Item 3: `review --model` imported three modules that the run folder named."""
    done = run_in(received, "review", "run", "--model", tiny.follows_background, "--no-browser")
    assert done.returncode == 2
    assert done.stderr.count("\n\n") == 1
    assert "custom_objects 'evil_objects', preprocess 'evil_pixels:scale', method 'evil_maps:maps'" in done.stderr
    assert " ".join(FLAGS) in done.stderr
    partly = run_in(received, "review", "run", "--model", tiny.follows_background, *FLAGS[:4])
    assert partly.returncode == 2
    assert "(method 'evil_maps:maps')" in partly.stderr
    for command in ("rescore run --quiet", "report run", "gate run", "compare run run"):
        run_in(received, *command.split())
    assert ran(received) == set()


def serve_until_told(folder: Path, *arguments: object) -> str:
    """What `review` prints before it serves; it is ended as soon as it has told its address."""
    process = subprocess.Popen(
        [str(BIN), "review", "run", "--no-browser", "--port", "0", *(str(each) for each in arguments)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    address = process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    return address + err


EVIL = {"evil_objects", "evil_pixels", "evil_maps"}


def test_modules_that_the_user_names_are_imported(tiny, received):
    assert serve_until_told(received, "--model", tiny.follows_background, *FLAGS).startswith("http://127.0.0.1:")
    assert ran(received) == EVIL


def test_modules_in_a_file_that_the_user_names_are_imported(tiny, received, command, monkeypatch):
    """In this process, which has loaded TensorFlow already."""
    (received / "audit.toml").write_text(
        '[audit]\ncustom_objects = "evil_objects"\npreprocess = "evil_pixels:scale"\nmethod = "evil_maps:maps"\n'
    )
    monkeypatch.chdir(received)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("bias_audit.review.server.serve", lambda *given: None)
    given = ("--model", tiny.follows_background, "--config", "audit.toml")
    code, out, err = command("review", "run", "--no-browser", "--port", 0, *given)
    assert (code, out.startswith("http://127.0.0.1:")) == (0, True), err
    assert ran(received) == EVIL
    for name in EVIL:
        del sys.modules[name]


def test_what_review_refuses(command, tiny, finished):
    code, _, err = command("review", finished, "--model", tiny.follows_background, "--preprocess", "os:getcwd")
    assert (code, "was made with preprocess 'none', not with 'os:getcwd'" in err) == (2, True)
    code, _, err = command("review", finished, "--model", tiny.follows_background, "--preprocess", "signed")
    assert (code, "expected module:function" in err) == (2, True)
    code, _, err = command("review", finished, "--custom-objects", "os")
    assert (code, "--custom-objects goes with --model" in err) == (2, True)


def test_a_received_run_reads_nothing_outside_its_data(command, tiny, onnx, tmp_path):
    """Item 3: image ids that leave the folder switched on reading outside it."""
    data = tmp_path / "data"
    data.mkdir()
    rows = ["image,label"] + [
        f"{os.path.relpath(path, data)},{path.parent.name}" for path in sorted(tiny.images.rglob("*.png"))
    ]
    (data / "photos.csv").write_text("\n".join(rows))
    model, run = onnx, tmp_path / "run"
    assert command("audit", model, data / "photos.csv", "--out", run, *QUICK, "--allow-outside")[0] == 0
    for arguments in (("review", run, "--model", model), ("rescore", run)):
        code, _, err = command(*arguments)
        assert (code, "leaves the folder" in err, "--allow-outside" in err) == (2, True, True)
    assert command("rescore", run, "--allow-outside")[0] == 0
    assert serve_until_told(tmp_path, "--model", model, "--allow-outside").startswith("http://127.0.0.1:")


def test_the_verdict_outlives_its_readers(finished, tmp_path):
    """Item 6: a failing gate ended with 0 when its reader left first."""
    run = tmp_path / "run"
    shutil.copytree(finished, run)
    for name in ("gate.json", "gate.md"):
        (run / name).unlink(missing_ok=True)
    whole = subprocess.run([str(BIN), "gate", str(run)], capture_output=True, check=False)
    assert whole.returncode == 1
    for unbuffered in ("", "1"):
        for arguments in ((), ("--format", "json"), ("--format", "github")):
            (run / "gate.json").unlink(missing_ok=True)
            reading, writing = os.pipe()
            os.close(reading)
            done = subprocess.run(
                [str(BIN), "gate", str(run), *arguments], stdout=writing, stderr=writing, check=False,
                env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
            )  # fmt: skip
            os.close(writing)
            assert (done.returncode, (run / "gate.json").is_file()) == (1, True), (unbuffered, arguments)
    reading, writing = os.pipe()
    os.close(reading)
    assert subprocess.run([str(BIN), "rule"], stdout=writing, check=False).returncode == 0
    assert subprocess.run([str(BIN), "--help"], stdout=writing, check=False).returncode == 0
    assert subprocess.run([str(BIN), "gate", str(run / "none")], stderr=writing, check=False).returncode == 2
    os.close(writing)


CLOSED = {
    "gate RUN >&-": 1, "gate RUN 2>&-": 1, "rule >&- 2>&-": 0, "--help >&-": 0, "gate RUN/none 2>&-": 2,
}  # fmt: skip


@pytest.mark.parametrize("line", CLOSED)
def test_closed_streams_change_no_exit_code(finished, tmp_path, line):
    shutil.copytree(finished, tmp_path / "run")
    called = line.replace("RUN", f"'{tmp_path / 'run'}'")
    done = subprocess.run(f"'{BIN}' {called}", shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (CLOSED[line], False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_log_that_cannot_be_written_is_one_sentence(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    line = f"'{BIN}' gate '{tmp_path / 'run'}' >/dev/full"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "bias-audit: cannot print: No space left on device\n")
