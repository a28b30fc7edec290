"""What an audit looks at: one folder a check, one line each in `registry`. `base` says what a check is."""
