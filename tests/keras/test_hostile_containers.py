"""Files that are more than they seem: links to other files, two texts in one; and every door that a model takes."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pytest
import tensorflow as tf
from hostile import (
    MARK,
    calls,
    contents,
    external_h5,
    functional,
    refused,
    with_layer,
    write_archive,
    write_h5,
    writes,
)

from bias_audit.config import AuditConfig
from bias_audit.errors import ModelError
from bias_audit.models import doors
from bias_audit.models.tensorflow.keras_file import read_keras_file
from bias_audit.models.tensorflow.loading import load_keras

pytest.importorskip("tf_keras", reason="needs Keras 2: pip install 'bias-audit[keras2]'")


class TestContainers:
    @pytest.mark.parametrize("how", ["link", "storage", "virtual"])
    def test_hdf5_that_leads_to_other_files(self, tmp_path: Path, how: str) -> None:
        path = external_h5(tmp_path, how)
        says = "another file" if how == "link" else "other files"
        refused(path, "its part 'leak'", says)
        refused(write_archive(tmp_path / "m.keras", **{"model.weights.h5": path.read_bytes()}), "'leak'", says)

    def test_hdf5_that_goes_in_circles_is_read(self, tmp_path: Path) -> None:
        path = write_h5(tmp_path / "m.h5", functional())
        with h5py.File(path, "r+") as file:
            file["model_weights/again"] = file["/"]
            file["soft"] = h5py.SoftLink("/model_weights")
        load_keras(path)

    @pytest.mark.parametrize("name", ["../mark", "/tmp/mark", "assets/../../mark", "..\\mark", "c:mark"])
    def test_members_outside_of_the_archive(self, tmp_path: Path, name: str) -> None:
        refused(write_archive(tmp_path / "m.keras", **{name: b"x"}), "a path outside of it")

    @pytest.mark.parametrize("member", ["config.json", "metadata.json", "model.weights.h5"])
    def test_a_member_twice(self, tmp_path: Path, member: str) -> None:
        path = write_archive(tmp_path / "m.keras")
        with warnings.catch_warnings(), zipfile.ZipFile(path, "a") as archive:
            warnings.simplefilter("ignore")
            archive.writestr(member, archive.read(member))
        refused(path, f"holds '{member}' twice")

    @pytest.mark.parametrize("key", ["class_name", "function", "config"])
    def test_a_key_twice(self, tmp_path: Path, key: str) -> None:
        text = json.dumps(functional(calls("nn.relu")))
        text = text.replace('"TFOpLambda", ', f'"TFOpLambda", "{key}": 1, "{key}": 2, ', 1)
        refused(write_h5(tmp_path / "m.h5", text), f"says '{key}' twice")
        path = write_archive(tmp_path / "m.keras")
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in {**parts, "config.json": text.encode()}.items():
                archive.writestr(name, data)
        refused(path, f"says '{key}' twice")

    @pytest.mark.parametrize("text", ["[]", "3", "null", '"x"', "{", "[" * 100000, '{"class_name": NaN'])
    def test_a_configuration_that_is_no_object(self, tmp_path: Path, text: str) -> None:
        refused(
            write_h5(tmp_path / "m.h5", text if len(text) < 60000 else text[:60000]), "its configuration is no JSON"
        )

    def test_a_text_that_is_utf_16_to_some(self, tmp_path: Path) -> None:
        path = write_h5(tmp_path / "m.h5", functional())
        with h5py.File(path, "r+") as file:
            del file.attrs["model_config"]
            file.attrs["model_config"] = np.void(json.dumps(functional(writes(tmp_path))).encode("utf-16"))
        refused(path)

    @pytest.mark.parametrize("name", ["m.KERAS", "m.Keras", "m.keras.h5", "m.hdf5", "m.H5"])
    def test_a_file_that_is_an_archive_and_hdf5_at_once(self, tmp_path: Path, name: str) -> None:
        """Keras 2 reads every name as HDF5 that does not end in .keras, whatever else the file is."""
        both = write_h5(tmp_path / "a", functional(writes(tmp_path))).read_bytes()
        honest = write_archive(tmp_path / "b.keras").read_bytes()
        (tmp_path / name).write_bytes(both + honest)
        assert zipfile.is_zipfile(tmp_path / name)
        refused(tmp_path / name, "calls the function tf.io.write_file")

    def test_hdf5_under_the_name_of_an_archive(self, tmp_path: Path) -> None:
        path = write_h5(tmp_path / "m.keras", functional(writes(tmp_path)))
        refused(path, "cut off or no .keras archive")
        path = write_archive(tmp_path / "n.keras").rename(tmp_path / "n.h5")
        refused(path)
        refused(write_archive(tmp_path / ".keras", with_layer(calls("io.write_file"))), "io.write_file")

    def test_a_file_that_crashes_the_hdf5_library_is_one_sentence(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Byte 1009 of a small .h5 made 255 ended the process by a segmentation fault in libhdf5."""
        path = write_h5(tmp_path / "m.h5", functional(writes(tmp_path)))
        monkeypatch.setattr("bias_audit.models.tensorflow.keras_file._LOOK", "import os; os.kill(os.getpid(), 11)")
        with pytest.raises(ModelError, match="the HDF5 library crashes"):
            read_keras_file(path)

    @pytest.mark.parametrize("name", ["m.keras", "m.h5"])
    def test_what_is_no_regular_file_or_may_not_be_read_is_not_called_damaged(self, tmp_path: Path, name: str) -> None:
        os.mkfifo(tmp_path / name)
        with pytest.raises(ModelError, match="not a regular file but a pipe"):
            read_keras_file(tmp_path / name)
        with pytest.raises(ModelError, match="No such file"):
            read_keras_file(tmp_path / f"none {name}")


