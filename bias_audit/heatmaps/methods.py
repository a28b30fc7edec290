"""Lists the heatmap methods by name, and runs any of them on a model and its preprocessing (`Explainer`)."""

from __future__ import annotations

import contextlib
import difflib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.preprocess import Preprocess
from bias_audit.errors import ConfigError, ModelError
from bias_audit.heatmaps import cam, perturbation
from bias_audit.heatmaps.gradients import integrated_gradients
from bias_audit.models.base import Explanation, Model, Predictions
from bias_audit.run.statuses import NOT_FINITE_OUTPUTS
from bias_audit.users_code import IMPORTABLE, import_function, running

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Method:
    """A heatmap method: its function and what it needs.

    Attributes:
        function: where `weighs`, (values, gradients, xp) -> maps, see `cam`; else (explainer, pixels, targets) -> maps:
            pixels (N, H, W, C) in [0, 255], targets (N,) class indices, maps (N, h, w) signed, of any h and w.
        weighs: whether the method weighs activations by gradients; the cost is then one forward pass and a backward
            pass through the head.
        formula: the formula in one line.
        paper: source of the method.
        passes: cost per image in forward passes (F) and backward passes (B).
        use: purposes for which the maps may be used.
        traced: whether the function takes `xp`, so that it can run inside the traced pass.
        inside: whether the method needs activations or gradients; if not, it runs on any model that predicts.
        grid: model -> (h, w) of the maps; None = found by a first call. Unused where `weighs`: the layer's grid counts.
    """

    function: Callable[..., Any]
    weighs: bool
    formula: str
    paper: str
    passes: str
    use: str
    traced: bool = True
    inside: bool = True
    grid: Callable[[Model], tuple[int, int]] | None = None


DEFAULT = "default"
"""Stands for HiResCAM; for LayerCAM where several layers are explained; for WITHOUT where there are no gradients."""

WITHOUT = "none"
"""In the place of a method: there are no heatmaps."""

AUTO = "auto"
"""Stands for the most faithful of several methods on a sample of the pictures, see `faithfulness.most_faithful`."""

METHODS: dict[str, Method] = {
    "hires_cam": Method(
        cam.hires_cam, True, "sum_k g_k * A_k", "Draelos & Carin 2020", "1 F + B of the head",
        "scores and pictures: shows only what the head used",
    ),
    "grad_cam": Method(
        cam.grad_cam, True, "sum_k mean_ij(g_k) A_k", "Selvaraju et al. 2017", "1 F + B of the head",
        "pictures; spreads beyond what was used on heads without global average pooling",
    ),
    "cam": Method(
        cam.cam, True, "sum_k w_k A_k", "Zhou et al. 2016", "1 F + B of the head",
        "scores; heads of global average pooling and one dense layer only",
    ),
    "grad_cam_plus_plus": Method(
        cam.grad_cam_plus_plus, True, "sum_k sum_ij(ReLU(g_k) / (2 + g_k sum_ij A_k)) A_k",
        "Chattopadhay et al. 2018", "1 F + B of the head",
        "pictures of several objects of a class; drops evidence against it and flattens what is strong: no scores",
    ),
    "layer_cam": Method(
        cam.layer_cam, True, "sum_k ReLU(g_k) * A_k", "Jiang et al. 2021", "1 F + B of the head",
        "pictures from earlier, finer layers, and several layers in one; drops evidence against the class",
    ),
    "xgrad_cam": Method(
        cam.xgrad_cam, True, "sum_k (sum_ij g_k A_k / sum_ij A_k) A_k", "Fu et al. 2020", "1 F + B of the head",
        "scores and pictures of layers behind a ReLU; spreads as Grad-CAM does",
    ),
    "score_cam": Method(
        perturbation.score_cam, False, "sum_k softmax_k(T(x * H_k)) A_k, H_k = A_k upsampled to 0..1",
        "Wang et al. 2020", "K + 1 F, K channels of the layer",
        "pictures of a few images; positive by construction, so no evidence against the class",
        grid=perturbation.layer_grid,
    ),
    "integrated_gradients": Method(
        integrated_gradients, False, "(x - x') mean_s dT/dx(x' + s (x - x')), summed over cells",
        "Sundararajan et al. 2017", "51 F + 51 B",
        "what adds up to T(x) - T(black) without a choice of layer; noisy in deep networks, blind to black: no scores",
        grid=perturbation.pixel_grid,
    ),
    "occlusion": Method(
        perturbation.occlusion, False, "T(x) - T(x with a patch in its mean colour)", "Zeiler & Fergus 2014", "197 F",
        "any model, scores and pictures; misses evidence that stands in two places, unsteady on large objects",
        inside=False, grid=perturbation.pixel_grid,
    ),
    "rise": Method(
        perturbation.rise, False, "sum_i (T(x * M_i) - mean_i T) M_i / (N p)", "Petsiuk et al. 2018",
        f"{perturbation.RISE_MASKS} F",
        "any model, pictures of a few images; noisy, and coarser than its grid",
        inside=False, grid=perturbation.pixel_grid,
    ),
}  # fmt: skip
"""Heatmap methods by name; the default comes first."""


