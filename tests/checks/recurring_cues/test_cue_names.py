"""Names of recurring cues: kept in a file, found again by where they were seen."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from bias_audit.checks.recurring_cues.names import called, name_cue, named, read_names
from bias_audit.errors import ConfigError


def spots(cue: str, images: range, x: float = 0.1) -> list[dict]:
    return [
        {"cue_id": cue, "image_id": f"{i}.jpg", "rank": rank + 1, "x": x, "y": 0.9, "width": 0.3, "height": 0.3}
        for rank, i in enumerate(images)
    ]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cues.json"


def test_a_name_is_found_again_under_another_id(file):
    name_cue(pd.DataFrame(spots("wolf-1", range(20))), "wolf-1", " snow ", "legitimate", file, reviewer="Ada")
    (entry,) = read_names(file)
    assert (entry["name"], entry["judgement"], entry["reviewer"]) == ("snow", "legitimate", "Ada")
    rows = [{"cue_id": name, "n": 1} for name in ("wolf-2", "wolf-3", "wolf-4")]
    again = spots("wolf-2", range(8, 30), x=0.2)  # 12 of 20 images, a little beside
    few = spots("wolf-3", range(11, 30))  # 9 of 20
    elsewhere = spots("wolf-4", range(20), x=0.5)
    found = named(rows, again + few + elsewhere, [entry])
    assert [row.get("name") for row in found] == ["snow", None, None]
    assert found[0]["judgement"] == "legitimate"


def test_a_second_name_replaces_the_first_and_others_stay(file):
    table = pd.DataFrame(spots("a", range(20)) + spots("b", range(30, 50)))
    for cue, name in (("a", "ruler"), ("b", "ink"), ("a", "scale bar")):
        name_cue(table, cue, name, "", file)
    assert [entry["name"] for entry in read_names(file)] == ["ink", "scale bar"]
    assert [
        row["name"] for row in named([{"cue_id": "a"}, {"cue_id": "b"}], table.to_dict("records"), read_names(file))
    ] == [
        "scale bar",
        "ink",
    ]


def test_a_spot_without_a_place_is_left_out(file):
    rows = spots("a", range(20))
    rows[3]["width"] = float("nan")
    name_cue(pd.DataFrame(rows), "a", "ruler", "", file)
    (entry,) = read_names(file)
    assert [spot["image_id"] for spot in entry["spots"]] == [f"{i}.jpg" for i in range(20) if i != 3]

    nowhere = pd.DataFrame([{**row, "x": float("nan")} for row in rows])
    with pytest.raises(ConfigError, match="does not say where the cue 'a' was seen"):
        name_cue(nowhere, "a", "ink", "", file)


def test_refusals(file, tmp_path):
    table = pd.DataFrame(spots("a", range(20)))
    with pytest.raises(ConfigError, match="does not say where the cue 'b' was seen"):
        name_cue(table, "b", "x", "", file)
    with pytest.raises(ConfigError, match="empty"):
        name_cue(table, "a", "  ", "", file)
    with pytest.raises(ConfigError, match="artefact or legitimate"):
        name_cue(table, "a", "x", "good", file)
    assert not file.exists()
    assert read_names(file) == []


def test_a_cue_is_called_by_what_the_report_calls_it():
    titles = {"wolf-6ab9e5": "cue 1 of wolf", "wolf-77aa00": "snow"}
    assert [called(titles, asked) for asked in ("cue 1 of wolf", "snow", "wolf-77aa00")] == [
        "wolf-6ab9e5", "wolf-77aa00", "wolf-77aa00",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="the run has no cue 'ruler'") as caught:
        called(titles, "ruler")
    assert caught.value.hint == "Its cues: 'cue 1 of wolf', 'snow'.", "what a user can type, and no hash"
    with pytest.raises(ConfigError) as caught:
        called({f"wolf-{n:06x}": f"cue {n} of wolf" for n in range(14)}, "ruler")
    assert caught.value.hint.endswith("'cue 11 of wolf' and 2 more, see the report.")
    with pytest.raises(ConfigError) as caught:
        called({}, "ruler")
    assert caught.value.hint == "No recurring cue was found in it."


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"cues": 3}',
        '{"cues": [{"name": "x", "judgement": "maybe", "spots": []}]}',
        json.dumps({"cues": [{"name": "x", "judgement": "", "spots": []}]}),
        json.dumps({"cues": [{"name": "x", "judgement": "", "spots": [{"image_id": "a", "x": "0"}]}]}),
    ],
)
def test_a_damaged_file_is_refused(file, content):
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"cues\.json"):
        read_names(file)


def test_a_name_of_which_nothing_can_be_seen_is_none(file):
    with pytest.raises(ConfigError, match="must not be empty"):
        name_cue(pd.DataFrame(spots("wolf-1", range(20))), "wolf-1", "\u200b\u3164", "legitimate", file)
    entry = name_cue(pd.DataFrame(spots("wolf-1", range(20))), "wolf-1", "snow", "", file, reviewer="\u2060")
    assert entry["reviewer"] == ""
    file.write_text(json.dumps({"cues": [{**entry, "name": "\u200b"}]}))
    with pytest.raises(ConfigError, match="no file of names"):
        read_names(file)
