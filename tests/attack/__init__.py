"""Attacks on what the program reads from outside: generators of hostile input, one file per kind of thing attacked.

`python -m tests.attack` runs many of each and prints a table; `test_attack.py` runs a few of each with every test run.
Nothing may end with a traceback, turn a failing gate green, lose or execute anything, hang, or take memory without
bound.
"""
