"""Laws of the gate: nothing turns green by being absent, less certain, or older."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.checks.levels import fails_by_default, overall_level
from bias_audit.checks.outcomes import LEVELS, RuleOutcome
from bias_audit.gate import FAILED, judge, read_gate
from bias_audit.gate.metrics import CLASS
from bias_audit.gate.pruning import prune
from bias_audit.gate.settings import GateConfig, MetricCheck, Waiver
from bias_audit.run.result import AuditResult, RunInfo

INFO = RunInfo(
    name="m on d", model="m", data="d", masks=None, model_sha256="0", fingerprint="0", version="0", created="",
    seconds={}, config={}, thresholds={}, class_names=("a", "b"), layer="l", grid=(7, 7), method="m", head="softmax",
    input_size=(8, 8, 3), counts={"images": 9, "read": 9, "with_mask": 9}, statuses={}, mask_kind="mask", content="c",
)  # fmt: skip
NAMES = [name for name in CLASS if name != "flagged_share"]
DAY = datetime.date(2026, 11, 25)

shares = st.floats(0, 1).map(lambda value: round(value, 3))


@st.composite
def numbers(draw: st.DrawFn) -> tuple[float, float, float]:
    low, value, high = sorted(draw(st.tuples(shares, shares, shares)))
    return low, value, high


@st.composite
def class_rows(draw: st.DrawFn) -> tuple[dict[str, Any], ...]:
    rows = []
    for name in ("a", "b"):
        row: dict[str, Any] = {"class_name": name, "n": 9, "attention_reason": "ok", "reliance_reason": "ok"}
        for column, metric in CLASS.items():
            if column in NAMES:
                row[metric.low], row[column], row[metric.high] = draw(numbers())
                row[metric.n] = 9
        rows.append(row)
    return tuple(rows)


checks = st.builds(
    MetricCheck,
    st.just("class"),
    st.sampled_from(NAMES),
    st.dictionaries(st.sampled_from(["min", "max"]), shares, min_size=1),
    st.just(0),
    st.sampled_from(["bound", "estimate"]),
)


def run_of(rows: tuple[dict[str, Any], ...], *outcomes: RuleOutcome) -> AuditResult:
    passed = tuple(RuleOutcome("BA201", "t", "class", row["class_name"], "passed", "s") for row in rows)
    return AuditResult(Path("run"), INFO, "v", (*passed, *outcomes), (), rows, digests={})


@given(class_rows(), checks, st.sampled_from(["a", "b"]), st.sampled_from(["value", "low", "row"]))
def test_a_number_that_is_taken_away_never_helps(
    rows: tuple[dict[str, Any], ...], check: MetricCheck, name: str, what: str
) -> None:
    config = GateConfig(metrics=(check,), classes=("a", "b"))
    column = {"value": check.name, "low": CLASS[check.name].low}.get(what)
    less = tuple({**row, column: None} if row["class_name"] == name and column else row for row in rows)
    if what == "row":
        less = tuple(row for row in rows if row["class_name"] != name)
    if what != "low" or check.judge == "bound":
        assert not judge(run_of(less), config).passed
    assert judge(run_of(less), config).passed <= judge(run_of(rows), config).passed


@given(class_rows(), checks, shares)
def test_a_stricter_bound_never_passes_more(rows: tuple[dict[str, Any], ...], check: MetricCheck, by: float) -> None:
    stricter = {kind: bound - by if kind == "max" else bound + by for kind, bound in check.bounds.items()}
    both = (dataclasses.replace(check, bounds=bounds) for bounds in (check.bounds, stricter))
    config, strict = (GateConfig(metrics=(one,)) for one in both)
    assert judge(run_of(rows), strict).passed <= judge(run_of(rows), config).passed


@given(class_rows(), checks)
def test_what_the_bound_passes_the_estimate_passes(rows: tuple[dict[str, Any], ...], check: MetricCheck) -> None:
    bound, estimate = (GateConfig(metrics=(dataclasses.replace(check, judge=how),)) for how in ("bound", "estimate"))
    assert judge(run_of(rows), bound).passed <= judge(run_of(rows), estimate).passed


findings = st.builds(
    lambda code, level, measured: RuleOutcome(
        code, "t", "dataset", "", "found", "s", level, measured, 0.1, measured - 0.1, measured + 0.1
    ),
    st.sampled_from(["BA301", "BA302", "BA401"]),
    st.sampled_from(LEVELS),
    shares,
)
ROWS = ({"class_name": "a", "n": 9}, {"class_name": "b", "n": 9})


@given(st.lists(findings, max_size=5), st.data())
def test_a_finding_of_the_baseline_is_not_lost_by_leaving_out_its_rule(
    found: list[RuleOutcome], data: st.DataObject
) -> None:
    config = dataclasses.replace(read_gate(None), known="fail")
    old = run_of(ROWS, *found)
    dropped = data.draw(st.sets(st.sampled_from(["BA301", "BA302", "BA401"])))
    new = run_of(ROWS, *(outcome for outcome in found if outcome.code not in dropped))
    assert judge(new, config, baseline=old).passed <= judge(old, config, baseline=old).passed


@given(findings, st.integers(-400, 400), st.integers(0, 400))
def test_a_waiver_that_has_ended_never_comes_back(found: RuleOutcome, ends: int, later: int) -> None:
    waiver = Waiver("r", "o", DAY + datetime.timedelta(ends), rule=found.code, since=DAY)
    config = dataclasses.replace(read_gate(None), waivers=(waiver,), max_days=300)
    now, then = (judge(run_of(ROWS, found), config, today=DAY + datetime.timedelta(d)) for d in (0, later))
    assert then.passed <= now.passed
    open_without = not judge(run_of(ROWS, found), read_gate(None)).passed
    assert now.passed is (not open_without or 0 <= ends <= 300)


@given(st.lists(findings, max_size=5), st.lists(st.sampled_from(["no masks", "maps failed", "no rows"]), max_size=3))
def test_allowing_a_state_never_hurts_and_waives_no_finding(found: list[RuleOutcome], allow: list[str]) -> None:
    run, strict = run_of(ROWS, *found), read_gate(None)
    gate, lenient = judge(run, strict), judge(run, dataclasses.replace(strict, allow=tuple(allow)))
    assert gate.passed <= lenient.passed
    failed = [[row for row in each.rows if row.status == FAILED and row.level] for each in (gate, lenient)]
    assert failed[0] == failed[1]


any_finding = st.builds(
    lambda code, level, scope: RuleOutcome(code, "t", scope, "a", "found", "s", level, 0.5, 0.1, 0.4, 0.6),
    st.sampled_from(["BA101", "BA201", "BA202", "BA206", "BA302", "BA401", "BA902", "BA906", "BA908"]),
    st.sampled_from(LEVELS),
    st.sampled_from(["dataset", "class", "image", "slice", "cue"]),
)


@given(st.lists(any_finding, max_size=6))
def test_the_level_of_an_audit_is_that_of_the_highest_finding_which_fails_the_gate(found: list[RuleOutcome]) -> None:
    """Issue 14, item 7: one level everywhere. Where none fails, a victim's; else no reliance was shown."""
    rows = judge(run_of(ROWS, *found), read_gate(None)).rows
    failing = [row.level for row in rows if row.status == FAILED and row.level]
    assert sorted(failing) == sorted(each.level or "" for each in found if fails_by_default(each))
    victims = [each.level or "" for each in found if (each.code, each.level) == ("BA201", "COLLATERAL")]
    expected = max([*failing, *victims], key=LEVELS.index, default="NO RELIANCE SHOWN")
    assert overall_level(run_of(ROWS, *found).outcomes) == expected


