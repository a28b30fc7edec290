"""Disk to batches: samples, decoding, one geometry for image and mask. NumPy, OpenCV and Pillow only."""
