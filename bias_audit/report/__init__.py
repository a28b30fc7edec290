"""Makes a self-contained HTML page from a run folder. Nothing here needs a model or the photos."""
