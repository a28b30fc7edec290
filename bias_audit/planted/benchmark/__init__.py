"""The planted-bias benchmark: how often the verdict is right, on models whose bias is known because it was planted."""