SCOPE = b'[[waive]]\nrule = "BA201"\nclass = "a"\nowner = "o"\n'
KEPT = (
    b"[class]\r\nmin_accuracy = 0.5\r\n\r\n",
    b"# a comment of its own\n\n",
    b'[[metric]]\ntable = "class"\nname = "accuracy"\nmin = 0.1\n[metric.classes."[[waive]]"]\nmax = 1 # [[waive]]\n',
    SCOPE + b"reason = '''\n[[waive]]\n\n# x'''\nexpires = 2027-01-01\n\n\n",
    b'[provenance]\ncontent = """\n# [[waive]]"""\n',
)
GONE = (
    b'[[waive]]\nrule = "BA201"\nclass = "a"\nreason = "over"\nowner = "o"\nexpires = 2026-11-24\n',
    b'# said above\n  # twice\n[[ "waive" ]]\nrule = "BA302"\nowner = "o"\nreason = """\n[x]\n"""\n'
    b"expires = 2027-01-01\n\n \n",
)


@given(
    st.permutations(range(len(KEPT))), st.lists(st.tuples(st.integers(0, len(KEPT)), st.sampled_from(GONE)), max_size=4)
)
def test_pruning_takes_out_whole_blocks_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], gone: list[tuple[int, bytes]]
) -> None:
    kept = [KEPT[i] for i in order]
    mixed = b""
    for place in range(len(kept) + 1):
        mixed += b"".join(block for at, block in gone if at == place)
        mixed += kept[place] if place < len(kept) else b""
    file = tmp_path_factory.mktemp("gate") / "gate.toml"
    file.write_bytes(mixed)
    found = RuleOutcome("BA201", "t", "class", "a", "found", "s", "SUSPICIOUS")
    removed = prune(file, run_of(ROWS[1:], found), DAY)
    assert len(removed) == len(gone)
    assert file.read_bytes() == b"".join(kept)
