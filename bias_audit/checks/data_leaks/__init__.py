"""The check for leaks in the data: backgrounds or file properties that predict the label, and copies (BA401-BA404)."""
