"""What the data alone give away of the label: backgrounds, properties of the files, copies (BA401 to BA404)."""
