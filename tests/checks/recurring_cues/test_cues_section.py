"""What the page shows of recurring cues."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_run import HUSKY, Parts, picture, put_table, table

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.checks.recurring_cues.section import CUES_SHARE, cues_section
from bias_audit.report.page import write_report
from bias_audit.run.result import AuditResult, load

Write = Callable[[Parts], Path]

HOSTILE = "<img src=x onerror=alert(7)>"

USUAL: dict[str, Any] = {
    "class_name": HUSKY, "views": "features, maps", "n": 12, "classes": f"{HUSKY} 12", "class_share": 0.6,
    "class_share_low": 0.4, "class_share_high": 0.8, "lift": 2.0, "odds_ratio": 9.0, "odds_ratio_low": 2.0,
    "odds_ratio_high": 40.0, "cramers_v_predicted": 0.5, "cramers_v_label": 0.5, "purity": 1.0, "p_tied": 0.001,
    "attention_share": 0.3, "object_share": 0.1, "object_estimated": 0.0, "n_proof": 0,
    "proof_status": "not tied to a class",
}  # fmt: skip


def sheet() -> dict[str, Any]:
    shots = [
        {**picture(300 + i), "image_id": "a.jpg", "arm": arm, "host_id": host, "probability": 0.1 * i}
        for i, (arm, host) in enumerate(
            [("pasted", "b.jpg"), ("pasted", "c.jpg"), ("original", None), ("inpaint", None)]
        )
    ]
    return {
        "crops": [{**picture(310 + i), "image_id": f"{HOSTILE}{i}.jpg", "spot": i} for i in range(3)],
        "shots": shots,
    }


@pytest.fixture
def found(parts: Parts, write_run: Write) -> AuditResult:
    """A cue that nothing is known of and, after it in the table, a confirmed one with a hostile name."""
    proof = {
        "proof_status": "ok", "n_proof": 20, "erase_effect": 0.3, "erase_low": 0.2, "erase_high": 0.4,
        "paste_effect": 0.5, "paste_low": 0.4, "paste_high": 0.6, "turned": 0.55, "turned_control": 0.05,
    }  # fmt: skip
    rows = [{"cue_id": "quiet", **USUAL}, {"cue_id": "loud", **USUAL, **proof, "name": HOSTILE}]
    outcome = RuleOutcome("BA302", "cue", "cue", "loud", "found", "It moves the prediction.", "CONFIRMED")
    parts.outcomes = (*parts.outcomes, dataclasses.replace(outcome, evidence={"class_name": HUSKY}))
    assert parts.pictures is not None
    parts.pictures["cues"] = {"loud": sheet()}
    folder = write_run(parts)
    put_table(folder, "cues", table("cues", rows))
    return load(folder)


def test_confirmed_ones_first_with_their_pictures_in_order(found: AuditResult) -> None:
    section = cues_section(found, {"cues": {"loud": sheet()}}, 1_000_000)
    loud, quiet = section["cues"]
    assert (loud["id"], loud["level"], quiet["level"], section["total"]) == ("loud", "CONFIRMED", None, 2)
    assert [shot["text"] for shot in loud["shots"]] == [
        "the photo",
        "without the spot",
        "the spot pasted onto another image",
    ]
    assert loud["shots"][2]["host_id"] == "b.jpg"
    assert [crop["image_id"] for crop in loud["crops"]] == [f"{HOSTILE}{i}.jpg" for i in range(3)]
    assert quiet["effects"] == quiet["crops"] == []
    assert 0 < section["bytes"] <= 1_000_000 * CUES_SHARE
    assert cues_section(found, {"cues": {"loud": sheet()}}, 0)["pictures"] == []


def test_pictures_say_what_the_numbers_say(parts: Parts, write_run: Write) -> None:
    """Issue 14, items 7 and 8: an effect of -0.00 was said, and shown with a picture that denied it."""
    proof = {
        "proof_status": "ok", "n_proof": 20, "erase_effect": -0.001, "erase_low": -0.002, "erase_high": 0.001,
        "paste_effect": 0.3, "paste_low": 0.2, "paste_high": 0.4, "turned": 0.3, "turned_control": 0.0,
    }  # fmt: skip
    folder = write_run(parts)
    put_table(folder, "cues", table("cues", [{"cue_id": "loud", **USUAL, **proof}]))
    pasted = [{**each, "turned": place == 0} for place, each in enumerate(sheet()["shots"])]
    pictures = {"cues": {"loud": {**sheet(), "shots": pasted, "hosts": 40}}}
    (loud,) = cues_section(load(folder), pictures, 1_000_000)["cues"]
    assert [shot["text"] for shot in loud["shots"]] == ["the photo", "the spot pasted onto another image"]
    assert loud["counted"] == {"shown": 1, "of": 1, "turned": 12, "total": 40}
    (old,) = cues_section(load(folder), {"cues": {"loud": sheet()}}, 1_000_000)["cues"]
    assert old["counted"] is None


def test_the_page_escapes_names_and_shows_effects(found: AuditResult) -> None:
    text = write_report(found).read_text(encoding="utf-8")
    section = text[text.index('id="cues"') : text.index('id="confusion"')]
    assert "<img" not in section
    assert "&lt;img src=x onerror=alert(7)&gt;" in section
    assert "Not erased and pasted: not tied to a class." in section
    assert 'href="#cues"' in text
    assert ".k0{" in text


def test_a_run_without_cues_says_nothing(parts: Parts, write_run: Write) -> None:
    text = write_report(write_run(parts)).read_text(encoding="utf-8")
    assert 'id="cues"' not in text
