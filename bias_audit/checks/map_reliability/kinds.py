"""The tests of the heatmaps, by name."""

RANDOMISATION, CLASSES, STABILITY = "randomisation", "class sensitivity", "stability"
