"""A run folder -> one self-contained HTML page. Nothing here needs a model or the photos."""
