"""What the page says, without HTML."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_run import CLASSES, HOSTILE, HUSKY, NAMES, WOLF, Parts, info, picture, stored_pictures, table

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.reasons import FILLS_FRAME
from bias_audit.report import browser_section
from bias_audit.report.class_columns import CLASS_COLUMNS
from bias_audit.report.confusion_section import MATRIX_CLASSES
from bias_audit.report.gallery import COMPOSITE_SHARE, MOST_CARDS, arrange_pictures, order_by_suspicion
from bias_audit.report.page import page_of
from bias_audit.report.summary import summarise
from bias_audit.run.result import AuditResult, load

Write = Callable[[Parts], Path]


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The interval as the roots of (p - hits/n)^2 = z^2 p (1 - p) / n, found by bisection."""
    z, share = 1.959963984540054, hits / n

    def outside(p: float) -> bool:
        return (p - share) ** 2 > z * z * p * (1 - p) / n

    def root(inside: float, out: float) -> float:
        for _ in range(80):
            middle = (inside + out) / 2
            inside, out = (inside, middle) if outside(middle) else (middle, out)
        return inside

    return root(share, 0.0), root(share, 1.0)


def test_the_summary_is_plain_json_without_nan(result: AuditResult) -> None:
    json.dumps(summarise(result, stored_pictures()), allow_nan=False)


def test_accuracy_counts_the_readable_images_with_a_wilson_interval(result: AuditResult) -> None:
    accuracy = summarise(result, {})["facts"][0]
    assert accuracy["value"] == pytest.approx(23 / 24)  # one wolf of 24 readable images is wrong
    assert (accuracy["low"], accuracy["high"]) == pytest.approx(wilson(23, 24))
    assert accuracy["note"] == "23 of 24 images right"


def test_facts_say_how_many_of_how_many(result: AuditResult) -> None:
    facts = {fact["label"]: fact for fact in summarise(result, {})["facts"]}
    assert (facts["Images audited"]["count"], facts["Images audited"]["of"]) == (24, 26)
    assert facts["Images audited"]["note"] == "1 unreadable, 1 skipped"
    assert (facts["Photos intervened on"]["count"], facts["Photos intervened on"]["of"]) == (16, 18)
    assert facts["Largest background gap"]["value"] == 0.75
    assert facts["Largest background gap"]["note"] == "class husky, 8 photos; the mean of 2 classes is 38 pp"


def test_findings_come_worst_first_with_their_numbers(result: AuditResult) -> None:
    findings = summarise(result, stored_pictures())["findings"]
    assert [(finding["level"], finding["code"]) for finding in findings] == [
        ("SUSPICIOUS", "BA201"),
        ("WATCH", "BA202"),
        ("WATCH", "BA901"),
    ]
    assert findings[0]["estimate"] == {"value": 0.75, "low": 0.25, "high": 0.9, "reason": ""}
    assert findings[2]["estimate"]["low"] is None


def test_only_the_first_class_finding_is_illustrated_by_composites(result: AuditResult) -> None:
    first, second, third = summarise(result, stored_pictures())["findings"]
    assert [photo["image_id"] for photo in first["composites"]] == [f"husky/{NAMES[0]}", f"husky/{NAMES[7]}"]
    assert [tile["arm"] for tile in first["composites"][0]["tiles"]] == [
        "same", "other", "background_only", "foreground_only",
    ]  # fmt: skip
    assert [tile["kept"] for tile in first["composites"][0]["tiles"]] == [True, False, True, False]
    assert first["composites"][0]["original"]["image_id"] == f"husky/{NAMES[0]}"
    assert second["composites"] == third["composites"] == []
    assert [(row["image_id"], row["probability"]) for row in first["emptied"]] == [
        (f"husky/{NAMES[0]}", 0.97), (f"husky/{NAMES[7]}", 0.61),
    ]  # fmt: skip
    assert second["emptied"] == third["emptied"] == []
    assert second["shown_at"] == 1, "the same two images need not be shown twice"
    steps = [(step["label"], step["value"]) for step in first["ladder"]]
    assert steps[1:3] == [("On same-class backgrounds", 1.0), ("On other-class backgrounds", 0.25)]


