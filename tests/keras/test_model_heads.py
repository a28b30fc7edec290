"""What the outputs of a model mean: probabilities and log-odds of every head, against NumPy in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from networks import BATCH, SIZE, layers, make_images, make_model

from bias_audit.errors import ConfigError, ModelError
from bias_audit.models.base import NO_CLASS, Predictions, joined, part_of
from bias_audit.models.head import Arrays, Head
from bias_audit.models.tensorflow.traced import Tensors


def _reference_odds(logits: np.ndarray) -> np.ndarray:
    """z_c - log sum over the others of exp z_j, one by one in float64."""
    logits = logits.astype(np.float64)
    odds = np.empty_like(logits)
    for c in range(logits.shape[1]):
        odds[:, c] = logits[:, c] - np.logaddexp.reduce(np.delete(logits, c, axis=1), axis=1)
    return odds


def _reference_probabilities(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    return np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))


def _readout(classes: int, head: list[Any]) -> Any:
    """A network whose K logits are the K channel means of its input, so that a test chooses them."""
    inputs = keras.Input((2, 2, classes if classes in (1, 3) else 3))
    channels = inputs.shape[-1]
    convolution = layers.Conv2D(channels, 1, use_bias=False, name="same")
    x = convolution(inputs)
    convolution.kernel.assign(np.eye(channels)[None, None])
    x = layers.GlobalAveragePooling2D()(x)
    for layer in head:
        x = layer(x)
    return keras.Model(inputs, x)


def _constant(logits: np.ndarray) -> np.ndarray:
    """(n, K) -> (n, 2, 2, K) pictures of one colour each."""
    return np.broadcast_to(logits[:, None, None, :], (len(logits), 2, 2, logits.shape[1])).astype(np.float32)


LOGITS = np.array(
    [[1, 2, 3], [60, -60, 0], [-60, 60, 60], [0, 0, 0], [30, 29.5, -10], [-3, -100, -7], [100, -100, 99.9]], np.float32
)


class TestLogOdds:
    @pytest.mark.parametrize(
        "head",
        [
            [lambda: layers.Activation("softmax")],
            [lambda: layers.Softmax()],
            [lambda: layers.Dense(3, activation="softmax", kernel_initializer="identity")],
            [],
            [lambda: layers.Activation("linear")],
            [lambda: layers.Activation("softmax"), lambda: layers.Activation("linear", dtype="float32")],
        ],
        ids=["activation", "softmax layer", "dense", "logits", "linear", "softmax, linear"],
    )
    def test_three_classes_against_float64(self, head: list[Callable[[], Any]]) -> None:
        model = make_model(_readout(3, [make() for make in head]), 3, batch_size=8)
        predictions = model.predict(_constant(LOGITS))
        np.testing.assert_allclose(predictions.log_odds, _reference_odds(LOGITS), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(predictions.probabilities, _reference_probabilities(LOGITS), rtol=1e-5, atol=1e-7)
        assert not predictions.other.any()

    def test_one_sigmoid_unit_is_two_classes(self) -> None:
        unit = layers.Dense(1, activation="sigmoid", use_bias=False)
        network = _readout(3, [unit])
        unit.kernel.assign([[1], [-1], [0]])
        model = make_model(network, 2, batch_size=8)
        assert model.head == "sigmoid"
        predictions = model.predict(_constant(LOGITS))
        s = (LOGITS[:, 0] - LOGITS[:, 1]).astype(np.float64)  # up to 200: far beyond where the sigmoid rounds to 1
        np.testing.assert_allclose(predictions.log_odds, np.stack([-s, s], axis=1), rtol=1e-6)
        np.testing.assert_allclose(predictions.probabilities[:, 1], 1 / (1 + np.exp(-s)), rtol=1e-5, atol=1e-30)

    @pytest.mark.parametrize("last", ["sigmoid", "linear"])
    def test_one_unit_with_its_activation_apart(self, last: str) -> None:
        """`Activation("linear", dtype="float32")` after a sigmoid is how mixed precision models end."""
        unit = layers.Dense(1, use_bias=False, activation="sigmoid" if last == "linear" else None)
        network = _readout(3, [unit, layers.Activation(last, dtype="float32")])
        unit.kernel.assign([[1], [-1], [0]])
        model = make_model(network, 2)
        logits = np.array([[2, 1, 0], [-3, 1, 0]], np.float32)
        assert model.head == "sigmoid"
        np.testing.assert_allclose(model.predict(_constant(logits)).log_odds, [[-1, 1], [4, -4]], rtol=1e-4)

    def test_one_raw_logit_is_two_classes(self) -> None:
        unit = layers.Dense(1, use_bias=False)
        network = _readout(3, [unit])
        unit.kernel.assign([[1], [-1], [0]])
        model = make_model(network, 2)
        assert model.head == "logits"
        predictions = model.predict(_constant(np.array([[2, 1, 0], [-3, 1, 0]], np.float32)))
        np.testing.assert_allclose(predictions.log_odds, [[-1, 1], [4, -4]], rtol=1e-6)
        p = 1 / (1 + np.exp([-1, 4]))
        np.testing.assert_allclose(predictions.probabilities[:, 1], p, rtol=1e-5)

    @pytest.mark.parametrize("units", [1, 3])
    def test_a_sigmoid_that_is_no_layer(self, units: int) -> None:
        """An operation after a linear layer: the output is a probability, though the last layer says linear."""
        inputs = keras.Input((2, 2, 3))
        dense = layers.Dense(units, use_bias=False)
        z = dense(layers.GlobalAveragePooling2D()(layers.Conv2D(3, 1, use_bias=False)(inputs)))
        model = make_model(keras.Model(inputs, keras.ops.sigmoid(z)), max(units, 2))
        assert model.head == "sigmoid"

    def test_small_logits_are_no_probabilities(self) -> None:
        """All outputs lie in 0..1 on any input, but nothing bounds them: they come straight from a linear layer."""
        for head in ([], [layers.Activation("linear", dtype="float32")]):
            dense = layers.Dense(1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(0.3))
            assert make_model(_readout(3, [dense, *head]), 2).head == "logits"

    def test_independent_labels(self) -> None:
        model = make_model(_readout(3, [layers.Activation("sigmoid")]), 3)
        assert model.head == "sigmoid"
        predictions = model.predict(_constant(LOGITS[:2]))
        np.testing.assert_allclose(predictions.log_odds, LOGITS[:2], rtol=1e-6)
        p = 1 / (1 + np.exp(-LOGITS[:2].astype(np.float64)))
        np.testing.assert_allclose(predictions.probabilities, p, rtol=1e-5)

    def test_two_softmax_units_agree_with_one_sigmoid(self) -> None:
        keras.utils.set_random_seed(2)
        base = [layers.Conv2D(4, 3, strides=2, activation="relu"), layers.Flatten()]
        inputs = keras.Input(SIZE)
        x = base[1](base[0](inputs))
        one, two = layers.Dense(1, activation="sigmoid"), layers.Dense(2, activation="softmax")
        single, double = keras.Model(inputs, one(x)), keras.Model(inputs, two(x))
        one.kernel.assign(two.kernel[:, 1:] - two.kernel[:, :1])
        first, second = (
            make_model(model, 2).activations(make_images(), np.zeros(BATCH, int)) for model in (single, double)
        )
        np.testing.assert_allclose(first.predictions.log_odds, second.predictions.log_odds, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(first.predictions.probabilities, second.predictions.probabilities, rtol=1e-5)
        for name in ("values", "gradients", "gradients_label"):
            np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-4, atol=1e-6)

    def test_a_saturated_softmax_still_has_a_gradient(self) -> None:
        model = make_model(_readout(3, [layers.Activation("softmax")]), 3)
        active = model.activations(_constant(np.array([[60, -60, -60]], np.float32)), np.array([0]))
        assert active.predictions.probabilities[0, 0] == 1
        # d log-odds / d z = (1, -1/2, -1/2), a quarter of it in each of the 2 x 2 cells
        np.testing.assert_allclose(active.gradients[0], np.broadcast_to([0.25, -0.125, -0.125], (2, 2, 3)), rtol=1e-5)

    @pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
    def test_probabilities_of_exactly_0_and_1_have_finite_log_odds(self, kind: str) -> None:
        """Of a model whose logits are not known, the surest predictions would count as invalid."""
        read = Head(kind, 3, None).read(tf.constant([[0.0, 0.0, 1.0]]), None, Tensors)
        assert all(np.isfinite(np.asarray(part)).all() for part in read if part is not None)


class TestClassMap:
    GROUPS = (("cat", (0, 3)), ("dog", (4,)))

    def _model(self, head: str | None) -> tuple[Any, np.ndarray]:
        keras.utils.set_random_seed(6)
        inputs = keras.Input(SIZE)
        x = layers.Flatten()(layers.Conv2D(3, 3, strides=3)(inputs))
        logits = layers.Dense(6, kernel_initializer=keras.initializers.RandomNormal(stddev=0.7))(x)
        linear = keras.Model(inputs, logits).predict(make_images(), verbose=0)
        return keras.Model(inputs, layers.Activation(head)(logits) if head else logits), linear

    @pytest.mark.parametrize("head", ["softmax", None])
    def test_sums_of_probabilities_and_log_sums_of_logits(self, head: str | None) -> None:
        network, logits = self._model(head)
        p = _reference_probabilities(logits)
        predictions = make_model(network, ("cat", "dog"), class_map=self.GROUPS).predict(make_images())
        cat, dog = p[:, [0, 3]].sum(axis=1), p[:, 4]
        np.testing.assert_allclose(predictions.probabilities, np.stack([cat, dog], axis=1), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(predictions.other, 1 - cat - dog, rtol=1e-5, atol=1e-6)
        grouped = np.stack(
            [np.logaddexp.reduce(logits[:, group].astype(np.float64), axis=1) for group in ([0, 3], [4], [1, 2, 5])],
            axis=1,
        )
        np.testing.assert_allclose(predictions.log_odds, _reference_odds(grouped)[:, :2], rtol=1e-4, atol=1e-5)
        expected = np.where(np.maximum(cat, dog) > p[:, [1, 2, 5]].max(axis=1), np.where(cat > dog, 0, 1), 2)
        assert predictions.predicted.tolist() == expected.tolist()
        assert set(expected) == {0, 2}

    def test_a_map_of_all_outputs_leaves_no_other(self) -> None:
        network, logits = self._model("softmax")
        groups = (("a", (5, 0)), ("b", (1, 2, 3, 4)))
        predictions = make_model(network, ("a", "b"), class_map=groups).predict(make_images())
        assert not predictions.other.any()
        np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-5)
        p = _reference_probabilities(logits)[:, [5, 0]].sum(axis=1)
        np.testing.assert_allclose(predictions.log_odds[:, 0], np.log(p) - np.log1p(-p), rtol=1e-3, atol=1e-4)

    def test_it_turns_the_classes_of_one_unit(self) -> None:
        unit = layers.Dense(1, activation="sigmoid")
        network = _readout(3, [unit])
        unit.kernel.assign([[1], [0], [0]])
        turned = make_model(network, ("on", "off"), class_map=(("on", (1,)), ("off", (0,))))
        predictions = turned.predict(_constant(np.array([[3, 0, 0]], np.float32)))
        np.testing.assert_allclose(predictions.log_odds, [[3, -3]], rtol=1e-5)
        assert predictions.predicted.tolist() == [0]

    @pytest.mark.parametrize("units", [2, 3])
    def test_independent_labels_have_none(self, units: int) -> None:
        network = _readout(3, [layers.Dense(units, activation="sigmoid")])
        with pytest.raises(ModelError, match="class map needs a softmax head"):
            make_model(network, ("a", "b"), class_map=(("a", (1,)), ("b", (0,))))

    def test_an_output_that_does_not_exist(self) -> None:
        with pytest.raises(ConfigError, match=r"output 7, the model has outputs 0\.\.5"):
            make_model(self._model("softmax")[0], ("a", "b"), class_map=(("a", (1,)), ("b", (7,))))


class TestNoneOfThese:
    """Three classes a = output 0, b = 1, c = 2 and 5, of a network with two outputs more: 3 and 4."""

    GROUPS = ((0,), (1,), (2, 5), (3, 4))
    OUTPUTS = np.array(
        [
            # 0    1     2     3     4     5
            [0.35, 0.05, 0.05, 0.30, 0.20, 0.05],  # a exceeds each single output outside, not both together
            [0.25, 0.25, 0.10, 0.25, 0.05, 0.10],  # as probable as the best class: it does not exceed
            [0.20, 0.05, 0.10, 0.35, 0.15, 0.15],  # 3 alone is above all
            [0.05, 0.05, 0.25, 0.35, 0.05, 0.25],  # above each output of c, below their sum
            [1e-9, 1e-9, 1e-9, 1e-9, 1.00, 1e-9],
        ],
        np.float32,
    )
    ANSWERS = (0, 3, 3, 2, 3)

    @pytest.mark.parametrize("kind", ["softmax", "logits"])
    def test_the_best_class_must_exceed_every_single_output_outside(self, kind: str) -> None:
        raw = self.OUTPUTS if kind == "softmax" else np.log(np.maximum(self.OUTPUTS, 1e-30))
        read = Head(kind, 6, self.GROUPS).read(tf.constant(raw), None, Tensors)
        said = Predictions(*(np.asarray(output) for output in read))
        if kind == "logits":  # of two equal logits of different sums either may win by rounding
            said = part_of(said, np.array([0, 2, 3, 4]))
        answers = self.ANSWERS if kind == "softmax" else (0, 3, 2, 3)
        assert said.predicted.tolist() == list(answers)
        every = np.concatenate([said.probabilities, said.other[:, None]], axis=1)
        np.testing.assert_array_equal(said.probability, every[np.arange(len(every)), answers])
        assert joined([said, said]).predicted.tolist() == 2 * list(answers)
        assert part_of(said, np.array([1])).predicted.tolist() == [3]

    @pytest.mark.parametrize("kind", ["softmax", "sigmoid", "logits"])
    @pytest.mark.parametrize("groups", [None, GROUPS, ((0, 3), (1, 4), (2, 5), ())])
    def test_arrays_are_read_as_tensors_are(self, kind: str, groups: tuple[tuple[int, ...], ...] | None) -> None:
        raw = self.OUTPUTS if kind != "logits" else np.log(np.maximum(self.OUTPUTS, 1e-30))
        for outputs, columns in ((raw, groups), (raw[:, :1], None)):
            head = Head(kind, outputs.shape[1], columns)
            on_arrays, on_tensors = head.read(outputs, None, Arrays), head.read(tf.constant(outputs), None, Tensors)
            assert len(on_arrays) == len(on_tensors)
            for one, two in zip(on_arrays, on_tensors, strict=True):
                assert one.dtype == two.numpy().dtype
                np.testing.assert_allclose(one, two.numpy(), rtol=2e-6, atol=1e-6)

    def test_nothing_is_outside_a_map_of_all_outputs_or_none(self) -> None:
        for groups in (None, ((0, 3), (1, 4), (2, 5), ())):
            assert len(Head("softmax", 6, groups).read(tf.constant(self.OUTPUTS), None, Tensors)) == 3

    def test_one_sigmoid_unit_of_which_one_side_is_a_class(self) -> None:
        raw = np.array([[0.6], [0.5], [0.4]], np.float32)
        read = Head("sigmoid", 1, ((1,), (0,))).read(tf.constant(raw), None, Tensors)
        said = Predictions(*(np.asarray(output) for output in read))
        assert said.predicted.tolist() == [0, 1, 1]

    def test_outputs_that_are_not_finite_are_no_prediction_either(self) -> None:
        raw = self.OUTPUTS.copy()
        raw[2] = np.nan
        read = Head("softmax", 6, self.GROUPS).read(tf.constant(raw), None, Tensors)
        assert Predictions(*(np.asarray(output) for output in read)).predicted.tolist() == [0, 3, NO_CLASS, 2, 3]

    def test_the_map_is_that_of_the_most_probable_class(self) -> None:
        keras.utils.set_random_seed(8)
        inputs = keras.Input(SIZE)
        x = layers.Flatten()(layers.Conv2D(3, 3, strides=3, activation="relu")(inputs))
        bias = keras.initializers.Constant([0, 0, 0, 0, 0, 9])
        network = keras.Model(inputs, layers.Dense(6, activation="softmax", bias_initializer=bias)(x))
        model = make_model(network, ("a", "b"), class_map=(("a", (0, 3)), ("b", (4,))))
        best = model.predict(make_images()).best
        assert model.predict(make_images()).predicted.tolist() == [2] * BATCH
        alone = model.activations(make_images(), np.full(BATCH, -1))
        labelled = model.activations(make_images(), best)
        assert alone.predictions.predicted.tolist() == [2] * BATCH
        np.testing.assert_array_equal(alone.gradients, labelled.gradients_label)
        np.testing.assert_array_equal(
            model.input_gradients(make_images(), np.full(BATCH, -1)), model.input_gradients(make_images(), best)
        )
