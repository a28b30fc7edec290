"""Makes the composites of all classes: everything of every class, or in two stages that ask no more than is needed.

First every photo gets the composites of the background gap alone, and a class is given up as soon as it will not be
shown to rely on its background. Then the suspected classes get everything, and the others what rules on these read of
them (docs/science.md#stages). Every class has its shards, so that an interrupted audit goes on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.background import shards
from bias_audit.checks.background.composites import (
    BACKGROUND,
    CUE_LENT,
    CUE_REMOVED,
    EVERYTHING,
    GROWN_OTHER,
    KINDS,
    OTHER,
    SAME,
    Choice,
    Composite,
    count_composites,
    predict_composites,
)
from bias_audit.checks.background.needs import BORROWED, EXCHANGED, OF_OTHERS, TABLES, Screening, kinds_for
from bias_audit.checks.background.outside import Predicted
from bias_audit.checks.background.screening import Screen, block_ends
from bias_audit.checks.background.shards import OfClass, Shard
from bias_audit.checks.background.shown import Kept, emptied, examples
from bias_audit.checks.base import Context
from bias_audit.checks.parts import Phase, missing
from bias_audit.checks.reasons import SHORT, STOPPED
from bias_audit.config import FIRST_FILL, SECOND_FILL
from bias_audit.data.dataset import Dataset
from bias_audit.heatmaps import attention
from bias_audit.interventions import donors
from bias_audit.models.base import Array
from bias_audit.run.folder import Run
from bias_audit.run.progress import Advance

Heat = NDArray[np.float32]


@dataclass(frozen=True)
class Work:
    """What all classes have in common.

    Attributes:
        context: of the audit.
        whole: the data set, with real scenes behind its photos.
        todo: the plan.
        scenes: (position, fill) -> real scene in the model's input size; {} where none were given.
    """

    context: Context
    whole: Dataset
    todo: donors.Plan
    scenes: Any

    @property
    def labels(self) -> list[int]:
        """Classes of which a photo becomes composites."""
        return [label for label, photos in self.todo.photos.items() if photos]

    def blank(self) -> Array:
        """(K,) log-odds of a black picture, which shows neither object nor background."""
        if not self.labels:  # nothing is compared with it, and tracing the model costs seconds
            return np.zeros(len(self.whole.class_names), np.float32)
        geometry = self.context.geometry
        black = np.zeros((1, *geometry.size, geometry.channels), np.float32)
        return np.asarray(self.context.explainer.predict(black).log_odds[0])


@dataclass
class Ready:
    """Backgrounds that were prepared so far, and the heatmaps of the photos."""

    backgrounds: donors.Backgrounds = dataclasses.field(default_factory=lambda: donors.Backgrounds({}, {}))
    maps: dict[int, Heat] = dataclasses.field(default_factory=dict)
    fills: tuple[str, ...] = ()
    widened: bool = False
    todo: donors.Plan | None = None


@dataclass(frozen=True)
class Stage:
    """The shards of one stage that this process has made or read.

    Attributes:
        run: the run folder.
        name: (label) -> file of the shard of a class.
        looked: class -> its shard; None = it is not there yet. A class is looked for once.
    """

    run: Run
    name: Callable[[int], str]
    looked: dict[int, Shard | None] = dataclasses.field(default_factory=dict)

    def find(self, label: int) -> Shard | None:
        """The shard of a class; None = it must be made."""
        if label not in self.looked:
            self.looked[label] = shards.read(self.run, self.name(label))
        return self.looked[label]

    def keep(self, label: int, shard: Shard) -> None:
        """Write the shard of a class."""
        self.run.write_json(self.name(label), shard)
        self.looked[label] = shard

    def of_all(self, labels: Sequence[int]) -> dict[int, Shard]:
        """The shards of these classes, which this process or others have made.

        Raises:
            ResultError: one is missing.
        """
        there = {}
        for label in labels:
            if (shard := self.find(label)) is None:
                raise missing(self.run, self.name(label))
            there[label] = shard
        return there


def all_made(work: Work) -> dict[int, OfClass]:
    """The composites of all classes: those that are there are read, the others made."""
    first, second = Stage(work.context.run, shards.first_name), Stage(work.context.run, shards.second_name)
    for phase in phases(work, first, second):
        phase.in_one_process(work.context.progress)
    seen = first.of_all(work.labels)
    return {label: shards.joined(shard, second.looked.get(label)) for label, shard in seen.items()}


def phases(work: Work, first: Stage, second: Stage) -> Iterator[Phase]:
    """The stages, in each of which every class is a part; `first` and `second` take their shards."""
    return _in_one_go(work, first) if work.context.config.thorough else _in_stages(work, first, second)


def _phase(
    work: Work,
    ready: Ready,
    stage: Stage,
    choice: Choice,
    title: str,
    total: int,
    make: Callable[[int, Callable[[int], None]], Shard],
) -> Phase:
    """A stage; `choice` is all that its classes may need, `make` gives a shard and counts its composites."""
    labels = work.labels

    def prepare() -> None:
        if None in [stage.find(label) for label in labels]:
            _prepare(work, ready, choice)

    def part(number: int, advance: Advance) -> None:
        label = labels[number]
        if (there := stage.find(label)) is not None:
            advance(len(there["composites"]), before=True)
            return
        _prepare(work, ready, choice)
        stage.keep(label, make(label, advance))

    return Phase(title, total, "composites", tuple(map(stage.name, labels)), part, prepare)


def _in_one_go(work: Work, stage: Stage) -> Iterator[Phase]:
    """Everything of every class."""
    ready = Ready()

    def make(label: int, advance: Callable[[int], None]) -> Shard:
        kept, made = Kept(), list[Composite]()
        for part in _predicted(work, ready, label, EVERYTHING, kept):
            made.extend(part)
            advance(len(part))
        made, invalid = shards.valid(made)
        return shards.shard_of(made, **_shown(work, ready, label, made, kept)) | {"invalid": invalid}

    count = count_composites(work.todo, work.context.config.donors)
    yield _phase(work, ready, stage, EVERYTHING, "Interventions", count, make)


def given(work: Work, predicted: Predicted) -> dict[int, OfClass]:
    """All composites that were made and predicted elsewhere."""
    made: dict[int, OfClass] = {}
    run, nothing = work.context.run, Ready(todo=work.todo)
    with work.context.progress.stage("Interventions", predicted.count(), "composites") as advance:
        for label in work.labels:
            shard = shards.read_first(run, label)
            if shard is None:
                kept = Kept()
                rows, invalid = shards.valid([row for part in predicted.composites(label, kept) for row in part])
                shard = shards.shard_of(rows, **_shown(work, nothing, label, rows, kept)) | {"invalid": invalid}
                run.write_json(shards.first_name(label), shard)
            advance(len(shard["composites"]))
            made[label] = shards.joined(shard, None)
    return made


def _in_stages(work: Work, stage: Stage, second: Stage) -> Iterator[Phase]:
    """The composites of the background gap of every class, and all others of suspected classes.

    Columns that the settings name (`AuditConfig.measured`) are measured for all classes, and on all their photos.
    """
    config, bounds = work.context.config, work.context.thresholds
    screen = Screen(len(work.whole.class_names), bounds.min_gap, bounds.fdr, config.seed, work.context.groups)
    first = Choice(EXCHANGED | kinds_for(config.measured))
    all_photos = not TABLES.isdisjoint(config.measured)
    ready = Ready()

    def make(label: int, advance: Callable[[int], None]) -> Shard:
        return _screened(work, ready, label, first, screen, all_photos=all_photos, advance=advance)

    count = count_composites(work.todo, config.donors, first)
    yield _phase(work, ready, stage, first, "Interventions", count, make)
    seen = stage.of_all(work.labels)
    suspected = frozenset(
        label
        for label, shard in seen.items()
        if "kinds" in shard and not shard["stopped"] and screen.suspects(shards.composites_of(shard), label)
    )
    if suspected:
        yield _second_stage(work, ready, second, seen, suspected, first)


def notes(screened: Collection[Screening]) -> list[str]:
    """What a reader of the run must know of its stages; [] where every class got everything.

    Args:
        screened: how far each class was tested.
    """
    short = [each for each in screened if each.code in SHORT]
    if not short:
        return []
    stopped = sum(each.code == STOPPED for each in short)
    before = f", {stopped} of them before all their photos were pasted" if stopped else ""
    return [
        f"{len(short)} of {len(screened)} classes were cleared by their gap alone{before}: they got no further "
        "composites than rules on the others need. --thorough makes all of every class."
    ]


def left_out(work: Work, label: int, made: OfClass) -> tuple[int, ...]:
    """Positions of the photos of a class that were not pasted since the class was given up before."""
    if made.screening.code != STOPPED:
        return ()
    positions = work.todo.photos[label]
    pasted = {each.photo for each in made.composites if each.arm == SAME} | set(made.invalid)
    seen = max((place for place, position in enumerate(positions) if position in pasted), default=-1) + 1
    return positions[next(end for end in block_ends(len(positions)) if end >= seen) :]


def _screened(
    work: Work,
    ready: Ready,
    label: int,
    choice: Choice,
    screen: Screen,
    *,
    all_photos: bool,
    advance: Callable[[int], None],
) -> Shard:
    """The first shard of a class: photos in the order of the plan, in blocks, until the class is given up."""
    positions = work.todo.photos[label]
    name, kept, made = work.whole.class_names[label], Kept(), list[Composite]()
    stopped = False
    start = 0
    for end in [len(positions)] if all_photos else block_ends(len(positions)):
        for part in _predicted(work, ready, label, choice, kept, positions[start:end]):
            made.extend(part)
            advance(len(part))
        start, left = end, len(positions) - end
        if left and screen.gives_up(shards.valid(made)[0], label, name, left):
            stopped = True
            rest = replace(work.todo, photos={label: positions[end:]})
            advance(count_composites(rest, work.context.config.donors, choice))
            break
    rows, invalid = shards.valid(made)
    return shards.shard_of(
        rows,
        examples=examples(work.whole, label, rows, kept.pictures, scenes_from=len(work.context.records)),
        planned=len(positions),
        stopped=stopped,
        kinds=sorted(choice.kinds),
    ) | {"invalid": invalid}


def _second_stage(
    work: Work, ready: Ready, stage: Stage, seen: dict[int, Shard], suspected: frozenset[int], first: Choice
) -> Phase:
    """The second shards: what suspected classes lack, and what rules on these read of the others."""
    all_else = Choice(KINDS - first.kinds, frozenset({(SAME, FIRST_FILL), (OTHER, FIRST_FILL)}))
    read_of_others = OF_OTHERS | BORROWED
    if work.todo.unfilled:  # without a hole there is no second fill that could show anything
        read_of_others -= {(BACKGROUND, SECOND_FILL)}
    borrowed = Choice(read_of_others - first.kinds, lenders=suspected)
    emptied_alone = Choice(frozenset({(BACKGROUND, FIRST_FILL)}))
    choices = {label: all_else if label in suspected else borrowed for label in seen}
    photos = {label: tuple(dict.fromkeys(row["photo"] for row in shard["composites"])) for label, shard in seen.items()}
    # Backgrounds that suspected classes got are compared by what the model sees in them (`strongest`).
    lent = {label: left_out(work, label, shards.joined(shard, None)) for label, shard in seen.items()}
    total = sum(
        count_composites(replace(work.todo, photos={label: photos[label]}), work.context.config.donors, choice)
        for label, choice in choices.items()
    )
    total += sum(map(len, lent.values()))

    def make(label: int, advance: Callable[[int], None]) -> Shard:
        kept, made, choice = Kept(), list[Composite](), choices[label]
        for part in _predicted(work, ready, label, choice, kept, photos[label]):
            made.extend(part)
            advance(len(part))
        for part in _predicted(work, ready, label, emptied_alone, kept, lent[label]) if lent[label] else ():
            made.extend(part)
            advance(len(part))
        shard = shards.shard_of(made, full=label in suspected, kinds=sorted(choice.kinds), lent=list(lent[label]))
        if label in suspected:
            whole = shards.joined(seen[label], shard).composites
            shard |= _shown(work, ready, label, whole, kept)
        return shard

    return _phase(work, ready, stage, all_else, "Interventions of suspected classes", total, make)


def _predicted(
    work: Work, ready: Ready, label: int, choice: Choice, kept: Kept, photos: Sequence[int] | None = None
) -> Iterator[list[Composite]]:
    """Make and predict composites of a class; photos None = all of the plan."""
    context, todo = work.context, ready.todo or work.todo
    if photos is not None:
        todo = replace(todo, photos={label: tuple(photos)})
    return predict_composites(
        work.whole, label, todo, ready.backgrounds, context.outlined, ready.maps, context.explainer.predict,
        batch=context.explainer.model.batch_size, donors=context.config.donors, seed=context.config.seed, keep=kept,
        choice=choice,
    )  # fmt: skip


def _shown(work: Work, ready: Ready, label: int, made: Sequence[Composite], kept: Kept) -> dict[str, Any]:
    lent = (ready.todo or work.todo).donors[label]
    return {
        "examples": examples(work.whole, label, made, kept.pictures, scenes_from=len(work.context.records)),
        "emptied": emptied(work.whole, made, kept.pictures, lent),
    }


def _prepare(work: Work, ready: Ready, choice: Choice) -> None:
    """Prepare the backgrounds that composites need and that are not there yet."""
    context, todo = work.context, ready.todo or work.todo
    wanted = [FIRST_FILL]
    if choice.wants(SAME, SECOND_FILL) or choice.wants(BACKGROUND, SECOND_FILL):
        wanted.append(SECOND_FILL)
    fills = tuple(fill for fill in wanted if fill not in ready.fills)
    widened = choice.wants(GROWN_OTHER) and not ready.widened
    points = (choice.wants(CUE_REMOVED) or choice.wants(CUE_LENT)) and not ready.maps
    if points:
        used = {position for chosen in (todo.photos, todo.donors) for part in chosen.values() for position in part}
        used = {position for position in used if position < len(context.records)}  # the others are scenes
        recognised = [position for position in sorted(used) if context.records[position].get("correct")]
        ready.maps = attention.read_maps(context.run, context.explainer.model.batch_size, recognised)
    if fills or widened or points:
        count = 0 if todo.unfilled else sum(len(lent) for lent in todo.donors.values())
        with context.progress.stage("Preparing backgrounds", count, "backgrounds") as advance:
            more = donors.prepare_backgrounds(
                work.whole, todo, context.outlined, ready.maps, context.config.seed, advance, context.run.path,
                fills=fills, widened=widened,
            )  # fmt: skip
        known = ready.backgrounds
        ready.backgrounds = donors.Backgrounds(
            {**work.scenes, **known.pictures, **more.pictures},
            more.regions or known.regions,
            more.grown if widened else known.grown,
        )
        ready.fills, ready.widened = (*ready.fills, *fills), ready.widened or widened
    if ready.todo is None:
        ready.todo = donors.with_backgrounds(todo, ready.backgrounds)