@pytest.mark.parametrize(
    ("rows", "level"),
    [
        ([("BA201", "found", "SUSPICIOUS"), ("BA902", "found", "WATCH")], "SUSPICIOUS"),
        ([("BA201", "found", "SUSPICIOUS"), ("BA301", "found", "CONFIRMED")], "CONFIRMED"),
        ([("BA201", "passed", None), ("BA902", "found", "WATCH")], "NO RELIANCE SHOWN"),
        ([("BA201", "passed", None), ("BA101", "not applicable", None)], "NO RELIANCE SHOWN"),
        ([("BA201", "found", "WATCH"), ("BA902", "found", "MODEL WARNING")], "NO RELIANCE SHOWN"),
        ([("BA201", "passed", None), ("BA902", "found", "MODEL WARNING")], "NO RELIANCE SHOWN"),
        ([("BA201", "passed", None), ("BA908", "found", "MODEL WARNING")], "MODEL WARNING"),
        ([("BA201", "not applicable", None), ("BA901", "passed", None)], "NOT JUDGED"),
        ([("BA201", "not applicable", None), ("BA902", "found", "WATCH")], "NOT JUDGED"),
        ([("BA201", "filled", None), ("BA901", "passed", None)], "OBJECT FILLS THE PICTURE"),
        ([("BA201", "filled", None), ("BA301", "found", "SUSPICIOUS")], "SUSPICIOUS"),
        ([("BA201", "ignored", None), ("BA901", "passed", None)], "NOT JUDGED"),
        ([], "NOT JUDGED"),
    ],
)
def test_level_of_the_verdict(
    parts: Parts, write_run: Write, rows: list[tuple[str, str, str | None]], level: str
) -> None:
    parts.outcomes = tuple(
        RuleOutcome(
            code,
            "t",
            "class",
            HUSKY,
            "not applicable" if status == "filled" else status,
            "s",
            level=worst,
            reason_code=FILLS_FRAME if status == "filled" else "",
        )
        for code, status, worst in rows
    )
    parts.verdict = f"{level}: what happened."
    verdict = summarise(load(write_run(parts)), {})["verdict"]
    assert (verdict["level"], verdict["sentence"]) == (level, "What happened.")


def test_within_a_level_the_background_comes_before_a_cue(parts: Parts, write_run: Write) -> None:
    """Issue 14, item 7."""
    cue = RuleOutcome("BA302", "t", "cue", "husky-1", "found", "s", level="CONFIRMED", measured=0.9)
    cue = dataclasses.replace(cue, evidence={"class_name": HUSKY})
    background = RuleOutcome("BA201", "t", "class", HUSKY, "found", "s", level="CONFIRMED", measured=0.1)
    worse = RuleOutcome("BA201", "t", "class", HOSTILE, "found", "s", level="SUSPICIOUS", measured=1.0)
    parts.outcomes = (cue, worse, background)
    shown = summarise(load(write_run(parts)), {})["findings"]
    assert [(finding["code"], finding["level"]) for finding in shown] == [
        ("BA201", "CONFIRMED"), ("BA302", "CONFIRMED"), ("BA201", "SUSPICIOUS"),
    ]  # fmt: skip


def test_a_missing_number_in_the_class_table_has_its_reason(result: AuditResult) -> None:
    classes = summarise(result, {})["classes"]
    assert [row["name"] for row in classes["rows"]] == [HUSKY, WOLF, HOSTILE], "flagged classes come first"
    cells = {
        (row["name"], column.value): cell
        for row in classes["rows"]
        for column, cell in zip((one for one in CLASS_COLUMNS if not one.optional), row["cells"], strict=True)
    }
    assert all((cell["value"] is None) == bool(cell["reason"]) for cell in cells.values())
    assert cells[HOSTILE, "background_gap"]["reason"] == "no usable mask"
    assert cells[HOSTILE, "background_excess"]["reason"] == "no mask"
    assert cells[WOLF, "attract"]["value"] == -0.125
    assert cells[WOLF, "background_excess"]["low"] is None, "an interval without both ends is none"
    assert cells[HUSKY, "background_excess"]["high"] == 0.5


def test_the_confusion_matrix_holds_every_cell(result: AuditResult) -> None:
    confusion = summarise(result, {})["confusion"]
    counts = {row["label"]: [cell["n"] for cell in row["cells"]] for row in confusion["rows"]}
    assert counts == {HUSKY: [8, 0, 0], WOLF: [1, 7, 0], HOSTILE: [0, 0, 8]}
    assert confusion["rows"][1]["cells"][0]["share"] == 0.125


def test_a_class_without_readable_images_has_no_row_of_zeros(parts: Parts, write_run: Write) -> None:
    parts.info = info(class_names=(*CLASSES, "zebra"))
    assert summarise(load(write_run(parts)), {})["confusion"]["rows"][3]["cells"] == [None] * 4


