"""Activations -> heatmaps."""
