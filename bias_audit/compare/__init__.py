"""Two runs against each other, and many in a row: what became better or worse. Nothing here needs the model."""
