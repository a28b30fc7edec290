"""Keras on another backend than TensorFlow: files are read all the same, and a model in memory gets one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import BATCH, class_names, make_images

from bias_audit.config import AuditConfig
from bias_audit.models.doors import load_model

IN_MEMORY = """
import keras
from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.models.doors import load_model
try:
    load_model(keras.saving.load_model("model.keras"), AuditConfig(), None)
except ModelError as error:
    print(error.message, error.hint, sep="\\n")
"""


def _run(folder: Path, *command: str, backend: str | None = None, **environment: str) -> str:
    """Output of a Python of its own in a folder, with Keras on a backend; it must end well."""
    others = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    backends = {} if backend is None else {"KERAS_BACKEND": backend}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**others, **backends, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with model.keras and model.h5, saved by Keras on PyTorch, and said.npy, what the model said there."""
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'bias-audit[torch]'")
    folder = tmp_path_factory.mktemp("torch")
    np.save(folder / "photos.npy", make_images())
    _run(folder, str(Path(__file__).with_name("saved_by_torch.py")), backend="torch")
    return folder


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_file_that_keras_on_torch_saved(saved: Path, suffix: str) -> None:
    model = load_model(saved / f"model.{suffix}", AuditConfig(batch_size=BATCH), class_names(3))
    said = np.load(saved / "said.npy")
    assert np.ptp(said, axis=0).max() > 0.05  # exchanged images would be noticed
    np.testing.assert_allclose(model.predict(make_images()).probabilities, said, rtol=1e-5, atol=1e-6)
    assert np.abs(model.activations(make_images(), np.zeros(BATCH, int)).gradients).max() > 0


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_the_environment_does_not_choose_for_a_file(saved: Path, backend: str) -> None:
    """Keras on JAX could not even be imported where JAX is not installed; the user's environment stays as it was."""
    code = (
        "import os, sys; from bias_audit.cli.command_line import main; "
        "code = main(['inspect', 'model.keras', '--json', '--quiet']); "
        f"assert os.environ['KERAS_BACKEND'] == '{backend}'; sys.exit(code)"
    )
    facts = json.loads(_run(saved, "-c", code, backend=backend))
    assert (facts["head"], facts["outputs"], facts["layer"]) == ("softmax", 3, "last")


def test_keras_json_does_not_choose_for_a_file(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "torch"}))
    arguments = ("-m", "bias_audit", "inspect", "model.keras", "--json", "--quiet")
    facts = json.loads(_run(saved, *arguments, KERAS_HOME=str(tmp_path)))
    assert (facts["head"], facts["outputs"], facts["layer"]) == ("softmax", 3, "last")


def test_a_model_in_memory_on_torch_gets_one_sentence(saved: Path) -> None:
    said, hint = _run(saved, "-c", IN_MEMORY, backend="torch").splitlines()
    assert said == ("Keras runs on the backend 'torch' in this process, and Keras models are audited on TensorFlow")
    assert hint == (
        "Start it with KERAS_BACKEND=tensorflow, or save the model with model.save('m.keras') and give the file to the "
        "command bias-audit."
    )
