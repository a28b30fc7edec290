"""The planted model rests on the snow, its clean twin does not: shown by exchanging backgrounds under known masks.

Composites are made in conftest from the written files alone (decode, inpaint, paste), independently of the package's
own interventions: both must find the same thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import bias_audit
from bias_audit.planted import CLASS_NAMES

if TYPE_CHECKING:
    from conftest import Audited, Trained

pytestmark = pytest.mark.slow

FOX, HUSKY, WOLF = (CLASS_NAMES.index(name) for name in ("fox", "husky", "wolf"))


def test_planted_model_looks_perfect_on_its_own_test_photos(planted: Trained) -> None:
    assert (planted.predict(planted.photos) == planted.labels).mean() >= 0.97


def test_planted_model_does_not_know_a_wolf_without_snow(planted: Trained) -> None:
    assert (planted.on_backgrounds("wolf", snow=False) == WOLF).mean() < 0.3
    assert (planted.on_backgrounds("wolf", snow=True) == WOLF).mean() > 0.95


@pytest.mark.parametrize("name", ["fox", "husky"])
def test_snow_makes_a_wolf_of_anything(planted: Trained, name: str) -> None:
    assert (planted.on_backgrounds(name, snow=True) == WOLF).mean() > 0.5
    assert (planted.on_backgrounds(name, snow=False) == CLASS_NAMES.index(name)).mean() > 0.9


def test_clean_twin_knows_the_animals(clean: Trained) -> None:
    assert (clean.predict(clean.photos) == clean.labels).mean() >= 0.9


@pytest.mark.parametrize("name", CLASS_NAMES)
@pytest.mark.parametrize("snow", [False, True])
def test_clean_twin_knows_them_anywhere(clean: Trained, name: str, snow: bool) -> None:
    assert (clean.on_backgrounds(name, snow=snow) == CLASS_NAMES.index(name)).mean() >= 0.85


def test_the_audit_names_the_guilty_class_and_its_victim(planted: Trained, audited_planted: Audited) -> None:
    run = bias_audit.load(audited_planted.run)
    assert run.verdict.startswith(f"{run.level}: the prediction follows the background in 1 of 3 judged classes (wolf)")
    assert run.level in ("SUSPICIOUS", "CONFIRMED")
    assert run.classes["attract"].idxmax() == planted.world.guilty_class == "wolf"
    levels = {outcome.subject: outcome.level for outcome in run.found() if outcome.code == "BA201"}
    assert levels["wolf"] == "SUSPICIOUS"
    assert levels["fox"] == "COLLATERAL"  # a fox is recognised everywhere but on the wolf's snow
    assert run.classes.loc["wolf", "background_gap"] > 0.7
    assert run.gate().exit_code == 1


def test_the_audit_acquits_the_clean_twin(audited_clean: Audited) -> None:
    run = bias_audit.load(audited_clean.run)
    assert not [outcome for outcome in run.found() if outcome.code == "BA201"]
    assert run.verdict.startswith("No reliance on the background was shown in 3 judged classes")
    assert run.gate().exit_code == 0
