"""KerasModel: probabilities, log-odds and gradients of every kind of head and nesting; the model is left as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from bias_audit.config import AuditConfig
from bias_audit.errors import BiasAuditError, ConfigError, ModelError
from bias_audit.models.base import load_model
from bias_audit.models.keras_model import KerasModel

SIZE = (12, 16, 3)
BATCH = 5
layers = keras.layers


def _classes(n: int) -> tuple[str, ...]:
    return tuple(f"class {i}" for i in range(n))


def _explained(model: Any, classes: int | tuple[str, ...], **config: Any) -> KerasModel:
    names = _classes(classes) if isinstance(classes, int) else classes
    return KerasModel(model, AuditConfig(**{"batch_size": BATCH, **config}), names)


def _images(n: int = BATCH, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (n, *SIZE)).astype(np.float32)


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
        model = _explained(_readout(3, [make() for make in head]), 3, batch_size=8)
        predictions = model.predict(_constant(LOGITS))
        np.testing.assert_allclose(predictions.log_odds, _reference_odds(LOGITS), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(predictions.probabilities, _reference_probabilities(LOGITS), rtol=1e-5, atol=1e-7)
        assert not predictions.other.any()

    def test_one_sigmoid_unit_is_two_classes(self) -> None:
        unit = layers.Dense(1, activation="sigmoid", use_bias=False)
        network = _readout(3, [unit])
        unit.kernel.assign([[1], [-1], [0]])
        model = _explained(network, 2, batch_size=8)
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
        model = _explained(network, 2)
        logits = np.array([[2, 1, 0], [-3, 1, 0]], np.float32)
        assert model.head == "sigmoid"
        np.testing.assert_allclose(model.predict(_constant(logits)).log_odds, [[-1, 1], [4, -4]], rtol=1e-4)

    def test_one_raw_logit_is_two_classes(self) -> None:
        unit = layers.Dense(1, use_bias=False)
        network = _readout(3, [unit])
        unit.kernel.assign([[1], [-1], [0]])
        model = _explained(network, 2)
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
        model = _explained(keras.Model(inputs, keras.ops.sigmoid(z)), max(units, 2))
        assert model.head == "sigmoid"

    def test_small_logits_are_no_probabilities(self) -> None:
        """All outputs lie in 0..1 on any input, but nothing bounds them: they come straight from a linear layer."""
        for head in ([], [layers.Activation("linear", dtype="float32")]):
            dense = layers.Dense(1, kernel_initializer="zeros", bias_initializer=keras.initializers.Constant(0.3))
            assert _explained(_readout(3, [dense, *head]), 2).head == "logits"

    def test_independent_labels(self) -> None:
        model = _explained(_readout(3, [layers.Activation("sigmoid")]), 3)
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
            _explained(model, 2).activations(_images(), np.zeros(BATCH, int)) for model in (single, double)
        )
        np.testing.assert_allclose(first.predictions.log_odds, second.predictions.log_odds, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(first.predictions.probabilities, second.predictions.probabilities, rtol=1e-5)
        for name in ("values", "gradients", "gradients_label"):
            np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-4, atol=1e-6)

    def test_a_saturated_softmax_still_has_a_gradient(self) -> None:
        model = _explained(_readout(3, [layers.Activation("softmax")]), 3)
        active = model.activations(_constant(np.array([[60, -60, -60]], np.float32)), np.array([0]))
        assert active.predictions.probabilities[0, 0] == 1
        # d log-odds / d z = (1, -1/2, -1/2), a quarter of it in each of the 2 x 2 cells
        np.testing.assert_allclose(active.gradients[0], np.broadcast_to([0.25, -0.125, -0.125], (2, 2, 3)), rtol=1e-5)


class TestClassMap:
    GROUPS = (("cat", (0, 3)), ("dog", (4,)))

    def _model(self, head: str | None) -> tuple[Any, np.ndarray]:
        keras.utils.set_random_seed(6)
        inputs = keras.Input(SIZE)
        x = layers.Flatten()(layers.Conv2D(3, 3, strides=3)(inputs))
        logits = layers.Dense(6, kernel_initializer=keras.initializers.RandomNormal(stddev=0.7))(x)
        linear = keras.Model(inputs, logits).predict(_images(), verbose=0)
        return keras.Model(inputs, layers.Activation(head)(logits) if head else logits), linear

    @pytest.mark.parametrize("head", ["softmax", None])
    def test_sums_of_probabilities_and_log_sums_of_logits(self, head: str | None) -> None:
        network, logits = self._model(head)
        p = _reference_probabilities(logits)
        predictions = _explained(network, ("cat", "dog"), class_map=self.GROUPS).predict(_images())
        cat, dog = p[:, [0, 3]].sum(axis=1), p[:, 4]
        np.testing.assert_allclose(predictions.probabilities, np.stack([cat, dog], axis=1), rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(predictions.other, 1 - cat - dog, rtol=1e-5, atol=1e-6)
        grouped = np.stack(
            [np.logaddexp.reduce(logits[:, group].astype(np.float64), axis=1) for group in ([0, 3], [4], [1, 2, 5])],
            axis=1,
        )
        np.testing.assert_allclose(predictions.log_odds, _reference_odds(grouped)[:, :2], rtol=1e-4, atol=1e-5)
        assert (predictions.predicted == np.where(cat > dog, 0, 1)).all()

    def test_a_map_of_all_outputs_leaves_no_other(self) -> None:
        network, logits = self._model("softmax")
        groups = (("a", (5, 0)), ("b", (1, 2, 3, 4)))
        predictions = _explained(network, ("a", "b"), class_map=groups).predict(_images())
        assert not predictions.other.any()
        np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, rtol=1e-5)
        p = _reference_probabilities(logits)[:, [5, 0]].sum(axis=1)
        np.testing.assert_allclose(predictions.log_odds[:, 0], np.log(p) - np.log1p(-p), rtol=1e-3, atol=1e-4)

    def test_it_turns_the_classes_of_one_unit(self) -> None:
        unit = layers.Dense(1, activation="sigmoid")
        network = _readout(3, [unit])
        unit.kernel.assign([[1], [0], [0]])
        turned = _explained(network, ("on", "off"), class_map=(("on", (1,)), ("off", (0,))))
        predictions = turned.predict(_constant(np.array([[3, 0, 0]], np.float32)))
        np.testing.assert_allclose(predictions.log_odds, [[3, -3]], rtol=1e-5)
        assert predictions.predicted.tolist() == [0]

    @pytest.mark.parametrize("units", [2, 3])
    def test_independent_labels_have_none(self, units: int) -> None:
        network = _readout(3, [layers.Dense(units, activation="sigmoid")])
        with pytest.raises(ModelError, match="class map needs a softmax head"):
            _explained(network, ("a", "b"), class_map=(("a", (1,)), ("b", (0,))))

    def test_an_output_that_does_not_exist(self) -> None:
        with pytest.raises(ConfigError, match=r"output 7, the model has outputs 0\.\.5"):
            _explained(self._model("softmax")[0], ("a", "b"), class_map=(("a", (1,)), ("b", (7,))))


# -- every way to build a model -----------------------------------------------------------------


def _backbone(name: str = "backbone") -> Any:
    inputs = keras.Input(SIZE)
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="relu", name="first")(inputs)
    x = layers.Conv2D(5, 3, padding="same", activation="relu", name="second")(x)
    return keras.Model(inputs, x, name=name)


def _sequential() -> Any:
    return keras.Sequential(
        [
            keras.Input(SIZE),
            layers.Conv2D(5, 3, strides=2, padding="same", activation="relu", name="second"),
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax"),
        ]
    )


def _functional() -> Any:
    inputs = keras.Input(SIZE)
    first = layers.Conv2D(5, 3, strides=2, padding="same", name="first")(inputs)
    x = layers.Add(name="joined")([first, layers.Conv2D(5, 1, activation="relu", name="side")(first)])
    x = layers.BatchNormalization(name="normed")(x)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def _nested() -> Any:
    inputs = keras.Input(SIZE)
    x = layers.Flatten()(_backbone()(layers.Rescaling(2.0)(inputs)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


def _nested_twice() -> Any:
    inner_input, inputs = keras.Input(SIZE), keras.Input(SIZE)
    wrapped = keras.Model(inner_input, layers.Dropout(0.3)(_backbone()(inner_input)), name="wrapped")
    x = layers.GlobalAveragePooling2D()(wrapped(inputs))
    head = keras.Sequential([keras.Input((5,)), layers.Dense(4, activation="relu"), layers.Dense(3, "softmax")])
    return keras.Model(inputs, head(x))


def _shared() -> Any:
    inputs = keras.Input(SIZE)
    again = layers.Conv2D(3, 3, padding="same", activation="relu", name="again")
    x = layers.Flatten()(again(again(inputs)))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


class Subclassed(keras.Model):
    """A model whose graph Keras does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [layers.Conv2D(4, 3, strides=2, activation="relu"), layers.Conv2D(5, 3, activation="relu")]
        self.pool = layers.GlobalAveragePooling2D()
        self.out = layers.Dense(3)

    def call(self, x: Any, training: bool = False) -> Any:
        for block in self.blocks:
            x = block(x)
        return tf.nn.softmax(self.out(self.pool(x)))


