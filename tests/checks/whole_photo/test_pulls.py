"""Exchanged properties -> pulls, by hand; who is the culprit (BA301); which photos are chosen, and a resume."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bias_audit import stats
from bias_audit.checks.evidence import Evidence
from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.whole_photo.measure import DONORS, _answered, choose_photos, count_exchanges, exchange
from bias_audit.checks.whole_photo.pulls import property_rows
from bias_audit.checks.whole_photo.rule import GLOBAL_CUE, global_cue
from bias_audit.config import Thresholds
from bias_audit.data.batches import Geometry
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.masks import MaskReading
from bias_audit.models.base import NO_CLASS, Predictions
from bias_audit.run.folder import Run
from bias_audit.run.schema import TABLES
from bias_audit.run.tables import table as make_table

NAMES = ("a", "b", "c")


def seen(called: dict[tuple[int, int], int], photos: int = 12, properties: int = 1) -> dict[str, np.ndarray]:
    """Every photo meets one donor of each class; (label, donor's label) -> prediction, else the label."""
    rows = [
        (number, label * photos + photo, label, donor, called.get((label, donor), label))
        for number in range(properties)
        for label in range(3)
        for photo in range(photos)
        for donor in range(3)
    ]
    return dict(zip(("property", "photo", "label", "donor_label", "predicted"), np.array(rows).T, strict=True))


def rows(given: dict[str, np.ndarray], **more: object) -> dict[str, dict]:
    made = property_rows(given, ("colour",), NAMES, min_photos=10, seed=0, **more)
    return {row["class_name"]: row for row in made}


def outcomes(given: dict[str, np.ndarray], **more: object) -> dict[str, tuple[str, str | None]]:
    table = make_table("whole_photo", property_rows(given, ("colour",), NAMES, min_photos=10, seed=0, **more))
    empty = pd.DataFrame()
    judged = global_cue(GLOBAL_CUE, Evidence(empty, pd.DataFrame(index=[]), Thresholds()), table)
    return {outcome.subject: (outcome.status, outcome.level) for outcome in judged}


def test_the_culprit_by_hand() -> None:
    """With a's colour b and c become a; without it a becomes b."""
    given = seen({(1, 0): 0, (2, 0): 0, (0, 1): 1, (0, 2): 1})
    made = rows(given)
    assert (made["a"]["attract"], made["a"]["pulled"], made["a"]["loss"]) == (1, 1, 1)
    # b's colour turns all of a, none of c: of the two others the lower counts.
    assert (made["b"]["attract"], made["b"]["pulled"], made["b"]["loss"]) == (0, 0.5, 0.5)
    assert (made["c"]["attract"], made["c"]["pulled"]) == (0, 0)
    assert made["a"]["n_pulled"] == 24
    assert outcomes(given) == {"a": ("found", "HIDDEN"), "b": ("passed", None), "c": ("passed", None)}


def test_a_net_that_any_change_breaks_is_no_culprit() -> None:
    """Whatever the donor, everything becomes c: both arms pay alike."""
    given = seen({(label, donor): 2 for label in range(3) for donor in range(3)})
    assert all(row["pulled"] == 0 and row["attract"] == 0 for row in rows(given).values())
    assert {status for status, _ in outcomes(given).values()} == {"passed"}


def judged(given: dict[str, np.ndarray]) -> dict[str, RuleOutcome]:
    table = make_table("whole_photo", property_rows(given, ("colour",), NAMES, min_photos=10, seed=0))
    empty = pd.DataFrame()
    outcomes = global_cue(GLOBAL_CUE, Evidence(empty, pd.DataFrame(index=[]), Thresholds()), table)
    return {outcome.subject: outcome for outcome in outcomes}


def test_the_sentence_gives_the_number_that_is_judged() -> None:
    """All of b and half of c become a: the mean over photos is 75 %, the lower median over classes 50 points."""
    given = seen({(1, 0): 0, (2, 0): 0})
    half = (given["label"] == 2) & (given["donor_label"] == 0) & (given["photo"] % 2 == 0)
    given["predicted"][half] = 2
    outcome = judged(given)["a"]
    assert (outcome.status, outcome.measured) == ("found", 0.5)
    assert "called a more often than with that of their own class, by 50 pp [" in outcome.sentence
    assert "75 pp" not in outcome.sentence


def test_a_negative_says_which_pull_it_leaves_open() -> None:
    outcome = judged(seen({(1, 0): 0, (2, 0): 0}))["b"]
    assert (outcome.status, outcome.high) == ("passed", 0)
    assert outcome.sentence.endswith("With 24 photos a pull of 1 pp or more is excluded (colour).")


def test_who_is_swept_along_is_not_accused() -> None:
    given = seen({(1, 0): 0, (2, 0): 0})
    # One in six of a's and c's photos goes to b with b's colour.
    few = (given["donor_label"] == 1) & (given["label"] != 1) & (given["photo"] % 6 == 0)
    given["predicted"][few] = 1
    assert rows(given)["b"]["attract"] == pytest.approx(1 / 6)
    assert outcomes(given) == {"a": ("found", "HIDDEN"), "b": ("passed", None), "c": ("passed", None)}


def test_the_victim_of_another_class_is_not_accused() -> None:
    """BA201 lays the gap of a to c: photos of c that have lost their cue go to a, whatever they are given."""
    gap = {
        "background_gap": 0.4,
        "gap_low": 0.3,
        "p_fdr": 0.01,
        "p_second_fill": 0.01,
        "background_gap_second_fill": 0.4,
    }
    culprit = {**gap, "attract": 0.5, "attract_low": 0.4, "p_attract_fdr": 0.01}
    names = ("a", "b", "c")
    classes = pd.DataFrame([gap, {}, culprit], index=pd.Index(names, name="class_name"))
    classes = classes.reindex(columns=[column.name for column in TABLES["classes"] if column.name != "class_name"])
    pairs = pd.DataFrame(
        {"object_class": ["a"], "background_class": ["c"], "n_groups": [20], "pull": [0.5], "p_pull": [0.001]}
    )
    called = seen({(1, 0): 0, (2, 0): 0})
    table = make_table("whole_photo", property_rows(called, ("colour",), NAMES, min_photos=10, seed=0))
    for tables, level in (({"gap_matrix": pairs}, "WATCH"), ({}, "SUSPICIOUS")):
        found = global_cue(GLOBAL_CUE, Evidence(pd.DataFrame(), classes, Thresholds(), tables=tables), table)[0]
        assert (found.subject, found.status, found.level) == ("a", "found", level)
        assert ("are pulled by the backgrounds of c" in found.sentence) == (level == "WATCH")


def test_too_few_photos_are_no_verdict() -> None:
    given = seen({(1, 0): 0, (2, 0): 0}, photos=9)
    assert {row["reason"] for row in rows(given).values()} == {"only 9 photos, 10 needed for a test"}
    (outcome,) = outcomes(given).items()
    assert outcome == ("", ("not applicable", None))


def test_photos_of_a_patient_count_once() -> None:
    given = seen({(1, 0): 0, (2, 0): 0}, photos=24)
    groups = np.arange(72) // 3  # three photos each: eight patients a class
    assert {row["reason"] for row in rows(given, groups=groups).values()} == {
        "only 8 groups of photos, 10 needed for a test"
    }
    given = seen({(1, 0): 0, (2, 0): 0}, photos=26)
    apart, together = rows(given)["a"], rows(given, groups=np.arange(78) // 2)["a"]
    assert together["p_pull"] >= apart["p_pull"]
    assert together["loss_high"] - together["loss_low"] >= apart["loss_high"] - apart["loss_low"]


def made_dataset(counts: tuple[int, ...], folder: Path = Path()) -> Dataset:
    samples = [
        Sample(f"{label}/{i:02d}.png", folder / f"{label}-{i}.png", label)
        for label, n in enumerate(counts)
        for i in range(n)
    ]
    return Dataset(tuple(samples), NAMES[: len(counts)], "folder")


def test_photos_are_chosen_class_by_class() -> None:
    dataset = made_dataset((30, 5))
    records = [{"predicted": None if i == 3 else "a"} for i in range(35)]
    chosen = choose_photos(dataset, records, 10, seed=0)
    assert chosen == sorted(chosen)
    assert 3 not in chosen
    assert [sum(dataset.samples[i].label == label for i in chosen) for label in (0, 1)] == [10, 5]
    assert count_exchanges(15, 3) == 15 * 4 * 2 * DONORS


def test_a_resumed_run_asks_the_model_nothing(tmp_path: Path, photo) -> None:
    import cv2

    dataset = made_dataset((3, 3), tmp_path)
    for seed, sample in enumerate(dataset.samples):
        cv2.imwrite(str(sample.path), photo(20, 20, seed))
    geometry = Geometry((16, 16), 3, "stretch", "bilinear", MaskReading())
    run = Run(tmp_path / "run")
    run.start({}, resume=False, overwrite=False)
    asked = []

    def predict(pixels: np.ndarray) -> Predictions:
        asked.append(len(pixels))
        odds = np.zeros((len(pixels), 2), np.float32)
        return Predictions(odds, odds, odds[:, 0])

    counted: list[int] = []
    options = {"batch": 7, "seed": 0, "run": run, "advance": counted.append}
    first = exchange(dataset, range(6), predict, geometry, **options)
    assert sum(asked) == sum(counted) == len(first["photo"]) == count_exchanges(6, 3)
    assert max(asked) == 7
    per_arm = pd.Series(first["label"] == first["donor_label"]).groupby([first["property"], first["photo"]]).sum()
    assert (per_arm == DONORS).all()
    asked.clear()
    again = exchange(dataset, range(6), predict, geometry, **options)
    assert not asked
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_a_photo_without_a_valid_prediction_is_left_out_of_both_arms_of_the_property() -> None:
    seen = {
        "property": np.array([0, 0, 0, 1, 1]),
        "photo": np.array([7, 7, 8, 7, 8]),
        "predicted": np.array([1, NO_CLASS, 0, 1, 1]),
    }
    kept = _answered(seen)
    assert (kept["property"].tolist(), kept["photo"].tolist()) == ([0, 1, 1], [8, 7, 8])


def test_more_tests_have_more_random_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The p-values of all properties and classes are corrected together, and are what the number of draws follows."""
    monkeypatch.setattr(stats, "draws_for", lambda tests: 1000 * tests)
    given = seen({(1, 0): 0, (2, 0): 0}, photos=30, properties=2)
    made = property_rows(given, ("colour", "blur"), NAMES, min_photos=10, seed=0)
    assert made[0]["p_pull"] == 1 / 6001
