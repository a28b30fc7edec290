"""Columns of the table `slices`: one row per value of a column of the user. And what such a column says of a class."""

from __future__ import annotations

import dataclasses

from bias_audit.run.columns import Column, reason

SLICES: tuple[Column, ...] = (
    Column("column", "string", "column of the user's table"),
    Column("value", "string", "its value, or quartile for numbers of many values"),
    Column("n", "int", "readable images"),
    Column("accuracy", "float", "share predicted right, 0..1", "low"),
    Column("accuracy_low", "float", "95 % Wilson interval, lower end"),
    Column("accuracy_high", "float", "95 % Wilson interval, upper end"),
    Column("rest_accuracy", "float", "the same over all other values, 0..1"),
    Column("difference", "float", "accuracy minus rest_accuracy, -1..1", "low"),
    Column("accuracy_within", "float", "the same between images of one class (Mantel-Haenszel weights), -1..1", "low"),
    Column("accuracy_within_low", "float", "95 % interval of accuracy_within, lower end", added=True),
    Column("accuracy_within_high", "float", "95 % interval of accuracy_within, upper end", added=True),
    Column("p_fisher", "float", "Fisher's exact test of slice against rest within classes, two-sided"),
    Column("p_fdr", "float", "p_fisher after Benjamini-Hochberg over all slices tested"),
    Column("accuracy_against", "string", "the slice of this column from which it differs most"),
    Column("accuracy_against_difference", "float", "accuracy minus that slice's, within classes, -1..1", "low"),
    Column("accuracy_against_low", "float", "its interval, 95 % for all pairs of the column at once, lower end"),
    Column("accuracy_against_high", "float", "its interval, 95 % for all pairs of the column at once, upper end"),
    *reason("reason", "ok, or why accuracy was not tested"),
    Column("n_attention", "int", "images with a background excess"),
    Column("background_excess", "float", "mean background excess of the labelled class's maps", "high"),
    Column("excess_low", "float", "95 % bootstrap-t interval over images, lower end; none below 10 images or groups"),
    Column("excess_high", "float", "95 % bootstrap-t interval over images, upper end"),
    Column("rest_excess", "float", "the same over all other values"),
    Column("excess_within", "float", "slice minus rest between images of one class (Mantel-Haenszel weights)", "high"),
    Column("excess_within_low", "float", "95 % interval of excess_within, lower end", added=True),
    Column("excess_within_high", "float", "95 % interval of excess_within, upper end", added=True),
    Column("excess_delta", "float", "Cliff's delta of slice against rest over pairs of one class, -1..1", "high"),
    Column("p_excess", "float", "Mann-Whitney test of slice against rest within classes by permutation, two-sided"),
    Column("p_excess_fdr", "float", "p_excess after Benjamini-Hochberg over all slices tested"),
    Column("excess_against", "string", "the slice of this column from which it differs most"),
    Column("excess_against_difference", "float", "background excess minus that slice's, within classes", "high"),
    Column("excess_against_low", "float", "its interval, 95 % for all pairs of the column at once, lower end"),
    Column("excess_against_high", "float", "its interval, 95 % for all pairs of the column at once, upper end"),
    *reason("excess_reason", "ok, or why attention was not tested"),
    Column("n_interventions", "int", "photos of which composites were made"),
    Column("background_gap", "float", "mean background gap of these photos", "high"),
    Column("gap_low", "float", "95 % interval of the paired difference, lower end"),
    Column("gap_high", "float", "95 % interval of the paired difference, upper end"),
    Column("rest_gap", "float", "mean background gap over all other values, -1..1"),
    Column("gap_within", "float", "slice minus rest between photos of one class (Mantel-Haenszel weights)", "high"),
    Column("gap_within_low", "float", "95 % interval of gap_within, lower end", added=True),
    Column("gap_within_high", "float", "95 % interval of gap_within, upper end", added=True),
    Column("p_gap", "float", "permutation test of the mean gap, slice against rest within classes, two-sided"),
    Column("p_gap_fdr", "float", "p_gap after Benjamini-Hochberg over all slices tested"),
    Column("gap_against", "string", "the slice of this column from which it differs most"),
    Column("gap_against_difference", "float", "background gap minus that slice's, within classes, -2..2", "high"),
    Column("gap_against_low", "float", "its interval, 95 % for all pairs of the column at once, lower end"),
    Column("gap_against_high", "float", "its interval, 95 % for all pairs of the column at once, upper end"),
    *reason("gap_reason", "ok, or why the gap was not tested"),
)

OF_CLASSES: tuple[Column, ...] = (
    Column("conflict_column", "string", "column of the user by which photos of the class conflict with it", added=True),
    Column(
        "n_conflicting",
        "int",
        "readable photos whose value of that column is commoner in another class than in their own",
        added=True,
    ),
    Column("n_conforming", "int", "the class's other readable photos with a value of that column", added=True),
    Column("conflicting_accuracy", "float", "share of the conflicting photos predicted right, 0..1", "low", added=True),
    Column("conforming_accuracy", "float", "share of the other photos predicted right, 0..1", "low", added=True),
    Column(
        "conflict_loss",
        "float",
        "conforming_accuracy minus conflicting_accuracy: what other classes' scenes cost on real photos, -1..1",
        "high",
        added=True,
    ),
    Column("conflict_low", "float", "95 % Newcombe interval of the two accuracies, lower end", added=True),
    Column("conflict_high", "float", "95 % Newcombe interval of the two accuracies, upper end", added=True),
    *(dataclasses.replace(column, added=True) for column in reason("conflict_reason", "ok, or why there is no loss")),
)
"""Columns per class."""
