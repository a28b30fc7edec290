"""Interprets the outputs of a classifier: kind of head, audited classes, probabilities and log-odds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.errors import ConfigError, ModelError
from bias_audit.models.framework import tf
from bias_audit.run.statuses import NONE_OF_THESE

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig

SMALLEST = 1.2e-38
"""Least probability of which a logarithm is taken: TensorFlow takes smaller numbers of 32 bits for 0."""


@dataclass(frozen=True)
class Head:
    """How the outputs of a model become probabilities and log-odds of the audited classes.

    Attributes:
        kind: "softmax", "sigmoid" (one unit: two classes; several: independent labels) or "logits".
        outputs: number of outputs.
        groups: output indices of each audited class, and last those of no class; None = one output per class.
    """

    kind: str
    outputs: int
    groups: tuple[tuple[int, ...], ...] | None

    @property
    def outside(self) -> tuple[int, ...]:
        """Indices of the outputs that the class map leaves over."""
        return () if self.groups is None else self.groups[-1]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a result should know about the outputs."""
        if not self.outside:
            return ()
        return (
            f"The class map leaves {len(self.outside)} of {max(self.outputs, 2)} outputs over. A picture of which one "
            f'of them is at least as probable as every class is taken for "{NONE_OF_THESE}", which is never right.',
        )

    def read(self, raw: Any, logits: Any | None) -> tuple[Any, ...]:
        """Compute probabilities and log-odds of the audited classes from outputs; can run inside a traced function.

        Args:
            raw: (N, outputs) outputs of the model.
            logits: (N, outputs) input of the model's final softmax or sigmoid; None where it is not known.

        Returns:
            (probabilities (N, K), log-odds (N, K), probability of all other outputs (N,)), float32; and, with outputs
            outside the class map only, `Predictions.outdone` (N,), bool.
        """
        logits, probabilities = self._logits(raw, logits)
        outdone: tuple[Any, ...] = ()
        if self.kind == "sigmoid" and self.outputs > 1:
            return probabilities, logits, tf.zeros_like(probabilities[:, 0])
        if self.groups is None:
            other = tf.zeros_like(probabilities[:, 0])
        else:
            *groups, rest = self.groups
            grouped = [tf.gather(logits, group, axis=1) for group in groups]
            logits_grouped = [tf.reduce_logsumexp(group, axis=1) for group in grouped]
            sums = [tf.reduce_sum(tf.gather(probabilities, group, axis=1), axis=1) for group in groups]
            other = tf.zeros_like(sums[0])
            if rest:
                logits_grouped.append(tf.reduce_logsumexp(tf.gather(logits, rest, axis=1), axis=1))
                single = tf.gather(probabilities, rest, axis=1)
                other = tf.reduce_sum(single, axis=1)
                outdone = (tf.reduce_max(tf.stack(sums, axis=1), axis=1) <= tf.reduce_max(single, axis=1),)
            logits, probabilities = tf.stack(logits_grouped, axis=1), tf.stack(sums, axis=1)
        count = probabilities.shape[1]
        return probabilities, _log_odds(logits)[:, :count], other, *outdone

    def _logits(self, raw: Any, logits: Any | None) -> tuple[Any, Any]:
        """Logits and probabilities, both (N, outputs); one sigmoid unit becomes two classes.

        Where the input of a final softmax is not known, log p stands for it: it differs by a constant, on which the
        log-odds do not depend, until p underflows (docs/science.md#targets).
        """
        raw = tf.cast(raw, tf.float32)
        if logits is not None:
            logits = tf.cast(logits, tf.float32)
        elif self.kind == "softmax":
            logits = tf.math.log(tf.maximum(raw, SMALLEST))
        elif self.kind == "sigmoid":
            p = tf.clip_by_value(raw, SMALLEST, 1 - 1e-7)
            logits = tf.math.log(p) - tf.math.log1p(-p)
        else:
            logits = raw
        if self.outputs == 1:
            p = tf.sigmoid(raw) if self.kind == "logits" else raw
            return tf.concat([tf.zeros_like(logits), logits], axis=1), tf.concat([1 - p, p], axis=1)
        return logits, tf.nn.softmax(logits) if self.kind == "logits" else raw


