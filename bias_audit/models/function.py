"""A plain function that predicts, as a model: any framework, or none, behind `module:function`.

A function without required arguments makes a model; one with one is the prediction itself: it gets float32 images
(N, H, W, 3) in RGB, 0..255 after the preprocessing, and returns (N, outputs).
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError, ModelError
from bias_audit.limits.watchdog import watched
from bias_audit.models.base import Array, Model, Predictions
from bias_audit.models.head import ROUNDING, Arrays, Head, are_probabilities, asked_head, head_of, probes, shown
from bias_audit.models.memory import Cost, check_batch, fitting_batch
from bias_audit.models.outputs import refuse_choice
from bias_audit.models.predict_only import PredictOnly
from bias_audit.users_code import IMPORTABLE, import_function, running

SIDE = 224
"""Height and width in pixels of the input where nothing says another size."""

MOST_WRAPPERS = 100
"""Decorators of a function that are looked through; some may lead in a circle."""

Open = Callable[[Any, AuditConfig, tuple[str, ...] | None, "Source | None"], Model]
"""(model in memory, config, class names, source) -> model."""


@dataclass(frozen=True)
class Source:
    """Where a function comes from.

    Attributes:
        name: what it is called in sentences, `module:function`.
        sha256: SHA-256 of the files that define it, or of its code where there is none, see `source_hash`.
        made: whether another function made it, so that it is a model and no plain function.
    """

    name: str
    sha256: str
    made: bool = False


def imported(name: str) -> tuple[Source, Any]:
    """Import `module:function`, and where it comes from.

    Raises:
        ConfigError: it cannot be imported.
    """
    made = import_function(name, "model", f"Write module:function; {IMPORTABLE}.")
    module = sys.modules.get(name.partition(":")[0])
    return Source(name, source_hash(made, getattr(module, "__file__", None))), made


def from_callable(
    model: Any, config: AuditConfig, class_names: tuple[str, ...] | None, source: Source | None, *, again: Open
) -> Model:
    """A model of a function, or of what a function without required arguments makes.

    Args:
        model: the function.
        config, class_names: as in `doors.load_model`.
        source: where it comes from; None = it was given in memory.
        again: opens what the function makes.

    Raises:
        ModelError: neither a function nor a model, or outputs that fit no head or not the classes.
        ConfigError: the function failed.
    """
    if not callable(model):
        raise ModelError(
            f"a model in memory of the type {type(model).__name__} is neither a Keras model nor a function of images",
            "Give a function: images (N, H, W, 3) -> probabilities (N, classes).",
        )
    source = source or Source(getattr(model, "__qualname__", type(model).__name__), source_hash(model))
    required = _required(model, source.name)
    if required == 1:
        refuse_choice(config.output, source.name)
        return PredictFunction(model, config, class_names, source)
    if required or source.made:
        takes = "takes no images" if source.made and not required else f"takes {required} arguments"
        raise ModelError(
            f"{source.name!r} {takes}; a function that predicts takes one, the images",
            "A function without arguments makes a model, one with a single argument predicts.",
        )
    said = f"{source.name!r} failed to make a model"
    with watched("making the model", config.limits.seconds_per_call), running(said):
        made = model()
    return again(made, config, class_names, Source(source.name, source.sha256, made=True))


class PredictFunction(PredictOnly):
    """A function that predicts, as a model; see `base.Model`.

    What its outputs are is decided once, on those for a few random images, and checked for every image.

    Args:
        function: images (N, H, W, 3) -> (N, outputs).
        config: image size, batch size, class map, and what the outputs are.
        class_names: classes of the data set, in the order of the outputs; None = any.
        source: where it comes from.

    Raises:
        ModelError: outputs of a wrong shape or kind, not finite, or that do not fit the classes; or a layer that is
            asked for.
        ConfigError: the function failed.
    """

    def __init__(
        self, function: Callable[[Array], Any], config: AuditConfig, class_names: tuple[str, ...] | None, source: Source
    ) -> None:
        self._function, self._source, self._seconds = function, source, config.limits.seconds_per_call
        if config.layer != "auto":
            self.at_layer(config.layer)  # refuses
        self.sha256 = source.sha256
        self.input_size, size_note = assumed_size(function, config, source.name)
        cost = Cost(self.input_size, 0, 0)
        check_batch(cost, config)
        self.batch_size = config.batch_size or fitting_batch(cost, config.limits)
        first = self._called(probes(min(2, self.batch_size), self.input_size))
        if not np.isfinite(first).all():
            raise ModelError(f"{source.name!r} gives NaN or infinite outputs on random input")
        kind, why = kind_of(first, config, source)
        self._head: Head = head_of(kind, first.shape[1], config, class_names)
        self.head, self.outputs = kind, first.shape[1]
        self.notes = (why, *([size_note] if size_note else []), *self._head.notes)

    def _batch(self, images: Array) -> Predictions:
        if not len(images):
            return self._read(np.zeros((0, self._head.outputs)))
        outputs = self._called(images)
        if outputs.shape[1] != self._head.outputs:
            raise ModelError(f"{self._source.name!r} gave {self._head.outputs} outputs before, now {outputs.shape[1]}")
        return self._read(outputs)

    def _read(self, outputs: NDArray[np.float64]) -> Predictions:
        finite = outputs[np.isfinite(outputs).all(axis=1)]
        if self._head.kind != "logits" and (wrong := _no_probabilities(finite, self._head)) is not None:
            raise ModelError(
                f"{self._source.name!r} gave {shown(wrong)} for an image; its first outputs were taken as "
                f"{_WORDS[self._head.kind]}, which this is not",
                "Say what the outputs are with --head softmax, sigmoid or logits.",
            )
        with np.errstate(all="ignore"):  # NaN among the outputs is no prediction, which is counted and shown
            probabilities, log_odds, other, *outdone = self._head.read(outputs, None, Arrays)
        return Predictions(probabilities, log_odds, other, *outdone)

    def _called(self, images: Array) -> NDArray[np.float64]:
        """Outputs (n, outputs) for at most `batch_size` images, at least one; checked in shape, not in value."""
        name, n = self._source.name, len(images)
        hint = "It must return numbers of the shape (images, outputs)."
        with watched(f"the prediction of {n} images by {name}", self._seconds, n), running(f"{name!r} failed"):
            made = self._function(np.array(images, np.float32))  # a copy: the function may change it
            kind = type(made).__name__
            outputs = np.asarray(made)
        numeric = outputs.dtype.kind in "fiub"
        if not numeric or outputs.ndim != 2 or outputs.shape[0] != len(images) or not outputs.shape[1]:
            what = f"shape {outputs.shape}" if numeric else f"{kind} of no numbers"
            raise ModelError(f"{name!r} returned {what} for {len(images)} images", hint)
        return outputs.astype(np.float64)


_WORDS = {
    "softmax": "probabilities that sum to 1",
    "sigmoid": "probabilities, each for itself",
    "logits": "logits",
}
"""Kind of a head -> what its outputs are, in words."""


def kind_of(outputs: NDArray[np.float64], config: AuditConfig, source: Source) -> tuple[str, str]:
    """(kind of the head, sentence that says why) of finite outputs (N, outputs) for the first images.

    Raises:
        ModelError: a plain function whose outputs are no probabilities.
        ConfigError: several outputs that could be either, or that cannot be what --head says.
    """
    kind, why = _kind(outputs, config, source)
    return kind, f"The outputs of {source.name} are taken as {_WORDS[kind]}: {why}."


def _kind(outputs: NDArray[np.float64], config: AuditConfig, source: Source) -> tuple[str, str]:
    if (asked := asked_head(outputs, config)) is not None:
        return asked, "--head says so"
    inside, sums_to_one = are_probabilities(outputs)
    if outputs.shape[1] > 1 and sums_to_one:
        return "softmax", "so the first ones are"
    row = outputs[0]
    if not source.made:
        raise ModelError(
            f"{source.name!r} gave {shown(row)} for the first image, and a function that predicts returns "
            f"probabilities that sum to 1",
            "Say what the outputs are with --head softmax, sigmoid or logits.",
        )
    if outputs.shape[1] == 1:
        if inside:
            return "sigmoid", "the one output, in [0, 1], is the probability of the second class"
        return "logits", "the one output is not in [0, 1], so it is the logit of the second class"
    if inside:
        raise ConfigError(
            f"{source.name!r} gave {shown(row)} for the first image: several outputs in [0, 1] that do not sum to 1",
            "Say what they are: --head sigmoid (independent probabilities) or --head logits.",
        )
    return "logits", "the first ones are not in [0, 1]"


def _no_probabilities(outputs: NDArray[np.float64], head: Head) -> NDArray[np.float64] | None:
    """The first row of finite outputs that a softmax or sigmoid does not give; None where all fit."""
    wrong = ((outputs < -ROUNDING) | (outputs > 1 + ROUNDING)).any(axis=1)
    if head.kind == "softmax":
        wrong |= np.abs(outputs.sum(axis=1) - 1) > ROUNDING
    return outputs[int(np.argmax(wrong))] if wrong.any() else None


def assumed_size(
    function: Any, config: AuditConfig, name: str, *, channels: int = 3
) -> tuple[tuple[int, int, int], str]:
    """((height, width, channels) of the input, note where the size is only assumed).

    Args:
        function: what predicts; it may have an attribute `input_size`, (height, width, 3), or 1 for grey pictures.
        config: gives the size where the user says it.
        name: what it is called in sentences.
        channels: that it takes where `input_size` does not say it.

    Raises:
        ModelError, ConfigError: `input_size` is no size of such an input.
    """
    own = getattr(function, "input_size", None)
    if own is not None:
        with running(f"input_size of {name!r} is no (height, width, channels)"):
            height, width, channels = (int(each) for each in own)
        if channels not in (1, 3) or min(height, width) < 1:
            raise ModelError(f"input_size of {name!r} is {tuple(own)}, expected (height, width, 3), or 1 for grey")
    if config.image_size is not None:
        return (*config.image_size, channels), ""
    if own is not None:
        return (height, width, channels), ""
    return (SIDE, SIDE, channels), (
        f"Pictures are given to {name} as {SIDE}x{SIDE} pixels: neither --image-size nor an attribute input_size "
        "says another size."
    )


def _required(function: Any, name: str) -> int:
    """Number of arguments that a function needs."""
    with running(f"the arguments of {name!r} are not known"):
        parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return sum(each.default is inspect.Parameter.empty and each.kind not in kinds for each in parameters)


def source_hash(function: Any, named: str | None = None) -> str:
    """SHA-256 of the files that define a function or a class, or of its code where there are none; 64 hex digits.

    A decorator, `functools.partial` or an import from elsewhere leads to another file than the one that the user named,
    and a change of either is another model.

    Args:
        function: the function, class or object.
        named: file of the module that the user named; None = no module was named.
    """
    told = _innermost(function)
    told = told if inspect.isroutine(told) or inspect.isclass(told) else type(told)
    try:
        own = inspect.getsourcefile(told)
    except (OSError, TypeError):
        own = None
    files = dict.fromkeys(os.path.realpath(file) for file in (named, own) if file and os.path.isfile(file))
    digests = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]
    if len(digests) == 1:
        return digests[0]
    if not digests:
        try:
            text = inspect.getsource(told)
        except (OSError, TypeError):
            text = repr(getattr(getattr(told, "__code__", None), "co_code", told))
        digests = [text]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _innermost(function: Any) -> Any:
    """What decorators and `functools.partial` are wrapped around."""
    for _ in range(MOST_WRAPPERS):
        inner = function.func if isinstance(function, functools.partial) else None
        if inner is None:
            inner = getattr(function, "__wrapped__", None)
        if inner is None:
            break
        function = inner
    return function
