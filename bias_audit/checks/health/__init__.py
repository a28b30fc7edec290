"""The check of the audit itself: unreadable or too few images, accuracy at chance, doubtful maps (BA901 to BA905)."""
