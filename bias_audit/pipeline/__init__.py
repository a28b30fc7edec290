"""The pipeline of an audit: its stages in order, rules and verdict, and the commands that work on a finished run."""
