"""Commands with a file of their own: `add(commands)` declares the options, `run(options)` does the work."""
