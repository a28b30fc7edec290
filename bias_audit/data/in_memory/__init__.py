"""Data that a caller has in memory: arrays, a DataFrame, a data set of a framework. `keeping` writes them to disk once.

Objects are told by the names of their types (`kinds`) and gone through by their own methods: no framework is imported.
From the disk on they are a data set like any other: `data.sources.in_memory` reads the list that was written.
"""
