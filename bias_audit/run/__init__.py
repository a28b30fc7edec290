"""The run folder: writing it, reading it again, its tables and columns, and the identity of findings across runs."""
