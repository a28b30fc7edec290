"""What the data alone give away of the label, whatever the model does with it: backgrounds, file properties, copies."""
