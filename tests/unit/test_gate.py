"""The gate on runs built by hand: every key red, green and not judged; every kind of bad gate.toml."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bias_audit import result
from bias_audit.errors import ConfigError, ResultError
from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, GateResult, GateRow, judge, read_gate, write_gate
from bias_audit.gate import config as gate_config
from bias_audit.result import AuditResult, RuleOutcome, RunInfo
from bias_audit.schema.classes import CLASSES

WOLF: dict[str, Any] = {
    "class_name": "wolf",
    "n": 20,
    "n_read": 20,
    "accuracy": 0.9,
    "accuracy_low": 0.7,
    "accuracy_high": 0.97,
    "attention_reason": "ok",
    "background_excess": 0.6,
    "excess_low": 0.5,
    "excess_high": 0.7,
    "reliance_reason": "ok",
    "n_interventions": 10,
    "other_background_accuracy": 0.2,
    "other_low": 0.05,
    "other_high": 0.5,
    "background_gap": 0.8,
    "gap_low": 0.4,
    "gap_high": 0.95,
    "background_only_accuracy": 0.7,
    "background_only_low": 0.4,
    "background_only_high": 0.9,
    "n_rests_on_background": 6,
}


def run_of(
    *outcomes: RuleOutcome, classes: tuple[dict[str, Any], ...] = (WOLF,), counts: dict[str, int] | None = None
) -> AuditResult:
    """A finished run that says what the test needs."""
    info = RunInfo(
        name="model on data",
        model="model.keras",
        data="data",
        masks=None,
        model_sha256="0",
        fingerprint="0",
        version="0",
        created="2025-01-01T00:00:00Z",
        seconds={},
        config={},
        thresholds={},
        class_names=("husky", "wolf"),
        layer="conv",
        grid=(7, 7),
        method="hires_cam",
        head="softmax",
        input_size=(224, 224, 3),
        counts={"images": 40, "read": 40, "with_mask": 40} if counts is None else counts,
        statuses={},
        mask_kind="mask",
    )
    return AuditResult(Path("run"), info, "verdict", outcomes, (), classes)


def outcome(status: str = "passed", level: str | None = None, **changed: Any) -> RuleOutcome:
    values = {"code": "BA201", "title": "t", "scope": "class", "subject": "wolf", "sentence": "What happened."}
    return RuleOutcome(**{**values, "status": status, "level": level, **changed})


def read(tmp_path: Path, text: str) -> gate_config.GateConfig:
    file = tmp_path / "gate.toml"
    file.write_text(text, encoding="utf-8")
    return read_gate(file)


def row_of(gate: GateResult, check: str) -> GateRow:
    (row,) = [row for row in gate.rows if row.check == check]
    return row


# -- levels ---------------------------------------------------------------------------------

LEVELS = (
    None, "CONTEXT", "TOO FEW IMAGES", "MODEL WARNING", "WATCH", "COLLATERAL", "SUSPICIOUS", "HIDDEN", "CONFIRMED",
)  # fmt: skip
BOUNDS = (*LEVELS[1:], "none")


@pytest.mark.parametrize("scope", ["dataset", "class", "image"])
@pytest.mark.parametrize("fail_on", BOUNDS)
@pytest.mark.parametrize("level", LEVELS)
def test_fail_on(tmp_path: Path, scope: str, fail_on: str, level: str | None) -> None:
    """A finding fails from `fail_on` on, in its own scope only."""
    others = "\n".join(f'[{table}]\nfail_on = "none"' for table in ("dataset", "class", "image") if table != scope)
    config = read(tmp_path, f'{others}\n[{scope}]\nfail_on = "{fail_on}"')
    given = outcome("found" if level else "passed", level, scope=scope)
    gate = judge(run_of(given), config)
    red = level is not None and fail_on != "none" and LEVELS.index(level) >= 1 + BOUNDS.index(fail_on)
    assert gate.passed is not red
    assert gate.exit_code == int(red)
    rows = [row for row in gate.rows if row.check == "BA201"]
    assert [row.status for row in rows] == ([] if fail_on == "none" else [FAILED if red else PASSED])
    if level and not red and rows:
        assert rows[0].sentence == f"{level}, below {fail_on}: What happened."


def test_defaults_fail_on_suspicion_but_not_on_attention_or_single_images() -> None:
    config = read_gate(None)
    assert judge(run_of(outcome("found", "SUSPICIOUS")), config).exit_code == 1
    assert judge(run_of(outcome("found", "SUSPICIOUS", scope="dataset", subject="")), config).exit_code == 1
    assert judge(run_of(outcome("found", "WATCH", code="BA101")), config).exit_code == 0
    assert judge(run_of(outcome("found", "SUSPICIOUS", scope="image")), config).exit_code == 0


def test_any_other_scope_counts_as_the_data_set() -> None:
    gate = judge(run_of(outcome("found", "SUSPICIOUS", scope="artefact", subject="snow")), read_gate(None))
    assert row_of(gate, "BA201").scope == "dataset"
    assert gate.exit_code == 1


def test_a_level_of_the_future_is_not_let_through() -> None:
    assert judge(run_of(outcome("found", "CATASTROPHIC")), read_gate(None)).exit_code == 1


def test_a_finding_without_level_is_the_weakest(tmp_path: Path) -> None:
    assert judge(run_of(outcome("found", None)), read_gate(None)).exit_code == 0
    assert judge(run_of(outcome("found", None)), read(tmp_path, '[class]\nfail_on = "CONTEXT"')).exit_code == 1


def test_rule_rows_carry_the_rules_numbers() -> None:
    given = outcome("found", "SUSPICIOUS", measured=0.8, low=0.4, high=0.95, threshold=0.05)
    row = row_of(judge(run_of(given), read_gate(None)), "BA201")
    assert row == GateRow("class", "wolf", "BA201", 0.8, 0.4, 0.95, 0.05, FAILED, "SUSPICIOUS: What happened.")


def test_not_applicable_is_not_passed() -> None:
    gate = judge(run_of(outcome("not applicable", sentence="No masks.")), read_gate(None))
    assert row_of(gate, "BA201").status == NOT_JUDGED
    assert row_of(gate, "BA201").sentence == "No masks."
    assert (gate.count(PASSED), gate.count(NOT_JUDGED)) == (1, 1)
    assert gate.exit_code == 0
    assert gate.summary == "Gate passed: 1 check passed; 1 could not be judged."


def test_require_judged(tmp_path: Path) -> None:
    strict = read(tmp_path, "[dataset]\nrequire_judged = true")
    gate = judge(run_of(outcome("not applicable")), strict)
    assert (gate.passed, gate.exit_code) == (False, 1)
    assert gate.summary == "Gate failed: 1 check could not be judged and require_judged is set; 1 passed."
    assert judge(run_of(outcome("passed")), strict).passed
    off = read(tmp_path, '[dataset]\nrequire_judged = true\n[class]\nfail_on = "none"')
    assert judge(run_of(outcome("not applicable")), off).passed, "a rule that is not gated need not be judged"
    number = read(tmp_path, "[dataset]\nrequire_judged = true\n[class]\nmax_background_gap = 0.9")
    assert judge(run_of(), number).passed
    assert not judge(run_of(classes=({**WOLF, "background_gap": None},)), number).passed


def test_ignored_outcomes_are_no_checks(tmp_path: Path) -> None:
    gate = judge(run_of(outcome("ignored")), read(tmp_path, "[dataset]\nrequire_judged = true"))
    assert [row.check for row in gate.rows] == ["max_unreadable_share"]
    assert gate.ignored == 1
    assert gate.passed


def test_nothing_judged_is_no_pass() -> None:
    gate = judge(run_of(outcome("not applicable"), counts={}), read_gate(None))
    assert (gate.passed, gate.exit_code) == (False, 1)
    assert gate.summary == "Gate failed: nothing could be judged (2 checks tried)."


def test_rows_show_the_worst_first_and_the_summary_names_it() -> None:
    subjects = [f"class {i}" for i in range(8)]
    given = [outcome("found", "SUSPICIOUS", subject=name) for name in subjects]
    gate = judge(run_of(outcome(code="BA101"), outcome("not applicable", code="BA102"), *given), read_gate(None))
    assert [row.status for row in gate.rows] == [FAILED] * 8 + [NOT_JUDGED] + [PASSED] * 2
    assert gate.summary == (
        "Gate failed: 8 of 10 checks failed (class 0: BA201, class 1: BA201, class 2: BA201, class 3: BA201, "
        "class 4: BA201 and 3 more); 1 could not be judged."
    )


# -- numbers --------------------------------------------------------------------------------

# table, key, a bound the wolf breaks, its measured value, a bound it keeps, a bound within its interval
NUMBERS = [
    ("class", "min_accuracy", 0.98, 0.9, 0.6, 0.95),
    ("class", "max_background_gap", 0.1, 0.8, 0.96, 0.5),
    ("class", "max_background_excess", 0.3, 0.6, 1.2, 0.65),
    ("class", "max_background_only_accuracy", 0.3, 0.7, 0.95, 0.8),
    ("class", "min_other_background_accuracy", 0.6, 0.2, 0.01, 0.3),
    ("image", "max_flagged_share", 0.5, 0.6, 0.7, None),
    ("dataset", "min_accuracy", 0.98, 0.9, 0.6, 0.95),
    ("dataset", "max_unreadable_share", 0.1, 0.2, 0.3, None),
    ("dataset", "max_without_mask_share", 0.5, 0.75, 0.8, None),
]
COUNTS = {"images": 50, "read": 40, "with_mask": 10}
EMPTY = {column.name: None for column in CLASSES} | {
    "class_name": "wolf",
    "n_interventions": 0,
    "n_rests_on_background": 0,
    "n_read": 0,
    "attention_reason": "no mask",
    "reliance_reason": "object too small to paste",
}


def test_every_numeric_key_is_tested_here() -> None:
    keys = {(key.table, key.name) for key in gate_config.KEYS if key.kind in ("share", "excess")}
    assert keys == {(table, name) for table, name, *_ in NUMBERS}
    assert {key.name for key in gate_config.KEYS} - {name for _, name in keys} == {"fail_on", "require_judged"}


def numeric(tmp_path: Path, table: str, name: str, bound: float, run: AuditResult) -> tuple[GateResult, GateRow]:
    off = "" if (table, name) == ("dataset", "max_unreadable_share") else "[dataset]\nmax_unreadable_share = 1.0\n"
    head = "" if off and table == "dataset" else f"[{table}]\n"
    gate = judge(run, read(tmp_path, f"{off}{head}{name} = {bound}"))
    return gate, row_of(gate, name)


@pytest.mark.parametrize(("table", "name", "red", "measured", "green", "near"), NUMBERS)
def test_number_red_green_equal_and_near(
    tmp_path: Path, table: str, name: str, red: float, measured: float, green: float, near: float | None
) -> None:
    run = run_of(counts=COUNTS)
    gate, row = numeric(tmp_path, table, name, red, run)
    assert (row.status, gate.exit_code) == (FAILED, 1)
    assert row.scope == table
    assert row.subject == ("" if table == "dataset" else "wolf")
    assert row.measured == pytest.approx(measured)
    assert row.threshold == red
    assert f"{measured:.2f}" in row.sentence
    assert "near" not in row.sentence
    gate, row = numeric(tmp_path, table, name, green, run)
    assert (row.status, gate.exit_code) == (PASSED, 0)
    assert "near" not in row.sentence
    gate, row = numeric(tmp_path, table, name, measured, run)
    assert row.status == PASSED, "the bound itself is allowed"
    if near is None:
        assert row.low is row.high is None
        return
    assert row.low is not None
    assert row.high is not None
    assert row.low <= measured <= row.high
    gate, row = numeric(tmp_path, table, name, near, run)
    assert "near the threshold" in row.sentence
    breach = measured > near if name.startswith("max_") else measured < near
    assert row.status == (FAILED if breach else PASSED)


REASONS = {
    "min_accuracy": "no image",
    "max_background_excess": "no mask",
    "max_unreadable_share": "no image was found",
    "max_without_mask_share": "no image was read",
}


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, name, *_ in NUMBERS])
def test_number_not_judged(tmp_path: Path, table: str, name: str) -> None:
    run = run_of(outcome("passed"), classes=(EMPTY,), counts=dict.fromkeys(COUNTS, 0))
    gate, row = numeric(tmp_path, table, name, 0.5, run)
    assert row.status == NOT_JUDGED
    assert row.measured is row.low is row.high is None
    assert row.sentence.endswith(f"{REASONS.get(name, 'object too small to paste')}.") or name == "min_accuracy"
    assert REASONS.get(name, "object too small to paste") in row.sentence
    assert gate.passed, "something else was judged, and nothing failed"


@pytest.mark.parametrize("missing", [None, math.nan, math.inf, "0.9", True])
def test_what_is_no_number_is_not_judged(tmp_path: Path, missing: Any) -> None:
    _, row = numeric(
        tmp_path, "class", "max_background_gap", 0.5, run_of(classes=({**WOLF, "background_gap": missing},))
    )
    assert row.status == NOT_JUDGED
    assert row.sentence == "Background gap of 'wolf' was not judged: the run holds no such number."


def test_numpy_numbers_are_numbers(tmp_path: Path) -> None:
    """A run that was not read back from its folder holds what pandas gave."""
    import numpy as np

    wolf = {
        **WOLF,
        "background_gap": np.float64(0.8),
        "n_rests_on_background": np.int64(6),
        "n_interventions": np.int64(10),
    }
    assert numeric(tmp_path, "class", "max_background_gap", 0.5, run_of(classes=(wolf,)))[1].measured == 0.8
    assert numeric(tmp_path, "image", "max_flagged_share", 0.5, run_of(classes=(wolf,)))[1].measured == 0.6


def test_rounding_is_no_breach(tmp_path: Path) -> None:
    assert 0.4 - 0.3 > 0.1
    wolf = {**WOLF, "background_gap": 0.4 - 0.3, "accuracy": 0.3 - 0.1}
    assert numeric(tmp_path, "class", "max_background_gap", 0.1, run_of(classes=(wolf,)))[1].status == PASSED
    assert numeric(tmp_path, "class", "min_accuracy", 0.2, run_of(classes=(wolf,)))[1].status == PASSED
    assert numeric(tmp_path, "class", "max_background_gap", 0.0999, run_of(classes=(wolf,)))[1].status == FAILED


def test_number_sentences(tmp_path: Path) -> None:
    _, row = numeric(tmp_path, "class", "max_background_gap", 0.1, run_of())
    assert row.sentence == "Background gap of 'wolf' is 0.80 (95 % interval 0.40 to 0.95), at most 0.10 is allowed."
    _, row = numeric(tmp_path, "dataset", "max_unreadable_share", 0.001, run_of(counts={"images": 800, "read": 799}))
    assert row.sentence == "Share of images unreadable or skipped is 0.00125, at most 0.001 is allowed."
    _, row = numeric(tmp_path, "class", "min_accuracy", 0.92, run_of())
    assert row.sentence == (
        "Accuracy of 'wolf' is 0.90 (95 % interval 0.70 to 0.97), at least 0.92 is required; near the threshold: "
        "the interval contains it, so the other verdict is possible."
    )


def test_every_class_is_checked(tmp_path: Path) -> None:
    husky = {**WOLF, "class_name": "husky", "background_gap": 0.01}
    gate = judge(
        run_of(classes=(husky, WOLF, {**EMPTY, "class_name": "fox"})),
        read(tmp_path, "[class]\nmax_background_gap = 0.1"),
    )
    rows = [(row.subject, row.status) for row in gate.rows if row.check == "max_background_gap"]
    assert rows == [("wolf", FAILED), ("fox", NOT_JUDGED), ("husky", PASSED)]
    assert gate.summary == "Gate failed: 1 of 3 checks failed (wolf: max_background_gap); 1 could not be judged."


def test_no_classes_is_not_judged(tmp_path: Path) -> None:
    gate = judge(run_of(classes=()), read(tmp_path, "[class]\nmax_background_gap = 0.1\n[dataset]\nmin_accuracy = 0.5"))
    assert row_of(gate, "max_background_gap").status == NOT_JUDGED
    assert row_of(gate, "min_accuracy").status == NOT_JUDGED


def test_data_set_accuracy_weighs_classes_by_their_images(tmp_path: Path) -> None:
    """30 of 40 and 9 of 10 are 39 of 50; its interval is that of the classes, squared and added."""
    big = {**WOLF, "n_read": 40, "accuracy": 0.75, "accuracy_low": 0.6, "accuracy_high": 0.85}
    small = {**WOLF, "class_name": "husky", "n_read": 10, "accuracy": 0.9, "accuracy_low": 0.6, "accuracy_high": 0.98}
    _, row = numeric(tmp_path, "dataset", "min_accuracy", 0.5, run_of(classes=(big, small, EMPTY)))
    assert row.measured == pytest.approx(39 / 50)
    assert row.low == pytest.approx(0.78 - math.hypot(0.8 * 0.15, 0.2 * 0.3))
    assert row.high == pytest.approx(0.78 + math.hypot(0.8 * 0.1, 0.2 * 0.08))
    _, row = numeric(tmp_path, "dataset", "min_accuracy", 0.5, run_of(classes=({**big, "accuracy_low": None}, small)))
    assert (row.measured, row.low, row.high) == (pytest.approx(39 / 50), None, None)


# -- gate.toml ------------------------------------------------------------------------------


def test_defaults() -> None:
    assert read_gate(None).source is None
    assert read_gate(None).values == {
        "dataset.fail_on": "SUSPICIOUS",
        "dataset.min_accuracy": None,
        "dataset.max_unreadable_share": 0.05,
        "dataset.max_without_mask_share": None,
        "dataset.require_judged": False,
        "class.fail_on": "SUSPICIOUS",
        "class.min_accuracy": None,
        "class.max_background_gap": None,
        "class.max_background_excess": None,
        "class.max_background_only_accuracy": None,
        "class.min_other_background_accuracy": None,
        "image.fail_on": "none",
        "image.max_flagged_share": None,
    }


def test_a_file_changes_only_what_it_says(tmp_path: Path) -> None:
    config = read(tmp_path, "\ufeff[class]\nmin_accuracy = 1\n")  # with the byte order mark of Windows editors
    assert config.values == {**read_gate(None).values, "class.min_accuracy": 1.0}
    assert config.source == str(tmp_path / "gate.toml")
    assert read(tmp_path, "").values == read_gate(None).values


def test_example_is_the_defaults_and_names_every_key(tmp_path: Path) -> None:
    text = gate_config.example()
    assert read(tmp_path, text).values == read_gate(None).values
    keys = [f"# {key.name} = " if key.default is None else f"{key.name} = " for key in gate_config.KEYS]
    active = text
    for key in keys:
        assert f"\n{key}" in text
        active = active.replace(f"\n{key}", f"\n{key.removeprefix('# ')}")
    assert None not in read(tmp_path, active).values.values(), "every shown value is a valid one"


def test_every_key_says_why() -> None:
    for key in gate_config.KEYS:
        assert key.text
        assert key.reason
        assert key.kind in ("level", "share", "excess", "switch")
        if key.kind in ("share", "excess"):
            assert key.label
            assert key.name.startswith(("max_", "min_"))
        columns = {column.name: column for column in CLASSES}
        assert all(name in columns for name in key.columns if name)
        if key.columns[0]:  # a bound from above where higher is worse
            assert columns[key.columns[0]].worse == ("high" if key.name.startswith("max_") else "low")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('[class]\nfail_on = "WATCH\n', "is not valid TOML: .*line 2", "fail_on"),
        ('[class]\nfail_on = "WATCH', "is not valid TOML: .*end of document", "fail_on"),
        ("[class]\n\nmin_accuracy = \n", "line 3", ""),
        ("[class]\n[class]\n", "is not valid TOML", ""),
        ("[clas]\n", r"unknown table or key 'clas' at the top level", r"\[class\]"),
        ("[zebra]\n", "'zebra'", r"\[dataset\], \[class\], \[image\]"),
        ("max_background_gap = 0.1\n", "'max_background_gap' at the top level", r"belongs under \[class\]"),
        ("class = 3\n", "class must be a table, got 3", r"\[class\]"),
        ("[[class]]\nmin_accuracy = 0.1\n", "class must be a table", r"\[class\]"),
        ("[class]\nmax_backgruond_gap = 0.1\n", r"\[class\]: unknown key 'max_backgruond_gap'", "'max_background_gap'"),
        ("[class]\nzebra = 0.1\n", "'zebra'", "Known keys: fail_on, min_accuracy, max_background_gap"),
        ("[class.wolf]\nmin_accuracy = 0.1\n", r"\[class\]: unknown key 'wolf'", ""),
        ("[class]\nmax_flagged_share = 0.1\n", "unknown key 'max_flagged_share'", r"belongs under \[image\]"),
        ("[image]\nmin_accuracy = 0.1\n", "unknown key", r"belongs under \[dataset\] or \[class\]"),
        ('[class]\nmin_accuracy = "0.9"\n', r"\[class\] min_accuracy must be a number, got '0.9'", "without quotes"),
        ("[class]\nmin_accuracy = true\n", "must be a number, got True", ""),
        ("[class]\nmin_accuracy = [0.9]\n", "must be a number", ""),
        ("[class]\nmin_accuracy = 90\n", r"must lie in 0\.\.1, got 90", "0.9 for 90 %"),
        ("[class]\nmin_accuracy = -0.1\n", r"must lie in 0\.\.1, got -0.1", ""),
        ("[class]\nmin_accuracy = nan\n", "got nan", ""),
        ("[class]\nmax_background_excess = inf\n", "must be 0 or more, and finite, got inf", ""),
        ("[class]\nmax_background_excess = nan\n", "got nan", ""),
        ("[class]\nmax_background_excess = -1\n", "must be 0 or more", ""),
        ('[class]\nfail_on = "suspicious"\n', "must be one of .*got 'suspicious'", "'SUSPICIOUS'"),
        ('[class]\nfail_on = "NONE"\n', "got 'NONE'", "'none'"),
        ("[class]\nfail_on = 2\n", '"CONTEXT", "TOO FEW IMAGES", .*"HIDDEN", "CONFIRMED", "none", got 2', ""),
        ("[class]\nfail_on = false\n", "got False", ""),
        ('[dataset]\nrequire_judged = "true"\n', "must be true or false, got 'true'", "without quotes"),
        ("[dataset]\nrequire_judged = 1\n", "must be true or false, got 1", ""),
    ],
)
def test_bad_gate_files(tmp_path: Path, text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, text)
    assert "gate.toml" in caught.value.message
    assert re.search(hint, caught.value.hint)


def test_unreadable_gate_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the gate file .*nowhere"):
        read_gate(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match="cannot read the gate file"):
        read_gate(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"# \xfc\n")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read_gate(tmp_path / "latin.toml")


# -- files ----------------------------------------------------------------------------------


def test_write_gate(tmp_path: Path) -> None:
    given = outcome("found", "SUSPICIOUS", measured=0.8, low=math.nan, threshold=0.05)
    gate = judge(run_of(given, outcome("not applicable", code="BA101"), outcome("ignored")), read_gate(None))
    (tmp_path / "gate.json").write_text("old")
    paths = write_gate(tmp_path, gate)
    assert [path.name for path in paths] == ["gate.json", "gate.md", "gate.junit.xml", "gate.sarif"]
    assert {*tmp_path.iterdir()} == {*paths}, "no temporary file stays"
    content = json.loads(paths[0].read_text(encoding="utf-8"))
    assert content["format_version"] == 1
    assert (content["passed"], content["exit_code"], content["summary"]) == (False, 1, gate.summary)
    assert content["counts"] == {"failed": 1, "warning": 0, "not judged": 1, "waived": 0, "passed": 1, "ignored": 1}
    assert content["thresholds"]["class.fail_on"] == "SUSPICIOUS"
    assert content["source"] is None
    assert [row["status"] for row in content["rows"]] == [FAILED, NOT_JUDGED, PASSED]
    assert content["rows"][0]["low"] is None
    text = paths[1].read_text(encoding="utf-8")
    assert text.startswith("## Failed: background-bias gate\n\nGate failed: 1 of 2 checks failed")
    assert "| class | wolf | BA201 | 0.80 |  | 0.05 | SUSPICIOUS: What happened. |" in text
    for part in (
        "### Failed (1)",
        "### Not judged (1)",
        "Passed (1)</summary>",
        "Ignored on purpose: 1 check",
        "the defaults",
    ):
        assert part in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    name = "<script>|`x`\n**bold** [a](b) & ünï \N{WOLF FACE} \udcff"
    config = read(tmp_path, "[class]\nmax_background_gap = 0.1\n")
    write_gate(tmp_path, judge(run_of(classes=({**WOLF, "class_name": name},)), config))
    content = json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))
    assert content["rows"][0]["subject"] == name
    lines = (tmp_path / "gate.md").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if line.startswith("| class |")]
    assert line.count("|") == 8
    assert not set("<`*[") & set(line)
    assert "ünï \N{WOLF FACE}" in line


def test_long_lists_are_cut_in_the_summary_only(tmp_path: Path) -> None:
    classes = tuple({**WOLF, "class_name": f"class {i}"} for i in range(300))
    write_gate(tmp_path, judge(run_of(classes=classes), read(tmp_path, "[class]\nmax_background_gap = 0.1\n")))
    assert len(json.loads((tmp_path / "gate.json").read_text(encoding="utf-8"))["rows"]) == 301
    text = (tmp_path / "gate.md").read_text(encoding="utf-8")
    assert "class 199" in text
    assert "class 200" not in text
    assert "and 100 more, see gate.json" in text


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    gate = judge(run_of(), read_gate(None))
    with pytest.raises(ResultError, match=r"cannot write .*gate\.json"):
        write_gate(tmp_path / "nowhere", gate)
    (tmp_path / "gate.md").mkdir()
    with pytest.raises(ResultError, match=r"cannot write .*gate\.md"):
        write_gate(tmp_path, gate)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["gate.json", "gate.md"]


def test_result_gate_judges_with_a_file(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text("[class]\nmin_accuracy = 0.99\n")
    assert run_of().gate().passed
    assert not run_of().gate(file).passed


# -- a fast start ---------------------------------------------------------------------------

HEAVY = ("numpy", "pandas", "scipy", "sklearn", "cv2", "matplotlib", "tensorflow", "keras", "pyarrow", "PIL")

SCRIPT = """
import sys
{before}
from bias_audit.gate import judge, read_gate, write_gate
from bias_audit.result import load
gate = judge(load(sys.argv[1]), read_gate(sys.argv[2]))
write_gate(sys.argv[1], gate)
print(gate.exit_code, *sorted(set(sys.modules) & set({heavy!r})))
"""


def modules_of_a_gate(tmp_path: Path, before: str) -> list[str]:
    """Judge a stored run in a fresh interpreter: the exit code and the heavy modules it imported."""
    content = result.to_json(run_of(outcome("found", "SUSPICIOUS")))
    (tmp_path / "audit.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "gate.toml").write_text("[dataset]\nmin_accuracy = 0.5\n[class]\nmax_background_gap = 0.1\n")
    script = SCRIPT.format(before=before, heavy=HEAVY)
    arguments = [sys.executable, "-c", script, str(tmp_path), str(tmp_path / "gate.toml")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_gate_imports_nothing_heavy(tmp_path: Path) -> None:
    assert modules_of_a_gate(tmp_path, "") == ["1"]


def test_the_import_test_can_fail(tmp_path: Path) -> None:
    assert modules_of_a_gate(tmp_path, "import numpy") == ["1", "numpy"]
