"""The check of attention: do heatmaps lie on the background, per class and per image (BA101, BA102)? Triage only."""
