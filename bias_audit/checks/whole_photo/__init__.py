"""Properties of the whole photo, exchanged between photos: colour, brightness, sharpness, border (BA301)."""
