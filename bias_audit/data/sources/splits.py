"""Parts of a data set (train, validation, test) by the names of its files and folders, and the one that is audited.

Names are taken apart as the library `datasets` of Hugging Face does: test-00000-of-00004.parquet, val/, my_eval.tar.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from bias_audit.data.locations import Filed
from bias_audit.data.tables import told_names
from bias_audit.data.trees import Tree
from bias_audit.errors import DataError

KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Name of a part -> words that name it."""

_PART = {word: part for part, words in KEYWORDS.items() for word in words}
_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}.*", re.DOTALL)
PREFERRED = ("test", "validation", "train")
"""Parts in the order in which one is audited where nobody chose."""

WORDS = tuple(word for part in PREFERRED for word in KEYWORDS[part])
"""Words that name a part, in that order."""


def part_of(name: str) -> str:
    """Name of the part that a file or folder belongs to by its path; "" where the path names none."""
    *folders, last = name.split("/")
    if shard := _SHARD.fullmatch(last):
        return known_as(shard[1])
    for each in (*folders, last):
        for word in re.split(r"[-._ 0-9]+", each.lower()):
            if word in _PART:
                return _PART[word]
    return ""


def files_of_shards(tree: Tree, folders: Collection[str] = ()) -> list[str]:
    """Names of the files at the root of a tree and in the folders of its parts; none where it has other folders.

    Args:
        tree: the tree.
        folders: names of folders that count as well.
    """
    below, names, _ = tree.top()
    below = [name for name in below if not name.startswith(".")]
    if not all(name in folders or part_of(name) for name in below):
        return []
    return [*names, *(name for folder in below for name in tree.files(folder).files)]


def fetched_part(tree: Tree, names: Sequence[str], wanted: str | None, said: str) -> tuple[list[str], tuple[str, ...]]:
    """Which of the files of a data set are read, where it costs a fetch to look into them: those of the part audited.

    Args:
        tree: where they lie.
        names: their names.
        wanted, said: as of `chosen`.

    Returns:
        (their names, notes on the others); all of them where they lie on this disk.

    Raises:
        DataError: as of `chosen`; or they are more than the cache may hold.
    """
    if not names or not isinstance(tree.location(names[0]), Filed):
        return list(names), ()
    part, _ = chosen(Counter(map(part_of, names)), wanted, said)
    kept = [name for name in names if part_of(name) == part]
    tree.reserve(kept)
    if len(kept) == len(names):
        return kept, ()
    others = ", ".join(sorted({part_of(name) or "none" for name in names} - {part}))
    return kept, (
        f"{len(names) - len(kept)} of {len(names)} files are of other parts than {part} ({others}), and were not "
        "fetched; see --split.",
    )


def known_as(part: str) -> str:
    """The usual name of a part: val -> validation."""
    return _PART.get(part.lower(), part)


def named(counts: Mapping[str, int]) -> dict[str, int]:
    """`Dataset.splits` of such counts as `chosen` takes."""
    return {part: count for part, count in sorted(counts.items()) if part}


def chosen(counts: Mapping[str, int], wanted: str | None, said: str) -> tuple[str, dict[str, int]]:
    """The part that is audited.

    Args:
        counts: name of each part, "" = what belongs to none -> how many pictures it has.
        wanted: the part that the user named; None = test, else validation, else train.
        said: the data set, for the message.

    Returns:
        (name of the part, `Dataset.left_out` with the pictures of the others).

    Raises:
        DataError: no such part, or several of which none is usual.
    """
    names = sorted(filter(None, counts))
    if wanted is not None:
        part = next((each for each in (wanted, known_as(wanted)) if each in names), None)
        if part is None:
            has = f"it has {told_names(names)}" if names else "its files and folders name none"
            raise DataError(f"{said} has no part {wanted!r}; {has}")
    elif len(counts) == 1:
        part = next(iter(counts))
    else:
        part = next((each for each in PREFERRED if each in names), None)
        if part is None:
            raise DataError(f"{said} holds the parts {told_names(names)}", "Choose one of them with --split NAME.")
    others = sorted(each or "none" for each in counts if each != part)
    left_out = sum(counts.values()) - counts[part]
    return part, {f"are of other parts than {part} ({', '.join(others)}), see --split": left_out} if left_out else {}
