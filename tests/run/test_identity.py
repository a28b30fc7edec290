"""The same finding in two runs."""

from __future__ import annotations

import dataclasses

from bias_audit.checks.outcomes import RuleOutcome, class_of
from bias_audit.run.identity import cue_of, cue_title, matched, subject_title


def outcome(code="BA201", scope="class", subject="wolf", images=(), **evidence):
    return RuleOutcome(code, "title", scope, subject, "found", "s", "SUSPICIOUS", image_ids=images, evidence=evidence)


def cue(subject, images, name="", class_name="wolf"):
    return outcome("BA302", "cue", subject, images, class_name=class_name, name=name)


def test_class_and_cue():
    assert (class_of(outcome()), cue_of(outcome())) == ("wolf", "")
    assert (class_of(cue("wolf-1", ())), cue_of(cue("wolf-1", ()))) == ("wolf", "wolf-1")
    assert cue_of(cue("wolf-1", (), "snow")) == "snow"
    assert (class_of(outcome("BA403", "dataset", "train")), cue_of(outcome("BA403", "dataset", "train"))) == (
        "",
        "train",
    )


def test_people_read_no_ids():
    unnamed = outcome("BA302", "cue", "wolf-1a2b", class_name="wolf", name="", title="cue 2 of wolf")
    assert (cue_title(unnamed), subject_title(unnamed)) == ("cue 2 of wolf", "cue 2 of wolf")
    assert subject_title(cue("wolf-1a2b", (), "snow")) == "wolf, snow"
    assert subject_title(cue("wolf-1a2b", ())) == "a cue of wolf", "a run of an older version has no titles"
    assert (subject_title(outcome()), cue_title(outcome())) == ("wolf", "")
    assert subject_title(outcome("BA203", "slice", "camera", value="old")) == "camera = old"
    assert subject_title(outcome("BA403", "dataset", "training set")) == "training set"


def test_numbers_and_order_do_not_matter():
    old = [outcome(subject="husky"), outcome()]
    new = [dataclasses.replace(outcome(), measured=0.9, sentence="other"), outcome(subject="cat")]
    assert matched(new, old) == [(new[0], old[1]), (new[1], None)]


def test_cues_match_one_to_one_by_the_images_they_share():
    a, b = cue("a", ("1", "2", "3", "4")), cue("b", ("3", "4", "5", "6"))
    first, second = cue("x", ("3", "4", "5")), cue("y", ("1", "2"))
    assert matched([first, second], [a, b]) == [(first, b), (second, a)]
    # Both resemble a, the second more; the first then has nobody left.
    first, second = cue("x", ("1", "9")), cue("y", ("1", "2"))
    assert matched([first, second], [a]) == [(first, None), (second, a)]


def test_cues_of_other_classes_and_names_do_not_match():
    old = [cue("a", ("1", "2"))]
    assert matched([cue("x", ("1", "2"), class_name="husky")], old)[0][1] is None
    assert matched([cue("x", ("3", "4"))], old)[0][1] is None
    named = cue("x", ("1", "2"), "snow")
    assert matched([named], old)[0][1] is old[0]
    assert matched([named], [cue("a", ("1", "2"), "ruler")])[0][1] is None
    assert matched([named], [cue("a", (), "snow")])[0][1] is not None
