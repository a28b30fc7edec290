"""Planted worlds: photos whose truth is known because we planted it. NumPy and OpenCV only."""

from bias_audit.planted.world import CLASS_NAMES, CUES, PLAIN, SPLITS, Plan, World, choose, take_shot, write_world

__all__ = ["CLASS_NAMES", "CUES", "PLAIN", "SPLITS", "Plan", "World", "choose", "take_shot", "write_world"]
