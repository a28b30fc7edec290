"""What a run proved, without what reviewers called legitimate; and what three audits say together."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest
from made_run import HUSKY, WOLF, Parts, info, made_parts, write_parts

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.compare.compared import compare
from bias_audit.repair.evidence import Region, accusing, proven
from bias_audit.repair.proof import IMPROVED, NOT_REPAIRED, NOTHING, REPAIRED, judged, prove
from bias_audit.review.decisions import BIAS, LEGITIMATE, Decision, add
from bias_audit.run.identity import finding_id
from bias_audit.run.result import AuditResult, load


def outcome(code: str, subject: str, level: str = "SUSPICIOUS", **changes: Any) -> RuleOutcome:
    values: dict[str, Any] = {"scope": "class", "measured": 0.5, **changes}
    return RuleOutcome(code, "t", values.pop("scope"), subject, "found", "s", level=level, **values)


def run(folder: Path, *outcomes: RuleOutcome, **tables: Any) -> AuditResult:
    """The made run with these outcomes in place of BA201's finding, and further tables."""
    parts = made_parts()
    parts.outcomes = (*(each for each in parts.outcomes if not each.found), *outcomes)
    for name, rows in tables.items():
        setattr(parts, name, rows)
    return load(write_parts(parts, folder))


def decide(result: AuditResult, code: str, verdict: str, reviewer: str = "ann", expires: str = "") -> None:
    found = next(each for each in result.found() if each.code == code)
    decision = Decision("finding", finding_id(found, result), verdict, "because", reviewer, expires=expires)
    add(result.path, decision, data=result.info.content)


@pytest.fixture
def convicted(tmp_path: Path) -> AuditResult:
    return load(write_parts(made_parts(), tmp_path / "run"))


def test_a_convicted_class_proves_backgrounds_and_a_watched_one_nothing(convicted: AuditResult, tmp_path: Path) -> None:
    found = proven(convicted)
    assert found.backgrounds
    assert [each.subject for each in found.findings] == [HUSKY]
    assert not proven(run(tmp_path / "watched", outcome("BA201", HUSKY, "WATCH")))


def test_what_reviewers_agree_to_be_legitimate_is_left_out(convicted: AuditResult) -> None:
    decide(convicted, "BA201", LEGITIMATE)
    found = proven(convicted)
    assert not found
    assert [each.subject for each in found.legitimate] == [HUSKY]
    assert found.kept == {HUSKY}


def test_a_disagreement_or_a_date_that_is_over_leaves_it_in(convicted: AuditResult, tmp_path: Path) -> None:
    decide(convicted, "BA201", LEGITIMATE)
    decide(convicted, "BA201", BIAS, "bob")
    assert proven(convicted).backgrounds
    other = load(write_parts(made_parts(), tmp_path / "other"))
    decide(other, "BA201", LEGITIMATE, expires="2031-05-01")
    assert not proven(other, datetime.date(2031, 5, 1))
    assert proven(other, datetime.date(2031, 5, 2)).backgrounds


def test_properties_cues_and_regions_are_named(tmp_path: Path) -> None:
    cue = {"cue_id": "wolf-1", "class_name": WOLF, "object_share": 0.1}
    region = {
        "hypothesis_id": "region-1", "name": "snow", "class_name": WOLF, "reason": "ok",
        "region": "[[0.1, 0.5], [0.9, 0.5], [0.9, 1.0]]",
    }  # fmt: skip
    found = proven(
        run(
            tmp_path / "run",
            outcome("BA301", HUSKY, evidence={"property": "colour", "properties": "colour, border"}),
            outcome("BA302", "wolf-1", scope="cue", evidence={"class_name": WOLF}),
            outcome("BA303", "region-1", scope="cue", evidence={"class_name": WOLF}),
            cues=[cue],
            hypotheses=[region],
        )
    )
    assert found.properties == ("colour", "border")
    assert found.cues == ((WOLF, False),)
    assert found.regions == (Region(WOLF, ((0.1, 0.5), (0.9, 0.5), (0.9, 1.0))),)
    assert not found.backgrounds
    assert found.said == "the colour and border of the whole photo, a recurring cue, a region that a reviewer drew"


