"""Planted worlds: drawn photos whose bias is known because it was planted. Drawing needs NumPy and OpenCV only."""

from bias_audit.planted.world import (
    CLASS_NAMES,
    CUES,
    PLAIN,
    SPLITS,
    Plan,
    World,
    draw_place_and_cue,
    take_shot,
    write_world,
)

__all__ = ["CLASS_NAMES", "CUES", "PLAIN", "SPLITS", "Plan", "World", "draw_place_and_cue", "take_shot", "write_world"]
