"""Compares finished runs: two against each other, or many in the order of time. Nothing here needs the model."""
