"""Observes the outputs of the modules of a PyTorch model by hooks, which are gone when the pass is over."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from bias_audit.errors import ModelError
from bias_audit.models.grids import Spatial, Step, looks_first, spatial
from bias_audit.models.outputs import chosen_output

BETWEEN = "."
"""Stands between the names of modules in a path."""

CHANNELS_FIRST = (
    nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.InstanceNorm2d, nn.GroupNorm, nn.LocalResponseNorm, nn.Upsample,
    nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.PixelShuffle,
)  # fmt: skip
"""Modules whose output of four axes is (N, C, H, W)."""


class Layers(NamedTuple):
    """What ran in a forward pass.

    Attributes:
        steps: (path, module, shape of the output as (N, H, W, C) or (N, T, C)) of each module that ran, in order.
        first: paths of the modules whose output has the channels first.
        turned: paths of the modules whose output is a sequence with the tokens first, (T, N, C).
        places: modules whose output is a map over the image.
        last: the module that made the model's output; None = no module did.
        shape: shape of the model's output.
        same: paths of the modules that gave the output of the last of `places`, itself and not a part of it.
    """

    steps: list[Step]
    first: frozenset[str]
    turned: frozenset[str]
    places: list[Spatial]
    last: nn.Module | None
    shape: tuple[int, ...]
    same: frozenset[str]

    @property
    def outputs_bytes(self) -> tuple[int, int]:
        """Bytes of the outputs of all modules together, and of the largest, for one image in float32.

        Those of containers count as well, so the sum is an upper bound.
        """
        sizes = [4 * math.prod(size or 1 for size in shape[1:]) for _, _, shape in self.steps]
        return sum(sizes), max(sizes, default=0)

    @property
    def channels(self) -> dict[str, int]:
        """Path of a module that could be explained -> number of its channels."""
        usable = {place.path for place in self.places}
        return {path: int(shape[-1] or 0) for path, _, shape in self.steps if path in usable}

    def as_grid(self, place: Spatial, output: torch.Tensor) -> torch.Tensor:
        """Bring an output of a module, or its gradient, to (N, h, w, C)."""
        if place.path in self.first:
            return output.permute(0, 2, 3, 1)
        output = output.transpose(0, 1) if place.path in self.turned else output
        return place.as_grid(output, torch.reshape)  # type: ignore[no-any-return]


def ran(model: nn.Module, images: torch.Tensor, forward: Callable[[torch.Tensor], torch.Tensor]) -> Layers:
    """Run a batch and note which modules ran.

    Args:
        model: the model.
        images: (N, C, H, W).
        forward: the forward pass of the model -> (N, outputs).
    """
    steps: list[Step] = []
    first: dict[str, bool] = {}
    turned: set[str] = set()
    layout: dict[tuple[int, ...], bool] = {}  # shape of an output -> whether channels were first in the last such one
    makers: dict[int, nn.Module] = {}
    given: dict[str, int] = {}  # path -> id of the output
    kept: list[torch.Tensor] = []  # alive until the end, so that no two of them have one id

    def note(path: str, module: nn.Module, output: torch.Tensor) -> None:
        kept.append(output)
        given[path] = id(output)
        makers.setdefault(id(output), module)  # the innermost module ends first
        shape = tuple(output.shape)
        if len(shape) == 4:
            first[path] = layout[shape] = _channels_first(module, shape, layout.get(shape), images)
            if first[path]:
                shape = (shape[0], *shape[2:], shape[1])
        if len(shape) == 3 and shape[0] != shape[1] == len(images):
            turned.add(path)
            shape = (shape[1], shape[0], shape[2])
        if shape[0] == len(images):
            steps.append((path, module, shape))

    with contextlib.ExitStack() as hooks:
        for path, module in model.named_modules():
            if path and not isinstance(module, torch.jit.ScriptModule):  # hooks on it are not called
                hooks.enter_context(hooked(module, functools.partial(note, path, module)))
        output = forward(images)
    height, width = images.shape[2:]
    # Blocks need not be built of a class called attention: whoever normalises the vectors of a sequence has tokens.
    tokens = any(isinstance(module, nn.LayerNorm | nn.RMSNorm) and len(shape) == 3 for _, module, shape in steps)
    last = {path: number for number, (path, _, _) in enumerate(steps)}
    # A module that ran several times is explained by its last output, which may have another shape than the others.
    ended = [step for number, step in enumerate(steps) if last[step[0]] == number]
    ended = [step for step in ended if len(step[2]) != 4 or _in_proportion(step[2], images)] or ended
    places = spatial(ended, (int(height), int(width)), BETWEEN, tokens=tokens)
    grids = frozenset(path for path, is_first in first.items() if is_first)
    whole = given[places[-1].path] if places else None
    same = frozenset(path for path, each in given.items() if each == whole)
    return Layers(steps, grids, frozenset(turned), places, makers.get(id(output)), tuple(output.shape), same)


@contextlib.contextmanager
def hooked(module: nn.Module, on_output: Callable[[torch.Tensor], torch.Tensor | None]) -> Iterator[None]:
    """Context in which `on_output` gets each output of a module, and what it returns, if anything, replaces it.

    Of a module that returns several tensors it gets the first.
    """

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        if isinstance(output, torch.Tensor):
            return on_output(output)
        if isinstance(output, tuple) and type(output) is tuple and output and isinstance(output[0], torch.Tensor):
            changed = on_output(output[0])
            return None if changed is None else (changed, *output[1:])
        return None

    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def outputs_of(made: Any, asked: str | None = None) -> torch.Tensor:
    """The outputs (N, outputs) in what a model returned.

    Args:
        made: a tensor, or a collection of tensors.
        asked: which one of a collection (`AuditConfig.output`); None = `.logits` where it has them, else the only one.

    Raises:
        ModelError: anything else, or several outputs of which none was asked for.
        ConfigError: there is no such output.
    """
    found = getattr(made, "logits", None) if asked is None else None
    if found is None:
        found = chosen_output(made, asked)
    if not isinstance(found, torch.Tensor):
        raise ModelError(f"the model is no classifier: it returned {type(found).__name__}, expected a tensor")
    if not found.is_floating_point():
        raise ModelError(f"the model is no classifier: its output is of {found.dtype}, expected floating-point numbers")
    if found.ndim != 2 or not found.shape[1]:
        raise ModelError(
            f"the model is no classifier: its output has shape {tuple(found.shape)}, expected (images, classes)"
        )
    return found


@contextlib.contextmanager
def as_deployed(model: nn.Module) -> Iterator[None]:
    """Context in which a model predicts as in use (eval) and no weight asks for a gradient; undone at its end."""
    training = [(module, module.training) for module in model.modules()]
    # Those made in inference mode cannot be asked again; with them there is no gradient anyway.
    asking = [weight for weight in model.parameters() if weight.requires_grad and not weight.is_inference()]
    try:
        model.eval()
        for weight in asking:
            weight.requires_grad_(False)
        yield
    finally:
        for module, was in training:
            module.training = was
        for weight in asking:
            weight.requires_grad_(True)


def _channels_first(module: nn.Module, shape: tuple[int, ...], before: bool | None, images: torch.Tensor) -> bool:
    """Whether an output of four axes is (N, C, H, W), and not (N, H, W, C) as in Swin.

    PyTorch's own modules say so by what they are. Any other has the layout of the last output of this shape; where
    there was none, the one whose height and width are in the proportions of the image.

    Args:
        module: what made it.
        shape: its shape.
        before: whether the last output of the same shape was; None = there was none.
        images: (N, C, H, W), the input of the model.
    """
    if isinstance(module, nn.Linear) or (type(module) is nn.LayerNorm and len(module.normalized_shape) == 1):
        return False  # both work on the last axis; classes made of LayerNorm often work on another
    if isinstance(module, CHANNELS_FIRST):
        return True
    if before is not None:
        return before
    height, width = images.shape[2:]
    return looks_first(shape, (int(height), int(width)))


def _in_proportion(shape: tuple[int | None, ...], images: torch.Tensor) -> bool:
    """Whether an output (N, h, w, C) has the proportions of the image, to two cells: else its axes are others.

    Such as (N, heads, tokens, channels of a head).
    """
    height, width = images.shape[2:]
    return abs((shape[1] or 0) * width - (shape[2] or 0) * height) <= 2 * max(height, width)