def _subclassed() -> Any:
    model = Subclassed()
    model(_images(1))
    return model


def _any_size() -> Any:
    inputs = keras.Input((None, None, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(5, 3, strides=2, activation="relu", name="second")(inputs))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(x))


BUILDS: dict[str, tuple[Callable[[], Any], str | None, tuple[int, int]]] = {
    "sequential": (_sequential, "second", (6, 8)),
    "functional": (_functional, "normed", (6, 8)),
    "nested": (_nested, "backbone/second", (6, 8)),
    "nested twice": (_nested_twice, None, (6, 8)),
    "shared layer": (_shared, "again", (12, 16)),
    "subclassed": (_subclassed, None, (3, 5)),
    "any size": (_any_size, "second", (5, 7)),
}


@pytest.fixture(scope="module", params=BUILDS)
def built(request: pytest.FixtureRequest) -> tuple[str, Any, KerasModel, np.ndarray]:
    """Name, Keras model, its KerasModel, and what `model.predict` said before it was touched."""
    keras.utils.set_random_seed(9)
    model = BUILDS[request.param][0]()
    before = model.predict(_images(), verbose=0)
    return request.param, model, _explained(model, 3, image_size=SIZE[:2]), before


class TestEveryBuild:
    def test_probabilities_are_those_of_predict(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        _, _, explained, before = built
        assert explained.head == "softmax"
        assert explained.input_size == SIZE
        np.testing.assert_allclose(explained.predict(_images()).probabilities, before, rtol=1e-5, atol=1e-7)
        active = explained.activations(_images(), np.zeros(BATCH, int))
        np.testing.assert_allclose(active.predictions.probabilities, before, rtol=1e-5, atol=1e-7)

    def test_log_odds_follow_from_the_probabilities(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        _, _, explained, before = built
        p = before.astype(np.float64)
        np.testing.assert_allclose(explained.predict(_images()).log_odds, np.log(p / (1 - p)), rtol=1e-3, atol=1e-4)

    def test_the_layer_is_the_last_with_a_grid(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        name, _, explained, _ = built
        _, path, grid = BUILDS[name]
        assert explained.grid == grid
        assert path in (None, explained.layer)
        assert explained.activations(_images(), np.zeros(BATCH, int)).values.shape[:3] == (BATCH, *grid)

    def test_the_model_is_left_as_it_was(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        _, model, explained, before = built
        explained.activations(_images(), np.zeros(BATCH, int))
        assert np.array_equal(model.predict(_images(), verbose=0), before)
        for layer in (model, *model._flatten_layers()):
            assert "call" not in layer.__dict__

    def test_the_number_of_images_does_not_matter(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        _, _, explained, _ = built
        images, labels = _images(), np.array([0, 1, 2, 0, 1])
        whole = explained.activations(images, labels)
        for n in range(1, BATCH):
            part = explained.activations(images[:n], labels[:n])
            assert len(explained.predict(images[:n]).log_odds) == n
            for name in ("values", "gradients", "gradients_label"):
                np.testing.assert_allclose(getattr(part, name), getattr(whole, name)[:n], rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(part.predictions.log_odds, whole.predictions.log_odds[:n], rtol=1e-6)

    def test_gradients_point_where_the_log_odds_go(self, built: tuple[str, Any, KerasModel, np.ndarray]) -> None:
        """No map is blank, and maps of a misclassified image's two classes differ."""
        _, _, explained, _ = built
        predicted = explained.predict(_images()).predicted
        active = explained.activations(_images(), predicted)
        assert np.array_equal(active.gradients, active.gradients_label)
        assert (np.abs(active.gradients).max(axis=(1, 2, 3)) > 0).all()
        other = explained.activations(_images(), (predicted + 1) % 3)
        np.testing.assert_allclose(other.gradients, active.gradients, rtol=1e-6, atol=1e-9)
        assert (np.abs(other.gradients_label - active.gradients).max(axis=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize(
    ("name", "where"),
    [("sequential", "second"), ("functional", "joined"), ("functional", "side"), ("nested", "backbone/first")],
)
def test_gradients_against_a_model_split_in_two(name: str, where: str) -> None:
    """The textbook way, where the graph allows it: head(features) with the features watched, target in float64."""
    keras.utils.set_random_seed(10)
    model = BUILDS[name][0]()
    explained = _explained(model, 3, layer=where)
    assert explained.layer == where
    images = _images(seed=4)
    predicted = explained.predict(images).predicted
    labels = np.where(np.arange(BATCH) % 2, predicted, (predicted + 1) % 3)  # every second image is misclassified
    active = explained.activations(images, labels)

    owner = model.get_layer("backbone") if name == "nested" else model
    scaled = images * 2 if name == "nested" else images
    layer = owner.get_layer(where.rpartition("/")[2])
    features = keras.Model(owner.inputs[0], layer.output)(scaled)
    rest = keras.Model(layer.output, owner.outputs[0]) if name != "functional" or where != "side" else None
    if rest is None:  # the side branch joins the first convolution: feed that as well
        rest = keras.Model([layer.output, owner.get_layer("first").output], owner.outputs[0])
        beside = keras.Model(owner.inputs[0], owner.get_layer("first").output)(scaled)
    for asked, gradients in ((predicted, active.gradients), (labels, active.gradients_label)):
        with tf.GradientTape() as tape:
            tape.watch(features)
            output = rest([features, beside]) if where == "side" else rest(features)
            if name == "nested":
                output = model.layers[-1](model.layers[-2](output))
            log_p = tf.math.log(tf.cast(output, tf.float64))
            target = 0.0
            for i, c in enumerate(asked):
                others = [j for j in range(3) if j != c]
                target += log_p[i, c] - tf.reduce_logsumexp(tf.gather(log_p[i], others))
        expected = tape.gradient(target, features).numpy()
        np.testing.assert_allclose(gradients, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(active.values, features.numpy(), rtol=1e-5, atol=1e-6)


def test_a_shared_layer_is_explained_where_it_runs_last() -> None:
    keras.utils.set_random_seed(11)
    model = _shared()
    again, dense = model.get_layer("again"), model.layers[-1]
    explained = _explained(model, 3)
    active = explained.activations(_images(), explained.predict(_images()).predicted)
    np.testing.assert_allclose(active.values, again(again(_images())).numpy(), rtol=1e-5, atol=1e-6)
    # One dense layer behind it: the gradient is the kernel under the log-odds weights, whatever ran before.
    kernel = dense.kernel.numpy().astype(np.float64)
    p = model.predict(_images(), verbose=0).astype(np.float64)
    for i, c in enumerate(active.predictions.predicted):
        q = np.where(np.arange(3) == c, 0, p[i]) / (1 - p[i, c])
        expected = (kernel[:, c] - kernel @ q).reshape(active.values.shape[1:])
        np.testing.assert_allclose(active.gradients[i], expected, rtol=1e-3, atol=1e-5)


# -- what is refused --------------------------------------------------------------------------


def _refused(model: Any, classes: int, kind: type[BiasAuditError], *says: str, **config: Any) -> None:
    with pytest.raises(kind) as caught:
        _explained(model, classes, **config)
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
        first = keras.Input((3, 8, 8))
        _refused(keras.Model(first, layers.Dense(2)(layers.Flatten()(first))), 2, ModelError, "channels first")

    def test_image_size(self) -> None:
        _refused(_any_size(), 3, ConfigError, "any image size", "--image-size")
        _refused(_sequential(), 3, ConfigError, "12x16", "32x32", image_size=(32, 32))

    def test_layers(self) -> None:
        keras.utils.set_random_seed(1)
        _refused(_nested(), 3, ModelError, "'nope' does not exist", "backbone/second (6x8)", layer="nope")
        _refused(_sequential(), 3, ModelError, "'flat' has no spatial grid", "second (6x8)", layer="flat")
        twins_input = keras.Input(SIZE)
        twins = _backbone("left")(twins_input) + _backbone("right")(twins_input)
        model = keras.Model(twins_input, layers.Dense(3)(layers.Flatten()(twins)))
        _refused(model, 3, ModelError, "'second' is ambiguous", "left/second, right/second", layer="second")
        assert _explained(model, 3, layer="right/second").layer == "right/second"

    def test_a_layer_inside_may_be_named_by_its_last_part(self) -> None:
        assert _explained(_nested(), 3, layer="first").layer == "backbone/first"

    def test_a_grid_of_one_cell(self) -> None:
        inputs = keras.Input(SIZE)
        x = layers.Flatten()(layers.Conv2D(4, SIZE[:2], name="whole")(inputs))
        _refused(keras.Model(inputs, layers.Dense(2)(x)), 2, ModelError, "no layer", "spatial grid")

    def test_softmax_over_one_unit(self) -> None:
        inputs = keras.Input(SIZE)
        x = layers.Flatten()(layers.Conv2D(2, 3)(inputs))
        _refused(keras.Model(inputs, layers.Dense(1, activation="softmax")(x)), 2, ModelError, "always 1")

    def test_weights_that_are_not_numbers(self) -> None:
        model = _sequential()
        model.layers[-1].bias.assign([np.nan, 0, 0])
        _refused(model, 3, ModelError, "NaN")


class TestFiles:
    def _load(self, path: Path | str, classes: int = 3) -> Any:
        return load_model(path, AuditConfig(batch_size=BATCH), _classes(classes))

    @pytest.mark.parametrize("suffix", [".keras", ".h5"])
    def test_a_saved_model_is_the_model(self, tmp_path: Path, suffix: str) -> None:
        keras.utils.set_random_seed(3)
        model = _nested()
        path = tmp_path / f"m{suffix}"
        model.save(path)
        loaded = self._load(str(path))
        np.testing.assert_allclose(
            loaded.predict(_images()).probabilities, model.predict(_images(), verbose=0), rtol=1e-5, atol=1e-7
        )
        again = self._load(path)
        assert loaded.sha256 == again.sha256
        assert len(loaded.sha256) == 64

    def test_the_hash_of_a_model_in_memory_follows_its_weights(self) -> None:
        model = _sequential()
        first, second = _explained(model, 3).sha256, _explained(model, 3).sha256
        model.layers[-1].bias.assign([1, 2, 3])
        assert first == second != _explained(model, 3).sha256

    @pytest.mark.parametrize(
        ("name", "content", "says"),
        [
            ("none.keras", None, ["no model at", "none.keras"]),
            ("m.pt", b"x", ["no Keras model", ".keras or .h5", "'.pt'"]),
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
        _sequential().save(path)
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
