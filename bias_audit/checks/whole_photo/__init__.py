"""The check of whole-photo cues: colour, brightness, sharpness and border, exchanged between photos (BA301)."""
