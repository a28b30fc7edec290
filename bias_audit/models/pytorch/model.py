"""Runs and explains a PyTorch model without changing it: the explained layer is observed by a hook.

The hook hands on a detached copy of the layer's output, so that a backward pass runs through the head alone.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.parameter import UninitializedParameter

from bias_audit.errors import ModelError
from bias_audit.limits.watchdog import watched
from bias_audit.models.base import Activations, Array, Explanation, LastLayer, Predictions, Weigh, joined
from bias_audit.models.batched import Batched, channels_first, predictions_of
from bias_audit.models.choosing import candidates, choose, listed
from bias_audit.models.function import Source, assumed_size, kind_of
from bias_audit.models.grids import Spatial
from bias_audit.models.head import find_head, finite_rows, head_of, probes
from bias_audit.models.memory import Cost, check_batch, fitting_batch
from bias_audit.models.pytorch.layers import BETWEEN, as_deployed, hooked, outputs_of, ran
from bias_audit.models.pytorch.tensors import Tensors
from bias_audit.models.trained_with import TrainedWith
from bias_audit.users_code import running

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig

PROBED = 2
"""Random images on which it is found out which modules run, and which of them get a gradient."""

NO_LAYER = (
    "No module of the model keeps a spatial grid and gets a gradient of the outputs (none does before detach(), under "
    "torch.no_grad() or in TorchScript), so there is no layer to explain: only methods that perturb the image run."
)


class TorchModel(Batched):
    """A PyTorch classifier of images (N, C, H, W); see `base.Model`.

    It gets what the preprocessing makes of photos, 0..255 without one, so a model trained on other pixels needs
    `--preprocess`. It is left as it was given: its mode, its weights and whether these ask for gradients.

    Args:
        model: the model. One that a function made, or that `module:function` names, is moved from the CPU to the GPU,
            if there is one; another runs where its weights lie.
        config: layer, image size, batch size, class map, and what the outputs are.
        class_names: classes of the data set, in the order of the outputs; None = any.
        source: where it comes from; None = it was given in memory.

    Attributes:
        channels: path of a layer that could be explained -> number of its channels.
        parameters: number of weights.
        trained_with: what its files say of the pictures that it was trained with; None = nothing.

    Raises:
        ModelError: no classifier, outputs that do not fit the classes, or no usable layer.
        ConfigError: the model failed, or an image size or batch size that does not fit.
    """

    inside: tuple[str, ...] = ()
    trained_with: TrainedWith | None = None
    shows_inside = False
    """Whether `inside` names all that is done to the images; see `heatmaps.inspection`."""

    runs_torch = True
    """Whether `AuditConfig.torch` says how the model runs."""

    def __init__(
        self, model: nn.Module, config: AuditConfig, class_names: tuple[str, ...] | None, source: Source | None
    ) -> None:
        self._model, self._seconds, self._output = model, config.limits.seconds_per_call, config.output
        asked = [] if config.torch is None else [part.strip() for part in config.torch.split(",")]
        self._channels_last, self._bfloat16 = "channels_last" in asked, "bfloat16" in asked
        moves = source is not None  # a model in memory stays where its owner put it
        source = source or Source(type(model).__name__, "")
        self._name = source.name
        with self._called("the first look"):
            if any(isinstance(each, UninitializedParameter) for each in model.parameters()):
                raise ModelError(
                    f"the model {self._name} has lazy layers without weights",
                    "Call it once with a batch of images, and train it.",
                )
            self._device, self._dtype = _placed(model, move=moves)
            if self._channels_last and moves:  # the layout of weights in memory is their owner's
                model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            self.input_size, size_note = assumed_size(model, config, source.name, channels=_channels(model))
        check_batch(Cost(self.input_size, 0, 0), config)  # before a picture of this size is made
        self.batch_size = PROBED
        with self._called("the first call"), torch.no_grad():
            self._layers = ran(model, self._tensor(probes(PROBED, self.input_size)), self._forward)
            self.sha256 = weights_hash(model, source.sha256)
            self.parameters = sum(each.numel() for each in model.parameters())
        cost = Cost(self.input_size, *self._layers.outputs_bytes)
        check_batch(cost, config)
        self.batch_size = config.batch_size or fitting_batch(cost, config.limits, _gpu_memory(self._device))
        self.layers = listed(self._layers.places)
        self.channels = self._layers.channels
        notes = self._find_head(config, class_names, source)
        self.notes = (*notes, *([size_note] if size_note else []), *self._head.notes)
        self._explained_at(config.layer)

    def _find_head(self, config: AuditConfig, class_names: tuple[str, ...] | None, source: Source) -> tuple[str, ...]:
        """Decide what the outputs are, by the module that makes them or by those for random images."""
        last = self._layers.last
        self._final = last if isinstance(last, nn.Softmax | nn.Sigmoid) else None
        with self._called("the prediction of random images"), torch.no_grad():
            raw = self._forward(self._tensor(probes(min(8, self.batch_size), self.input_size)))
        outputs = raw.cpu().double().numpy()  # in this order: an Apple GPU has no double precision
        if isinstance(last, nn.Linear | nn.Softmax | nn.Sigmoid):
            self._head = find_head(outputs, isinstance(last, nn.Linear), config, class_names)
            return ()
        outputs, overflows = finite_rows(outputs)
        kind, why = kind_of(outputs, config, Source(source.name, source.sha256, made=True))
        self._head = head_of(kind, outputs.shape[1], config, class_names, overflows=overflows)
        return (why,)

    def predict(self, images: Array) -> Predictions:
        """Predictions for any number of images (n, H, W, C), in batches; see `base.Model`."""
        made = []
        for start in range(0, max(len(images), 1), self.batch_size):
            part = images[start : start + self.batch_size]
            with self._called(f"the prediction of {len(part)} images", len(part)), torch.no_grad():
                made.append(predictions_of([each.cpu() for each in self._read(self._padded(part))], len(part)))
        return joined(made)

    def explain(self, images: Array, labels: NDArray[np.intp], weigh: Weigh) -> Explanation:
        """Predictions and heatmaps of images (n, H, W, C), n <= batch_size; see `base.Model`."""
        what = f"the explanation of {len(images)} images"
        with self._called(what, len(images)):
            outputs, values, gradients, labelled = self._gradients(images, labels)
        with watched(f"{what} by the method", self._seconds):  # what a method raises is not the model's failure
            maps = _array(weigh(values, gradients, Tensors))
            maps_label = maps.copy() if labelled is gradients else _array(weigh(values, labelled, Tensors))
        n = len(images)
        return Explanation(predictions_of(outputs, n), maps[:n], maps_label[:n])

    def activations(self, images: Array, labels: NDArray[np.intp]) -> Activations:
        """Activations and gradients of the first explained layer for n <= batch_size images; see `base.Model`."""
        with self._called(f"the explanation of {len(images)} images", len(images)):
            outputs, *parts = self._gradients(images, labels)
        n = len(images)
        return Activations(predictions_of(outputs, n), *(_array(part[0])[:n] for part in parts))

    def input_gradients(self, images: Array, targets: NDArray[np.intp]) -> Array:
        """(n, H, W, C) gradient of the log-odds of each image's target class, in batches; see `base.Model`."""
        parts = []
        for start in range(0, len(images), self.batch_size):
            part = images[start : start + self.batch_size]
            with self._called(f"the gradient of {len(part)} images", len(part)), torch.enable_grad():
                pixels = self._padded(part).requires_grad_(True)
                odds = self._read(pixels.clone())[1]  # a copy: the model may change its input in place
                asked = self._targets(targets[start : start + self.batch_size])
                asked = torch.where(asked < 0, odds.argmax(dim=1), asked)
                (gradient,) = _gradients_of(_sum_of(odds, asked), [pixels], keep=False)
            parts.append(_array(gradient.permute(0, 2, 3, 1))[: len(part)])
        return np.concatenate(parts) if parts else np.zeros_like(images)

    def at_layer(self, path: str) -> TorchModel:
        """This network, explained at another layer; see `base.Model`."""
        other = copy.copy(self)
        other._explained_at(path)
        return other

    def last_layer(self) -> LastLayer:
        """Its last linear layer; see `base.LastLayer`."""
        from bias_audit.models.pytorch.last_layer import TorchLastLayer

        return TorchLastLayer(self, self._model)

    @contextlib.contextmanager
    def randomised(self, seed: int) -> Iterator[None]:
        """Context in which every weight tensor is shuffled; at its end, also after an error, weights are restored."""
        named = (*self._model.parameters(), *self._model.buffers())
        tensors = [each for each in named if each.is_floating_point()]  # integers are indices, not weights
        kept = [each.detach().clone() for each in tensors]
        rng = np.random.default_rng(seed)
        try:
            with torch.no_grad():
                for tensor, values in zip(tensors, kept, strict=True):
                    order = torch.from_numpy(rng.permutation(values.numel())).to(values.device)
                    tensor.copy_(values.flatten()[order].reshape(values.shape))  # the scale stays: nothing overflows
            yield
        finally:
            with torch.no_grad():
                for tensor, values in zip(tensors, kept, strict=True):
                    tensor.copy_(values)

    def _explained_at(self, path: str) -> None:
        places: list[Spatial] = []
        if path != "auto":
            paths = [step[0] for step in self._layers.steps]
            places = [choose(self._layers.places, paths, part.strip(), BETWEEN) for part in path.split(",")]
        elif (live := self._live_place()) is not None:
            places = [live]
        self.differentiable = bool(places)
        if not places:
            self.layers, self.layer, self.grid = (), "", (1, 1)
            self.notes += (NO_LAYER,)
            return
        self._taps = places
        self.layer = ",".join(place.path for place in places)
        self.grid = max((place.grid for place in places), key=math.prod)

    def _live_place(self) -> Spatial | None:
        """The layer that "auto" explains: the best one whose map over the image gets a gradient; None = there is none.

        A class token leaves the patches of the last block without one, and so does `detach()` or `torch.no_grad()`
        whatever is before it. If the gradients that arrive are all zero on random images, the best layer that they
        reach.
        """
        usable = self._layers.places
        places = list(dict.fromkeys((*candidates(usable, BETWEEN, self._layers.same), *usable[::-1])))
        if not places:
            return None
        pixels = self._tensor(probes(PROBED, self.input_size))  # few: the graph of the whole network is kept
        with self._called("the first gradient"), torch.enable_grad(), self._tapped(places) as seen:
            odds = self._read(pixels)[1]
            found = _gradients_of(odds.amax(dim=1).sum(), list(seen.values()), keep=False, zeros=False)
            gradients = dict(zip(seen, found, strict=True))
        reached = [number for number in sorted(seen) if gradients[number] is not None]
        live = [each for each in reached if self._layers.as_grid(places[each], gradients[each]).abs().max() > 0]
        return places[(live or reached)[0]] if reached else None

    @contextlib.contextmanager
    def _tapped(self, places: Sequence[Spatial]) -> Iterator[dict[int, torch.Tensor]]:
        """Context that fills a dictionary, position in `places` -> output of the layer, cut from what made it.

        A layer that is used several times counts with its last output, which feeds the head. Several layers hang
        together: only those before which no other was seen are cut.
        """
        seen: dict[int, torch.Tensor] = {}

        def cut(place: int, output: torch.Tensor) -> torch.Tensor:
            through = len(places) > 1 and output.requires_grad
            seen[place] = output if through else output.detach().requires_grad_(True)
            # A copy goes on: in place, a ReLU after the layer would change the values that are explained. It has a
            # gradient also where the model computes its features under `torch.no_grad()`.
            with torch.enable_grad():
                return seen[place].clone()

        with contextlib.ExitStack() as hooks:
            for number, place in enumerate(places):
                hooks.enter_context(hooked(place.layer, functools.partial(cut, number)))
            yield seen

    def _gradients(self, images: Array, labels: NDArray[np.intp]) -> Any:
        """(outputs, values, gradients of the most probable class, and of the label), lists of a part per layer.

        Where every label is the most probable class, the last two are one list.
        """
        with torch.enable_grad(), self._tapped(self._taps) as seen:
            outputs = self._read(self._padded(images))
            odds = outputs[1]
            best = odds.argmax(dim=1)
            asked = self._targets(labels)
            asked = torch.where(asked < 0, best, asked)
            order = sorted(seen)
            found = [seen[number] for number in order]
            differ = bool((best != asked).any())
            gradients = _gradients_of(_sum_of(odds, best), found, keep=differ)
            labelled = _gradients_of(_sum_of(odds, asked), found, keep=False) if differ else gradients

        def grids(of: Sequence[torch.Tensor]) -> list[torch.Tensor]:
            pairs = zip(order, of, strict=True)
            return [self._layers.as_grid(self._taps[number], each.detach().float()) for number, each in pairs]

        values, best_grids = grids(found), grids(gradients)
        parts = values, best_grids, grids(labelled) if differ else best_grids
        return tuple(each.detach().cpu() for each in outputs), *parts

    def _read(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """What `Head.read` makes of the outputs for images (N, C, H, W)."""
        logits: list[torch.Tensor] = []
        with contextlib.ExitStack() as hooks:
            if self._final is not None:
                handle = self._final.register_forward_pre_hook(lambda _, given: logits.append(given[0]))
                hooks.callback(handle.remove)
            raw = self._forward(images)
        return self._head.read(raw, logits[-1] if logits else None, Tensors)

    def _forward(self, images: torch.Tensor) -> torch.Tensor:
        precision = torch.autocast(self._device.type, torch.bfloat16) if self._bfloat16 else contextlib.nullcontext()
        with as_deployed(self._model), precision:
            outputs = outputs_of(self._model(images), self._output)
        if len(outputs) != len(images):
            raise ModelError(f"the model gave {len(outputs)} rows of outputs for {len(images)} images")
        return outputs

    def _tensor(self, images: Array) -> torch.Tensor:
        # A copy: a model may change its input. Pictures lie in memory with their channels last.
        if self._device.type != "cpu":  # a GPU gets them as they are, and turns them faster
            pixels = torch.from_numpy(np.ascontiguousarray(images, np.float32)).to(self._device, self._dtype)
            pixels = pixels.permute(0, 3, 1, 2)
            return pixels if self._channels_last else pixels.contiguous()
        if self._channels_last:
            pixels = torch.from_numpy(np.array(images, np.float32, order="C")).permute(0, 3, 1, 2)
        else:
            pixels = torch.from_numpy(channels_first(images))
        return pixels.to(self._device, self._dtype)

    def _padded(self, images: Array) -> torch.Tensor:
        return self._tensor(self._full_batch(images))

    def _targets(self, labels: NDArray[np.intp]) -> torch.Tensor:
        return torch.from_numpy(self._full_targets(labels)).to(self._device, torch.int64)

    @contextlib.contextmanager
    def _called(self, what: str, pictures: int = 0) -> Iterator[None]:
        """Context of one call: it may not last for ever, and what it raises is one sentence."""
        with (
            watched(f"{what} by the model", self._seconds, pictures),
            running(f"the model {self._name} failed"),
            torch.inference_mode(False),  # the caller's: nothing that is made in it can have a gradient
        ):
            yield


def _placed(model: nn.Module, *, move: bool) -> tuple[torch.device, torch.dtype]:
    """Where a model runs and the numbers that it takes; with `move`, one on the CPU is moved to the GPU, if any."""
    weight = next(iter(model.parameters()), None)
    if move and (weight is None or weight.device.type == "cpu") and (there := accelerator()) is not None:
        model.to(there)
        return there, _number(weight)
    return torch.device("cpu") if weight is None else weight.device, _number(weight)


def _number(weight: torch.Tensor | None) -> torch.dtype:
    return weight.dtype if weight is not None and weight.dtype.is_floating_point else torch.float32


def accelerator() -> torch.device | None:
    """The GPU that PyTorch would use; None = there is none."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else None


def weights_hash(model: nn.Module, source: str) -> str:
    """SHA-256 of the source of a model and of the names and values of its weights; 64 hex digits."""
    digest = hashlib.sha256(source.encode())
    for name, values in model.state_dict().items():
        if isinstance(values, torch.Tensor):
            digest.update(name.encode())
            digest.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _channels(model: nn.Module) -> int:
    """1 where the first convolution takes grey pictures, else 3."""
    first = next((each for each in model.modules() if isinstance(each, nn.Conv2d)), None)
    return 1 if first is not None and first.in_channels == 1 else 3


def _gpu_memory(device: torch.device) -> int | None:
    return int(torch.cuda.get_device_properties(device).total_memory) if device.type == "cuda" else None


def _sum_of(odds: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return odds.gather(1, targets[:, None]).sum()


def _gradients_of(target: torch.Tensor, values: list[torch.Tensor], *, keep: bool, zeros: bool = True) -> list[Any]:
    """Gradients with respect to each of the values; zeros, or None, where the target does not depend on it."""
    found: Sequence[Any] = [None] * len(values)
    if target.requires_grad and values:
        found = torch.autograd.grad(target, values, retain_graph=keep, allow_unused=True)
    return [
        torch.zeros_like(value) if each is None and zeros else each for value, each in zip(values, found, strict=True)
    ]


def _array(tensor: torch.Tensor) -> Array:
    return np.asarray(tensor.detach().float().cpu().numpy(), np.float32)
