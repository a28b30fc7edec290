"""Whether the heatmaps say anything of this model (BA908)."""
