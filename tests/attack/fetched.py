"""Archives, shards and Parquet files that are fetched as a whole, and patterns that name them: anything may come."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from random import Random

from . import packed_data
from .changing import ODD_TEXTS, changed_bytes, changed_text
from .places import TOKEN, answer_of, plain, quick, serving
from .trying import EXECUTED, HARMLESS, LOST, REFUSED, WRONG, Attempt, Kind, in_child, sentence

FILES = ("stored.zip", "deflated.zip", "pax.tar", "shard.tar", "pictures.parquet")

_PATTERNS = (
    "s-{000..003}.tar", "s-{0..3}.tar", "{a,b}.tar", "{train,val}/s-{0..1}.tar", "../{a,b}.tar", "{..,.}/s.tar",
    "{a,/etc/passwd}.tar", "s-{0..999999999999}.tar", "s-{0..99}{0..99}{0..99}.tar", "s-{3..0}.tar", "{{a,b},c}.tar",
    "{0..3}.parquet", "s-{0..3}.zip", "{,}", "{" * 500, "{0..9}" * 60, "{a,b" + ",c" * 20_000 + "}.tar",
)  # fmt: skip


def archives_of_servers(attempt: Attempt) -> str:
    """A server that answers an archive with anything, or with another one after it was listed: a sentence, or rows."""
    from bias_audit.data.addresses import data_address
    from bias_audit.data.locations import read_location
    from bias_audit.data.sources import open_dataset
    from bias_audit.data.sources.options import SourceOptions
    from bias_audit.limits.bounds import Limits

    rng = attempt.rng
    name = rng.choice(FILES)
    whole = (attempt.world / name).read_bytes()
    first, attempt.what = answer_of(rng, whole) if rng.random() < 0.7 else _changed(rng, whole)
    attempt.what = f"{name}: {attempt.what}"
    said = {f"/{name}": first}
    limits = Limits(fetched_bytes=1_000_000, cache_bytes=rng.choice((10**7, 10**7, 3_000)), seconds_per_fetch=1)
    lost = rng.random() < 0.5

    def read() -> str:
        contents: list[bytes] = []

        def opened() -> None:
            dataset = open_dataset(data_address(f"{url}/{name}"), None, SourceOptions(limits=limits))
            dataset.fingerprint()
            if lost:  # and another one is there when it is fetched again
                said[f"/{name}"] = plain(whole)
                for file in (attempt.folder / "fetched").iterdir():
                    file.unlink()
            for sample in dataset.samples:
                try:
                    contents.append(read_location(sample.path))
                except (OSError, ValueError) as error:
                    if not str(error).strip() or TOKEN in str(error):
                        attempt.bad(WRONG, f"reason {error}")

        answer = sentence(opened)
        known = {*packed_data.PHOTOS.values(), b"picture"}
        if name.endswith(".zip") and not {*contents} <= known:
            attempt.bad(WRONG, "bytes that nobody packed")
        return answer

    with quick(attempt.folder), serving(said) as url:
        return in_child(read, 60)


def _changed(rng: Random, whole: bytes) -> tuple[bytes, str]:
    data, done = changed_bytes(whole, rng)
    return plain(data), done


def patterns(attempt: Attempt) -> str:
    """A changed pattern: a sentence, or files of the folder, all of which are there."""
    from bias_audit.data.locations import read_location
    from bias_audit.data.sources import open_dataset
    from bias_audit.data.sources.options import SourceOptions
    from bias_audit.limits.bounds import Limits

    rng = attempt.rng
    text = rng.choice((*_PATTERNS, *_PATTERNS, *ODD_TEXTS))
    done = "unchanged"
    for _ in range(rng.choice((0, 1, 1, 2))):
        text, done = changed_text(text, rng)
    attempt.what = f"{text[:200]!r}: {done}"
    root = attempt.folder / "in" / "shards"
    shard = (attempt.world / "shard.tar").read_bytes()
    for place in (root, root / "train", root / "val"):
        place.mkdir(parents=True)
        for name in ("s-0", "s-1", "s-2", "s-3", "s-000", "s-001", "s-002", "s-003", "a", "b"):
            (place / f"{name}.tar").write_bytes(shard)
    for name in ("a.tar", "b.tar", "s.tar"):
        (root.parent / name).write_bytes(shard.replace(b"picture", b"SECRETS"))
    found: list[bytes] = []

    def read() -> None:
        dataset = open_dataset(root / text, None, SourceOptions(limits=Limits(shards=100)))
        ids = [sample.image_id for sample in dataset.samples]
        if len({*ids}) < len(ids):
            attempt.bad(LOST, f"ids: {ids[:5]}")
        for sample in itertools.islice(dataset.samples, 50):
            with contextlib.suppress(OSError, ValueError):
                found.append(read_location(sample.path))

    answer = sentence(read)
    outside = ".." in Path(text).parts[:1] or text.startswith("/")  # the user's own words may lead anywhere
    if not outside and any(b"SECRETS" in each for each in found):
        attempt.bad(EXECUTED, "a file outside of the folder is read")
    return answer if answer == REFUSED else HARMLESS


KINDS = {
    "archives of servers": Kind(archives_of_servers, packed_data.prepare, 12, 12, seconds=90),
    "patterns of names": Kind(patterns, packed_data.prepare, 30, 60),
}