def test_what_is_none_of_these_has_the_last_column(parts: Parts, write_run: Write) -> None:
    parts.confusion = [
        {"label": HUSKY, "predicted": HUSKY, "n": 3, "share": 0.75},
        {"label": HUSKY, "predicted": "none of these", "n": 1, "share": 0.25},
        {"label": WOLF, "predicted": WOLF, "n": 2, "share": 1.0},
    ]
    confusion = summarise(load(write_run(parts)), {})["confusion"]
    assert confusion["names"][-1] == "none of these"
    assert len(confusion["names"]) == len(confusion["rows"]) + 1
    cells = {row["label"]: [cell and cell["n"] for cell in row["cells"]] for row in confusion["rows"]}
    assert cells[HUSKY][-1] == 1
    assert cells[WOLF][-1] == 0


def test_many_classes_give_a_list_of_the_largest_confusions(parts: Parts, write_run: Write) -> None:
    names = tuple(f"class {index:03d}" for index in range(MATRIX_CLASSES + 1))
    parts.info = info(class_names=names)
    parts.confusion = [
        {"label": name, "predicted": names[0], "n": index, "share": 0.5} for index, name in enumerate(names)
    ]
    confusion = summarise(load(write_run(parts)), {})["confusion"]
    assert confusion["kind"] == "list"
    assert [row["n"] for row in confusion["largest"]] == list(range(MATRIX_CLASSES, 0, -1))


def test_what_was_not_audited_is_listed_and_counted(parts: Parts, write_run: Write) -> None:
    parts.images += [{"image_id": f"husky/bad{i}.jpg", "label": HUSKY, "status": "unreadable"} for i in range(60)]
    missing = summarise(load(write_run(parts)), {})["not_audited"]
    assert (len(missing["images"]), missing["more"], missing["total"]) == (50, 12, 62)
    assert missing["images"][0]["reason"] == "cut off"
    scored = missing["stages"][2]["rows"]
    assert scored == [
        {"status": "ok", "n": 18, "good": True},
        {"status": "object too small for this grid", "n": 2, "good": False},
    ]


def test_what_a_rule_could_not_judge_is_grouped_by_its_reason(result: AuditResult) -> None:
    rules = {rule["code"]: rule for rule in summarise(result, {})["rules"]}
    assert rules["BA101"]["not_judged"] == 3
    assert [(group["sentence"], group["subjects"]) for group in rules["BA101"]["unjudged"]["groups"]] == [
        ("Not enough images: 8, 30 needed.", [HUSKY, WOLF]),
        ("No attention scores: no mask.", [HOSTILE]),
    ]
    assert rules["BA903"]["ignored"] == 1
    assert rules["BA903"]["unjudged"]["groups"][0]["subjects"] == ["the data set"]


def test_without_pictures_everything_else_is_there(result: AuditResult) -> None:
    summary = summarise(result, {})
    assert summary["gallery"] == summary["pictures"] == []
    assert len(summary["findings"]) == 3
    assert summary["findings"][0]["thumbnails"] == []


def test_flagged_classes_have_their_own_section_and_the_rest_follows(result: AuditResult) -> None:
    summary = summarise(result, stored_pictures())
    husky, rest = summary["gallery"]
    assert (husky["subject"], rest["subject"]) == (HUSKY, None)
    assert [image["label"] for image in husky["images"]] == [HUSKY] * 8
    # Resting on the background first, then by excess, which grows with the index.
    assert [image["image_id"] for image in husky["images"][:4]] == [
        f"husky/{NAMES[index]}" for index in (0, 1, 7, 6)
    ]  # fmt: skip
    assert {image["label"] for image in rest["images"]} == {WOLF, HOSTILE}
    assert (summary["pictures_shown"], summary["pictures_stored"]) == (24, 24)


def test_a_photo_listed_twice_is_shown_once(parts: Parts, write_run: Write) -> None:
    parts.images.append({**parts.images[0], "label": WOLF})
    assert summarise(load(write_run(parts)), stored_pictures())["pictures_shown"] == 24


def test_composites_of_classes_without_a_finding_are_kept_as_examples(parts: Parts, write_run: Write) -> None:
    parts.outcomes = tuple(row for row in parts.outcomes if row.status != "found")
    summary = summarise(load(write_run(parts)), stored_pictures())
    assert summary["findings"] == []
    assert [example["subject"] for example in summary["examples"]] == [HUSKY]


@pytest.mark.parametrize("jpeg", ['x")}</style><script>alert(1)</script>', "", None, "AAAA\n"])
def test_what_is_no_base64_never_reaches_the_style_sheet(result: AuditResult, jpeg: str | None) -> None:
    pictures = stored_pictures()
    pictures["images"][f"husky/{NAMES[0]}"]["jpeg"] = jpeg
    pictures["composites"][HUSKY][0]["jpeg"] = jpeg
    summary = summarise(result, pictures)
    assert jpeg not in [kept["jpeg"] for kept in summary["pictures"]]
    assert summary["pictures_shown"] == 23


