"""Networks that PyTorch saved as programs, TorchScript and torch.export: they predict, and show no layers.

Running such a file runs what it says, as PyTorch's security policy warns: a program may read and write files. So a file
is opened only where its address says what it is, `torchscript:FILE` or `torch.export:FILE`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bias_audit.config import AuditConfig
from bias_audit.errors import ConfigError, ModelError
from bias_audit.limits.watchdog import watched
from bias_audit.models.batched import channels_first
from bias_audit.models.function import PredictFunction, Source
from bias_audit.models.pytorch.files import PROGRAMS, program_in
from bias_audit.models.pytorch.layers import outputs_of
from bias_audit.models.reading import read_model_file
from bias_audit.users_code import running

SHOWS_NOTHING = (
    "A program of PyTorch shows no layers and no gradients, so there is no layer to explain: only methods that perturb "
    "the image run."
)


def open_program(address: str, config: AuditConfig, class_names: tuple[str, ...] | None) -> PredictFunction:
    """Open a program of PyTorch, which is run; it stays on the CPU.

    Args:
        address: `torchscript:FILE`, of `torch.jit.save`, or `torch.export:FILE`, of `torch.export.save`.
        config: layer, image size, batch size, class map, and what the outputs are.
        class_names: classes of the data set, in the order of the outputs; None = any.

    Raises:
        ModelError: a file that cannot be read, no program of that kind, or one that is no classifier of images.
        ConfigError: the program failed, or takes pictures of another size than was asked for.
    """
    library, _, name = address.partition(":")
    if (kind := program_in(Path(name))) != library:
        raise ModelError(
            f"{name!r} is no program of {PROGRAMS[library]}",
            "" if kind is None else f"It is one of {PROGRAMS[kind]}: name it {kind}:{name}",
        )
    content = read_model_file(Path(name), "program", config.limits)
    with (
        watched("loading the program", config.limits.seconds_per_call),
        running(f"cannot load {name!r} as a program of {PROGRAMS[library]}"),
        _quiet("torch.export"),
    ):
        program = (_script if library == "torchscript" else _exported)(io.BytesIO(content), config.output)
    source = Source(Path(name).name, hashlib.sha256(content).hexdigest(), made=True)
    if config.image_size is not None and program.input_size and config.image_size != program.input_size[:2]:
        height, width, _ = program.input_size
        raise ConfigError(
            f"image_size is {config.image_size[0]}x{config.image_size[1]}, and {name!r} takes {height}x{width} alone",
            "Leave --image-size out.",
        )
    model = PredictFunction(program, config, class_names, source)
    model.notes += (SHOWS_NOTHING,)
    return model


class Program:
    """A program of PyTorch as a function that predicts.

    Args:
        run: (N, C, H, W) -> what the program returns.
        dtype: numbers that it takes.
        shape: (N, C, H, W) of its input, None where it takes any; None = nothing is known of it.
        output: which of its outputs predicts; None = it has one.

    Attributes:
        input_size: (H, W, C) of its input; None = any.
    """

    def __init__(
        self,
        run: Callable[[torch.Tensor], Any],
        dtype: torch.dtype,
        shape: tuple[int | None, ...] | None = None,
        output: str | None = None,
    ) -> None:
        self._run, self._dtype, self._output = run, dtype, output
        batch, *sides = shape or (None, None, None, None)
        self._batch = batch
        self.input_size = None if None in sides else (*sides[1:], sides[0])

    def __call__(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Outputs (n, outputs) for images (n, H, W, C); a program of a fixed batch gets full ones, the last padded."""
        pixels = torch.from_numpy(channels_first(images)).to(self._dtype)
        at_once = self._batch or len(pixels)
        made = []
        with torch.no_grad():
            for start in range(0, len(pixels), at_once):
                part = pixels[start : start + at_once]
                missing = at_once - len(part)
                full = torch.cat([part, part.new_zeros((missing, *part.shape[1:]))]) if missing else part
                made.append(outputs_of(self._run(full), self._output)[: len(part)])
        return torch.cat(made).float().numpy()


def _script(file: io.BytesIO, output: str | None) -> Program:
    module = torch.jit.load(file, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    weight = next((each for each in module.parameters() if each.is_floating_point()), None)
    return Program(module, torch.float32 if weight is None else weight.dtype, output=output)


def _exported(file: io.BytesIO, output: str | None) -> Program:
    program = torch.export.load(file)
    inputs = [node for node in program.graph.nodes if node.name in program.graph_signature.user_inputs]
    given = inputs[0].meta.get("val") if len(inputs) == 1 else None
    if not isinstance(given, torch.Tensor) or given.ndim != 4 or not given.is_floating_point():
        raise ModelError(
            f"the program takes {len(inputs)} inputs{'' if given is None else f', the first {given}'}"[:200],
            "A classifier takes one, images as floating-point numbers (N, C, H, W).",
        )
    shape = tuple(side if isinstance(side, int) else None for side in given.shape)  # others are symbols
    return Program(program.module(), given.dtype, shape, output)


@contextlib.contextmanager
def _quiet(logger: str) -> Iterator[None]:
    """A context in which a logger says nothing: what PyTorch logs of a damaged file is said in one sentence."""
    of = logging.getLogger(logger)
    was, of.disabled = of.disabled, True
    try:
        yield
    finally:
        of.disabled = was
