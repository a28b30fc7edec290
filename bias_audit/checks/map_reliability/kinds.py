"""Names of the three reliability tests of heatmaps."""

RANDOMISATION, CLASSES, STABILITY = "randomisation", "class sensitivity", "stability"
