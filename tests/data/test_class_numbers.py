"""Labels that are numbers mean the same in files and in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from packed import as_folder, as_tar

from bias_audit.data.class_numbers import MOST_CLASSES, ClassMap, meaning_of
from bias_audit.data.in_memory.keeping import Given, keep
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.labels import classes
from bias_audit.data.sources.options import SourceOptions
from bias_audit.errors import DataError

OUTPUTS = (("cat", (281, 282)), ("dog", (151,)))
CROSSED = (("wolf", (1,)), ("husky", (0,)))
FROM_ONE = (("1", (0,)), ("2", (1,)), ("3", (2,)))


@pytest.mark.parametrize(
    ("numbers", "known", "class_map", "names", "order"),
    [
        ((2, 0), ("a", "b", "c"), None, "ca", "abc"),
        ((2, 0), ("a", "b", "c"), OUTPUTS, "ca", "abc"),
        ((1, 2), ("1", "2", "3"), FROM_ONE, "23", "123"),
        ((281, 151, 282), (), OUTPUTS, ("cat", "dog", "cat"), ("cat", "dog")),
        ((1, 0), (), OUTPUTS, ("dog", "cat"), ("cat", "dog")),
        ((1, 0), (), (("a", (0,)), ("b", (1, 2))), "ba", "ab"),
        ((2,), (), (("a", (0,)), ("b", (1, 2))), "b", "ab"),
        ((1, 0), (), (("a", ()), ("b", ())), "ba", "ab"),
        ((1, 2), (), FROM_ONE, "12", "123"),
        ((1, 0), (), FROM_ONE, "21", "123"),
        ((3, 1), (), None, "31", "0123"),
    ],
)
def test_meaning(
    numbers: Sequence[int], known: Sequence[str], class_map: ClassMap, names: Sequence[str], order: Sequence[str]
) -> None:
    found, every = meaning_of(set(numbers), known, class_map)
    assert [found[number] for number in numbers] == list(names)
    assert every == tuple(order)


@pytest.mark.parametrize(
    ("numbers", "known", "class_map", "says"),
    [
        ((0, -1), ("a", "b"), None, "the label -1 is below 0"),
        ((0, 2), ("a", "b"), None, "the label 2 has no name: the data set names 2 classes, 'a', 'b'"),
        ((0,), ("a", "a"), None, "two classes of the data set have one name"),
        ((0, 1), (), CROSSED, "the two disagree"),
        ((0, 2), (), CROSSED, "the label 2 is no class of the class map, which names 'wolf', 'husky'"),
        ((1, 151), (), OUTPUTS, "the label 151 is no class of the class map"),
        ((MOST_CLASSES,), (), None, "is no class: there are at most 100,000"),
    ],
)
def test_refused(numbers: Sequence[int], known: Sequence[str], class_map: ClassMap, says: str) -> None:
    with pytest.raises(DataError) as caught:
        meaning_of(set(numbers), known, class_map)
    assert says in caught.value.message


def test_what_is_a_number_in_a_file() -> None:
    assert classes(["10", "9"], None, "it")[0] == tuple(map(str, range(11)))
    for labels in (["007", "1"], ["1", "a"], ["-1", "1"], ["1.0", "1"], ["\u0661", "1"], ["9" * 19, "1"]):
        assert classes(labels, None, "it") == (
            tuple(sorted(labels)),
            {name: i for i, name in enumerate(sorted(labels))},
        )


def test_names_of_folders_are_names(tmp_path: Path) -> None:
    photos = as_folder(tmp_path / "hf", {"test/2/a.jpg": b"x", "test/1/b.jpg": b"x", "train/2/c.jpg": b"x"})
    assert open_dataset(photos, None, SourceOptions(split="test")).class_names == ("1", "2")
    (photos / "metadata.csv").write_text("file_name,site\ntest/2/a.jpg,A\ntest/1/b.jpg,A\n")
    assert open_dataset(photos, None).class_names == ("1", "2")


@pytest.mark.parametrize(
    ("numbers", "class_map"),
    [
        ((281, 151), OUTPUTS),
        ((0, 1), OUTPUTS),
        ((1, 2), FROM_ONE),
        ((2, 0), None),
        ((0, 1), CROSSED),
        ((0, 9), OUTPUTS),
    ],
)
def test_files_and_memory_agree(tmp_path: Path, numbers: Sequence[int], class_map: ClassMap) -> None:
    """A WebDataset, an image folder of Hugging Face and arrays: the same classes, or the same reason."""
    names = tuple(name for name, _ in class_map) if class_map else None
    options = SourceOptions(class_map=class_map)
    shard = {f"{place}.jpg": b"x" for place in range(2)}
    shard |= {f"{place}.cls": str(number).encode() for place, number in enumerate(numbers)}
    lines = [json.dumps({"file_name": f"{place}.jpg", "label": number}) for place, number in enumerate(numbers)]
    photos = {"0.jpg": b"x", "1.jpg": b"x", "metadata.jsonl": "\n".join(lines).encode()}
    pixels = np.random.default_rng(0).integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)

    def memory() -> Path:
        return keep(Given((pixels, list(numbers))), tmp_path / "kept", most=None, class_map=class_map).listing

    found = set()
    for place in (
        lambda: as_tar(tmp_path / "s.tar", shard),
        lambda: as_folder(tmp_path / "hf", photos),
        memory,
    ):
        try:
            dataset = open_dataset(place(), names, options)
        except DataError as error:
            found.add(error.message.rpartition("': ")[2])
        else:
            found.add((dataset.class_names, *(dataset.class_names[sample.label] for sample in dataset.samples)))
    assert len(found) == 1
