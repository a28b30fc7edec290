"""Chooses the number of images per pass, so that a pass fits into memory, and refuses one that does not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bias_audit.errors import ConfigError, ModelError
from bias_audit.limits.bounds import Limits, beyond
from bias_audit.limits.memory import batch_bytes, main_memory

if TYPE_CHECKING:
    from bias_audit.config import AuditConfig

PER_PASS, PER_PASS_GPU = 32, 128
"""Most images per pass, on a CPU and on a GPU. On two cores larger batches were no faster; a GPU needs more at once."""

SHARE = 0.25
"""Share of the memory for the outputs of layers: the rest is for weights, decoded images and other programs."""

COPIES = 10
"""Times that an image of a batch is held in float32: three groups decoded ahead, the batch and its list, preprocessed,
as a tensor, and the products of an image with the mask of a method."""

AT_ONCE = 4
"""Outputs of layers that a forward pass holds at once, in the size of the largest: input, output, a shortcut, room to
compute in."""


@dataclass(frozen=True)
class Cost:
    """What one image of a batch costs.

    Attributes:
        input_size: (height, width, channels) of the image.
        outputs: bytes of the outputs of all layers together. A forward pass holds less, since it frees outputs that are
            used up; a gradient with respect to the pixels holds them all.
        largest: bytes of the largest output.
    """

    input_size: tuple[int, int, int]
    outputs: int
    largest: int

    def held(self, *, all_outputs: bool) -> int:
        """Bytes of one image of a batch, with all outputs of layers or with those that a forward pass holds."""
        layers = self.outputs if all_outputs else min(self.outputs, AT_ONCE * self.largest)
        return COPIES * 4 * math.prod(self.input_size) + layers


def fitting_batch(cost: Cost, limits: Limits, on_gpu: int | None = None) -> int:
    """Images per pass: a power of two, halved from the largest until a pass takes at most SHARE of the memory.

    The number depends on the network and on the machine's whole memory, not on the memory that is free at the moment,
    so that an audit uses the same batches when it is repeated.

    Args:
        cost: of one image.
        limits: what the images of a batch may take.
        on_gpu: bytes of memory of the GPU that the network runs on; None = it runs on the CPU, or where is not known.
    """
    size, memory = (PER_PASS, main_memory()) if on_gpu is None else (PER_PASS_GPU, on_gpu)
    while size > 1 and memory is not None and size * cost.outputs > SHARE * memory:
        size //= 2
    while size > 1 and size * cost.held(all_outputs=False) > batch_bytes(limits):
        size //= 2
    return size


def check_batch(cost: Cost, config: AuditConfig, fixed: int | None = None) -> None:
    """Refuse a batch that would take more memory than the limit, before anything of it is allocated.

    Args:
        cost: of one image.
        config: images per pass, if given, the method and the limits.
        fixed: images per pass that the model itself asks for; None = any number.

    Raises:
        ConfigError: the given number of images is too large; the sentence names the largest that fits.
        ModelError: one image, or the number that the model asks for, is too large.
    """
    each = cost.held(all_outputs=config.method == "integrated_gradients")
    most = batch_bytes(config.limits)
    size = fixed or config.batch_size or 1
    if size * each <= most:
        return
    height, width, channels = cost.input_size
    said = f"{height}x{width}x{channels} would take {beyond('batch_bytes', size * each, most)}"
    if each > most:
        raise ModelError(f"the model is too large for this memory: one image of {said}")
    if fixed is not None:
        raise ModelError(f"the model takes batches of exactly {fixed} images, which is too large: images of {said}")
    raise ConfigError(
        f"--batch-size {size} is too large: {size} images of {said}",
        f"The largest that fits is --batch-size {most // each}.",
    )
