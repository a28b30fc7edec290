"""The same object on its own and on other backgrounds, and what the three models say of each picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from bias_audit.checks.background.measure import recall
from bias_audit.checks.outcomes import number
from bias_audit.config import FIRST_FILL
from bias_audit.errors import ResultError
from bias_audit.repair.proof import Proof, runs
from bias_audit.report.gallery import ARMS, arrange_pictures, is_picture
from bias_audit.report.page import read_pictures
from bias_audit.run.result import AuditResult
from bias_audit.run.statuses import predictions_of

MOST_CLASSES, MOST_PHOTOS = 6, 2
"""Classes that are shown, those with findings first, and photos of each."""

SHOWN = ("same", "other", "background_only")
"""Kinds of composites that are shown."""

Said = tuple[str, float | None]
"""(class that a model says, its probability)."""


def strips_of(proof: Proof) -> list[dict[str, Any]]:
    """Strips {subject, image_id, tiles}; a tile is {picture, text, said: [{run, predicted, probability, right}]}.

    The pictures are those of the run before. A tile is left out where one of the runs has no answer to that picture.
    """
    try:
        pictures = read_pictures(proof.before.path)
        answers = {name: _Answers(run) for name, run in runs(proof).items()}
    except ResultError:
        return []
    made: list[dict[str, Any]] = []
    composites = pictures.get("composites")
    if not isinstance(composites, Mapping):
        return []
    flagged = dict.fromkeys(each.subject for each in proof.before.found() if each.scope == "class")
    subjects = [name for name in dict.fromkeys((*flagged, *proof.before.info.class_names)) if composites.get(name)]
    for subject in subjects[:MOST_CLASSES]:
        kept = {"images": pictures.get("images"), "composites": {subject: composites[subject]}}
        chosen = arrange_pictures(proof.before.images, (), (subject,), kept, 10**12)
        stored = {each["key"]: each for each in chosen["pictures"]}
        for photo in chosen["composites"].get(subject, ())[:MOST_PHOTOS]:
            tiles = _tiles(subject, photo, stored, answers)
            if len(tiles) > 1:
                made.append({"subject": subject, "image_id": str(photo["image_id"]), "tiles": tiles})
    return made


def _tiles(
    subject: str, photo: Mapping[str, Any], stored: Mapping[str, Any], answers: Mapping[str, _Answers]
) -> list[dict[str, Any]]:
    image_id = str(photo["image_id"])
    shown = []
    if photo["original"] is not None:
        said = [(name, each.of_photo(image_id)) for name, each in answers.items()]
        shown.append((stored[photo["original"]["key"]], "the photo", said, True))
    for tile in sorted(photo["tiles"], key=lambda each: ARMS.index(each["arm"])):
        if tile["arm"] in SHOWN:
            said = [(name, each.of(image_id, tile["arm"], tile["donor_id"])) for name, each in answers.items()]
            shown.append((stored[tile["key"]], tile["text"], said, tile["arm"] != "background_only"))
    return [
        {
            "picture": picture,
            "text": text,
            "said": [
                {
                    "run": name,
                    "predicted": answer[0],
                    "probability": answer[1],
                    "right": (answer[0] == subject) if has_object else None,
                }
                for name, answer in said
                if answer is not None
            ],
        }
        for picture, text, said, has_object in shown
        if is_picture(picture) and all(answer is not None for _, answer in said)
    ]


class _Answers:
    """What the model of a run said of its photos and composites."""

    def __init__(self, run: AuditResult) -> None:
        self._images = run.images[~run.images.index.duplicated()]
        ids, names = [str(each) for each in run.images.index], predictions_of(run.info.class_names)
        self._made: dict[tuple[str, str, str], Said] = {}
        table: pd.DataFrame = recall(run).composites
        first = table[(table["fill"] == FIRST_FILL) & table["arm"].isin(SHOWN)]
        columns = (first[name] for name in ("photo", "arm", "donor", "predicted", "probability_predicted"))
        for photo, arm, donor, predicted, probability in zip(*columns, strict=True):
            lent = ids[int(donor)] if 0 <= int(donor) < len(ids) else ""
            self._made.setdefault((ids[int(photo)], str(arm), lent), (names[int(predicted)], number(probability)))

    def of_photo(self, image_id: str) -> Said | None:
        if image_id not in self._images.index:
            return None
        row = self._images.loc[image_id]
        return str(row["predicted"]), number(row["probability"])

    def of(self, image_id: str, arm: str, donor: str) -> Said | None:
        return self._made.get((image_id, arm, donor))