def check_method(name: str) -> None:
    """Refuse the name of an unknown heatmap method, before a model is loaded.

    Raises:
        ConfigError: a name that is none of DEFAULT, AUTO and WITHOUT, and that `find_method` does not resolve.
    """
    if name not in (DEFAULT, AUTO, WITHOUT):
        find_method(name)


def find_method(name: str) -> Method:
    """The method that a name stands for: a key of METHODS, or a user's `module:function`.

    A user's function whose first parameter is called `values` weighs activations, (values, gradients) or, to run inside
    the traced pass, (values, gradients, xp); any other is called with (explainer, pixels, targets).

    Raises:
        ConfigError: an unknown name, or a function that cannot be imported.
    """
    if name in METHODS:
        return METHODS[name]
    if ":" not in name:
        close = difflib.get_close_matches(name, METHODS, 1)
        raise ConfigError(
            f"method must be one of {', '.join(METHODS)}, {AUTO} or module:function, got {name!r}",
            f"Did you mean {close[0]!r}?" if close else "",
        )
    hint = f"Write module:function; {IMPORTABLE}."
    function = import_function(name, "heatmap method", hint)
    with running(f"the heatmap method {name!r} is no function", hint):
        parameters = list(inspect.signature(function).parameters)
    weighs = parameters[:1] == ["values"]
    return Method(function, weighs, name, "the user's own", "", "", traced="xp" in parameters, inside=weighs)


