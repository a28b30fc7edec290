"""Reviewers' decisions about a finished run: stored, served in a browser, exchanged, and turned into next steps."""
