"""The checks of an audit: one folder per check, listed in `registry`. `base` explains what a check is."""
