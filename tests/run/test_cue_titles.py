"""What recurring cues are called: a number within their class that stays, or the name that a reviewer gave."""

from __future__ import annotations

import random

from bias_audit.run.cue_titles import cue_titles

CUES = [
    {"cue_id": "wolf-b", "name": "", "class_name": "wolf", "n": 9},
    {"cue_id": "wolf-a", "name": "", "class_name": "wolf", "n": 9},
    {"cue_id": "wolf-c", "name": "", "class_name": "wolf", "n": 30},
    {"cue_id": "husky-d", "name": "", "class_name": "husky", "n": 12},
]


def test_cues_are_numbered_within_their_class_most_images_first_then_by_id() -> None:
    assert cue_titles(CUES) == {
        "wolf-c": "cue 1 of wolf", "wolf-a": "cue 2 of wolf", "wolf-b": "cue 3 of wolf", "husky-d": "cue 1 of husky",
    }  # fmt: skip
    for seed in range(5):
        assert cue_titles(random.Random(seed).sample(CUES, len(CUES))) == cue_titles(CUES), "whatever their order"


def test_a_name_stands_for_its_cue_and_renumbers_no_other() -> None:
    named = [{**cue, "name": "snow"} if cue["cue_id"] == "wolf-c" else cue for cue in CUES]
    assert cue_titles(named) == {**cue_titles(CUES), "wolf-c": "snow"}


def test_cells_of_a_csv_file_do_as_well() -> None:
    assert cue_titles({key: str(value) for key, value in cue.items()} for cue in CUES) == cue_titles(CUES)
    assert cue_titles([{"cue_id": "x", "class_name": "", "n": ""}]) == {"x": "cue 1"}
