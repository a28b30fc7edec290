"""ONNX classifiers: predictions and maps against NumPy, how images lie, and which heads are explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx_files as files
import pytest
from onnx_networks import MEAN, SIZE, STD, Network, log_odds

from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError, ModelError
from bias_audit.heatmaps.inspection import inspect
from bias_audit.heatmaps.methods import METHODS, Explainer
from bias_audit.models.base import Model
from bias_audit.models.doors import load_model

LABELS = np.array([0, 1, 2, -1, 1])


def photos(count: int = 5, channels: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(1).uniform(0, 255, (count, *size, channels)).astype(np.float32)


def opened(network: Network | bytes, folder: Path, **settings: Any) -> Model:
    path = folder / "net.onnx"
    path.write_bytes(network if isinstance(network, bytes) else network.onnx())
    return load_model(path, AuditConfig(**settings), None)


def hires(values: Any, gradients: Any, xp: Any) -> Any:
    return METHODS["hires_cam"].function(values[0], gradients[0], xp)


def slopes_by_differences(function: Any, logits: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """d function / d logits, (N, K) -> (N, K, outputs), by central differences."""
    columns = np.eye(logits.shape[1]) * step
    return np.stack([(function(logits + each) - function(logits - each)) / (2 * step) for each in columns], axis=2)


def maps_by_hand(network: Network, images: np.ndarray, classes: np.ndarray, function: Any = log_odds) -> np.ndarray:
    """HiResCAM from the definition: sum_k A_k dT/dA_k, with dT/dA_k by differences of the means of A."""
    features = network.features(images)
    slopes = slopes_by_differences(lambda means: function(network.of_means(means)), features.mean(axis=(1, 2)))
    slopes = slopes[np.arange(len(images)), classes]
    return np.einsum("nhwc,nc->nhw", features, slopes) / (features.shape[1] * features.shape[2])


def close(found: np.ndarray, expected: np.ndarray, share: float = 1e-5) -> bool:
    return bool(np.allclose(found, expected, rtol=0, atol=share * np.abs(expected).max()))


FORMS = {
    "global pooling, Gemm": Network(),
    "under a softmax": Network(final="Softmax"),
    "under its logarithm": Network(final="LogSoftmax"),
    "Gemm by rows, with a factor": Network(linear="Gemm rows"),
    "MatMul and Add": Network(pool="mean", linear="MatMul"),
    "a convolution as the linear layer": Network(linear="Conv"),
    "means by an input": Network(pool="mean 18", opset=18),
    "pooling of the full size": Network(pool="average"),
    "channels last": Network(last=True),
    "channels last throughout": Network(last="inside", pool="mean"),
    "normalised means": Network(norm="layer"),
    "normalised means, written out": Network(norm="written out", linear="MatMul", opset=13),
    "one channel": Network(channels=1),
    "open size": Network(size=("h", "w")),
    "open channels": Network(channels="c"),
    "open channels, last": Network(channels="c", last=True),
    "batches of one": Network(batch=1),
    "batches of two": Network(batch=2),
    "an old file": Network(ir_version=6, opset=11),
}


@pytest.mark.parametrize("form", FORMS)
def test_predictions_and_maps_are_those_of_numpy(form: str, tmp_path: Path) -> None:
    network = FORMS[form]
    asked = SIZE if network.size != SIZE else None
    images = photos(channels=network.channels if network.channels != "c" else 3)
    model = opened(network, tmp_path, image_size=asked)
    assert model.input_size == images.shape[1:]
    assert model.batch_size == (network.batch if network.batch != "n" else 32)
    logits = network.logits(network.features(images))
    said = model.predict(images)
    assert close(said.log_odds, log_odds(logits))
    assert said.valid.all()
    best = log_odds(logits).argmax(axis=1)
    assert np.array_equal(said.best, best)
    assert model.differentiable
    assert (model.grid, len(model.layers)) == (SIZE, 1)
    for start in range(0, 5, model.batch_size):
        part = slice(start, start + model.batch_size)
        made = model.explain(images[part], LABELS[part], hires)
        labelled = np.where(LABELS[part] < 0, best[part], LABELS[part])
        assert close(made.maps, maps_by_hand(network, images[part], best[part]))
        assert close(made.maps_label, maps_by_hand(network, images[part], labelled))
        assert np.array_equal(made.predictions.log_odds, said.log_odds[part])


def test_activations_are_the_tensor_before_the_pooling(tmp_path: Path) -> None:
    network, images = Network(), photos()
    seen = opened(network, tmp_path).activations(images, LABELS)
    assert close(seen.values, network.features(images))
    assert np.ptp(seen.gradients, axis=(1, 2)).max() == 0, "the same in every cell"
    assert seen.gradients.flags.writeable


@pytest.mark.parametrize("name", ["cam", "grad_cam", "grad_cam_plus_plus", "layer_cam", "xgrad_cam", "score_cam"])
def test_every_method_that_looks_inside_runs(name: str, tmp_path: Path) -> None:
    model = opened(Network(), tmp_path)
    maps = Explainer(model, name, lambda pixels: pixels).maps(photos(3), np.array([0, 1, 2]))
    assert maps.shape == (3, *SIZE)
    assert np.isfinite(maps).all()
    if name in ("grad_cam", "cam"):  # behind a global mean they are HiResCAM, but for a factor
        factor = {"grad_cam": 1, "cam": SIZE[0] * SIZE[1]}[name]
        assert close(maps, factor * maps_by_hand(Network(), photos(3), np.array([0, 1, 2])))


class TestHeads:
    """Gradients of every kind of head, by differences of what the head itself reads."""

    @pytest.mark.parametrize(
        ("kind", "outputs", "groups"),
        [
            ("softmax", 5, None),
            ("logits", 5, None),
            ("softmax", 5, ((0, 3), (1,), (2, 4))),
            ("logits", 6, ((0, 3), (1,), (2, 4, 5))),
            ("sigmoid", 4, None),
            ("sigmoid", 1, None),
            ("logits", 1, None),
            ("sigmoid", 1, ((1,), (0,), ())),
        ],
    )
    def test_slopes(self, kind: str, outputs: int, groups: Any) -> None:
        from scipy import special

        from bias_audit.models.head import Arrays, Head
        from bias_audit.models.linear_head import slopes

        class Exact(Arrays):
            """The head in double precision, so that differences tell."""

            @staticmethod
            def float32(values: Any) -> Any:
                return np.asarray(values, np.float64)

            @staticmethod
            def concatenate(parts: list[Any]) -> Any:
                return np.concatenate(parts, axis=1)

        head = Head(kind, outputs, groups)

        def read(logits: np.ndarray) -> np.ndarray:
            raw = {"softmax": lambda z: special.softmax(z, axis=1), "sigmoid": special.expit, "logits": lambda z: z}
            return head.read(raw[kind](logits), logits, Exact)[1]

        logits = np.random.default_rng(3).normal(size=(6, outputs)) * 3
        expected = slopes_by_differences(read, logits)
        for c in range(expected.shape[1]):
            assert np.allclose(slopes(head, logits, np.full(6, c)), expected[:, c], atol=1e-7)

    def test_by_hand(self) -> None:
        """z = (log 1, log 2, log 6): of class 0 the others share 2/8 and 6/8."""
        from bias_audit.models.head import Head
        from bias_audit.models.linear_head import slopes

        logits = np.log([[1.0, 2.0, 6.0]])
        assert np.allclose(slopes(Head("softmax", 3, None), logits, np.array([0])), [[1, -0.25, -0.75]])
        # Outputs 1 and 2 as one class: its logit is log(2 + 6), of which they have 2/8 and 6/8.
        grouped = Head("softmax", 3, ((1, 2), (0,), ()))
        assert np.allclose(slopes(grouped, logits, np.array([0])), [[-1, 0.25, 0.75]])
        left_over = Head("softmax", 3, ((0,), (1,), (2,)))
        assert np.allclose(slopes(left_over, logits, np.array([1])), [[-1 / 7, 1, -6 / 7]])

    def test_normalised_means(self) -> None:
        """Derivatives of a layer normalisation, by differences."""
        from bias_audit.models.linear_head import Norm

        rng = np.random.default_rng(2)
        norm, means = Norm(rng.normal(size=5), 0.1), rng.normal(size=(6, 5))
        assert np.allclose(norm.of(means) @ (1 / norm.gains), 0), "without gains they sum to 0"
        expected = slopes_by_differences(norm.of, means)
        for c in range(5):
            of_normed = np.tile(np.eye(5)[c], (6, 1))
            assert np.allclose(norm.back(means, of_normed), expected[:, c], atol=1e-7)

    def test_where_probabilities_are_exactly_one_gradients_are_not_zero(self) -> None:
        from bias_audit.models.head import Head
        from bias_audit.models.linear_head import slopes

        assert np.allclose(slopes(Head("softmax", 2, None), np.array([[500.0, 0.0]]), np.array([0])), [[1, -1]])

    @pytest.mark.parametrize("outputs", [1, 3])
    def test_sigmoids(self, outputs: int, tmp_path: Path) -> None:
        network, images = Network(final="Sigmoid", outputs=outputs), photos(3)
        model = opened(network, tmp_path)
        assert (model.head, model.outputs) == ("sigmoid", outputs)
        logits = network.logits(network.features(images))

        def function(z: np.ndarray) -> np.ndarray:
            return np.concatenate([-z, z], axis=1) if outputs == 1 else z

        assert close(model.predict(images).log_odds, function(logits))
        classes = np.array([0, 1, 1])
        made = model.explain(images, classes, hires)
        assert close(made.maps_label, maps_by_hand(network, images, classes, function))

    def test_a_class_map_sums_up(self, tmp_path: Path) -> None:
        network, images = Network(final="Softmax"), photos(3)
        model = opened(network, tmp_path, class_map=(("a", (0, 2)), ("b", (1,))))

        def function(z: np.ndarray) -> np.ndarray:
            p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
            both = np.stack([p[:, 0] + p[:, 2], p[:, 1]], axis=1)
            return np.log(both / (1 - both))

        assert close(model.predict(images).log_odds, function(network.logits(network.features(images))), 1e-4)
        made = model.explain(images, np.array([0, 1, 0]), hires)
        assert close(made.maps_label, maps_by_hand(network, images, np.array([0, 1, 0]), function), 1e-4)

    def test_log_odds_are_exact_where_probabilities_round_to_one(self, tmp_path: Path) -> None:
        network = Network(final="Softmax", weights={"b": np.array([200, 0, 0], np.float32)})
        said = opened(network, tmp_path).predict(photos(2))
        assert (said.probabilities[:, 0] == 1).all()
        logits = network.logits(network.features(photos(2)))
        expected = logits[:, 0] - np.log(np.exp(logits[:, 1]) + np.exp(logits[:, 2]))
        assert np.allclose(said.log_odds[:, 0], expected, rtol=1e-5)

    def test_means_without_a_linear_layer_are_logits(self, tmp_path: Path) -> None:
        network, images = Network(linear=""), photos(3)
        model = opened(network, tmp_path, head="logits")
        best = network.logits(network.features(images)).argmax(axis=1)
        assert close(model.explain(images, np.full(3, -1), hires).maps, maps_by_hand(network, images, best))


class TestPredictOnly:
    @pytest.mark.parametrize(
        ("network", "why"),
        [
            (Network(hidden=True), "Relu stands before its linear layer"),
            (Network(pool="max"), "GlobalMaxPool stands before its linear layer"),
            (Network(pool="max", norm="layer"), "LayerNormalization stands before its linear layer"),
            (Network(hidden=True, norm="layer"), "Relu stands before its linear layer"),
            (Network(pool="mean 18", opset=18, linear="Gemm", hidden=True), "Relu stands before"),
        ],
    )
    def test_other_heads_are_told(self, network: Network, why: str, tmp_path: Path) -> None:
        model = opened(network, tmp_path)
        assert not model.differentiable
        assert (model.layer, model.layers) == ("", ())
        assert any(why in note for note in model.notes), model.notes
        explainer = Explainer(model, "default", lambda pixels: pixels)
        assert explainer.name == "none"
        assert "--method occlusion or rise" in explainer.notes[0]
        assert Explainer(model, "occlusion", lambda pixels: pixels).maps(photos(1), np.array([0])).shape[0] == 1
        for call in (
            lambda: model.explain(photos(1), np.array([0]), hires),
            lambda: model.activations(photos(1), np.array([0])),
            lambda: model.at_layer("x"),
        ):
            with pytest.raises(ModelError, match="only predicts"):
                call()

    def test_a_linear_layer_that_gets_something_else_is_found_out_by_its_numbers(self, tmp_path: Path) -> None:
        """By their names the operations are pooling and a linear layer; a reshape between mixes two images."""
        doubled = files.model(
            files.graph(
                files.node("GlobalAveragePool", ("x",), ("p",)),
                files.node("Flatten", ("p",), ("f",)),
                files.node("Reshape", ("f", "swap"), ("r",)),
                files.node("MatMul", ("r", "w"), ("m",)),
                files.node("Reshape", ("m", "back"), ("y",)),
                given=files.value("x", (2, 3, 4, 4)),
                made=files.value("y", (2, 3)),
                tensors=[
                    files.array("swap", np.array([3, 2])),  # channels of two images are mixed
                    files.array("back", np.array([2, 3])),
                    files.array("w", np.array([[1, 2], [3, 5]], np.float32)),
                ],
            )
        )
        model = opened(doubled, tmp_path, head="logits")
        assert not model.differentiable
        assert "do not follow from the means" in " ".join(model.notes)

    def test_what_the_format_cannot_do_is_one_sentence(self, tmp_path: Path) -> None:
        model = opened(Network(), tmp_path)
        with pytest.raises(ModelError, match="no gradients with respect to the pixels"):
            model.input_gradients(photos(1), np.array([0]))
        with pytest.raises(ModelError, match="the last feature map alone"):
            model.at_layer("Conv_1")
        assert model.at_layer(model.layer) is model


class TestInput:
    def test_float16(self, tmp_path: Path) -> None:
        network, images = Network(kind="float16", final="Softmax"), photos(3)
        model = opened(network, tmp_path)
        assert model.head == "softmax"
        expected = log_odds(network.logits(network.features(images)))
        assert np.allclose(model.predict(images).log_odds, expected, atol=0.02 * np.abs(expected).max())
        assert model.differentiable
        made = model.explain(images, np.array([0, 1, 2]), hires)
        assert close(made.maps_label, maps_by_hand(network, images, np.array([0, 1, 2])), 0.02)

    def test_uint8_is_rounded_and_cut_off(self, tmp_path: Path) -> None:
        network, images = Network(kind="uint8"), photos(3) + 0.3
        images[0, 0, 0] = 300, -20, 7.4
        model = opened(network, tmp_path)
        whole = np.clip(np.rint(images), 0, 255)
        assert close(model.predict(images).log_odds, log_odds(network.logits(network.features(whole))))
        assert any("whole numbers" in note for note in model.notes)

    def test_an_open_size_is_assumed_and_said(self, tmp_path: Path) -> None:
        model = opened(Network(size=("h", "w")), tmp_path)
        assert model.input_size == (224, 224, 3)
        assert any("224x224 pixels" in note for note in model.notes)
        model = opened(Network(size=("h", "w")), tmp_path, image_size=(20, 30))
        assert (model.input_size, model.grid) == ((20, 30, 3), (20, 30))
        assert not any("224" in note for note in model.notes)

    @pytest.mark.parametrize(
        ("network", "settings", "said"),
        [
            (Network(), {"image_size": (20, 20)}, "takes 10x12 pixels, --image-size asks for 20x20"),
            (Network(batch=2), {"batch_size": 3}, "batches of exactly 2 images"),
        ],
    )
    def test_what_does_not_fit(self, network: Network, settings: Any, said: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=said):
            opened(network, tmp_path, **settings)

    def test_four_channels_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match="takes 4 channels"):
            opened(Network(channels=4, scaled=False), tmp_path)

    def test_where_nothing_tells_the_layout_it_is_asked_for(self, tmp_path: Path) -> None:
        flat = files.model(
            files.graph(
                files.node("Flatten", ("x",), ("f",)),
                files.node("Softmax", ("f",), ("y",)),
                given=files.value("x", ("n", 3, 2, 3)),
                made=files.value("y", ("n", 18)),
            )
        )
        with pytest.raises(ModelError, match="whether the channels come first or last"):
            opened(flat, tmp_path)

    def test_a_small_side_of_three_is_told_by_the_convolution(self, tmp_path: Path) -> None:
        model = opened(Network(size=(12, 3)), tmp_path)
        assert model.input_size == (12, 3, 3)
        assert opened(Network(size=(3, 12), last=True), tmp_path).input_size == (3, 12, 3)

    def test_the_preprocessing_inside_is_shown(self, tmp_path: Path) -> None:
        told = opened(Network(), tmp_path).inside
        assert told == ("/Sub_0: x - (120, 110, 100)", "/Div_1: x / (60, 58, 62)")
        assert (MEAN[0], STD[0]) == (120, 60)
        assert opened(Network(scaled=False), tmp_path).inside == ()
        seen = inspect(tmp_path / "net.onnx")
        assert seen["preprocess_hint"].startswith("unit, signed, caffe or imagenet")
        assert seen["parameters"] == 6 * 27 + 8 * 54 + 24 + 3


class TestOutputs:
    def further(self, name: str, axes: int) -> bytes:
        return files.field(12, files.value(name, [f"s{axis}" for axis in range(axes)]))

    def test_of_several_the_one_with_two_axes_counts(self, tmp_path: Path) -> None:
        network = Network(further=self.further("Relu_5", 4))
        assert opened(network, tmp_path).outputs == 3

    def test_two_of_them_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"2 outputs \(y of 2 axes, Flatten_7 of 2 axes\)"):
            opened(Network(further=self.further("Flatten_7", 2)), tmp_path)

    def test_one_of_them_is_chosen_by_name_or_place(self, tmp_path: Path) -> None:
        network = Network(further=self.further("Flatten_7", 2))
        for asked in ("y", "0"):
            assert opened(network, tmp_path, output=asked).outputs == 3
        for asked in ("Flatten_7", "1"):
            assert opened(network, tmp_path, output=asked).outputs == 8
        with pytest.raises(ConfigError, match="no output 'z'"):
            opened(network, tmp_path, output="z")

    def test_class_numbers_are_no_outputs(self, tmp_path: Path) -> None:
        whole = files.model(
            files.graph(
                files.node("GlobalMaxPool", ("x",), ("p",)),
                files.node("Flatten", ("p",), ("f",)),
                files.node("Cast", ("f",), ("y",), attributes=files.attribute("to", 7)),
                given=files.value("x", ("n", 3, 8, 8)),
                made=files.value("y", ("n", 3), 7),
            )
        )
        with pytest.raises(ModelError, match=r"gives tensor\(int64\)"):
            opened(whole, tmp_path)

    def test_maps_are_no_outputs(self, tmp_path: Path) -> None:
        (tmp_path / "net.onnx").write_bytes(files.colours())
        with pytest.raises(ModelError, match="no classifier of images"):
            load_model(tmp_path / "net.onnx", AuditConfig(), None)

    def test_nan_is_no_prediction(self, tmp_path: Path) -> None:
        images = photos(3)
        images[1, 2, 3] = np.nan
        model = opened(Network(), tmp_path)
        made = model.explain(images, np.array([0, 1, 2]), hires)
        assert made.predictions.valid.tolist() == [True, False, True]
        assert np.isfinite(made.maps[[0, 2]]).all()


def test_a_quantised_network_is_explained(tmp_path: Path) -> None:
    """Quantised and back around each operation: maps follow the rounded feature maps and weights."""
    network, images = Network(quantised=True, final="Softmax"), photos(4)
    model = opened(network, tmp_path)
    assert model.differentiable
    expected = log_odds(network.logits(network.features(images)))
    assert np.abs(model.predict(images).log_odds - expected).max() < 0.1 * np.abs(expected).max()
    made = model.explain(images, np.array([0, 1, 2, 0]), hires)
    by_hand = maps_by_hand(network, images, np.array([0, 1, 2, 0]))
    assert np.abs(made.maps_label - by_hand).max() < 0.1 * np.abs(by_hand).max()


def test_random_numbers_are_told(tmp_path: Path) -> None:
    noisy = files.model(
        files.graph(
            files.node("RandomNormalLike", ("x",), ("r",)),
            files.node("Add", ("x", "r"), ("s",)),
            files.node("GlobalAveragePool", ("s",), ("p",)),
            files.node("Flatten", ("p",), ("f",)),
            files.node("Softmax", ("f",), ("y",)),
            given=files.value("x", ("n", 3, 8, 8)),
            made=files.value("y", ("n", 3)),
        )
    )
    assert any("draws random numbers" in note for note in opened(noisy, tmp_path).notes)


def test_names_out_of_a_file_are_harmless(tmp_path: Path) -> None:
    content = Network().onnx().replace(b"Relu_5", b"a,\x1b[1m")
    model = opened(content, tmp_path)
    assert model.differentiable
    assert model.layer == "a_\\x1b[1m"


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (Network(opset=99), "written in opset 99"),
        (Network(ir_version=99), "does not know in full"),
    ],
)
def test_a_newer_file_is_told(network: Network, said: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        opened(network, tmp_path)
    assert "pip install --upgrade onnxruntime" in caught.value.hint


def test_the_threads_are_those_that_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from bias_audit.models.onnx.session import threads

    for text, expected in (("3", 3), ("4,2", 4)):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert threads() == expected
    for text in ("", "0", "many", "-2", "9" * 30):
        monkeypatch.setenv("OMP_NUM_THREADS", text)
        assert threads() >= 1