class TestVerdict:
    @staticmethod
    def after(folder: Path, change: Any) -> AuditResult:
        parts = made_parts()
        parts.info = info(thresholds={"min_photos": 5})
        change(parts)
        return load(write_parts(parts, folder))

    @staticmethod
    def healed(parts: Parts) -> None:
        """The convicted class is right on every background."""
        for row in parts.images:
            if row["label"] == HUSKY and "background_gap" in row:
                row |= {"background_gap": 0.0, "other_background_accuracy": 1.0}
        others = [each for each in parts.outcomes if (each.code, each.subject) != ("BA201", HUSKY)]
        own = next(each for each in parts.outcomes if (each.code, each.subject) == ("BA201", HUSKY))
        passed = dataclasses.replace(own, measured=0.0, status="passed", level=None, image_ids=())
        parts.outcomes = (*others, passed)

    def test_repaired(self, convicted: AuditResult, tmp_path: Path) -> None:
        after = self.after(tmp_path / "after", self.healed)
        verdict, said = judged(convicted, after, compare(convicted, after))
        assert verdict == REPAIRED, said
        assert "Accuracy 96% before, 96% after" in said

    def test_improved(self, tmp_path: Path) -> None:
        """Of two findings one is gone, and the other is as it was."""

        def second(parts: Parts) -> None:
            parts.outcomes = (*parts.outcomes, outcome("BA301", WOLF, "HIDDEN", evidence={"property": "colour"}))

        def both(parts: Parts) -> None:
            self.healed(parts)
            second(parts)

        before, after = self.after(tmp_path / "before", second), self.after(tmp_path / "after", both)
        verdict, said = judged(before, after, compare(before, after))
        assert verdict == IMPROVED, said
        assert f"BA301 {WOLF} is left" in said

    def test_who_was_never_convicted_is_not_called_repaired(self, tmp_path: Path) -> None:
        before = self.after(tmp_path / "before", self.healed)
        verdict, said = judged(before, before, compare(before, before))
        assert verdict == NOTHING
        assert said.startswith("Nothing was proven before, and nothing is after.")

    def test_the_same_gap_is_not_repaired(self, convicted: AuditResult) -> None:
        verdict, said = judged(convicted, convicted, compare(convicted, convicted))
        assert verdict == NOT_REPAIRED
        assert "the features do not know the object" in said

    def test_lost_accuracy_is_not_repaired(self, tmp_path: Path) -> None:
        def victim(parts: Parts) -> None:
            others = [each for each in parts.outcomes if (each.code, each.subject) != ("BA201", WOLF)]
            parts.outcomes = (*others, outcome("BA201", WOLF, "COLLATERAL"))

        def worse(parts: Parts) -> None:
            self.healed(parts)
            for row in parts.images[4:20]:
                row["correct"] = False

        before, after = self.after(tmp_path / "before", victim), self.after(tmp_path / "after", worse)
        verdict, said = judged(before, after, compare(before, after))
        assert verdict == NOT_REPAIRED
        assert said.startswith("Not repaired: nothing accuses it any more, but the repaired model recognises fewer")
        # Four huskies, which were accused; seven wolves, victims (one was wrong before); four of the third class.
        assert "15 photos were lost and 0 won; 4 of the lost are of classes that were accused before." in said

    def test_a_new_finding_is_not_repaired(self, convicted: AuditResult, tmp_path: Path) -> None:
        def other(parts: Parts) -> None:
            self.healed(parts)
            parts.outcomes = (*parts.outcomes, outcome("BA301", WOLF, "HIDDEN", evidence={"property": "colour"}))

        after = self.after(tmp_path / "after", other)
        assert [each.code for each in accusing(after.outcomes)] == ["BA301"]
        verdict, said = judged(convicted, after, compare(convicted, after))
        assert verdict == NOT_REPAIRED
        assert "BA301" in said

    def test_what_could_not_be_judged_is_not_repaired(self, convicted: AuditResult, tmp_path: Path) -> None:
        def silent(parts: Parts) -> None:
            others = [each for each in parts.outcomes if (each.code, each.subject) != ("BA201", HUSKY)]
            parts.outcomes = (*others, RuleOutcome("BA201", "t", "class", HUSKY, "not applicable", "No mask."))

        after = self.after(tmp_path / "after", silent)
        verdict, said = judged(convicted, after, compare(convicted, after))
        assert verdict == NOT_REPAIRED
        assert "could not judge BA201" in said

    def test_the_page_takes_hostile_names(self, convicted: AuditResult, tmp_path: Path) -> None:
        from bias_audit.repair.page import page_of
        from bias_audit.repair.result import Made, Repair

        after = self.after(tmp_path / "after", self.healed)
        proof = prove(convicted, convicted, after)
        made = Made(
            tmp_path / "<script>.keras", None, "the background", "dense", {"original": 3}, 0.1, 1.0, 0.1, ("n",)
        )
        page = page_of(Repair(convicted, proof.verdict, proof.sentence, proof, made, tmp_path)).decode()
        assert "<script" not in page
        assert "onerror" not in page.replace("&lt;img src=x onerror", "")
