"""Who pays: the user's own columns, slice against the rest (BA203, BA205, BA206)."""
