"""Reading files that others wrote: regular files only, and texts that are refused where they are damaged."""
