"""Makes heatmaps, scores them against masks at the resolution of the map, and runs the pass over all photos."""
