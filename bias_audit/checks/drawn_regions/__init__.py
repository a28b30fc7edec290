"""Regions that reviewers draw and have tested (BA303)."""
