"""Folders of Hugging Face: what Transformers is shown of them, what they predict, and what is refused."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libraries
import numpy as np
import pytest
import torch

from bias_audit.config import AuditConfig
from bias_audit.errors import BiasAuditError, ModelError
from bias_audit.models.doors import check_model, load_model
from bias_audit.models.trained_with import settled

NAMES = ("husky", "wolf")
CONFIG = {"model_type": "vit", "id2label": {"0": "husky", "1": "wolf"}, "image_size": 32}


@pytest.fixture(autouse=True)
def _libraries() -> Iterator[None]:
    with libraries.on_the_path():
        yield


def weights() -> dict[str, torch.Tensor]:
    from torchvision.models import Small

    torch.manual_seed(1)
    return dict(Small(2).state_dict())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from safetensors.torch import save_file

    made = tmp_path / "model"
    made.mkdir()
    save_file(weights(), made / "model.safetensors")
    (made / "config.json").write_text(json.dumps(CONFIG))
    said = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}, "resample": 2}
    said |= {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "do_normalize": True}
    (made / "preprocessor_config.json").write_text(json.dumps(said))
    return made


def changed(folder: Path, **values: Any) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, **values}))


def said_of(folder: Path, **options: Any) -> str:
    with pytest.raises(BiasAuditError) as caught:
        load_model(folder, AuditConfig(**options), NAMES)
    assert len(caught.value.message.splitlines()) == 1
    return str(caught.value)


class TestOpened:
    def test_it_predicts_what_the_network_does(self, folder: Path) -> None:
        from torchvision.models import Small

        torch.manual_seed(1)
        made = Small(2)
        pixels = np.random.default_rng(0).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)
        with torch.no_grad():
            expected = made.eval()(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())).softmax(dim=1).numpy()
        loaded = load_model(folder, AuditConfig(), NAMES)
        np.testing.assert_allclose(loaded.predict(pixels).probabilities, expected, atol=1e-6)
        assert loaded.layer == "layer4.1"

    def test_transformers_is_shown_what_was_checked_and_nothing_else(self, folder: Path) -> None:
        import transformers

        changed(folder, attn_implementation="someone/kernel", _name_or_path="/elsewhere", torch_dtype="float16")
        (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere"}')
        (folder / "modeling_vit.py").write_text("raise SystemExit")
        load_model(folder, AuditConfig(), NAMES)
        (shown,) = transformers.SHOWN
        assert {"config.json", "model.safetensors"} == set(shown)
        assert json.loads(shown["config.json"]) == CONFIG

    def test_its_pictures(self, folder: Path) -> None:
        loaded = load_model(folder, AuditConfig(), NAMES)
        config = settled(AuditConfig(), loaded)
        assert (config.preprocess, config.resize, config.interpolation) == ("signed", "stretch", "antialias")
        assert loaded.input_size == (32, 32, 3)
        first = loaded.sha256
        (folder / "preprocessor_config.json").unlink()
        loaded = load_model(folder, AuditConfig(), NAMES)
        assert settled(AuditConfig(), loaded).preprocess == "none"
        assert any("no preprocessor_config.json, so nothing says what pixels become" in note for note in loaded.notes)
        assert loaded.input_size == (32, 32, 3)
        assert loaded.sha256 != first

    @pytest.mark.parametrize(
        ("labels", "noted"),
        [
            (["husky", "wolf"], False),
            (["HUSKY", "Wolf"], False),
            (["Wolf", "husky"], True),
            (["LABEL_0", "LABEL_1"], False),
        ],
    )
    def test_names_in_another_order_are_told_and_not_obeyed(self, labels: list[str], noted: bool, folder: Path) -> None:
        changed(folder, id2label=dict(enumerate(labels)))
        loaded = load_model(folder, AuditConfig(), NAMES)
        notes = [each for each in loaded.notes if "output 0 is 'Wolf' there and 'husky' here" in each]
        assert bool(notes) is noted
        pixels = np.ones((1, 32, 32, 3), np.float32)
        changed(folder)
        same = load_model(folder, AuditConfig(), NAMES)
        np.testing.assert_array_equal(loaded.predict(pixels).probabilities, same.predict(pixels).probabilities)

    def test_weights_in_several_files(self, folder: Path) -> None:
        from safetensors.torch import save_file

        whole = load_model(folder, AuditConfig(), NAMES)
        (folder / "model.safetensors").unlink()
        placed = {}
        for number, name in enumerate(weights()):
            file = f"model-{number % 2}.safetensors"
            placed[name] = file
            save_file({key: weights()[key] for key, home in placed.items() if home == file}, folder / file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
        loaded = load_model(folder, AuditConfig(), NAMES)
        pixels = np.ones((1, 32, 32, 3), np.float32)
        np.testing.assert_array_equal(loaded.predict(pixels).probabilities, whole.predict(pixels).probabilities)

    def test_a_snapshot_of_the_cache(self, folder: Path, tmp_path: Path) -> None:
        blobs, snapshot = tmp_path / "repo" / "blobs", tmp_path / "repo" / "snapshots" / "abc"
        blobs.mkdir(parents=True)
        snapshot.mkdir(parents=True)
        for each in folder.iterdir():
            each.rename(blobs / each.name)
            (snapshot / each.name).symlink_to(Path("../../blobs") / each.name)
        assert load_model(snapshot, AuditConfig(), NAMES).outputs == 2


class TestRefused:
    def test_code_of_its_own(self, folder: Path) -> None:
        changed(folder, auto_map={"AutoModelForImageClassification": "modeling.Mine"})
        with pytest.raises(ModelError, match=r"wants code of its own to be run \(auto_map\)") as caught:
            check_model(folder)  # before a framework is imported
        assert "module:function" in caught.value.hint

    @pytest.mark.parametrize("kind", ["timm_wrapper", "clip", "bert", None, 3, ["vit"], "x" * 500])
    def test_kinds_that_are_not_opened(self, kind: Any, folder: Path) -> None:
        changed(folder, model_type=kind)
        assert "which is not among those that are opened" in said_of(folder)

    def test_parts_that_are_not_opened(self, folder: Path) -> None:
        for part in ("backbone_config", "quantization_config", "vision_config"):
            changed(folder, **{part: {"model_type": "resnet"}})
            assert f"has a part {part!r}, which is not opened" in said_of(folder)

    def test_a_network_of_timm(self, folder: Path) -> None:
        (folder / "config.json").write_text('{"architecture": "resnet50"}')
        said = said_of(folder)
        assert "is a network of timm, not of Transformers" in said
        assert f"timm:resnet50@{folder / 'model.safetensors'}" in said

    def test_a_pickle(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        assert "has a config.json and no model.safetensors" in said_of(folder)
        mark = folder / "mark"

        class Marker:
            def __reduce__(self) -> Any:
                return (open, (str(mark), "w"))

        (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Marker()))
        said = said_of(folder)
        assert "are a pickle (pytorch_model.bin), which is not loaded" in said
        assert "save_pretrained" in said
        assert not mark.exists()

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"model_type": "vit", "model_type": "swin"}', "[" * 5000])
    def test_a_damaged_configuration(self, text: str, folder: Path) -> None:
        (folder / "config.json").write_text(text)
        assert "config.json" in said_of(folder)

    def test_weights_that_lie_elsewhere(self, folder: Path, tmp_path: Path) -> None:
        outside = tmp_path / "outside.safetensors"
        (folder / "model.safetensors").rename(outside)
        (folder / "model.safetensors").symlink_to(outside)
        assert "leads out of its folder" in said_of(folder)
        (folder / "model.safetensors").unlink()
        index = folder / "model.safetensors.index.json"
        for name in ("../outside.safetensors", str(outside), "sub/../../outside.safetensors", "pytorch_model.bin"):
            index.write_text(json.dumps({"weight_map": {"fc.weight": name}}))
            assert "which is no .safetensors file in its folder" in said_of(folder)
        index.write_text(json.dumps({"weight_map": {"fc.weight": "no.safetensors"}}))
        assert "is not there or no regular file" in said_of(folder)
        index.write_text("{}")
        assert "has no weight_map" in said_of(folder)

    def test_a_pipe(self, folder: Path) -> None:
        (folder / "model.safetensors").unlink()
        os.mkfifo(folder / "model.safetensors")
        assert "no regular file" in said_of(folder)

    def test_weights_that_are_missing(self, folder: Path) -> None:
        from safetensors.torch import save_file

        few = {name: each for name, each in weights().items() if not name.startswith("fc")}
        save_file(few, folder / "model.safetensors")
        assert "lacks 2 weights of a classifier (fc.bias, fc.weight)" in said_of(folder)

    def test_more_than_weights_is_noted(self, folder: Path) -> None:
        from safetensors.torch import save_file

        save_file({**weights(), "pooler": torch.zeros(2)}, folder / "model.safetensors")
        loaded = load_model(folder, AuditConfig(), NAMES)
        assert "1 weights of the folder belong to no part of the classifier, such as pooler." in loaded.notes

    def test_damaged_weights(self, folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(b"\xff" * 9)
        assert said_of(folder).startswith(f"Transformers cannot load {str(folder)!r}: ")

    def test_what_is_larger_than_it_may_be(self, folder: Path) -> None:
        assert "beyond the limit weights_bytes of 10" in said_of(folder, limits={"weights_bytes": 10})