class TestDoors:
    """All ways to a model file go through the one check."""

    def _hostile(self, folder: Path, name: str = "m.h5") -> Path:
        folder.mkdir(exist_ok=True)
        return write_h5(folder / name, functional(writes(folder)))

    def test_load_model(self, tmp_path: Path) -> None:
        refused(self._hostile(tmp_path), load=lambda path: doors.load_model(path, AuditConfig(), None))

    @pytest.mark.parametrize("arguments", [["inspect"], ["audit", "--segmenter"]])
    def test_the_command_line(
        self, tmp_path: Path, photo_folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
    ) -> None:
        from bias_audit.cli import main

        path = self._hostile(tmp_path / "model")
        before = contents(path.parent)
        if arguments == ["inspect"]:
            given = ["inspect", str(path)]
        else:
            model = write_archive(tmp_path / "honest.keras")
            given = ["audit", str(model), str(photo_folder), "--segmenter", str(path), "--out", str(tmp_path / "out")]
        assert main(given) == 2
        shown = capsys.readouterr().err
        assert "io.write_file" in shown.replace("\n", " ")
        assert "Traceback" not in shown
        assert contents(path.parent) == before

    def test_review_with_a_model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from bias_audit.pipeline import live_test as live

        run = SimpleNamespace(info=SimpleNamespace(class_names=("a", "b")), images=None)
        monkeypatch.setattr(live, "load_result", lambda folder: run)
        monkeypatch.setattr(live, "allowed_config", lambda result, allowed: AuditConfig())
        monkeypatch.setattr(live, "dataset_of", lambda result, **more: None)
        progress: Any = SimpleNamespace(stage=lambda *_: contextlib.nullcontext())
        path = self._hostile(tmp_path / "model")
        refused(path, "io.write_file", load=lambda file: live.LiveModel(tmp_path, file, progress))

    def test_no_other_file_loads_models(self) -> None:
        """`keras.saving` and the interpreters of TFLite and ONNX are used in one place each."""
        package = Path(sys.modules["bias_audit"].__file__ or "").parent
        homes = {
            "models.load_model(": "loading.py",
            "saving.load_model(": "loading.py",
            "lite.Interpreter,": "tflite_runtime.py",
            ".InferenceSession(": "session.py",
        }
        for call, home in homes.items():
            assert [each.name for each in package.rglob("*.py") if call in each.read_text()] == [home]
        for call in ("model_from_json", "model_from_config", "load_weights", "deserialize_keras_object"):
            assert not [each for each in package.rglob("*.py") if call in each.read_text()]
        # The arguments of an audit, from the process that was asked for it to those that it starts, and no file.
        assert [each.name for each in package.rglob("*.py") if "pickle.load" in each.read_text()] == ["work.py"]


class TestTFLite:
    def _refused(self, path: Path, *says: str) -> None:
        from bias_audit.models.segmenters.loading import load_segmenter

        refused(path, *says, load=load_segmenter)

    def test_an_operation_of_tensorflow(self, tmp_path: Path) -> None:
        """FlexWriteFile, as the converter itself writes it."""

        @tf.function(input_signature=[tf.TensorSpec((1, 8, 8, 3), tf.float32)])
        def run(images: Any) -> Any:
            tf.io.write_file(str(tmp_path / MARK), "ran")
            return images[..., :1]

        module = tf.Module()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([run.get_concrete_function()], module)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        (tmp_path / "m.tflite").write_bytes(converter.convert())
        self._refused(tmp_path / "m.tflite", "custom operations", "FlexWriteFile")

    @pytest.mark.parametrize("content", [b"", b"nothing", b"\xff" * 100, b"\x00" * 64, bytes(range(256))], ids=len)
    def test_bytes(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "m.tflite").write_bytes(content)
        self._refused(tmp_path / "m.tflite", "cannot load the segmenter")


@pytest.mark.parametrize(
    "operation",
    ["ReadFile", "WriteFile", "MatchingFiles", "GenerateVocabRemapping", "InitializeTableFromTextFile",
     "InitializeTableFromTextFileV2", "ImmutableConst", "XlaCustomCall", "XlaCustomCallV2", "PyFuncStateless",
     "EagerPyFunc", "SaveV2", "RestoreV2", "MapDataset", "DebugIdentity", "CopyHost", "FileSystemSetConfiguration"],
)  # fmt: skip
def test_operations_of_a_graph(operation: str) -> None:
    from bias_audit.models.tensorflow.saved_model_safety import reaches_out

    assert reaches_out(operation)
