"""Models and files that cannot be audited: one sentence each, and the model left as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import networks
import numpy as np
import pytest
from networks import BATCH, SIZE, layers, make_images, make_model

from bias_audit.config import AuditConfig
from bias_audit.errors import BiasAuditError, ConfigError, ModelError
from bias_audit.heatmaps.methods import Explainer
from bias_audit.models.doors import load_model


def _refused(model: Any, classes: int, kind: type[BiasAuditError], *says: str, **config: Any) -> None:
    with pytest.raises(kind) as caught:
        make_model(model, classes, **config)
    for part in says:
        assert part in str(caught.value)
    assert "\n" not in caught.value.message
    for layer in model._flatten_layers():
        assert "call" not in layer.__dict__


class Breaks(keras.layers.Layer):
    """Fails while it is traced, after the layers before it were tapped."""

    armed = False

    def call(self, x: Any) -> Any:
        if Breaks.armed:
            raise ValueError("only images of cats\nand a second line")
        return x


class TestRefused:
    def test_a_model_that_fails_is_left_as_it_was(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inputs = keras.Input(SIZE)
        x = layers.GlobalAveragePooling2D()(Breaks()(layers.Conv2D(4, 3)(inputs)))
        model = keras.Model(inputs, layers.Dense(2, activation="softmax")(x))
        monkeypatch.setattr(Breaks, "armed", True)
        _refused(model, 2, ModelError, "does not accept a batch of shape (5, 12, 16, 3)", "")

    def test_outputs_and_inputs(self) -> None:
        image, other = keras.Input(SIZE), keras.Input(SIZE)
        maps = layers.Conv2D(4, 3, name="maps")(image)
        pooled = layers.GlobalAveragePooling2D()(maps)
        dense = layers.Dense(2, activation="softmax")(pooled)
        _refused(keras.Model(image, [dense, pooled]), 2, ModelError, "2 outputs", "one classification head")
        _refused(keras.Model(image, {"a": dense, "b": pooled}), 2, ModelError, "2 outputs")
        both = keras.Model([image, other], layers.Dense(2)(layers.Flatten()(image + other)))
        _refused(both, 2, ModelError, "2 inputs", "one image input")
        _refused(keras.Model(image, maps), 4, ModelError, "no classifier", "(5, 10, 14, 4)")
        _refused(keras.Model(image, dense), 3, ModelError, "2 outputs", "3 classes", "class 2", "--class-map")

    def test_no_images(self) -> None:
        rows = keras.Input((9,))
        _refused(keras.Model(rows, layers.Dense(2)(rows)), 2, ModelError, "takes no images", "(None, 9)")
        spectral = keras.Input((8, 8, 5))
        flat = layers.Dense(2)(layers.Flatten()(spectral))
        _refused(keras.Model(spectral, flat), 2, ModelError, "5 channels", "1 or 3")

    def test_image_size(self) -> None:
        _refused(networks.any_size(), 3, ConfigError, "any image size", "--image-size")
        _refused(networks.sequential(), 3, ConfigError, "12x16", "32x32", image_size=(32, 32))

    def test_layers(self) -> None:
        keras.utils.set_random_seed(1)
        _refused(networks.nested(), 3, ModelError, "'nope' does not exist", "backbone/second (6x8)", layer="nope")
        _refused(networks.sequential(), 3, ModelError, "'flat' has no spatial grid", "second (6x8)", layer="flat")
        twins_input = keras.Input(SIZE)
        twins = networks.backbone("left")(twins_input) + networks.backbone("right")(twins_input)
        model = keras.Model(twins_input, layers.Dense(3)(layers.Flatten()(twins)))
        _refused(model, 3, ModelError, "'second' is ambiguous", "left/second, right/second", layer="second")
        assert make_model(model, 3, layer="right/second").layer == "right/second"

    def test_a_layer_inside_may_be_named_by_its_last_part(self) -> None:
        assert make_model(networks.nested(), 3, layer="first").layer == "backbone/first"

    def test_a_grid_of_one_cell(self) -> None:
        inputs = keras.Input(SIZE)
        x = layers.Flatten()(layers.Conv2D(4, SIZE[:2], name="whole")(inputs))
        model = keras.Model(inputs, layers.Dense(2)(x))
        _refused(model, 2, ModelError, "no layer", "spatial grid", layer="whole")
        explained = make_model(model, 2)
        assert (explained.layer, explained.grid, explained.differentiable) == ("", (1, 1), False)
        assert "No layer of the model keeps a spatial grid" in explained.notes[0]
        assert Explainer(explained, "default", lambda x: x).name == "none"

    def test_softmax_over_one_unit(self) -> None:
        inputs = keras.Input(SIZE)
        x = layers.Flatten()(layers.Conv2D(2, 3)(inputs))
        _refused(keras.Model(inputs, layers.Dense(1, activation="softmax")(x)), 2, ModelError, "always 1")

    def test_weights_that_are_not_numbers(self) -> None:
        model = networks.sequential()
        model.layers[-1].bias.assign([np.nan, 0, 0])
        _refused(model, 3, ModelError, "NaN")


class TestFiles:
    def _load(self, path: Path | str, classes: int = 3) -> Any:
        return load_model(path, AuditConfig(batch_size=BATCH), networks.class_names(classes))

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_a_saved_model_is_the_model(self, tmp_path: Path, suffix: str) -> None:
        keras.utils.set_random_seed(3)
        model = networks.nested()
        path = tmp_path / f"m{suffix}"
        model.save(path)
        loaded = self._load(str(path))
        np.testing.assert_allclose(
            loaded.predict(make_images()).probabilities, model.predict(make_images(), verbose=0), rtol=1e-5, atol=1e-7
        )
        again = self._load(path)
        assert loaded.sha256 == again.sha256
        assert len(loaded.sha256) == 64

    def test_the_hash_of_a_model_in_memory_follows_its_weights(self) -> None:
        model = networks.sequential()
        first, second = make_model(model, 3).sha256, make_model(model, 3).sha256
        model.layers[-1].bias.assign([1, 2, 3])
        assert first == second != make_model(model, 3).sha256

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("none.keras", None, ["no model at", "none.keras"]),
            ("m.pkl", b"x", ["is no model", ".keras, .h5, .onnx or a SavedModel", "'.pkl'"]),
            ("m.pt", b"x", ["is no model", "no program of PyTorch"]),
            ("garbage.keras", b"I am no zip", ["cannot load the model", "garbage.keras", "no .keras archive"]),
            ("garbage.h5", b"I am no hdf5", ["cannot load the model", "garbage.h5"]),
            ("empty.keras", b"", ["cannot load the model", "empty.keras"]),
        ],
    )
    def test_unusable_files(self, tmp_path: Path, name: str, content: bytes | None, says: list[str]) -> None:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ModelError) as caught:
            self._load(path)
        for part in says:
            assert part in caught.value.message
        assert "\n" not in caught.value.message

    def test_a_cut_off_file(self, tmp_path: Path) -> None:
        path = tmp_path / "m.keras"
        networks.sequential().save(path)
        path.write_bytes(path.read_bytes()[:-2000])
        with pytest.raises(ModelError, match="cut off"):
            self._load(path)

    def test_a_folder_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="is a folder"):
            self._load(tmp_path)

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_code_in_a_file_is_not_run(self, tmp_path: Path, suffix: str) -> None:
        inputs = keras.Input(SIZE)
        x = layers.Lambda(lambda t: t * 2)(layers.Conv2D(2, 3)(inputs))
        path = tmp_path / f"m{suffix}"
        keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x))).save(path)
        with pytest.raises(ModelError) as caught:
            self._load(path)
        assert "ambda" in caught.value.message
        assert "safe mode" in caught.value.hint
        assert "bias_audit.audit(model" in caught.value.hint

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_a_class_that_is_not_known_here(self, tmp_path: Path, suffix: str) -> None:
        inputs = keras.Input(SIZE)
        path = tmp_path / f"m{suffix}"
        keras.Model(inputs, layers.Dense(3)(layers.Flatten()(Breaks()(inputs)))).save(path)
        with pytest.raises(ModelError) as caught:
            self._load(path)
        assert "custom object 'Breaks'" in caught.value.message
        assert "bias_audit.audit(model" in caught.value.hint
