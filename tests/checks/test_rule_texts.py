"""Every rule has a text, no text is orphaned, and what a text says of thresholds and titles is what the code has."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from bias_audit.checks import rule_texts
from bias_audit.checks.registry import find_rule
from bias_audit.checks.rule_texts import SECTIONS, RuleText, blocks, every_rule, explain_rule, rule_codes, spans
from bias_audit.config import Thresholds
from bias_audit.errors import ConfigError
from bias_audit.pipeline.judge import RULES

CODES = tuple(RULES)


def source(code: str) -> str:
    return rule_texts.rule_file(code).read_text(encoding="utf-8")


def test_every_rule_has_a_text_and_no_text_is_orphaned():
    assert set(rule_codes()) == set(RULES)
    assert [text.code for text in every_rule()] == sorted(RULES)
    assert {path.stem for path in Path(rule_texts.__file__).parent.glob("*/*.md")} == set(RULES)


@pytest.mark.parametrize("code", CODES)
def test_a_text_is_complete(code):
    text = explain_rule(code)
    assert text.code == code
    for field in dataclasses.fields(RuleText):
        assert len(getattr(text, field.name).split()) >= (1 if field.name == "code" else 2), field.name
    assert [heading for heading, _ in text.sections()] == list(SECTIONS.values())


@pytest.mark.parametrize("code", CODES)
def test_a_title_is_that_of_the_outcomes(code):
    """The report has the one and the other side by side."""
    declared = find_rule(code)
    assert declared is not None
    assert explain_rule(code).title == declared.title


@pytest.mark.parametrize("code", CODES)
def test_markdown_is_kept_to_paragraphs_lists_and_code(code):
    """The page, the terminal and CI show these alone; anything else would come out as signs."""
    body = re.sub(r"`[^`\n]+`", "", source(code))
    assert "`" not in body, "code spans lie within a line"
    assert not re.search(r"[*<>|\[\]]|__|https?:", body)
    assert set(re.findall(r"^#+ .*", body, re.MULTILINE)[1:]) == {f"## {name}" for name in SECTIONS.values()}
    assert all(len(line) <= 120 for line in source(code).splitlines())


@pytest.mark.parametrize("code", CODES)
def test_thresholds_are_named_with_their_default(code):
    named = set(re.findall(r"\{(\w+)\}", source(code)))
    assert named <= {field.name for field in dataclasses.fields(Thresholds)}
    text = explain_rule(code).markdown()
    assert "{" not in text
    for name in named:
        assert f"`{name}` = {getattr(Thresholds(), name):g}" in " ".join(text.split())


def test_numbers_that_are_no_thresholds_are_those_of_the_code():
    from bias_audit import stats
    from bias_audit.checks.whole_photo.rule import MOST_BEHIND
    from bias_audit.data.duplicates import NEAR

    assert f"needs {stats.ENOUGH_FOR_OUTLIERS} images" in explain_rule("BA102").judged
    assert f"needs {stats.ENOUGH_FOR_OUTLIERS} photos" in explain_rule("BA204").judged
    assert f"at most {NEAR} bits" in explain_rule("BA403").done.replace("\n", " ")
    assert MOST_BEHIND == 0.25
    assert "at least a quarter of the strongest" in explain_rule("BA301").judged.replace("\n", " ")


@pytest.mark.parametrize(("asked", "found"), [("BA201", "BA201"), ("ba201", "BA201"), (" ba908 ", "BA908")])
def test_codes_are_found_in_any_case(asked, found):
    assert explain_rule(asked).code == found


@pytest.mark.parametrize(("asked", "meant"), [("BA2001", "BA201"), ("B302", "BA302"), ("BA9O9", "BA909")])
def test_a_wrong_code_names_the_nearest(asked, meant):
    with pytest.raises(ConfigError, match=f"no rule '{asked}'") as caught:
        explain_rule(asked)
    assert f"Did you mean {meant}?" in caught.value.hint


def test_a_word_that_is_like_no_code_lists_them():
    with pytest.raises(ConfigError) as caught:
        explain_rule("snow")
    assert "Did you mean" not in caught.value.hint
    assert all(code in caught.value.hint for code in RULES)


def test_blocks_and_spans():
    assert blocks("one\nline\n\n- first\n  goes on\n- second `x y`\n\nend") == [
        ("paragraph", ("one line",)),
        ("list", ("first goes on", "second `x y`")),
        ("paragraph", ("end",)),
    ]
    assert spans("use `--layer`, or `x`") == [(False, "use "), (True, "--layer"), (False, ", or "), (True, "x")]
    assert spans("`x`") == [(True, "x")]


def test_a_terminal_gets_lines_of_its_width():
    plain = explain_rule("BA201").plain(60)
    assert max(len(line) for line in plain.splitlines()) <= 60
    assert "`" not in plain
    words = re.sub(r"[`#]|^- ", "", explain_rule("BA201").markdown().lower(), flags=re.MULTILINE).split()
    assert re.sub(r"^- ", "", plain.lower(), flags=re.MULTILINE).split() == words, "nothing is lost"
