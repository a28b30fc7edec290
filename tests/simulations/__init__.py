"""Simulated audits whose truth is known: how often the rules on reliance accuse by chance, and whom they name.

`python -m tests.simulations` makes many and prints a table; `test_simulations.py` makes a few with every test run. No
model and no picture is needed: predictions of composites are drawn (`composites.py`), and judged by the package's own
tables and rules (`audits.py`).
"""
