"""The sentences that come first in an audit: counts by hand, the names of the extremes, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bias_audit.config import AuditConfig, Thresholds
from bias_audit.data.dataset import Dataset, Sample
from bias_audit.pipeline import beforehand

FILE = Path("x.jpg")


def made(sizes: dict[str, int], *, masked: bool = True, sampled_from: int = 0) -> Dataset:
    samples = tuple(
        Sample(f"{name}/{number}.jpg", FILE, label, mask=FILE if masked else None)
        for label, (name, size) in enumerate(sizes.items())
        for number in range(size)
    )
    return Dataset(samples, tuple(sizes), "folder", sampled_from=sampled_from)


def said(dataset: Dataset, groups: np.ndarray | None = None, tested: bool = True, **settings: object) -> list[str]:
    config = AuditConfig(**settings)  # type: ignore[arg-type]
    return beforehand.sentences(dataset, groups, config, Thresholds(), tested=tested)


def test_counts_and_the_smallest_gap() -> None:
    first, second = said(made({"cat": 260, "dog": 60}))
    assert first == "Data: 320 photos, 2 classes (cat 260, dog 60), all with a mask or box."
    assert (
        "find a background gap of 9 pp in cat (100 photos tested); 15 pp in dog (60)." in second
    )  # tests/stats: .0884 and .1459


def test_classes_with_too_few_photos_are_named() -> None:
    lines = said(made({"a": 30, "b": 30, "c": 9, "d": 1}))
    assert lines[-1] == (
        "Not tested: 2 classes (c: not enough images: 1 more is needed; d: not enough images: 9 more are needed)."
    )
    assert "1 class (" in said(made({"a": 30, "b": 3}))[-1]
    many = said(made({f"c{number}": 3 for number in range(9)}))
    assert many[0].startswith("Data: 27 photos, 9 classes (c0 3 to c8 3)")
    assert many[-1].endswith("; and 5 more).")
    assert len(many) == 2


def test_a_sample_and_estimates_are_said() -> None:
    (first, *_) = said(made({"a": 30, "b": 30}, masked=False, sampled_from=900), segmenter="auto")
    assert first == (
        "Data: a sample of 60 of 900 photos, 2 classes (a 30, b 30), none with a mask or box; missing ones are "
        "estimated."
    )


def test_nothing_is_promised_where_nothing_is_tested() -> None:
    whole = made({"a": 30, "b": 30})
    assert len(said(whole, interventions=0)) == 1
    assert len(said(whole, tested=False)) == 1
    assert len(said(made({"a": 30, "b": 30}, masked=False))) == 1


def test_groups_of_those_that_are_chosen_count() -> None:
    """Sixty photos of twenty patients; of ten that are chosen, no more than ten patients."""
    whole = made({"a": 60, "b": 60})
    groups = np.arange(120) // 3
    assert "20 groups tested" in said(whole, groups)[1]
    few = said(whole, groups, interventions=10)
    chosen = [sorted(range(start, start + 60), key=lambda at: beforehand.rank(0, whole.samples[at].image_id))[:10]
              for start in (0, 60)]  # fmt: skip
    lacking = [10 - len({int(groups[at]) for at in of}) for of in chosen]
    assert all(number > 0 for number in lacking)
    assert all(f"{number} more" in few[-1] for number in lacking)
