"""Every family of keras.applications, transformers and every way of building is explained; the table says so."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any

import compatibility
import keras
import pytest


@pytest.mark.slow
def test_what_is_found_stands_in_the_committed_table() -> None:
    """All ways of building, and one family: `make compatibility` tries all of them, which takes minutes."""
    found = compatibility.rows(compatibility.QUICK)
    assert [(row.model, row.result) for row in found if row.result != "pass"] == []
    assert {row.cam for row in found} == {"equal", "not defined"}
    committed = compatibility.REPORT.read_text(encoding="utf-8").splitlines()
    assert [row for row in found if compatibility.line(astuple(row)) not in committed] == []


def _exchanging(opener: Any) -> Any:
    """Opens models that answer for images in reverse order."""

    def opened(*arguments: Any) -> Any:
        model = opener(*arguments)
        activations = model.activations
        model.activations = lambda images, labels: activations(images[::-1], labels)
        return model

    return opened


@pytest.mark.slow
@pytest.mark.parametrize("name", ["functional, with skip connection", "mixed precision"])
def test_exchanged_images_are_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Random heads hardly react: as they are built, five families of eleven would pass with another image's answers.

    That they would be noticed in every other family as well is asked of each where it is tried (UNNOTICED).
    """
    monkeypatch.setattr(compatibility, "load_model", _exchanging(compatibility.load_model))
    assert compatibility.OTHERS in compatibility.explained(name, *compatibility.BUILT[name]).result


def test_heads_that_hardly_react_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the step that sets them apart nobody would notice that images were exchanged."""
    monkeypatch.setattr(compatibility, "set_apart", lambda model, images: None)
    monkeypatch.setattr(compatibility, "AGREED", 0.2)
    assert compatibility.UNNOTICED in compatibility.explained("x", *compatibility.BUILT["Sequential"]).result


def test_the_part_of_keras_is_put_in_the_place_of_the_old_one() -> None:
    own, other = f"{compatibility.HEADING}\n\nold\n", "## PyTorch\n\nrows\n"
    for page in (f"{compatibility.TITLE}\n{own}", f"{compatibility.TITLE}\n{other}\n{own}"):
        new = compatibility.with_section(page, own.replace("old", "new"))
        assert new == page.replace("old", "new")
        assert compatibility.section(new) == own.replace("old", "new")
    page = f"{compatibility.TITLE}\n{own}\n{other}"
    new = compatibility.with_section(page, own.replace("old", "new"))
    assert new == page.replace("old", "new")
    assert compatibility.with_section("", own) == f"{compatibility.TITLE}\n{own}"


def test_no_family_is_forgotten() -> None:
    """Every module of keras.applications that builds a network has a member in the table."""
    builders = [value for value in vars(keras.applications).values() if callable(value)]
    covered = {getattr(keras.applications, name).__module__ for name in compatibility.FAMILIES}
    assert {builder.__module__ for builder in builders} == covered
