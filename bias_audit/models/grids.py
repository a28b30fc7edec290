"""Finds the layers whose output is a map over the image: a 4-D grid, or the token sequence of a transformer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

MOST_PREFIX = 8
"""Most tokens before those of the image: a class token and registers (Darcet et al. 2024 use up to 8)."""

Step = tuple[str, Any, tuple[int | None, ...]]
"""(path, layer, shape of the output with the batch first and channels last) of a layer that ran."""


class Spatial(NamedTuple):
    """A layer whose output is a map over the image.

    Attributes:
        path: path of the layer, such as `backbone/name`.
        layer: the layer.
        grid: (h, w) of the map.
        prefix: None for an output (N, h, w, C); otherwise the number of tokens before those of the image, in an output
            (N, prefix + h w, C).
    """

    path: str
    layer: Any
    grid: tuple[int, int]
    prefix: int | None = None

    def as_grid(self, output: Any, reshape: Callable[[Any, tuple[int, ...]], Any]) -> Any:
        """Bring an output of the layer, or its gradient, to (N, h, w, C); `reshape` is that of the framework."""
        if self.prefix is None:
            return output
        return reshape(output[:, self.prefix :], (-1, *self.grid, int(output.shape[2])))


def spatial(
    steps: Sequence[Step], image: tuple[int, int], between: str = "/", *, tokens: bool = False
) -> list[Spatial]:
    """The layers whose output is a map over the image with h * w > 1, in the order in which they ran.

    Tokens count only in a network with attention: elsewhere a sequence as long as the grid is a reshape on the way to
    the head. Outputs inside an attention layer, (N, T, heads, C) and (N, heads, T, T), are no maps.

    Args:
        steps: all layers that ran, in order.
        image: (height, width) of the input, which gives the grid of tokens where no layer embeds patches.
        between: what stands between the names in a path.
        tokens: whether there are tokens though no layer is called attention.
    """
    attention = tuple(path + between for path, layer, _ in steps if "attention" in type(layer).__name__.lower())
    found: list[Spatial] = []
    patches: tuple[int, int] | None = None
    for path, layer, shape in steps:
        if attention and path.startswith(attention):
            continue
        if len(shape) == 4 and shape[1] and shape[2] and shape[1] * shape[2] > 1:
            patches = (shape[1], shape[2])
            found.append(Spatial(path, layer, patches))
        elif (attention or tokens) and len(shape) == 3 and shape[1] and (grid := token_grid(shape[1], patches, image)):
            found.append(Spatial(path, layer, *grid))
    return found


def looks_first(shape: tuple[int, ...], image: tuple[int, int]) -> bool:
    """Whether an output of four axes is rather (N, C, H, W) than (N, H, W, C), by the proportions of the image.

    Args:
        shape: shape of the output.
        image: (height, width) of the input.
    """
    height, width = image
    return abs(math.log(shape[2] * width / (shape[3] * height))) <= abs(
        math.log(shape[1] * width / (shape[2] * height))
    )


def token_grid(
    count: int, patches: tuple[int, int] | None, image: tuple[int, int]
) -> tuple[tuple[int, int], int] | None:
    """((h, w), number of leading tokens) of a token sequence, or None if the sequence is no map.

    Args:
        count: number of tokens.
        patches: (h, w) of the last 4-D map before the sequence; None = there is none.
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
