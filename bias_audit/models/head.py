"""Interprets the outputs of a classifier: kind of head, audited classes, probabilities and log-odds.

No framework is imported: the same formulas run on NumPy (`Arrays`) and, inside a traced pass, on tensors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bias_audit.errors import ConfigError, ModelError
from bias_audit.run.statuses import NONE_OF_THESE

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig

SMALLEST = 1.2e-38
"""Least probability of which a logarithm is taken: TensorFlow takes smaller numbers of 32 bits for 0."""


OVERFLOWS = (
    "The model gives NaN or infinite outputs for some random images, as in half precision where pixels are larger than "
    "in training: --preprocess says which ones it gets."
)
"""Note on such a model; what it gives for photos is looked at for each of them."""

ROUNDING = 1e-3
"""Most that probabilities of an image may sum to beside 1."""


@dataclass(frozen=True)
class Head:
    """How the outputs of a model become probabilities and log-odds of the audited classes.

    Attributes:
        kind: "softmax", "sigmoid" (one unit: two classes; several: independent labels) or "logits".
        outputs: number of outputs.
        groups: output indices of each audited class, and last those of no class; None = one output per class.
        overflows: whether outputs for some random images were not finite.
    """

    kind: str
    outputs: int
    groups: tuple[tuple[int, ...], ...] | None
    overflows: bool = False

    @property
    def outside(self) -> tuple[int, ...]:
        """Indices of the outputs that the class map leaves over."""
        return () if self.groups is None else self.groups[-1]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of a result should know about the outputs."""
        overflows = (OVERFLOWS,) if self.overflows else ()
        if not self.outside:
            return overflows
        return (
            *overflows,
            f"The class map leaves {len(self.outside)} of {max(self.outputs, 2)} outputs over. A picture of which one "
            f'of them is at least as probable as every class is taken for "{NONE_OF_THESE}", which is never right.',
        )

    def read(self, raw: Any, logits: Any | None, xp: Any) -> tuple[Any, ...]:
        """Compute probabilities and log-odds of the audited classes from outputs; can run inside a traced function.

        Args:
            raw: (N, outputs) outputs of the model.
            logits: (N, outputs) input of the model's final softmax or sigmoid; None where it is not known.
            xp: functions on arrays: `Arrays`, or the like for the tensors of a framework.

        Returns:
            (probabilities (N, K), log-odds (N, K), probability of all other outputs (N,)), float32; and, with outputs
            outside the class map only, `Predictions.outdone` (N,), bool.
        """
        logits, probabilities = self._logits(raw, logits, xp)
        outdone: tuple[Any, ...] = ()
        if self.kind == "sigmoid" and self.outputs > 1:
            return probabilities, logits, xp.zeros_like(probabilities[:, 0])
        if self.groups is None:
            other = xp.zeros_like(probabilities[:, 0])
        else:
            *groups, rest = self.groups
            logits_grouped = [xp.logsumexp(xp.take(logits, group), 1) for group in groups]
            sums = [xp.sum(xp.take(probabilities, group), axis=1) for group in groups]
            other = xp.zeros_like(sums[0])
            if rest:
                logits_grouped.append(xp.logsumexp(xp.take(logits, rest), 1))
                single = xp.take(probabilities, rest)
                other = xp.sum(single, axis=1)
                outdone = (xp.max(xp.stack(sums), axis=1) <= xp.max(single, axis=1),)
            logits, probabilities = xp.stack(logits_grouped), xp.stack(sums)
        count = probabilities.shape[1]
        return probabilities, _log_odds(logits, xp)[:, :count], other, *outdone

    def _logits(self, raw: Any, logits: Any | None, xp: Any) -> tuple[Any, Any]:
        """Logits and probabilities, both (N, outputs); one sigmoid unit becomes two classes.

        Where the input of a final softmax is not known, log p stands for it: it differs by a constant, on which the
        log-odds do not depend, until p underflows (docs/science.md#targets).
        """
        raw = xp.float32(raw)
        if logits is not None:
            logits = xp.float32(logits)
        elif self.kind == "softmax":
            logits = xp.log(xp.maximum(raw, SMALLEST))
        elif self.kind == "sigmoid":
            p = xp.clip(raw, SMALLEST, 1 - 1e-7)
            logits = xp.log(p) - xp.log1p(-p)
        else:
            logits = raw
        if self.outputs == 1:
            p = xp.sigmoid(raw) if self.kind == "logits" else raw
            return xp.concatenate([xp.zeros_like(logits), logits]), xp.concatenate([1 - p, p])
        return logits, xp.softmax(logits) if self.kind == "logits" else raw


