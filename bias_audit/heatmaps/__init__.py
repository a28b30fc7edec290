"""Activations to heatmaps, their scores at map resolution, and the pass over all photos."""
