"""Sentences for data that were given in a way that cannot be read, where what was meant can be guessed by names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePosixPath

from bias_audit.data.sources.options import ClassNames
from bias_audit.data.sources.splits import WORDS
from bias_audit.data.tables import told_names
from bias_audit.data.trees import Tree
from bias_audit.errors import DataError

PICTURES, MASKS = ("images", "imgs", "photos", "pictures"), ("masks", "mask", "segmentations", "annotations")
"""Names of folders that hold all pictures of a data set, and all masks."""

TABLES = (".csv", ".parquet")

STATE, DICTIONARY, ARROW = "state.json", "dataset_dict.json", ".arrow"
"""Files that `save_to_disk` of the library `datasets` writes, and the suffix of those with the pictures."""

MOST_NAMES = 500
"""Masks whose names are compared with those of the photos, to find out what tells them apart."""

EXPECTED = "Expected one folder per class: DATA/husky/1.jpg, DATA/wolf/2.jpg, ... or a table (CSV, Parquet)."


def no_class_folders(tree: Tree, files: Sequence[str], loose: int) -> DataError:
    """The error of a folder without class folders.

    Args:
        tree: the folder.
        files: names of the files directly in it.
        loose: how many of them are pictures.
    """
    found = f"{loose} images directly inside it" if loose else "nothing to read"
    message = f"{str(tree)!r} holds no class folders, but {found}"
    if table := next((name for name in files if PurePosixPath(name).suffix.lower() in TABLES), None):
        return DataError(message, f"If {table!r} lists them with their labels, give {f'{tree}/{table}'!r}. {EXPECTED}")
    if loose:
        return DataError(
            message,
            "Give the folder above it, if this is one class; else put the pictures of each class into a folder of "
            "their own, or list them in a table with the columns image and label.",
        )
    return DataError(message, EXPECTED)


def refuse_saved(said: str, files: Iterable[str], folders: Iterable[str] = ()) -> None:
    """Refuse what `save_to_disk` of the library `datasets` writes: Arrow streams, without an index of their pictures.

    Args:
        said: the data set, as the user names it.
        files: names of the files directly in it.
        folders: names of the folders, which are the parts of a dictionary of data sets.

    Raises:
        DataError: it is one, or holds Arrow files and no folders.
    """
    parts, names = [*folders], [*files]
    streams = [name for name in names if name.endswith(ARROW)]
    if DICTIONARY in names and parts:
        part = next((name for name in WORDS if name in parts), parts[0])
        loaded = f"datasets.load_from_disk({said!r})[{part!r}]"
    elif streams and not parts:
        saved = f"datasets.load_from_disk({said!r})"
        loaded = saved if STATE in names else f"datasets.Dataset.from_file({f'{said}/{streams[0]}'!r})"
    else:
        return
    raise DataError(
        f"{said!r} holds Arrow files of the library `datasets` (save_to_disk), which are not read from disk",
        f"In Python give what it loads: bias_audit.audit(model, {loaded}); or write it once as Parquet, which is read: "
        f"{loaded}.to_parquet('test.parquet').",
    )


def refuse_parts(tree: Tree, folders: Sequence[str], class_names: ClassNames) -> None:
    """Refuse a folder whose folders are no classes by their names: train and test, or images and masks.

    A class map that names the classes goes first.

    Raises:
        DataError: they are parts of a data set with folders of their own, or pictures beside their masks.
    """
    if class_names is not None:
        return
    small = {name.casefold(): name for name in folders}
    parts = [small[name] for name in WORDS if name in small]
    if len(parts) == len(folders) and nested(tree, parts[0]):
        raise DataError(
            f"{str(tree)!r} holds {told_names(parts)}, which are parts of a data set and no classes",
            f"Give one of them: {f'{tree}/{parts[0]}'!r}, or name it: --split {parts[0]}.",
        )
    pictures, masks = (next((small[name] for name in names if name in small), None) for names in (PICTURES, MASKS))
    if pictures is not None and masks is not None:
        inside = {name.split("/")[1].casefold(): name.split("/")[1] for name in tree.files(pictures).files}
        part = next((f"/{inside[name]}" for name in WORDS if name in inside), "")
        raise DataError(
            f"{str(tree)!r} holds {told_names([pictures, masks])}, which are pictures and their masks and no classes",
            f"Give {f'{tree}/{pictures}{part}'!r} with --masks {f'{tree}/{masks}{part}'!r}.",
        )


def nested(tree: Tree, folder: str) -> bool:
    """Whether there are files in folders of a folder."""
    return any(name.count("/") > 1 for name in tree.files(folder).files)


def unlike_masks(photos: Sequence[str], masks: Mapping[str, str], folder: str) -> str:
    """How the names of masks differ from those of the photos, none of which they match, and what to do.

    Args:
        photos: image ids.
        masks: path of each mask in its folder without the suffix -> with it.
        folder: the folder, as it was given.
    """
    named = {name.rpartition(".")[0]: name for name in photos}
    bare = {stem.rpartition("/")[2]: stem for stem in reversed(named)}
    small = {stem.casefold(): stem for stem in named}
    stems = list(islice(masks, MOST_NAMES))
    by_hand = "rename them, or name both in a table with the columns image, label and mask."
    if met := _most(list(masks), named, _folders_above, len(named)):
        above, mask, photo = met
        return f"They lie in {above!r}: give {f'{folder}/{above}'!r} ({masks[mask]!r} is for {named[photo]!r})."
    if met := _most(stems, named, _affixes):
        affix, mask, photo = met
        return f"Their names have {affix!r} more: {masks[mask]!r} for {named[photo]!r}; {by_hand}"
    if met := _most(stems, small, lambda stem: [("", stem.casefold())]):
        _, mask, photo = met
        return f"Their names have other capital letters: {masks[mask]!r} for {named[small[photo]]!r}; {by_hand}"
    if met := _most(stems, bare, lambda stem: _affixes(stem.rpartition("/")[2])):
        affix, mask, photo = met
        more = f", and their names have {affix!r} more" if affix else ""
        given = f"{masks[mask]!r} for {named[bare[photo]]!r}"
        return f"They lie in other folders than the photos{more}: {given}; move and {by_hand}"
    return f"Expected the same tree and stem: {next(iter(named))}.png; found for instance {masks[stems[0]]!r}."


Guess = Callable[[str], Iterable[tuple[str, str]]]
"""Stem of a mask -> pairs (what its name has more, stem of the photo that it would then be of)."""


def _most(stems: Sequence[str], known: Collection[str], guess: Guess, of: int = 0) -> tuple[str, str, str] | None:
    """The difference that explains half of the masks or more (of `of` photos), with the first mask and photo, or None.

    Of photos it is asked where masks may well lie beside those of other photos.
    """
    counts: Counter[str] = Counter()
    first: dict[str, tuple[str, str]] = {}
    for stem in stems:
        for more, photo in guess(stem):
            if photo in known:
                counts[more] += 1
                first.setdefault(more, (stem, photo))
    for more, count in counts.most_common(1):
        if 2 * count >= (of or len(stems)):
            return more, *first[more]
    return None


def _folders_above(stem: str) -> Iterator[tuple[str, str]]:
    parts = stem.split("/")
    for depth in range(1, len(parts)):
        yield "/".join(parts[:depth]), "/".join(parts[depth:])


def _affixes(stem: str) -> Iterator[tuple[str, str]]:
    """Ends and beginnings of the name, longest rest first; the folder stays."""
    folder, slash, name = stem.rpartition("/")
    for length in range(len(name), 0, -1):
        yield name[length:], f"{folder}{slash}{name[:length]}"
    for start in range(1, len(name)):
        yield name[:start], f"{folder}{slash}{name[start:]}"
