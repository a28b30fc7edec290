"""The check of slices: do results differ between values of the user's columns (BA203, BA205, BA206)?"""