def find_head(
    outputs: NDArray[np.float64], linear: bool, config: AuditConfig, class_names: tuple[str, ...] | None
) -> Head:
    """Decide what the outputs of a model mean, once, on the outputs for probe images.

    Args:
        outputs: (N, outputs) outputs for the images of `probes`.
        linear: whether a layer without activation makes the output, so that it cannot be a probability.
        config: gives the class map.
        class_names: classes of the data set, in the order of the outputs; None = no data set.

    Raises:
        ModelError: outputs that are not finite, a softmax over one unit, a number of outputs that does not fit the
            classes, or a class map for several sigmoid outputs.
        ConfigError: the class map names an output that does not exist, or leaves outputs over and calls a class as
            a prediction of one of them is called.
    """
    if not np.isfinite(outputs).all():
        raise ModelError("the model gives NaN or infinite outputs on random input")
    count = outputs.shape[1]
    inside = bool(outputs.min() >= 0 and outputs.max() <= 1)
    sums_to_one = inside and bool(np.allclose(outputs.sum(axis=1), 1, atol=1e-3))
    kind = "sigmoid" if inside and not linear else "logits"
    if count == 1 and sums_to_one and np.ptp(outputs) == 0:
        raise ModelError("the model has one output that is always 1: softmax over a single unit")
    if count > 1 and sums_to_one:
        kind = "softmax"
    return Head(kind, count, _find_groups(kind, count, config, class_names))


def probes(count: int, size: tuple[int, int, int]) -> NDArray[np.float32]:
    """(count, H, W, C) random images, half in [0, 255] and half in [0, 1], since the model's range is not known."""
    rng = np.random.default_rng(0)
    images = np.empty((count, *size), np.float32)
    for image in images:  # one by one: as a whole they would be held in float64, too
        image[...] = rng.uniform(0, 1, size)
    images[: count // 2] *= 255
    return images


def _find_groups(
    kind: str, units: int, config: AuditConfig, class_names: tuple[str, ...] | None
) -> tuple[tuple[int, ...], ...] | None:
    outputs = 2 if units == 1 else units
    if config.class_map is None:
        if class_names is not None and outputs != len(class_names):
            raise ModelError(
                f"the model has {outputs} outputs, the data have {len(class_names)} classes: "
                f"{', '.join(class_names[:8])}{', ...' if len(class_names) > 8 else ''}",
                "Say which outputs count as which class with --class-map FILE (JSON: class -> output indices).",
            )
        return None
    if kind == "sigmoid" and units > 1:
        raise ModelError("a class map needs a softmax head; this model has several independent sigmoid outputs")
    groups = [indices for _, indices in config.class_map]
    largest = max(max(indices) for indices in groups)
    if largest >= outputs:
        raise ConfigError(f"the class map names output {largest}, the model has outputs 0..{outputs - 1}")
    used = {index for indices in groups for index in indices}
    rest = tuple(index for index in range(outputs) if index not in used)
    for name, _ in config.class_map:
        if rest and name.strip().casefold() == NONE_OF_THESE:
            raise ConfigError(
                f"the class map calls a class {name!r}, as the prediction is called where an output that the map "
                f"leaves over is the most probable; it leaves {len(rest)} over",
                "Give the class another name, or every output a class.",
            )
    return (*groups, rest)


def _log_odds(logits: Any) -> Any:
    """(N, G) -> (N, G): z_c - log sum over the others of exp z_j (docs/science.md#targets).

    The largest logit is taken out of its own sum by masking, not by subtraction, so nothing cancels; the others
    subtract themselves from a sum that the largest dominates.
    """
    top = tf.one_hot(tf.argmax(logits, axis=1), logits.shape[1], on_value=True, off_value=False, dtype=tf.bool)
    largest = tf.stop_gradient(tf.reduce_max(logits, axis=1, keepdims=True))
    exponentials = tf.exp(logits - largest)
    rest = tf.where(top, 1.0, tf.reduce_sum(exponentials, axis=1, keepdims=True) - exponentials)
    without_top = tf.reduce_logsumexp(tf.where(top, -np.inf, logits), axis=1, keepdims=True)
    return tf.where(top, logits - without_top, logits - largest - tf.math.log(rest))