class Explainer:
    """Makes heatmaps of a model by one method, from pixels before preprocessing.

    Args:
        model: the classifier.
        name: key of METHODS, DEFAULT, WITHOUT or `module:function`.
        preprocess: (N, H, W, C) in [0, 255] -> the values that the model was trained on.
        seed: seed of methods that draw at random.

    Attributes:
        name: name of the method that runs, with DEFAULT resolved.
        grid: (h, w) of the maps.
        notes: sentences that a reader of the maps should know about the choice of method.

    Raises:
        ConfigError: an unknown method, AUTO, or a method that this model or this choice of layers does not allow.
    """

    def __init__(self, model: Model, name: str, preprocess: Preprocess, seed: int = 0) -> None:
        self.model, self.preprocess, self.seed = model, preprocess, seed
        self.notes: tuple[str, ...] = ()
        if name == AUTO:
            raise ConfigError(
                "method 'auto' needs pictures to choose by; it runs in an audit",
                f"Name one of {', '.join(METHODS)}.",
            )
        self.name = self._by_default() if name == DEFAULT else name
        self.grid = (1, 1)
        if self.name == WITHOUT:
            return
        self.method = find_method(self.name)
        if self.method.inside and not model.differentiable:
            raise ConfigError(
                f"method {self.name!r} looks inside the network, and this model gives no gradients",
                f"Use one that only changes the picture: {', '.join(k for k, m in METHODS.items() if not m.inside)}.",
            )
        if "," in model.layer and self.method.inside and self.method.function is not cam.layer_cam:
            raise ConfigError(
                f"method {self.name!r} explains one layer, and --layer names several: {model.layer}",
                "Name one layer, or take --method layer_cam, which alone fuses several (Jiang et al. 2021).",
            )
        self._failure: ConfigError | None = None
        if self.method.weighs:
            self.grid = model.grid
        else:
            self.grid = self.method.grid(model) if self.method.grid else self._probed_grid()

    def _by_default(self) -> str:
        if not self.model.differentiable:
            self.notes = (
                "There are no heatmaps: this model gives no gradients. --method occlusion or rise makes some, for "
                f"{METHODS['occlusion'].passes.split()[0]} or {METHODS['rise'].passes.split()[0]} forward passes per "
                "image.",
            )
            return WITHOUT
        if "," in self.model.layer:
            self.notes = ("Several layers are explained: their maps are fused as LayerCAM does.",)
            return "layer_cam"
        return "hires_cam"

    def predict(self, pixels: Array) -> Predictions:
        """Predictions of pictures (N, H, W, C) in [0, 255], for any N."""
        return self.model.predict(self.preprocess(pixels))

    def explain(self, pixels: Array, labels: NDArray[np.intp] | None = None) -> Explanation:
        """Predictions, and heatmaps of the predicted class (`Predictions.best`) and of the labelled class.

        Args:
            pixels: (n, H, W, C) in [0, 255], n at most the model's batch size.
            labels: (n,) indices into the audited classes; None = pictures without labels: `maps_label` equals `maps`.

        Raises:
            ModelError: the method is not defined for this model's head.
            ConfigError: a user's function failed, or returned maps of a wrong shape.
        """
        images = self.preprocess(pixels)
        given = np.full(len(pixels), -1) if labels is None else labels
        if self.name == WITHOUT:
            nothing = np.full((len(pixels), *self.grid), np.nan, np.float32)
            return Explanation(self.model.predict(images), nothing, nothing)
        if self.method.weighs and self.method.traced:
            explained = self._traced(images, given)
        elif self.method.weighs:
            active = self.model.activations(images, given)
            maps, maps_label = (
                self._called(active.values, gradients, count=len(pixels), grid=self.grid)
                for gradients in (active.gradients, active.gradients_label)
            )
            explained = Explanation(active.predictions, maps, maps_label)
        else:
            predictions = self.model.predict(images)
            said = np.flatnonzero(predictions.valid)  # hundreds of passes for a picture without a class say nothing
            maps = np.full((len(pixels), *self.grid), np.nan, np.float32)
            maps[said] = self.maps(pixels[said], predictions.best[said])
            maps_label = maps.copy()
            if labels is not None and len(wrong := said[(predictions.best != labels)[said]]):
                maps_label[wrong] = self.maps(pixels[wrong], labels[wrong])
            explained = Explanation(predictions, maps, maps_label)
        undefined = np.asarray(np.isnan(explained.maps[explained.predictions.valid]).all(axis=(1, 2)))
        # In every picture: in a single one, values that are not finite are not finite in its map either.
        if self.method.function is cam.cam and len(undefined) and undefined.all():
            raise ModelError(
                "CAM needs global average pooling followed by one dense layer; this model's head is another",
                "Use --method hires_cam (the default) or grad_cam.",
            )
        return explained

    def explain_photos(self, positions: Sequence[int], pixels: Array, labels: NDArray[np.intp]) -> Explanation:
        """As `explain`, of photos of the data set at these positions: what was made elsewhere is found by them."""
        return self.explain(pixels, labels)

    def has_map(self, position: int) -> bool:
        """Whether a photo of the data set gets a heatmap, be it one that is not finite."""
        return self.name != WITHOUT

    def why_invalid(self, position: int) -> str:
        """Why a photo of the data set has no valid prediction, in words."""
        return NOT_FINITE_OUTPUTS

    def maps(self, pixels: Array, targets: NDArray[np.intp]) -> Array:
        """Heatmaps (n, h, w) of any number of pictures, each for a given class.

        Args:
            pixels: (n, H, W, C) in [0, 255].
            targets: (n,) indices of the classes to explain.

        Raises:
            ModelError, ConfigError: as `explain`.
        """
        if not self.method.weighs:
            return self._called(self, pixels, targets, count=len(pixels), grid=self.grid)
        size = self.model.batch_size
        parts = [
            self.explain(pixels[i : i + size], targets[i : i + size]).maps_label for i in range(0, len(pixels), size)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, *self.grid), np.float32)

    def _traced(self, images: Array, labels: NDArray[np.intp]) -> Explanation:
        self._failure = None
        try:
            return self.model.explain(images, labels, self._weigh)
        except Exception:
            if self._failure is None:
                raise
            raise self._failure from None  # tracing may wrap what a user's function raised

    def _weigh(self, values: Sequence[Any], gradients: Sequence[Any], xp: Any) -> Any:
        try:
            with self._running():
                maps = [self.method.function(*each, xp) for each in zip(values, gradients, strict=True)]
                if ":" in self.name:
                    self._check_shape(tuple(maps[0].shape), int(values[0].shape[0]), self.grid)
        except ConfigError as error:
            self._failure = error
            raise
        return maps[0] if len(maps) == 1 else cam.fused(maps, self.grid, xp)

    def _probed_grid(self) -> tuple[int, int]:
        pixels, target = np.zeros((1, *self.model.input_size), np.float32), np.zeros(1, np.intp)
        height, width = self._called(self, pixels, target, count=1, grid=None).shape[1:]
        return height, width

    def _called(self, *arguments: Any, count: int, grid: tuple[int, int] | None) -> Array:
        """Call the method's function on NumPy arrays and check the shape of the maps."""
        with self._running():
            maps = np.asarray(self.method.function(*arguments), np.float32)
        self._check_shape(maps.shape, count, grid)
        return maps

    def _running(self) -> contextlib.AbstractContextManager[None]:
        """Context in which an error of a user's method becomes a ConfigError; errors of built-in methods stay."""
        if ":" in self.name:
            return running(f"the heatmap method {self.name!r} failed")
        return contextlib.nullcontext()

    def _check_shape(self, shape: tuple[int, ...], count: int, grid: tuple[int, int] | None) -> None:
        if len(shape) == 3 and shape[0] == count and shape[1] * shape[2] > 1 and grid in (None, shape[1:]):
            return
        expected = "h, w) with h * w > 1" if grid is None else f"{grid[0]}, {grid[1]})"
        raise ConfigError(
            f"the heatmap method {self.name!r} gave shape {shape} for {count} images",
            f"It must return maps of shape (images, {expected}.",
        )
