"""Finished runs of models that are not there: a function says what such a model answers, the pipeline does the rest.

Tables, rules, verdict, page and audit.json are made as an audit makes them, from the answers to photos and composites.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from made_run import info
from PIL import Image, ImageDraw
from summed import NO_COMPOSITES, with_interventions

from bias_audit.checks.background import composites as arms
from bias_audit.checks.background.columns import OF_IMAGES
from bias_audit.checks.background.measure import Interventions
from bias_audit.checks.base import Measured
from bias_audit.checks.inputs.measure import Candidate, PreprocessCheck
from bias_audit.checks.mask_quality.measure import MaskQuality
from bias_audit.checks.registry import CHECKS
from bias_audit.config import FIRST_FILL, SECOND_FILL, Thresholds
from bias_audit.data.masks import ESTIMATED
from bias_audit.interventions.edits import BACKDROPS, FILLS
from bias_audit.pipeline.finish import conclude, finish
from bias_audit.pipeline.provenance import _counted, _mask_kind, content_hash
from bias_audit.pipeline.summaries import summarise
from bias_audit.run import tables
from bias_audit.run.folder import Run
from bias_audit.run.result import AuditResult, load
from bias_audit.run.statuses import DONE, FILLS_FRAME, NO_MASK, NO_USABLE_MASK, OK

Answer = Callable[[int, int], int]
"""What the model sees in an object of a class (-1: none) on a background of a class (-1: neutral), as class indices."""

NOTHING = -1


@dataclass(frozen=True)
class World:
    """Photos of some classes, and what a model that is not there says of them.

    Attributes:
        answer: see `Answer`.
        names: the classes.
        photos: photos per class.
        wrong: photos of each class that are taken for the next class as they are.
        masks: kind of the masks, "mask" or "estimated"; "" = there are none.
        fills: whether the objects fill the pictures.
        missed: whether what the answer sees in a background is a part of the objects that the masks miss.
        excess: background excess of the heatmaps, about.
        lent: how much the piece of a background that the heatmaps point at raises the probability of its class, 0..1.
        cues: rows of the table `cues`.
        better: another preprocessing with which all photos are right, "" = there is none.
        unread: photos of the last class that could not be read, further ones.
        notes: of the run.
    """

    answer: Answer
    names: tuple[str, ...] = ("husky", "wolf")
    photos: int = 12
    wrong: int = 0
    masks: str = "mask"
    fills: bool = False
    missed: bool = False
    excess: float = 0.2
    lent: float = 0.0
    cues: Sequence[Mapping[str, Any]] = ()
    better: str = ""
    unread: int = 0
    notes: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    def place(self, label: int, number: int) -> int:
        """Position of a photo among all of them."""
        return label * self.photos + number

    def image_id(self, label: int, number: int) -> str:
        """Name of a photo."""
        return f"{self.names[label].replace('/', '_')}/{number:02d}.jpg"


def snow(guilty: int, lost: int = 0) -> Answer:
    """Everything on the background of one class is called that class, its objects elsewhere another one."""

    def answer(thing: int, ground: int) -> int:
        if ground == guilty:
            return guilty
        return lost if thing in (guilty, NOTHING) else thing

    return answer


def honest(thing: int, ground: int) -> int:
    """The object alone decides; where there is none, the first class is seen."""
    return max(thing, 0)


def finished(world: World, folder: Path) -> AuditResult:
    """The run of an audit of this world, as it is read back from its folder."""
    run = Run(folder)
    run.start({}, resume=False, overwrite=False)
    composites = pd.DataFrame(_composites(world)) if world.masks and not world.fills else NO_COMPOSITES
    records = _records(world)
    if len(composites):
        records = with_interventions(records, composites, world.names, np.zeros(len(world.names)))
    measured = _measured(world, composites, records)
    bounds = Thresholds()
    photos, classes = summarise(records, {}, world.names, measured, bounds, 0)
    outcomes = conclude(photos, classes, measured, (), run, CHECKS)
    run.write_json("pictures.json", _pictures(world, composites))
    statuses, counts, kinds = _counted(photos.images)
    known = info(
        name="net.keras on photos", model="models/net.keras", data="photos", masks="masks" if world.masks else None,
        class_names=world.names, counts=counts, statuses=statuses, mask_kind=_mask_kind(kinds), notes=world.notes,
        thresholds=dataclasses.asdict(bounds), content=content_hash(world.names, photos.images), layer="backbone/top",
        grid=(7, 7), **world.about,
    )  # fmt: skip
    finish(run, known, classes, outcomes)
    return load(folder)


def _records(world: World) -> list[dict[str, Any]]:
    rows = []
    for label, number in itertools.product(range(len(world.names)), range(world.photos)):
        predicted = (label + 1) % len(world.names) if number < world.wrong else world.answer(label, label)
        right = predicted == label
        rows.append(
            {
                "image_id": world.image_id(label, number), "label": world.names[label], "status": OK,
                "predicted": world.names[predicted], "correct": right, "probability": 0.97,
                "probability_label": 0.97 if right else 0.02, "log_odds": 3.5, "log_odds_label": 3.5 if right else -3.9,
                "content": f"{world.place(label, number) + 1:016x}", "foreground_area": 0.97 if world.fills else 0.3,
                **_masked(world, number),
            }
        )  # fmt: skip
    rows += [
        {"image_id": f"{world.names[-1]}/broken {n}.jpg", "label": world.names[-1], "status": "unreadable",
         "status_reason": "the file is cut off"}
        for n in range(world.unread)
    ]  # fmt: skip
    return rows


def _masked(world: World, number: int) -> dict[str, Any]:
    if not world.masks:
        return {"mask_status": NO_MASK, "attention_status": NO_MASK, "intervention_status": NO_USABLE_MASK}
    if world.fills:
        return {"mask_status": OK, "mask_kind": world.masks, "attention_status": FILLS_FRAME,
                "intervention_status": FILLS_FRAME}  # fmt: skip
    known = {"mask_status": OK, "mask_kind": world.masks, "intervention_status": DONE}
    if world.masks == ESTIMATED:  # heatmaps are scored against drawn masks alone
        return {**known, "attention_status": NO_MASK}
    excess = world.excess + 0.002 * number
    return {**known, "attention_status": OK, "background_excess": excess, "background_excess_label": excess}


def _composites(world: World) -> Iterator[dict[str, Any]]:
    """All composites of every photo, each background from another photo of the class that it is of."""
    classes = range(len(world.names))
    for label, number in itertools.product(classes, range(world.photos)):
        photo = world.place(label, number)
        others = [each for each in classes if each != label]
        grounds = [others[(number + turn) % len(others)] for turn in range(min(len(others), 5))]
        grounds = list(itertools.islice(itertools.cycle(grounds), 5))
        made = functools.partial(_composite, photo, label)
        for fill in (FIRST_FILL, SECOND_FILL):
            for turn, ground in enumerate(grounds):
                donor = world.place(ground, (number + turn) % world.photos)
                yield made(arms.OTHER, fill, donor, ground, world.answer(label, ground))
                own = world.place(label, (number + turn + 1) % world.photos)
                yield made(arms.SAME, fill, own, label, world.answer(label, label))
        for turn, ground in enumerate(grounds):
            donor = world.place(ground, (number + turn) % world.photos)
            covered = label if world.missed else world.answer(label, ground)
            yield made(arms.GROWN_OTHER, FIRST_FILL, donor, ground, covered)
            yield made(arms.GROWN_SAME, FIRST_FILL, photo, label, label if world.missed else world.answer(label, label))
        for fill in FILLS:
            yield made(arms.BACKGROUND, fill, -1, -1, world.answer(NOTHING, label))
            yield made(arms.CONTROL, fill, -1, -1, world.answer(label, label))
        for backdrop in BACKDROPS:
            yield made(arms.FOREGROUND, backdrop, -1, -1, world.answer(label, NOTHING))
        lender = world.place(grounds[0], number)
        for arm, sure in ((arms.CUE_LENT, 0.1 + world.lent), (arms.CUE_LENT_CONTROL, 0.1)):
            yield {**made(arm, FIRST_FILL, lender, grounds[0], label), "donor_probability": sure}


def _composite(photo: int, label: int, arm: str, fill: str, donor: int, ground: int, predicted: int) -> dict[str, Any]:
    own = 0.93 if predicted == label else 0.04
    return {
        "photo": photo, "label": label, "arm": arm, "fill": fill, "donor": donor, "donor_label": ground,
        "predicted": predicted, "probability": own, "probability_predicted": 0.93,
        "log_odds": float(np.log(own / (1 - own))), "donor_probability": 0.93 if predicted == ground else 0.04,
    }  # fmt: skip


def _measured(world: World, composites: pd.DataFrame, records: Sequence[Mapping[str, Any]]) -> dict[str, Measured]:
    """What each check measured: nothing, but for what the world says."""
    measured = {check.name: Measured({name: tables.table(name, []) for name in check.tables}) for check in CHECKS}
    made = Interventions(composites, _examples(world, composites), tables.frame(OF_IMAGES, records))
    measured["background"] = dataclasses.replace(measured["background"], own=lambda: made)
    if world.cues:
        spots = [
            {"cue_id": cue["cue_id"], "image_id": world.image_id(world.names.index(cue["class_name"]), number),
             "rank": number + 1}
            for cue in world.cues
            for number in range(world.photos)
        ]  # fmt: skip
        found = {
            "cues": tables.table("cues", world.cues),
            "cue_spots": tables.table("cue_spots", spots),
        }
        measured["recurring_cues"] = Measured(found, own=lambda: "")
    if world.masks == ESTIMATED:
        measured["mask_quality"] = Measured(own=lambda: MaskQuality("grabcut", (), (), ()))
    tried = len(world.names) * world.photos
    hits = tried - len(world.names) * world.wrong
    others = (Candidate(world.better, tried, tried, tried - hits, 0),) if world.better else ()
    checked = PreprocessCheck("none", False, tried, hits, world.photos, len(world.names), others)
    measured["inputs"] = Measured(own=lambda: checked)
    return measured


SHOWN = 3
"""Photos of a class whose composites are kept as pictures."""


def _examples(world: World, composites: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    examples: dict[str, list[dict[str, Any]]] = {}
    if composites.empty:
        return examples
    kept = composites[
        composites["fill"].isin((FIRST_FILL, next(iter(BACKDROPS))))
        & composites["arm"].isin(arms.SHOWN)
        & (composites["photo"] % world.photos < SHOWN)
    ].drop_duplicates(["photo", "arm"])
    for row in kept.to_dict("records"):
        label, number = divmod(int(row["photo"]), world.photos)
        ground = {arms.BACKGROUND: label, arms.FOREGROUND: NOTHING}.get(row["arm"], int(row["donor_label"]))
        thing = NOTHING if row["arm"] == arms.BACKGROUND else label
        donor = divmod(int(row["donor"]), world.photos) if row["donor"] >= 0 else None
        examples.setdefault(world.names[label], []).append(
            {
                "image_id": world.image_id(label, number), "arm": row["arm"],
                "donor_id": None if donor is None else world.image_id(*donor),
                "donor_label": None if donor is None else world.names[donor[0]],
                "predicted": world.names[int(row["predicted"])], "probability": row["probability_predicted"],
                **drawn(thing, ground),
            }
        )  # fmt: skip
    return examples


def _pictures(world: World, composites: pd.DataFrame) -> dict[str, Any]:
    """The content of pictures.json."""
    images = {
        world.image_id(label, number): {
            **drawn(label, label, full=world.fills),
            "grid": [[0.1, 0.3, 0.1], [0.4, 1.0, 0.3], [0.1, 0.2, 0.0]],
            "heat_class": world.names[label],
            "outline": [[list(corner) for corner in _corners(label, world.fills)]] if world.masks else [],
            "mask_kind": world.masks or None,
        }
        for label, number in itertools.product(range(len(world.names)), range(min(world.photos, 6)))
    }
    return {"images": images, "composites": _examples(world, composites)}


WIDE, HIGH = 160, 120


def _corners(thing: int, full: bool) -> list[tuple[float, float]]:
    if full:
        return [(1, 1), (WIDE - 1, 1), (WIDE - 1, HIGH - 1), (1, HIGH - 1)]
    turns = np.arange(3 + thing % 5) / (3 + thing % 5) * 2 * np.pi
    return [(round(80 + 40 * np.sin(turn), 1), round(62 - 40 * np.cos(turn), 1)) for turn in turns]


@functools.cache
def drawn(thing: int, ground: int, *, full: bool = False) -> dict[str, Any]:
    """A picture of an object (-1: none) on a background (-1: black), as pictures.json has it."""
    base = (0, 0, 0) if ground == NOTHING else tuple((40 + 83 * ground) % 256 * k // 3 + 60 for k in (1, 2, 1))
    picture = Image.new("RGB", (WIDE, HIGH), tuple(min(255, each) for each in base))
    pen = ImageDraw.Draw(picture)
    if ground != NOTHING:
        for step in range(0, WIDE, 16):
            pen.line([(step, 0), (step - 20 + 9 * (ground % 5), HIGH)], fill=(235, 235, 240), width=2)
    if thing != NOTHING:
        pen.polygon(_corners(thing, full), fill=((90 + 67 * thing) % 256, (40 + 31 * thing) % 256, 70))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=80)
    return {"jpeg": base64.b64encode(buffer.getvalue()).decode(), "width": WIDE, "height": HIGH}


CUE: dict[str, Any] = {
    "cue_id": "wolf-6ab9e5", "class_name": "wolf", "n": 12, "class_share": 0.8, "class_share_low": 0.6,
    "class_share_high": 0.9, "lift": 1.9, "attention_share": 0.5, "object_share": 0.1, "object_estimated": 0.0,
    "proof_status": OK, "n_proof": 12, "n_proof_groups": 12, "erase_effect": 0.02, "erase_low": -0.01,
    "erase_high": 0.05, "paste_effect": 0.6, "paste_low": 0.4, "paste_high": 0.8, "turned": 0.65,
    "turned_control": 0.05, "p_erase_fdr": 0.4, "p_paste_fdr": 0.001, "odds_ratio": 13041.0, "odds_ratio_low": 254.11,
    "odds_ratio_high": 669257.98, "purity": 0.9, "p_tied": 0.001,
}  # fmt: skip
"""A recurring cue that moves the prediction when it is pasted."""

MANY = tuple(f"a species with a long name {number:03d}" for number in range(40))

WORLDS: dict[str, World] = {
    "suspicious": World(snow(1), excess=0.9),
    "confirmed": World(snow(1), lent=0.7, excess=0.9),
    "confirmed by a cue": World(honest, cues=(CUE,)),
    "hidden": World(snow(1), photos=30, excess=0.05),
    "watch": World(honest, wrong=1, unread=2),
    "clean": World(honest),
    "no masks": World(snow(1), masks=""),
    "estimated masks": World(snow(1), masks=ESTIMATED),
    "clean on estimated masks": World(honest, masks=ESTIMATED),
    "doubtful input": World(honest, wrong=5, better="unit"),
    "many classes": World(snow(7), names=MANY),
    "victims": World(snow(2), names=("fox", "husky", "wolf")),
    "masks in doubt": World(snow(1), missed=True),
    "object fills the picture": World(honest, fills=True),
    "too few photos": World(snow(1), photos=4),
}
"""Name -> a world of every kind that differs in what is said of it."""
