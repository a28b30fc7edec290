"""Chooses the layer to explain among those whose output is a map over the image, whatever the framework."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from bias_audit.errors import ModelError
from bias_audit.models.grids import Spatial


def listed(places: Sequence[Spatial]) -> tuple[tuple[str, tuple[int, int]], ...]:
    """(path, grid) of all layers that could be explained, each once, in the order in which they first run."""
    return tuple(dict.fromkeys((place.path, place.grid) for place in places))


def candidates(places: Sequence[Spatial], between: str = "/", same: Collection[str] | None = None) -> list[Spatial]:
    """Layers that "auto" may choose, best first: the last map, or all maps, last first, if the last is tokens.

    A head that reads only the class token leaves the image's tokens of the last block without a gradient.

    Args:
        places: layers whose output is a map over the image, in the order in which they ran.
        between: what stands between the names in a path.
        same: paths of the layers whose output is that of the last map and not a part of it, such as a branch; None =
            whatever runs last in a layer gives its output.
    """
    last = list(places[-1:])
    if not last or last[0].prefix is not None:
        return list(places[::-1])
    # A nested model returns the output of its last layer: that layer's path says more than the model's.
    inside = [
        place
        for place in places[:-1]
        if place.path.startswith(last[0].path + between)
        and place.grid == last[0].grid
        and place.prefix is None
        and (same is None or place.path in same)
    ]
    return inside[-1:] or last


def choose(places: Sequence[Spatial], ran: Collection[str], asked: str, between: str = "/") -> Spatial:
    """The layer to explain.

    Args:
        places: layers whose output is a map over the image, in the order in which they ran.
        ran: paths of all layers that ran.
        asked: path of the layer or its last part; "auto" = the first of `candidates`.
        between: what stands between the names in a path.

    Raises:
        ModelError: no such layer, a layer without a spatial grid, or several layers of that name.
    """
    names = list(dict.fromkeys(f"{place.path} ({place.grid[0]}x{place.grid[1]})" for place in places))
    layers = f"Usable layers, last first: {', '.join(names[::-1][:12])}{', ...' if len(names) > 12 else ''}"
    if not places:
        raise ModelError("no layer of the model keeps a spatial grid (4-D output, h * w > 1), so there is no heatmap")
    if asked == "auto":
        return candidates(places, between)[0]
    matches = [place for place in places if place.path == asked] or [
        place for place in places if place.path.rpartition(between)[2] == asked
    ]
    if not matches:
        known = any(asked in (path, path.rpartition(between)[2]) for path in ran)
        what = "has no spatial grid (4-D output, h * w > 1)" if known else "does not exist in the model"
        raise ModelError(f"layer {asked!r} {what}", layers)
    if len({place.path for place in matches}) > 1:
        raise ModelError(
            f"layer {asked!r} is ambiguous: {', '.join(sorted({place.path for place in matches}))}",
            "Give the whole path.",
        )
    return matches[-1]
