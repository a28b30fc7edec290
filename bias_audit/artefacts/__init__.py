"""Recurring cues, found without masks of them: what a network keeps looking at, its class, and the proof.

A heatmap alone convicts nobody (Adebayo et al. 2022): groups of spots are hypotheses, the proof is in `proof`.
"""
