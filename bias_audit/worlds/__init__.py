"""Planted worlds: photos whose truth is known because we planted it. NumPy and OpenCV only."""

from bias_audit.worlds.planted import CLASS_NAMES, CUES, PLAIN, SPLITS, Plan, World, choose, take_shot, write_world

__all__ = ["CLASS_NAMES", "CUES", "PLAIN", "SPLITS", "Plan", "World", "choose", "take_shot", "write_world"]
