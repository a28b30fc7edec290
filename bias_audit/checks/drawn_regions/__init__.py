"""The check of regions that reviewers draw in the report and have tested by intervention (BA303)."""
