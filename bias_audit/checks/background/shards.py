"""The composites of a class as a run keeps them: one shard, and a second one for what a suspected class made needed.

An audit in stages decides what the second shard holds when the first shards of all classes are there (`staged`). Of any
other audit, and of older runs, the first shard holds everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bias_audit.checks.background.composites import KINDS, Composite, Kind
from bias_audit.checks.background.needs import BORROWED, Screening
from bias_audit.checks.background.shown import Example
from bias_audit.checks.reasons import CLEARED, FULL, STOPPED
from bias_audit.models.base import NO_CLASS
from bias_audit.run.folder import Run

Shard = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class OfClass:
    """All composites of a class.

    Attributes:
        composites: the composites, those of a photo one after another.
        examples, emptied: pictures for the report, see `measure.Interventions`.
        invalid: positions of photos some of whose composites have no valid prediction; none of theirs count.
        screening: how far the class was tested.
    """

    composites: Sequence[Composite]
    examples: Sequence[Example]
    emptied: Sequence[Example]
    invalid: Sequence[int]
    screening: Screening


def first_name(label: int) -> str:
    """File of the first shard of a class."""
    return f"shards/interventions-{label:05d}.json"


def second_name(label: int) -> str:
    """File of the second shard of a class."""
    return f"shards/interventions-{label:05d}-more.json"


def read(run: Run, name: str) -> Shard | None:
    """A shard by its file; None where there is none."""
    return run.read_json(name, _sound)


def read_first(run: Run, label: int) -> Shard | None:
    """The first shard of a class; None where there is none."""
    return read(run, first_name(label))


def read_second(run: Run, label: int) -> Shard | None:
    """The second shard of a class; None where there is none."""
    return read(run, second_name(label))


def valid(made: Iterable[Composite]) -> tuple[list[Composite], list[int]]:
    """(composites, photos that were left out): without those of photos of which some have no valid prediction.

    One arm without its NaN answers would be compared with another arm of other donors: all or none.
    """
    made = list(made)
    invalid = sorted({composite.photo for composite in made if composite.predicted == NO_CLASS})
    return [composite for composite in made if composite.photo not in set(invalid)], invalid


def shard_of(made: Iterable[Composite], **more: Any) -> dict[str, Any]:
    """A shard with these composites, those of `valid`, and what else it is to hold."""
    kept, invalid = valid(made)
    return {"composites": [dataclasses.asdict(composite) for composite in kept], "invalid": invalid, **more}


def composites_of(shard: Shard) -> list[Composite]:
    """The composites of a shard."""
    return [Composite(**row) for row in shard["composites"]]


def joined(first: Shard, second: Shard | None) -> OfClass:
    """What both shards of a class hold together, in the order in which an audit without stages makes it.

    Photos that were not tested themselves, and of which only what they lend was made ("lent"), come last.

    A photo of which the second shard lacks everything has changed in between: without it, as if it had been before.
    """
    made, more = composites_of(first), composites_of(second) if second else []
    invalid = sorted({*first.get("invalid", ()), *(second.get("invalid", ()) if second else ())})
    place = {photo: number for number, photo in enumerate(dict.fromkeys(each.photo for each in made))}
    if second is not None:
        place |= {photo: len(place) + number for number, photo in enumerate(second.get("lent", ()))}
        there = {each.photo for each in more} - set(invalid)
        both = (each for each in (*made, *more) if each.photo in there and each.photo in place)
        made = sorted(both, key=lambda composite: place[composite.photo])  # stable: the first stage comes first
    examples = (second or {}).get("examples") or first["examples"]
    emptied = (second or first).get("emptied", [])
    return OfClass(made, examples, emptied, invalid, _screening(first, second))


def _screening(first: Shard, second: Shard | None) -> Screening:
    photos = len({row["photo"] for row in first["composites"]}) + len(first.get("invalid", ()))
    planned = int(first.get("planned", photos))
    if "kinds" not in first or (second is not None and second["full"]):
        return Screening(FULL, planned, KINDS)
    kinds = _kinds(first) | (_kinds(second) - BORROWED if second is not None else frozenset())
    return Screening(STOPPED if first["stopped"] else CLEARED, planned, kinds)


def _kinds(shard: Shard) -> frozenset[Kind]:
    return frozenset((str(arm), str(fill)) for arm, fill in shard["kinds"])


def _sound(shard: dict[str, Any]) -> dict[str, Any]:
    composites_of(shard)
    if "full" not in shard and not isinstance(shard["examples"], list):
        raise TypeError("it holds no examples")
    if not isinstance(shard.get("emptied", []), list):
        raise TypeError("it holds no pictures")
    if "kinds" in shard:
        _kinds(shard)
        if not isinstance(shard["full"] if "full" in shard else shard["stopped"], bool):
            raise TypeError("it does not say how far the class was tested")
    return shard
