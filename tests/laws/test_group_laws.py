"""Where nothing is to be found, photos of patients and shared hosts are no more often a finding than chance allows.

The worlds are those of `tests/measurements/grouped_tests.py`, which asks many more of them; with the photo as the unit
each of these tests found something in .08 to .5 of them.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from bias_audit.checks.data_leaks.background_probe import probe
from bias_audit.checks.slices.summary import slices_table

SCRIPT = Path(__file__).parents[1] / "measurements" / "grouped_tests.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("grouped_tests", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def most(worlds: int) -> float:
    """Most findings that a test at .05 makes by chance in 99 of 100 runs."""
    return float(binom.ppf(0.99, worlds, 0.05)) / worlds


@pytest.mark.parametrize("name", ["BA302, 4 patients x 5", "BA101, 4 patients x 10", "tie, 4 patients x 10"])
def test_four_patients_show_nothing(script: ModuleType, name: str) -> None:
    assert script.rate(script.NULL[name], 20) == 0


@pytest.mark.parametrize(
    ("name", "worlds"),
    [
        ("BA302, 12 patients x 5", 60),
        ("BA101, 12 patients x 10", 300),
        ("tie, 12 patients x 10", 100),
        ("tie, 40 patients x 5", 100),
        ("tie, 40 patients x 1-5", 300),
    ],
)
def test_patients_are_found_by_chance_only(script: ModuleType, name: str, worlds: int) -> None:
    assert script.rate(script.NULL[name], worlds) <= most(worlds)


@pytest.mark.parametrize("name", ["BA302, 12 patients x 5", "BA101, 40 patients x 5", "tie, 40 patients x 5"])
def test_what_is_there_is_found(script: ModuleType, name: str) -> None:
    assert script.rate(script.THERE[name], 10) >= 0.7


def test_a_probe_of_patients_with_photos_of_two_classes() -> None:
    """Labels that are exchanged photo by photo wherever one patient has two find a leak in .19 of these worlds."""

    def leak(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        codes = np.repeat(np.arange(30), 4)
        labels = np.repeat(rng.permutation(np.repeat([0, 1], 15)), 4)
        labels[::12] = 1 - labels[::12]  # one photo of every third patient
        features = rng.normal(size=(30, 6))[codes] + 0.3 * rng.normal(size=(120, 6))
        found = probe(features, labels, ("a", "b"), seed=seed, groups=codes, permutations=39)
        return found[1].p <= 0.05

    assert np.mean([leak(seed) for seed in range(60)]) <= most(60)


def test_slices_of_patients_with_photos_of_every_class() -> None:
    """24 patients of two hospitals, each with a photo of six classes: not 144 units."""

    def worse(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        codes, labels = np.repeat(np.arange(24), 6), np.tile(np.arange(6), 24)
        hospitals = rng.permutation(np.repeat(["north", "south"], 12))[codes]
        excess = rng.normal(size=24)[codes] + 0.5 * rng.normal(size=144)
        images = pd.DataFrame({"status": "ok", "label": labels.astype(str), "hospital": hospitals, "correct": True})
        images = images.assign(attention_status="ok", background_excess_label=excess, intervention_status="off")
        images[["background_gap", "same_background_accuracy", "other_background_accuracy"]] = np.nan
        table = slices_table(images, ["hospital"], seed=seed, groups=pd.Series(codes, index=images.index))
        return bool(table["p_excess"].iloc[0] <= 0.05)

    assert np.mean([worse(seed) for seed in range(30)]) <= most(30)
