"""A sample of a data set: its size per class, groups whole, stable, and drawn by ids and seed alone."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

from bias_audit.data.dataset import Dataset, Sample
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.options import SourceOptions
from bias_audit.data.sources.sample import quotas, sampled
from bias_audit.errors import ConfigError, DataError


def made(*sizes: int, of_group: int = 0) -> Dataset:
    """Classes of these sizes; `of_group` photos in a row of a class are of one patient, 0 = no column."""
    samples = tuple(
        Sample(
            f"{label}/{number:04d}.jpg",
            Path(f"{label}/{number:04d}.jpg"),
            label,
            columns={"patient": f"{label}-{number // of_group}"} if of_group else {},
        )
        for label, size in enumerate(sizes)
        for number in range(size)
    )
    names = tuple(f"class {label}" for label in range(len(sizes)))
    return Dataset(samples, names, "folder", columns=("patient",) if of_group else ())


def ids(dataset: Dataset) -> list[str]:
    return [sample.image_id for sample in dataset.samples]


def per_class(dataset: Dataset) -> dict[int, int]:
    return dict(Counter(sample.label for sample in dataset.samples))


@pytest.mark.parametrize(
    ("sizes", "count", "wanted"),
    [
        ([50, 50], 20, [10, 10]),
        ([900, 100], 100, [25 + 46, 25 + 4]),  # the rest in proportion 875 : 75 = 46.05 : 3.95
        ([1000, 1000, 5], 100, [22 + 26, 22 + 25, 5]),  # 5 is all that there is; (50 - 5) / 2 = 22
        ([1, 1, 1], 3, [1, 1, 1]),
        ([1000, 1, 1], 4, [2, 1, 1]),
        ([3, 3], 5, [3, 2]),
    ],
)
def test_half_is_dealt_evenly_and_the_rest_in_proportion(sizes: list[int], count: int, wanted: list[int]) -> None:
    assert quotas(sizes, count) == wanted


@pytest.mark.parametrize("sizes", [[7, 900, 33, 1], [10] * 30, [5000, 2], [4, 4, 4, 4000]])
def test_quotas_add_up_and_never_ask_for_more_than_there_is(sizes: list[int]) -> None:
    for count in range(len(sizes), min(sum(sizes), 400)):
        given = quotas(sizes, count)
        assert sum(given) == count
        assert all(1 <= number <= size for number, size in zip(given, sizes, strict=True))
        least = max(1, count // (2 * len(sizes)))
        assert all(number >= min(size, least) for number, size in zip(given, sizes, strict=True))


def test_a_sample_keeps_the_order_and_says_of_how_many_it_is() -> None:
    whole = made(60, 40)
    small = sampled(whole, SourceOptions(sample=30))
    assert len(small.samples) == 30
    assert small.sampled_from == 100
    assert ids(small) == [name for name in ids(whole) if name in set(ids(small))]
    assert sampled(whole, SourceOptions()).sampled_from == 0


def test_as_many_as_there_are_is_no_sample() -> None:
    whole = made(5, 5)
    assert sampled(whole, SourceOptions(sample=10)) is whole
    assert sampled(whole, SourceOptions(sample=999)) is whole


def test_the_seed_decides_and_the_order_of_files_does_not() -> None:
    whole = made(60, 40)
    first = sampled(whole, SourceOptions(sample=30, seed=1))
    turned = dataclasses.replace(whole, samples=whole.samples[::-1])
    assert set(ids(sampled(turned, SourceOptions(sample=30, seed=1)))) == set(ids(first))
    assert set(ids(sampled(whole, SourceOptions(sample=30, seed=2)))) != set(ids(first))


def test_photos_that_are_added_change_few_of_those_that_are_chosen() -> None:
    """Ten of 110 are new: each pushes out one photo at most, and a tenth of them comes in."""
    few, more = made(100, 100), made(110, 110)
    before, after = (set(ids(sampled(each, SourceOptions(sample=60)))) for each in (few, more))
    old = set(ids(few))
    assert before - after <= old
    assert len(before - after) == len(after - old)  # who leaves, leaves for a newcomer
    assert len(before & after) >= 45
    larger = set(ids(sampled(few, SourceOptions(sample=80))))
    assert before <= larger


def test_groups_are_whole_and_none_is_left_out_for_its_size() -> None:
    whole = made(120, 120, of_group=7)
    small = sampled(whole, SourceOptions(sample=60, group_by="patient"))
    taken, all_of = (Counter(sample.columns["patient"] for sample in each.samples) for each in (small, whole))
    assert all(number == all_of[name] for name, number in taken.items())
    assert all(30 <= number < 30 + 7 for number in per_class(small).values())
    single = sampled(whole, SourceOptions(sample=60))
    assert any(number < all_of[name] for name, number in Counter(s.columns["patient"] for s in single.samples).items())


def test_a_group_of_several_classes_is_whole_as_well() -> None:
    whole = made(40, 40, of_group=4)
    mixed = tuple(
        dataclasses.replace(sample, columns={"patient": sample.image_id[2:5]})  # ten photos of either class
        for sample in whole.samples
    )
    small = sampled(dataclasses.replace(whole, samples=mixed), SourceOptions(sample=30, group_by="patient"))
    assert set(per_class(small).values()) == {20}


def test_photos_without_a_group_are_on_their_own() -> None:
    whole = made(20, 20, of_group=4)
    none = tuple(
        dataclasses.replace(sample, columns={"patient": None if number % 2 else float("nan")})
        for number, sample in enumerate(whole.samples)
    )
    small = sampled(dataclasses.replace(whole, samples=none), SourceOptions(sample=12, group_by="patient"))
    assert per_class(small) == {0: 6, 1: 6}


def test_a_sample_without_a_photo_of_each_class_is_refused() -> None:
    with pytest.raises(DataError, match=r"--sample .* 2 classes"):
        sampled(made(5, 5), SourceOptions(sample=1))


@pytest.mark.parametrize("count", [0, -3, True, 2.5])
def test_what_is_no_number_of_photos_is_refused(count: object) -> None:
    with pytest.raises(ConfigError, match="--sample must be a number of at least 1"):
        SourceOptions(sample=count)  # type: ignore[arg-type]


def test_every_source_is_sampled_and_a_run_keeps_that(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(10):
            (tmp_path / name / f"{number}.jpg").write_bytes(b"x")
    options = SourceOptions(sample=6, seed=3)
    small = open_dataset(tmp_path, None, options)
    assert per_class(small) == {0: 3, 1: 3}
    assert options.kept() == {"sample": 6}
    rows = "".join(f"{sample.image_id},{sample.label},test\n" for sample in open_dataset(tmp_path, None).samples)
    (tmp_path / "t.csv").write_text(f"image,label,split\n{rows}c/1.jpg,0,train\n")
    table = open_dataset(tmp_path / "t.csv", None, SourceOptions(sample=6, seed=3, split="test"))
    assert ids(table) == ids(small)  # the same ids, the same sample
    assert (table.sampled_from, dict(table.splits)) == (20, {"test": 20, "train": 1})
