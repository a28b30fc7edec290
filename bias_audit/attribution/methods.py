"""Heatmap methods by name, and the one way to run any of them: a model behind its preprocessing, explained."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.attribution import cam
from bias_audit.data.preprocess import Preprocess
from bias_audit.errors import ConfigError, ModelError
from bias_audit.models.base import Explanation, Model, Predictions

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Method:
    """A heatmap method.

    Attributes:
        function: where `weighs`, (values, gradients, xp) -> maps, see `cam`; else (explainer, pixels, targets) -> maps:
            pixels (N, H, W, C) in [0, 255], targets (N,) class indices, maps (N, h, w) signed, of any h and w.
        weighs: it weighs activations by gradients, so it costs one forward pass and a backward pass through the head.
        formula: in one line.
        paper: its source.
        passes: cost per image in forward passes (F) and backward passes (B).
        use: what its maps may be used for.
        traced: the function takes `xp` and can run inside the traced pass.
    """

    function: Callable[..., Any]
    weighs: bool
    formula: str
    paper: str
    passes: str
    use: str
    traced: bool = True


METHODS: dict[str, Method] = {
    "cam": Method(
        cam.cam, True, "sum_k w_k A_k", "Zhou et al. 2016", "1 F + B of the head",
        "scores; heads of global average pooling and one dense layer only",
    ),
    "grad_cam": Method(
        cam.grad_cam, True, "sum_k mean_ij(g_k) A_k", "Selvaraju et al. 2017", "1 F + B of the head",
        "pictures; spreads beyond what was used on heads without global average pooling",
    ),
    "hires_cam": Method(
        cam.hires_cam, True, "sum_k g_k * A_k", "Draelos & Carin 2020", "1 F + B of the head",
        "scores and pictures: shows only what the head used",
    ),
}  # fmt: skip


def find_method(name: str) -> Method:
    """Resolve a name of METHODS or a user's `module:function`.

    A user's function whose first parameter is called `values` weighs activations; otherwise it gets an Explainer.

    Raises:
        ConfigError: unknown name, or a function that cannot be imported.
    """
    if name in METHODS:
        return METHODS[name]
    if ":" not in name:
        raise ConfigError(f"method must be one of {', '.join(METHODS)} or module:function, got {name!r}")
    module_name, _, attribute = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), attribute)
        parameters = list(inspect.signature(function).parameters)
    except Exception as error:  # whatever a user's module does on import must end in one sentence
        raise ConfigError(
            f"cannot import the heatmap method {name!r}: {error}",
            "Write module:function; the module must be importable (pip install it, or set PYTHONPATH).",
        ) from error
    weighs = parameters[:1] == ["values"]
    return Method(function, weighs, name, "the user's own", "", "", traced="xp" in parameters)


class Explainer:
    """A model behind its preprocessing, explained by one method.

    Args:
        model: the classifier.
        name: key of METHODS, or `module:function`.
        preprocess: (N, H, W, C) in [0, 255] -> what the model was trained on.
        seed: of methods that draw at random.

    Attributes:
        grid: (h, w) of the maps.

    Raises:
        ConfigError: unknown method, or one that this model does not allow.
    """

    def __init__(self, model: Model, name: str, preprocess: Preprocess, seed: int = 0) -> None:
        self.model, self.name, self.preprocess, self.seed = model, name, preprocess, seed
        self.method = find_method(name)
        if self.method.weighs and not model.differentiable:
            raise ConfigError(
                f"method {name!r} needs gradients, and this model gives none",
                f"Use one that perturbs the image: {', '.join(k for k, m in METHODS.items() if not m.weighs)}.",
            )
        self.grid = model.grid if self.method.weighs else self._probed_grid()

    def predict(self, pixels: Array) -> Predictions:
        """Predictions for (N, H, W, C) in [0, 255], any N."""
        return self.model.predict(self.preprocess(pixels))

    def explain(self, pixels: Array, labels: NDArray[np.intp]) -> Explanation:
        """Predictions and maps of the predicted and of the labelled class.

        Args:
            pixels: (n, H, W, C) in [0, 255], n at most the model's batch size.
            labels: (n,) indices into the audited classes.

        Raises:
            ModelError: the method is not defined for this model's head.
            ConfigError: a user's function failed or gave something else than maps.
        """
        images = self.preprocess(pixels)
        if self.method.weighs and self.method.traced:
            explained = self.model.explain(images, labels, self._weigh)
        elif self.method.weighs:
            active = self.model.activations(images, labels)
            maps, maps_label = (
                self._checked(self.method.function, active.values, gradients, count=len(pixels))
                for gradients in (active.gradients, active.gradients_label)
            )
            explained = Explanation(active.predictions, maps, maps_label)
        else:
            predictions = self.model.predict(images)
            maps = self.maps(pixels, predictions.predicted)
            maps_label = maps.copy()
            if len(wrong := np.flatnonzero(predictions.predicted != labels)):
                maps_label[wrong] = self.maps(pixels[wrong], labels[wrong])
            explained = Explanation(predictions, maps, maps_label)
        if self.method.function is cam.cam and np.isnan(explained.maps).all(axis=(1, 2)).any():
            raise ModelError(
                "CAM needs global average pooling followed by one dense layer; this model's head is another",
                "Use --method hires_cam (the default) or grad_cam.",
            )
        return explained

    def maps(self, pixels: Array, targets: NDArray[np.intp]) -> Array:
        """(n, h, w): maps of any class, for any number of images."""
        if not self.method.weighs:
            return self._checked(self.method.function, self, pixels, targets, count=len(pixels))
        size = self.model.batch_size
        parts = [
            self.explain(pixels[i : i + size], targets[i : i + size]).maps_label for i in range(0, len(pixels), size)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, *self.grid), np.float32)

    def _weigh(self, values: Sequence[Any], gradients: Sequence[Any], xp: Any) -> Any:
        maps = [self.method.function(*each, xp) for each in zip(values, gradients, strict=True)]
        return maps[0] if len(maps) == 1 else cam.fused(maps, self.grid, xp)

    def _probed_grid(self) -> tuple[int, int]:
        height, width = self._checked(
            self.method.function, self, np.zeros((1, *self.model.input_size), np.float32), np.zeros(1, np.intp), count=1
        ).shape[1:]
        return height, width

    def _checked(self, function: Callable[..., Any], *arguments: Any, count: int) -> Array:
        try:
            maps = np.asarray(function(*arguments), np.float32)
        except (ConfigError, ModelError):
            raise
        except Exception as error:
            if ":" not in self.name:
                raise
            raise ConfigError(f"the heatmap method {self.name!r} failed: {type(error).__name__}: {error}") from error
        if maps.ndim != 3 or len(maps) != count or maps.shape[1] * maps.shape[2] < 2:
            raise ConfigError(
                f"the heatmap method {self.name!r} gave shape {maps.shape} for {count} images",
                "It must return maps of shape (images, h, w) with h * w > 1.",
            )
        return maps
