"""Every family of keras.applications, transformers and every way of building is explained; the table says so."""

from __future__ import annotations

import compatibility
import keras
import pytest


@pytest.mark.slow
def test_all_pass_and_the_committed_table_is_what_is_found() -> None:
    found = compatibility.rows()
    assert [(row.model, row.result) for row in found if row.result != "pass"] == []
    assert {row.cam for row in found} == {"equal", "not defined"}
    assert compatibility.REPORT.read_text(encoding="utf-8") == compatibility.report(found)


def test_no_family_is_forgotten() -> None:
    """Every module of keras.applications that builds a network has a member in the table."""
    builders = [value for value in vars(keras.applications).values() if callable(value)]
    covered = {getattr(keras.applications, name).__module__ for name in compatibility.FAMILIES}
    assert {builder.__module__ for builder in builders} == covered
