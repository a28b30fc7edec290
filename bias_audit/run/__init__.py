"""The run folder: what is written, how it is read again, and what makes two runs comparable."""
