"""Whether the model was shown what it saw in training (BA906, BA907)."""
