"""Model files that are small on disk and large in memory: refused by what they declare, before it is unpacked."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hostile import functional, refused, write_archive, write_h5

from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError, ModelError
from bias_audit.limits.bounds import Limits
from bias_audit.models.doors import load_model
from bias_audit.models.memory import Cost, check_batch
from bias_audit.models.segmenters.loading import load_segmenter
from bias_audit.models.tensorflow import keras_file
from bias_audit.models.tensorflow.loading import load_keras

LARGE = 200_000_000
"""Bytes beyond the limit of 1e8, which nobody may unpack."""


def rewritten(path: Path, name: str, size: int, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A .keras file in which a member has so many bytes, packed into few."""
    with zipfile.ZipFile(write_archive(path)) as archive:
        parts = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for each, data in parts.items():
            if each != name:
                archive.writestr(each, data)
        with archive.open(name, "w") as member:
            for _ in range(size // 10_000_000):
                member.write(b" " * 10_000_000)
    return path


@pytest.fixture
def never_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading a member of a .keras file fails."""

    def unpacked(*_: Any, **__: Any) -> None:
        raise AssertionError("unpacked")

    monkeypatch.setattr(zipfile.ZipFile, "read", unpacked)
    monkeypatch.setattr(zipfile.ZipFile, "open", unpacked)


@pytest.mark.parametrize("member", ["config.json", "metadata.json", "assets/vocabulary.txt"])
def test_a_member_of_an_archive(tmp_path: Path, member: str, request: pytest.FixtureRequest) -> None:
    path = rewritten(tmp_path / "m.keras", member, LARGE)
    assert path.stat().st_size < 400_000
    request.getfixturevalue("never_unpacked")
    refused(path, f"its '{member}' would take 200,000,000 bytes", "--limit archive_bytes=200000000")


def test_weights_have_a_limit_of_their_own(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "m.keras")
    size = zipfile.ZipFile(path).getinfo("model.weights.h5").file_size
    load_keras(path, limits=Limits(weights_bytes=size))
    refused(
        path, "its 'model.weights.h5' would take", f"--limit weights_bytes={size}",
        load=lambda file: load_keras(file, limits=Limits(weights_bytes=size - 1)),
    )  # fmt: skip


def test_many_members_count_together(tmp_path: Path) -> None:
    path = write_archive(tmp_path / "m.keras", **{f"assets/{i}": b"x" * 1000 for i in range(50)})
    with pytest.raises(ModelError, match=r"parts other than weights.*beyond the limit weights_bytes of 40,000 "):
        load_keras(path, limits=Limits(weights_bytes=40_000))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(tmp_path: Path, method: int) -> None:
    """zipfile takes them apart as a whole, whatever size a member declares: 4 GB from 4 KB."""
    refused(rewritten(tmp_path / "m.keras", "metadata.json", 10_000_000, method), "packed in a way")


def test_a_member_that_is_larger_than_it_declares(tmp_path: Path) -> None:
    """The declared size is where reading stops."""
    path = rewritten(tmp_path / "m.keras", "config.json", 50_000_000)
    data = path.read_bytes()
    whole, small = (50_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert whole in data
    path.write_bytes(data.replace(whole, small))
    refused(path, "cannot load the model")


def test_weights_of_a_shape_that_no_file_holds(tmp_path: Path) -> None:
    """Cells that were never written take no place in a file, and are filled when they are read."""
    path = write_h5(tmp_path / "m.h5", functional())
    with h5py.File(path, "a") as file:
        file["model_weights"].create_dataset("w", (10**6, 10**6), np.float32, chunks=(1000, 1000))
    assert path.stat().st_size < 100_000
    refused(path, "its 'weights' would take 4,000,000,000,000 bytes", "--limit weights_bytes=4000000000000")


def test_an_attribute_of_an_h5_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_h5(tmp_path / "m.h5", json.dumps(functional()) + " " * 300_000)
    monkeypatch.setattr(keras_file, "_text", None)  # nothing is read of it
    refused(
        path, "its 'configuration' would take 3", "--limit archive_bytes=3",
        load=lambda file: load_keras(file, limits=Limits(archive_bytes=200_000)),
    )  # fmt: skip


def test_weights_of_an_h5_file_are_no_configuration(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "m.h5", functional())
    with h5py.File(path, "a") as file:
        file["model_weights"].create_dataset("w", data=np.zeros(1_000_000, np.float32))
    with pytest.raises(ModelError, match="would take"):
        load_keras(path, limits=Limits(archive_bytes=1000))
    keras_file.read_keras_file(path, Limits(archive_bytes=100_000))


def test_a_tflite_file(tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"x" * 1000)
    refused(
        tmp_path / "m.tflite", "1,000 bytes, beyond the limit weights_bytes of 999",
        load=lambda file: load_segmenter(file, limits=Limits(weights_bytes=999)),
    )  # fmt: skip


class TestSavedModel:
    def _folder(self, tmp_path: Path) -> Path:
        import networks

        networks.sequential().export(tmp_path / "saved", verbose=False)
        return tmp_path / "saved"

    def _load(self, folder: Path, **limits: float) -> Any:
        import networks

        return load_model(folder, AuditConfig(image_size=networks.SIZE[:2], limits=limits), None)

    def test_graph_and_variables(self, tmp_path: Path) -> None:
        folder = self._folder(tmp_path)
        size = (folder / "saved_model.pb").stat().st_size
        with pytest.raises(ModelError, match=f"'saved_model.pb' would take .*archive_bytes={size}"):
            self._load(folder, archive_bytes=size - 1)
        with pytest.raises(ModelError, match="its 'variables' would take"):
            self._load(folder, weights_bytes=1000)
        assert self._load(folder, archive_bytes=size).outputs == 3

    def test_a_constant_of_one_value_and_any_shape(self, tmp_path: Path) -> None:
        from bias_audit.models.tensorflow.framework import saved_model_pb2

        folder = self._folder(tmp_path)
        content = saved_model_pb2.SavedModel()
        content.ParseFromString((folder / "saved_model.pb").read_bytes())
        node = content.meta_graphs[0].graph_def.library.function[0].node_def.add(name="large", op="Const")
        node.attr["value"].tensor.float_val.append(1)
        for _ in range(2):
            node.attr["value"].tensor.tensor_shape.dim.add(size=10**6)
        (folder / "saved_model.pb").write_bytes(content.SerializeToString())
        with pytest.raises(ModelError, match=r"its 'constants' would take 4,000,000,"):
            self._load(folder)


class TestBatches:
    COST = Cost((10, 10, 3), outputs=500_000, largest=20_000)
    EACH = 10 * 4 * 300 + 4 * 20_000

    def test_the_largest_that_fits_is_named_and_fits(self) -> None:
        limits = {"batch_bytes": 10 * self.EACH}
        with pytest.raises(ConfigError, match="--batch-size 11 is too large") as caught:
            check_batch(self.COST, AuditConfig(batch_size=11, limits=limits))
        assert "--batch-size 10." in caught.value.hint
        check_batch(self.COST, AuditConfig(batch_size=10, limits=limits))
        check_batch(self.COST, AuditConfig(limits=limits))

    def test_one_image_and_a_number_that_the_model_asks_for(self) -> None:
        with pytest.raises(ModelError, match="too large for this memory: one image of 10x10x3 would take"):
            check_batch(self.COST, AuditConfig(limits={"batch_bytes": self.EACH - 1}))
        with pytest.raises(ModelError, match="batches of exactly 32 images"):
            check_batch(self.COST, AuditConfig(limits={"batch_bytes": self.EACH}), fixed=32)

    def test_gradients_of_pixels_hold_every_layer(self) -> None:
        config = AuditConfig(method="integrated_gradients", limits={"batch_bytes": 500_000})
        with pytest.raises(ModelError, match="too large"):
            check_batch(self.COST, config)
        check_batch(self.COST, AuditConfig(limits={"batch_bytes": 500_000}))

    def test_nothing_is_allocated_for_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import networks

        from bias_audit.models.tensorflow import keras_model

        monkeypatch.setattr(keras_model, "probes", None)  # whoever calls it fails
        config = AuditConfig(batch_size=10**9, image_size=networks.SIZE[:2])
        with pytest.raises(ConfigError, match="--batch-size 1000000000 is too large"):
            load_model(networks.sequential(), config, networks.class_names(3))


def test_every_call_of_the_model_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    import networks

    from bias_audit.heatmaps.methods import Explainer
    from bias_audit.limits import watchdog

    seen: list[tuple[str, float]] = []
    enter = watchdog.watched.__enter__
    monkeypatch.setattr(
        watchdog.watched, "__enter__", lambda call: (seen.append((call.what, call.seconds)), enter(call))
    )
    config = AuditConfig(image_size=networks.SIZE[:2], batch_size=2, limits={"seconds_per_call": 77})
    model = load_model(networks.sequential(), config, networks.class_names(3))
    images = networks.make_images(4)
    assert seen == [("loading the model with its first call", 77)]
    seen.clear()
    model.predict(images)
    assert seen == [("the prediction of 2 images by the model", 77)] * 2
    seen.clear()
    Explainer(model, "hires_cam", lambda pixels: pixels).explain(images[:2])
    model.activations(images[:2], np.zeros(2, int))
    model.input_gradients(images, np.zeros(4, int))
    assert [what.split(" of ")[0] for what, _ in seen] == ["the explanation"] * 2 + ["the gradient"] * 2
    assert not watchdog._running