def test_a_size_that_is_no_number_never_reaches_the_style_sheet(result: AuditResult) -> None:
    pictures = stored_pictures()
    pictures["images"][f"husky/{NAMES[0]}"]["width"] = "1}*{display:none"
    assert summarise(result, pictures)["pictures_shown"] == 23


@settings(deadline=None, max_examples=40)  # no timed tests
@given(
    sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=25),
    excesses=st.lists(st.one_of(st.none(), st.floats(0, 3)), min_size=25, max_size=25),
    budget=st.integers(0, 300_000),
)
def test_past_the_budget_the_least_suspicious_go(sizes: list[int], excesses: list[float | None], budget: int) -> None:
    rows = [
        {"image_id": f"{index}.jpg", "label": HUSKY, "status": "ok", "background_excess": excesses[index]}
        for index in range(len(sizes))
    ]
    images = table("images", rows).set_index("image_id")
    pictures = {f"{index}.jpg": {**picture(0), "jpeg": "A" * size} for index, size in enumerate(sizes)}
    chosen = arrange_pictures(images, [], [], {"images": pictures}, budget)
    shown = list(chosen["places"])
    order = order_by_suspicion(images, [])
    assert shown == order[: len(shown)]
    cards = [image["image_id"] for section in chosen["gallery"] for image in section["images"]]
    assert cards == shown[:MOST_CARDS]
    known = [(excesses[int(name.split(".")[0])]) for name in order]
    ranked = [-math.inf if value is None else value for value in known]
    assert ranked == sorted(ranked, reverse=True)
    assert sum(len(kept["jpeg"]) for kept in chosen["pictures"]) <= budget
    assert (chosen["shown"], chosen["stored"]) == (len(shown), len(sizes))


def test_composites_leave_room_for_the_photos(result: AuditResult) -> None:
    pictures = stored_pictures()
    for row in pictures["composites"][HUSKY]:
        row["jpeg"] = "A" * 100_000
    summary = summarise(result, pictures, budget=1_100_000)
    kept = [picture for picture in summary["pictures"] if picture["key"].startswith("c")]
    assert sum(len(picture["jpeg"]) for picture in kept) <= COMPOSITE_SHARE * 1_100_000
    assert len(kept) == 4, "one photo with its four composites fits, the second does not"
    assert summary["pictures_shown"] == 24


@pytest.mark.parametrize(
    "damaged", [None, "text", {HUSKY: "text"}, {HUSKY: [None, {"image_id": "a"}, {"probability": 1}]}]
)
def test_damaged_emptied_donors_cost_themselves_only(result: AuditResult, damaged: Any) -> None:
    whole, pictures = stored_pictures(), {**stored_pictures(), "emptied": damaged}
    first = summarise(result, pictures)["findings"][0]
    assert first["emptied"] == []
    assert len(first["composites"]) == len(summarise(result, whole)["findings"][0]["composites"]) > 0
    pictures["emptied"] = {HUSKY: [{**whole["emptied"][HUSKY][0], "probability": ["text"]}]}
    assert summarise(result, pictures)["findings"][0]["emptied"][0]["probability"] is None


def test_emptied_donors_leave_room_for_the_composites(result: AuditResult) -> None:
    pictures = stored_pictures()
    for row in pictures["emptied"][HUSKY]:
        row["jpeg"] = "A" * 60_000
    kept = summarise(result, pictures, budget=1_000_000)["pictures"]
    assert len([picture for picture in kept if picture["key"].startswith("e")]) == 1, "a tenth of the budget"


def test_a_newer_rule_without_a_known_unit_is_still_shown(parts: Parts, write_run: Write) -> None:
    parts.outcomes = (
        dataclasses.replace(parts.outcomes[3], code="BA777"),
        RuleOutcome("BA101", "t", "dataset", "", "found", "s", level="WATCH"),
    )
    first, second = summarise(load(write_run(parts)), {})["findings"]
    assert (first["measure"], first["unit"]) == ("measured", "number")
    assert second["estimate"]["value"] is None


def test_the_browser_lists_the_most_suspicious_and_says_how_many_it_leaves_out(
    result: AuditResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = summarise(result, stored_pictures())["browser"]
    ranked = order_by_suspicion(result.images, result.found())
    assert (whole["n"], whole["left_out"]) == (len(result.images), 0)
    monkeypatch.setattr(browser_section, "MOST_LISTED", 3)
    few = summarise(result, stored_pictures())["browser"]
    assert set(few["ids"]) == set(ranked[:3])
    assert [name for name in whole["ids"] if name in ranked[:3]] == few["ids"]
    assert few["left_out"] == whole["n"] - few["n"]
    assert {picture["row"] for picture in few["pictures"]} <= set(range(few["n"]))
    assert f"{few['left_out']} less suspicious images are not listed" in page_of(result).decode()
