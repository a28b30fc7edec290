"""Which outputs of a network are maps over the image: 4-D grids, and token sequences of transformers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from bias_audit.models.framework import tf

MOST_PREFIX = 8
"""Tokens before those of the image, at most: one for the class, and registers (Darcet et al. 2024 use up to 8)."""

Step = tuple[str, Any, tuple[int | None, ...]]
"""Path, layer, shape of its output with the batch first; in the order in which layers ran."""


class Spatial(NamedTuple):
    """A layer whose output is a map over the image.

    Attributes:
        path: `backbone/name`.
        layer: the layer.
        grid: (h, w).
        prefix: None for (N, h, w, C); otherwise the output is (N, prefix + h w, C), and so many tokens come first.
    """

    path: str
    layer: Any
    grid: tuple[int, int]
    prefix: int | None = None

    def as_grid(self, output: Any) -> Any:
        """(N, h, w, C) of an output or of its gradient."""
        if self.prefix is None:
            return output
        return tf.reshape(output[:, self.prefix :], (-1, *self.grid, output.shape[2]))


def spatial(steps: Sequence[Step], image: tuple[int, int]) -> list[Spatial]:
    """The steps that keep a map of h * w > 1, in their order.

    Tokens count only in a network with attention: elsewhere a sequence as long as the grid is a reshape on the way to
    the head. What runs inside an attention layer, (N, T, heads, C) and (N, heads, T, T), is no map.

    Args:
        steps: all layers that ran.
        image: (height, width) of the input, for the shape of tokens without a patch embedding that is a layer.
    """
    attention = tuple(path + "/" for path, layer, _ in steps if "attention" in type(layer).__name__.lower())
    found: list[Spatial] = []
    patches: tuple[int, int] | None = None
    for path, layer, shape in steps:
        if attention and path.startswith(attention):
            continue
        if len(shape) == 4 and shape[1] and shape[2] and shape[1] * shape[2] > 1:
            patches = (shape[1], shape[2])
            found.append(Spatial(path, layer, patches))
        elif attention and len(shape) == 3 and shape[1] and (tokens := token_grid(shape[1], patches, image)):
            found.append(Spatial(path, layer, *tokens))
    return found


def token_grid(
    count: int, patches: tuple[int, int] | None, image: tuple[int, int]
) -> tuple[tuple[int, int], int] | None:
    """Grid and number of leading tokens of a sequence, or None where it is no map.

    Args:
        count: tokens.
        patches: (h, w) of the last 4-D map before; None = none.
        image: (height, width) of the input.
    """
    if patches and 0 <= count - math.prod(patches) <= MOST_PREFIX:
        return patches, count - math.prod(patches)
    for prefix in (0, 1):  # merged patches, or patches that no layer made: a grid of the image's proportions
        height = round(math.sqrt((count - prefix) * image[0] / image[1]))
        if height and (count - prefix) % height == 0:
            width = (count - prefix) // height
            if height * width >= 4 and height * image[1] == width * image[0]:
                return (height, width), prefix
    return None