class Arrays:
    """What `Head.read` calls, on NumPy; columns are classes or outputs."""

    zeros_like, log, log1p, maximum, clip, exp, where = (
        staticmethod(each) for each in (np.zeros_like, np.log, np.log1p, np.maximum, np.clip, np.exp, np.where)
    )
    sum, max = staticmethod(np.sum), staticmethod(np.max)

    @staticmethod
    def float32(values: Any) -> Any:
        return np.asarray(values, np.float32)

    @staticmethod
    def take(values: Any, columns: tuple[int, ...]) -> Any:
        return values[:, list(columns)]

    @staticmethod
    def stack(columns: list[Any]) -> Any:
        return np.stack(columns, axis=1)

    @staticmethod
    def concatenate(parts: list[Any]) -> Any:
        return np.concatenate(parts, axis=1).astype(np.float32)

    @staticmethod
    def logsumexp(values: Any, axis: int, *, keepdims: bool = False) -> Any:
        if values.shape[axis] == 1:  # a class of one output, as most are
            return values if keepdims else np.squeeze(values, axis)
        with np.errstate(invalid="ignore"):  # of NaN and infinite outputs, which are no predictions
            return special.logsumexp(values, axis=axis, keepdims=keepdims)

    @staticmethod
    def sigmoid(values: Any) -> Any:
        return special.expit(values)

    @staticmethod
    def softmax(values: Any) -> Any:
        with np.errstate(invalid="ignore"):
            return special.softmax(values, axis=1)

    @staticmethod
    def is_largest(values: Any) -> Any:
        """(N, C) bool, true at the first largest of each row."""
        return np.arange(values.shape[1]) == np.argmax(values, axis=1)[:, None]

    @staticmethod
    def constant(values: Any) -> Any:
        """The values, through which no gradient flows: here there are none."""
        return values


def find_head(
    outputs: NDArray[np.float64], linear: bool, config: AuditConfig, class_names: tuple[str, ...] | None
) -> Head:
    """Decide what the outputs of a model mean, once, on the outputs for probe images.

    Args:
        outputs: (N, outputs) outputs for the images of `probes`.
        linear: whether a layer without activation makes the output, so that it cannot be a probability.
        config: gives the class map, and the kind of head where the user says it.
        class_names: classes of the data set, in the order of the outputs; None = no data set.

    Raises:
        ModelError: outputs that are not finite, a softmax over one unit, a number of outputs that does not fit the
            classes, or a class map for several sigmoid outputs.
        ConfigError: the class map names an output that does not exist, or leaves outputs over and calls a class as
            a prediction of one of them is called.
    """
    outputs, overflows = finite_rows(outputs)
    count = outputs.shape[1]
    inside, sums_to_one = are_probabilities(outputs)
    if count == 1 and sums_to_one and np.ptp(outputs) == 0:
        raise ModelError("the model has one output that is always 1: softmax over a single unit")
    kind = "softmax" if count > 1 and sums_to_one else "sigmoid" if inside and not linear else "logits"
    return head_of(asked_head(outputs, config) or kind, count, config, class_names, overflows=overflows)


def head_of(
    kind: str, count: int, config: AuditConfig, class_names: tuple[str, ...] | None, *, overflows: bool = False
) -> Head:
    """The head of this kind, with `count` outputs; other arguments and what is raised as in `find_head`."""
    return Head(kind, count, _find_groups(kind, count, config, class_names), overflows)


def finite_rows(outputs: NDArray[np.float64]) -> tuple[NDArray[np.float64], bool]:
    """(the outputs for the random images of which all are finite, whether others were not).

    Half precision overflows where pixels of 0..255 meet a network that was trained on smaller ones.

    Raises:
        ModelError: there is no such image.
    """
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.any():
        raise ModelError("the model gives NaN or infinite outputs on random input")
    return outputs[finite], not finite.all()


def are_probabilities(outputs: NDArray[np.float64]) -> tuple[bool, bool]:
    """Whether all outputs (N, outputs) lie in [0, 1], and whether, besides, those of every image sum to 1."""
    inside = bool(outputs.min() >= 0 and outputs.max() <= 1)
    return inside, inside and bool(np.allclose(outputs.sum(axis=1), 1, atol=ROUNDING))


def asked_head(outputs: NDArray[np.float64], config: AuditConfig) -> str | None:
    """What the user says that the outputs are; None = nothing was said.

    Raises:
        ConfigError: outputs of the first images that cannot be so.
    """
    if config.head is None:
        return None
    inside, sums_to_one = are_probabilities(outputs)
    wrong = {"softmax": not sums_to_one, "sigmoid": not inside}.get(config.head, False)
    if wrong or (config.head == "softmax" and outputs.shape[1] == 1):
        wanted = "two or more that sum to 1" if config.head == "softmax" else "numbers in [0, 1]"
        raise ConfigError(
            f"head {config.head!r} was asked for, and the model gives {shown(outputs[0])} for random input: "
            f"{config.head} gives {wanted}"
        )
    return config.head


def shown(row: NDArray[np.floating]) -> str:
    """The outputs for one image, in words: at most five of them."""
    return f"[{', '.join(f'{value:z.4g}' for value in row[:5])}{', ...' if len(row) > 5 else ''}]"


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


def _log_odds(logits: Any, xp: Any) -> Any:
    """(N, G) -> (N, G): z_c - log sum over the others of exp z_j (docs/science.md#targets).

    The largest logit is taken out of its own sum by masking, not by subtraction, so nothing cancels; the others
    subtract themselves from a sum that the largest dominates.
    """
    top = xp.is_largest(logits)
    largest = xp.constant(xp.max(logits, axis=1, keepdims=True))
    exponentials = xp.exp(logits - largest)
    rest = xp.where(top, 1.0, xp.sum(exponentials, axis=1, keepdims=True) - exponentials)
    without_top = xp.logsumexp(xp.where(top, -np.inf, logits), 1, keepdims=True)
    return xp.where(top, logits - without_top, logits - largest - xp.log(rest))
