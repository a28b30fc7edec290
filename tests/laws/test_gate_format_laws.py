"""Whatever stands in a name or a sentence: outputs of the gate stay well formed, and their text comes back."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from sarif_kit.validate import validation_errors

sys.path.insert(0, str(Path(__file__).parents[1] / "gate"))
from gate_rows import gate, number, row

from bias_audit.gate import FAILED, NOT_JUDGED, WAIVED, WARNED
from bias_audit.gate.formats import FORMATS, Place
from bias_audit.gate.formats.told import one_line

PLACE = Place()
ANY_TEXT = st.text(st.characters(), max_size=40) | st.text("|`<>&[](){}%:,#*_\\\n\r\t\x1b\x00\ud800 a", max_size=40)
ROWS = st.lists(
    st.builds(
        lambda kind, status, subject, sentence, cue: kind(
            status, subject=subject, sentence=sentence or "Said.", cue=cue, finding_id="", waiver=sentence
        ),
        st.sampled_from([row, number]),
        st.sampled_from([FAILED, WARNED, NOT_JUDGED, WAIVED]),
        ANY_TEXT,
        ANY_TEXT,
        ANY_TEXT,
    ),
    min_size=1,
    max_size=4,
)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_junit_is_xml_with_a_case_per_check(rows):
    root = ET.fromstring(FORMATS["junit"](gate(*rows), PLACE).encode("utf-8"))
    cases = list(root.iter("testcase"))
    assert len(cases) == len({(case.get("classname"), case.get("name")) for case in cases}) == len(rows)
    failures = [failure.get("message") for failure in root.iter("failure")]
    assert failures == [one_line(each.sentence) for each in rows if each.status == FAILED]


@given(ROWS)
@settings(max_examples=25, deadline=None)
def test_sarif_is_valid_and_says_every_finding_once(rows):
    log = json.loads(FORMATS["sarif"](gate(*rows), PLACE).encode("utf-8"))
    assert validation_errors(log) == []
    about = {(each.check, each.scope, each.subject) for each in rows if each.status in (FAILED, WARNED)}
    assert len(log["runs"][0]["results"]) == len(about)


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_annotations_are_a_line_each(rows):
    lines = FORMATS["github"](gate(*rows), PLACE).split("\n")
    assert lines.pop() == ""
    assert len(lines) == sum(each.status in (FAILED, WARNED) for each in rows)
    for line in lines:
        command, properties = line.split("::")[1].split(" ", 1)
        assert command in ("error", "warning")
        assert [part.split("=")[0] for part in properties.split(",")] == ["file", "line", "title"]
        line.encode("utf-8")


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_markdown_tables_keep_their_columns(rows):
    text = FORMATS["markdown"](gate(*rows), PLACE)
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| subject |")]
    assert len(lines) == len(rows)
    assert {line.count("|") for line in lines} == {7}
    text.encode("utf-8")
