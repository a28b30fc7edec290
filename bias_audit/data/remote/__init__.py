"""Data that lie elsewhere: what is asked of a bucket or a server (`stores`, `web`), when (`reach`), and what is kept of
the answers (`cache`). `tree` makes of it what a data set is listed and read by.
"""
