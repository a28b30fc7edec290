"""Runs an ONNX model with onnxruntime, and explains it without gradients of the runtime where its head allows.

Where the graph ends in global average pooling and one linear layer, the tensor before the pooling becomes a further
output of the graph, and the gradient of the log-odds with respect to it is known in closed form (`linear_head`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ConfigError, ModelError
from bias_audit.limits.watchdog import watched
from bias_audit.models import linear_head
from bias_audit.models.base import Activations, Array, Explanation, LastLayer, Predictions, Weigh, joined
from bias_audit.models.batched import Batched, channels_first, predictions_of
from bias_audit.models.function import SIDE, Source, kind_of
from bias_audit.models.head import Arrays, asked_head, find_head, head_of, probes
from bias_audit.models.memory import Cost, check_batch, fitting_batch
from bias_audit.models.onnx.ending import PROBABLE, Ending, ending_of, head_behind, makes
from bias_audit.models.onnx.external import inlined
from bias_audit.models.onnx.graph import OnnxGraph, shown
from bias_audit.models.onnx.proto import with_outputs
from bias_audit.models.onnx.safety import check_onnx, refusal, sound
from bias_audit.models.onnx.session import BYTES, TYPES, Session, fixed_side
from bias_audit.models.outputs import chosen_output
from bias_audit.models.predict_only import cannot
from bias_audit.models.reading import read_model_file

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig

PROBED = 8
"""Random images on which the head is looked at."""

ROUGH = 0.1
"""As `linear_head.MUCH`, where numbers of 8 or 16 bits round what the linear layer gets and gives."""

OUTPUTS = ("tensor(float)", "tensor(float16)", "tensor(double)")
"""Types of outputs that can be probabilities or logits."""

KINDS = {
    "LogSoftmax": "logits", "QLinearSigmoid": "sigmoid", "QLinearSoftmax": "softmax", "Sigmoid": "sigmoid",
    "Softmax": "softmax",
}  # fmt: skip
"""Operation that makes the outputs -> kind of the head."""

NO_MAPS = (
    "This ONNX file is audited by its predictions: the runtime gives no gradients, and they are known without it only "
    "where the graph ends in global average pooling and one linear layer; here {}."
)

ONE_NUMBER = "If it only takes as many images at once as it was exported with, give that number as --batch-size."
"""Hint where a graph whose batch is declared as open fails."""

TRAINED = "Audit the model in the framework that trained it instead."

STEPS = (
    "The graph rounds its probabilities to steps of 8 bits, and log-odds are made of these: differences of less than a "
    "step, and beyond the last one, are not seen."
)

ROUNDED = "The model takes whole numbers from 0 to 255: what the preprocessing gives is rounded to them."


class OnnxModel(Batched):
    """A classifier in an ONNX file; see `base.Model`.

    Args:
        path: the file.
        config: layer, image size, batch size, class map, and what the outputs are.
        class_names: classes of the data set, in the order of the outputs; None = any.

    Attributes:
        channels: path of the layer that can be explained -> number of its channels.
        parameters: number of weights.

    Raises:
        ImportError: onnxruntime is not installed.
        ModelError: a file that is refused, no classifier of images, or outputs that do not fit the classes.
        ConfigError: an image size, batch size or layer that does not fit.
    """

    shows_inside = True
    """Whether `inside` names all that is done to the images; see `heatmaps.inspection`."""
    keras_names = False
    """Whether the names of file and layers may be those of keras.applications; see `heatmaps.inspection`."""

    _session: Session
    _behind: linear_head.MeansHead | None = None

    def __init__(self, path: Path, config: AuditConfig, class_names: tuple[str, ...] | None) -> None:
        self._path, self._seconds = path, config.limits.seconds_per_call
        content = read_model_file(path, "model", config.limits)
        found = check_onnx(path, content, "model", external=True)
        self.sha256 = sha256(content).hexdigest()
        if found.external:
            content, self.sha256 = inlined(path, content, config.limits)
        with sound(refusal("model", path), "its graph is damaged"):
            self._graph = OnnxGraph(path, content)
            self._output = self._chosen_output(config.output)
            self._ending: Ending = ending_of(self._graph, self._output)
            self._opset = found.opset
            self._open(content)
            size_note = self._find_input(config)
            self.inside = self._graph.first_steps(self._image)
        self.parameters = self._graph.parameters
        self._find_batch(config)
        raw, logits, features = self._probe()
        notes = (*self._graph.notes, *self._find_head(raw, logits, config, class_names))
        notes += self._find_layer(logits, features)
        if not self.differentiable and self._ending.pooled is not None:
            self._open(content, maps=False)
        self.notes = (*notes, *size_note, *((ROUNDED,) if self._kind == BYTES else ()), *self._head.notes)
        if config.layer != "auto":
            self.at_layer(config.layer)

    def predict(self, images: Array) -> Predictions:
        """Predictions for any number of images (n, H, W, C), in batches; see `base.Model`."""
        parts = []
        for start in range(0, max(len(images), 1), self.batch_size):
            part = images[start : start + self.batch_size]
            with watched(f"the prediction of {len(part)} images by the model", self._seconds, len(part)):
                raw, logits, _ = self._run(part)
            parts.append(self._predictions(raw, logits))
        return joined(parts)

    def explain(self, images: Array, labels: NDArray[np.intp], weigh: Weigh) -> Explanation:
        """Predictions and heatmaps of images (n, H, W, C), n <= batch_size; see `base.Model`."""
        what = f"the explanation of {len(images)} images"
        with watched(f"{what} by the model", self._seconds, len(images)):
            predictions, values, of_best, missed, of_missed = self._looked(images, labels)
        with watched(f"{what} by the method", self._seconds):
            maps = np.asarray(weigh([values], [of_best], np), np.float32)
            labelled = maps.copy()
            if len(missed):
                labelled[missed] = weigh([values[missed]], [of_missed], np)
        return Explanation(predictions, maps, labelled)

    def activations(self, images: Array, labels: NDArray[np.intp]) -> Activations:
        """Activations and gradients of the explained layer for n <= batch_size images; see `base.Model`."""
        with watched(f"the explanation of {len(images)} images by the model", self._seconds, len(images)):
            predictions, values, of_best, missed, of_missed = self._looked(images, labels)
        of_label = np.array(of_best)
        of_label[missed] = of_missed
        return Activations(predictions, np.ascontiguousarray(values), np.ascontiguousarray(of_best), of_label)

    def input_gradients(self, images: Array, targets: NDArray[np.intp]) -> Array:
        """Raise ModelError: the runtime computes no gradients."""
        raise ModelError(
            "an ONNX file gives no gradients with respect to the pixels",
            "Take --method hires_cam, occlusion or rise, or audit the model in the framework that trained it.",
        )

    def at_layer(self, path: str) -> OnnxModel:
        """This network, explained at the layer that it is explained at anyway; see `base.Model`."""
        if not self.differentiable:
            return cannot(f"shows no layers, and {path!r} was asked for")
        if path not in (self.layer, self.layer.rpartition("/")[2]):
            raise ModelError(
                f"layer {path!r} cannot be explained: of an ONNX file it is the last feature map alone",
                f"Leave --layer out, or name {self.layer!r}.",
            )
        return self

    @contextlib.contextmanager
    def randomised(self, seed: int) -> Iterator[None]:
        """Context in which a copy of the model with shuffled weights runs in its place; see `base.Model`."""
        if self._graph.quantised:
            raise ModelError("the weights of a quantised ONNX file are frozen", TRAINED)
        kept = self._graph, self._session, self._behind
        try:
            with sound(refusal("model", self._path), "its graph is damaged"):
                made = self._graph.shuffled(seed)
                if made is None:
                    raise ModelError("the graph of the ONNX file holds no weights", TRAINED)
                self._graph = OnnxGraph(self._path, made)
                self._open(made, maps=self.differentiable)
                if self.differentiable and self._ending.pooled is not None:
                    self._behind = head_behind(self._graph, self._ending.pooled, self.channels[self.layer])
            yield
        finally:
            self._graph, self._session, self._behind = kept

    def last_layer(self) -> LastLayer:
        """Its last linear layer; see `base.LastLayer`."""
        from bias_audit.models.onnx.last_layer import OnnxLastLayer

        return OnnxLastLayer(self, self._graph.content)

    # What the file is: output, input, batch, head and layer.

    def _chosen_output(self, asked: str | None) -> str:
        outputs = self._graph.outputs
        if asked is not None:
            return str(chosen_output({name: name for name, _ in outputs}, asked))
        if len(outputs) == 1:
            return outputs[0][0]
        flat = [name for name, axes in outputs if axes == 2]
        if len(flat) != 1:
            names = ", ".join(f"{shown(name)} of {'?' if axes is None else axes} axes" for name, axes in outputs[:8])
            raise ModelError(
                f"the model has {len(outputs)} outputs ({names}); one of the shape (images, classes) is needed",
                "Choose one with --output, by its name or by its place from 0.",
            )
        return flat[0]

    def _open(self, content: bytes, *, maps: bool = True) -> None:
        """Make the session, with the tensors that are looked at as further outputs."""
        pooled = self._ending.pooled if maps else None
        logits = self._ending.logits if self._ending.final in PROBABLE else ""
        self._taken = [self._output, logits or self._output, pooled.features if pooled else self._output]
        declared = [name for name, _ in self._graph.outputs]
        further = [name for name in dict.fromkeys(self._taken) if name not in declared]
        self._session = Session(self._path, with_outputs(content, further), "model", self._opset, gpu=True)
        kinds = {name: kind for name, kind, _ in self._session.outputs}
        if (kind := kinds[self._output]) not in OUTPUTS:
            raise ModelError(f"the model gives {kind}; probabilities or logits as floating point are needed")

    def _find_input(self, config: AuditConfig) -> tuple[str, ...]:
        """Find out what the images have to be; returns a note where their size is only assumed."""
        inputs = self._session.inputs
        told = ", ".join(f"{kind} {list(shape)}" for _, kind, shape in inputs)[:300] or "nothing"
        if len(inputs) != 1 or len(inputs[0][2]) != 4 or inputs[0][1] not in TYPES:
            raise ModelError(
                f"the model takes {told}; one input of images is needed, as float32, float16 or uint8",
                "Anything else is audited through module:function, which predicts.",
            )
        self._image, self._kind, shape = inputs[0]
        self._fixed_batch = fixed_side(shape[0])
        by_shape = [shape[axis] in (1, 3) for axis in (1, 3)]
        by_graph: tuple[bool | None, int | None] = (None, None)
        if by_shape[0] == by_shape[1]:
            by_graph = self._graph.layout(self._image)
            if by_graph[0] is None:
                raise ModelError(
                    f"the model takes {told}, which does not tell whether the channels come first or last",
                    "Export it with a fixed number of channels: (N, 3, H, W) or (N, H, W, 3).",
                )
        self._first = by_shape[0] if by_shape[0] != by_shape[1] else bool(by_graph[0])
        _, *sides = shape
        channels = fixed_side(sides.pop(0 if self._first else 2)) or by_graph[1]
        if channels not in (1, 3):
            raise ModelError(f"the model takes {channels or '?'} channels, expected 1 or 3: {told}")
        asked = config.image_size
        fixed = [fixed_side(side) for side in sides]
        if asked is not None and any(side not in (None, each) for side, each in zip(fixed, asked, strict=True)):
            said = "x".join("?" if side is None else str(side) for side in fixed)
            raise ConfigError(f"the model takes {said} pixels, --image-size asks for {asked[0]}x{asked[1]}")
        height, width = asked or (fixed[0] or SIDE, fixed[1] or SIDE)
        self.input_size = (height, width, channels)
        if asked is not None or None not in fixed:
            return ()
        return (
            f"Pictures are given to {self._path.name} as {height}x{width} pixels: its input is open in size, and no "
            "--image-size says another one.",
        )

    def _find_batch(self, config: AuditConfig) -> None:
        cost = Cost(self.input_size, 0, 0)
        if self._fixed_batch is not None and config.batch_size not in (None, self._fixed_batch):
            raise ConfigError(
                f"the model takes batches of exactly {self._fixed_batch} images",
                f"Give --batch-size {self._fixed_batch}.",
            )
        check_batch(cost, config, fixed=self._fixed_batch)
        self.batch_size = self._fixed_batch or config.batch_size or fitting_batch(cost, config.limits)

    def _probe(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Outputs, logits and feature maps of random images."""
        images = probes(PROBED, self.input_size)
        step = min(self.batch_size, PROBED)
        try:
            parts = [self._run(images[start : start + step]) for start in range(0, PROBED, step)]
        except ModelError as error:
            raise ModelError(error.message, error.hint or ("" if self._fixed_batch else ONE_NUMBER)) from error
        if {part[0].shape[1] for part in parts} != {parts[0][0].shape[1]}:
            raise ModelError("the model gives another number of outputs for each batch")
        raw, logits, features = (np.concatenate(each) for each in zip(*parts, strict=True))
        return raw, logits, features

    def _find_head(
        self, raw: NDArray[Any], logits: NDArray[Any], config: AuditConfig, class_names: tuple[str, ...] | None
    ) -> tuple[str, ...]:
        """Decide what the outputs are, by the operation that makes them or by those for random images."""
        outputs, made_by = raw.astype(np.float64), self._ending.final
        self._final = made_by if made_by in PROBABLE else ""
        if not np.isfinite(outputs).all():
            raise ModelError("the model gives NaN or infinite outputs on random input")
        if self._final and not makes(self._final, logits, outputs):
            self._final = made_by = ""  # a softmax over another axis
        if made_by and outputs.shape[1] > 1:  # whether they sum to 1 does not tell: few bits round them
            kind = asked_head(outputs, config) or KINDS[made_by]
            self._head = head_of(kind, outputs.shape[1], config, class_names)
            return () if self._final else (STEPS,)
        if self._final or self._ending.linear:
            self._head = find_head(outputs, not self._final, config, class_names)
            return ()
        kind, why = kind_of(outputs, config, Source(self._path.name, self.sha256, made=True))
        self._head = head_of(kind, outputs.shape[1], config, class_names)
        return (why,)

    def _find_layer(self, logits: NDArray[Any], features: NDArray[Any]) -> tuple[str, ...]:
        """Decide whether feature maps and weights give the logits of random images; returns a note where not."""
        self.layer, self.grid, self.channels = "", (1, 1), {}
        self.layers: tuple[tuple[str, tuple[int, int]], ...] = ()
        pooled, why = self._ending.pooled, self._ending.why
        self.differentiable = False
        if pooled is not None and (why := self._why_not(logits, features)) == "":
            self.differentiable = True
            values = self._channels_last(features)
            self.layer = shown(pooled.features)
            self.grid = (values.shape[1], values.shape[2])
            self.layers, self.channels = ((self.layer, self.grid),), {self.layer: values.shape[3]}
            return ()
        return (NO_MAPS.format(why),)

    def _why_not(self, logits: NDArray[Any], features: NDArray[Any]) -> str:
        pooled = self._ending.pooled
        assert pooled is not None
        if self._ending.final != self._final:
            return "what stands before its last operation are no logits of its outputs"
        if features.ndim != 4 or features.dtype.kind != "f":
            return f"the tensor before the pooling is {features.dtype} of {features.ndim} axes"
        values = self._channels_last(features)
        if values.shape[1] * values.shape[2] < 2:
            return "the feature map before the pooling has one cell"
        self._behind = head_behind(self._graph, pooled, values.shape[3])
        rough = features.dtype == np.float16 or self._graph.rounds
        much = ROUGH if rough else linear_head.MUCH
        if not linear_head.is_linear_on_means(values, logits, self._behind, much=much):
            return "the logits of random images do not follow from the means of its last feature map"
        return ""

    # What it computes.

    def _run(self, images: Array) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Outputs and logits (n, outputs), and the tensor before the pooling, of n <= batch_size images."""
        given = self._given(images)
        names = [name for name in dict.fromkeys(self._taken) if name != self._image]  # 1.20 gives freed memory for it
        made = dict(zip(names, self._session.run(names, {self._image: given}), strict=True)) | {self._image: given}
        raw, logits, features = (made[name] for name in self._taken)
        if raw.ndim != 2 or len(raw) != self.batch_size or not raw.shape[1]:
            raise ModelError(
                f"the model is no classifier of images: for {self.batch_size} images its output has the shape "
                f"{raw.shape}, expected (images, classes)",
            )
        n = len(images)
        logits = logits.reshape(raw.shape) if logits.size == raw.size else raw
        return raw[:n], logits[:n], features[:n]

    def _given(self, images: Array) -> NDArray[Any]:
        """A full batch as the model wants it."""
        batch = self._full_batch(images)
        if self._kind == BYTES:
            batch = np.clip(np.rint(batch), 0, 255)
        with np.errstate(over="ignore"):  # beyond float16: infinite, and so no prediction
            return np.ascontiguousarray(channels_first(batch) if self._first else batch, TYPES[self._kind])

    def _read(self, raw: NDArray[Any], logits: NDArray[Any]) -> tuple[Any, ...]:
        with np.errstate(all="ignore"):  # NaN among the outputs is no prediction, which is counted and shown
            return self._head.read(raw, logits if self._final else None, Arrays)

    def _predictions(self, raw: NDArray[Any], logits: NDArray[Any]) -> Predictions:
        return predictions_of(self._read(raw, logits), len(raw))

    def _looked(
        self, images: Array, labels: NDArray[np.intp]
    ) -> tuple[Predictions, Array, Array, NDArray[np.intp], Array]:
        """Predictions, values (n, h, w, C), gradients of the most probable class, and of the label where it differs.

        The last two are the places of the images whose label is another class (m,), and their gradients (m, h, w, C).
        """
        behind = self._behind
        if not self.differentiable or behind is None:
            return cannot("shows no activations with a gradient")
        raw, logits, features = self._run(images)
        predictions = self._predictions(raw, logits)
        best = np.argmax(predictions.log_odds, axis=1)
        asked = np.where(labels < 0, best, labels)
        values = self._channels_last(features).astype(np.float32, copy=False)

        missed = np.flatnonzero(best != asked)

        def gradients(rows: Any, targets: NDArray[np.intp]) -> Array:
            return linear_head.gradients(behind, linear_head.slopes(self._head, logits[rows], targets), values[rows])

        of_best = gradients(slice(None), best)
        of_missed = gradients(missed, asked[missed]) if len(missed) else of_best[missed]
        return predictions, values, of_best, missed, of_missed

    def _channels_last(self, features: NDArray[Any]) -> NDArray[Any]:
        pooled = self._ending.pooled
        return features.transpose(0, 2, 3, 1) if pooled is not None and pooled.first else features
