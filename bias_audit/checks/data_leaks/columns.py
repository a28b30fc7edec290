"""Columns of the table `leakage`: associations with the label that need no model, and pairs of copies."""

from __future__ import annotations

from bias_audit.run.columns import Column

LEAKAGE: tuple[Column, ...] = (
    Column("kind", "string", "background, whole image, property, training copy, test copy"),
    Column("name", "string", "what was measured; for copies the first picture"),
    Column("class_name", "string", "class compared with all others; empty = all classes at once; for copies its label"),
    Column("measure", "string", "AUC (.5 = chance), Cramér's V (0 = none), or bits of 256 that differ"),
    Column("value", "float", "the measure"),
    Column("low", "float", "95 % interval, lower end"),
    Column("high", "float", "95 % interval, upper end"),
    Column("n", "int", "photos"),
    Column("p", "float", "permutation test (backgrounds, words) or Mann-Whitney test (numbers)"),
    Column("p_fdr", "float", "p after Benjamini-Hochberg over all properties tested"),
    Column("typical", "string", "what it is like inside and outside the class; for copies the other picture"),
    Column("other_label", "string", "label of the other picture of a pair of copies"),
)
