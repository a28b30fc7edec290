"""Decisions of people about a finished run: kept, served, exchanged, and turned into next steps."""
