"""The check of recurring cues: places that heatmaps of many images point at, erased and pasted (BA302)."""
