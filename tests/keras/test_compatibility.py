"""Every family of keras.applications, transformers and every way of building is explained; the table says so."""

from __future__ import annotations

from dataclasses import astuple

import compatibility
import keras
import pytest


@pytest.mark.slow
def test_what_is_found_stands_in_the_committed_table() -> None:
    """All ways of building, and a few families: `make compatibility` tries all of them, which takes minutes."""
    found = compatibility.rows(compatibility.QUICK)
    assert [(row.model, row.result) for row in found if row.result != "pass"] == []
    assert {row.cam for row in found} == {"equal", "not defined"}
    committed = compatibility.REPORT.read_text(encoding="utf-8").splitlines()
    assert [row for row in found if compatibility.line(astuple(row)) not in committed] == []


def test_no_family_is_forgotten() -> None:
    """Every module of keras.applications that builds a network has a member in the table."""
    builders = [value for value in vars(keras.applications).values() if callable(value)]
    covered = {getattr(keras.applications, name).__module__ for name in compatibility.FAMILIES}
    assert {builder.__module__ for builder in builders} == covered
