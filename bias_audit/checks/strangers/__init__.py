"""Pictures of no class that the model knows: what it takes them for."""
