"""Repairs a model that a run convicted: its last layer is refitted on changed training photos, and audited again."""
