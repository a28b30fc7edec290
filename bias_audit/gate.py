"""Turns a finished run into a verdict for continuous integration: thresholds in, rows and an exit code out.

Reads what `result.load` gives and nothing else, so the command starts in a blink: no NumPy, no pandas, no model.
A check ends as one of STATUSES; what could not be judged is never counted as passed.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bias_audit.errors import ConfigError, ResultError
from bias_audit.result import LEVELS, AuditResult, RuleOutcome

FORMAT_VERSION = 1
"""Version of gate.json."""

PASSED, FAILED, NOT_JUDGED = "passed", "failed", "not judged"
STATUSES = (FAILED, NOT_JUDGED, PASSED)
"""What a check can end as, in the order in which rows are shown."""

NO_LEVEL = "none"
"""`fail_on = "none"`: findings of this scope are shown elsewhere and never fail the gate."""

_NAMED = 5
"""Failed checks named in the summary sentence; the rows hold all."""

_EQUAL = 1e-9
"""A measured value this close to its threshold equals it: .4 - .3 is no breach of .1."""

Value = str | float | bool | None


@dataclass(frozen=True)
class Key:
    """One key of gate.toml.

    Attributes:
        table: "dataset", "class" or "image".
        name: key; max_* bounds from above, min_* from below, the bound itself is allowed.
        kind: "level" (one of LEVELS or "none"), "share" (0..1), "excess" (0 or more) or "switch" (true, false).
        default: value without the key; None = not checked.
        text: what it does.
        reason: why this default.
        label: the measured quantity in words, for kinds "share" and "excess".
        columns: of the class table: value, interval low, interval high, reason when missing ("" = there is none).
    """

    table: str
    name: str
    kind: str
    default: Value
    text: str
    reason: str
    label: str = ""
    columns: tuple[str, str, str, str] = ("", "", "", "")


KEYS: tuple[Key, ...] = (
    Key(
        "dataset", "fail_on", "level", "SUSPICIOUS",
        "lowest level of a data-set finding (any scope but class and image) that fails the gate",
        "WATCH is triage, not evidence; from SUSPICIOUS on a paired intervention stands behind a finding",
    ),
    Key(
        "dataset", "min_accuracy", "share", None,
        "lowest share of the read images that must be predicted right",
        "how good is good enough depends on the use; this gate judges bias, not skill",
        "accuracy on all read images",
    ),
    Key(
        "dataset", "max_unreadable_share", "share", 0.05,
        "largest share of the images that may be unreadable",
        "beyond, the verdict is about another data set than the one that was given",
        "share of unreadable images",
    ),
    Key(
        "dataset", "max_without_mask_share", "share", None,
        "largest share of the read images that may be without a usable mask",
        "boxes for a part of the images, or no masks at all, are legitimate; rows then say what was not judged",
        "share of images without a mask",
    ),
    Key(
        "dataset", "require_judged", "switch", False,
        "true: any check of any scope that could not be judged fails the gate",
        "small classes and photos without masks are common; the rows name them, and a team can insist",
    ),
    Key(
        "class", "fail_on", "level", "SUSPICIOUS",
        "lowest level of a class finding that fails the gate",
        "an effect that is significant after correction and large enough to matter; attention alone stays WATCH",
    ),
    Key(
        "class", "min_accuracy", "share", None,
        "lowest recall of every class on the images as they are",
        "depends on the use; accuracy does not reveal a shortcut",
        "accuracy", ("accuracy", "accuracy_low", "accuracy_high", ""),
    ),
    Key(
        "class", "max_background_gap", "share", None,
        "largest drop of accuracy from same-class to other-class backgrounds",
        "the reliance rule judges it already, with test and effect floor; a fixed bound suits a team that knows its own",
        "background gap", ("background_gap", "gap_low", "gap_high", "reliance_reason"),
    ),
    Key(
        "class", "max_background_excess", "excess", None,
        "largest mean background excess of the heatmaps (1 = no better than a uniform map)",
        "an absolute rule on attention convicts clean models; bound it only against a model you trust",
        "background excess", ("background_excess", "excess_low", "excess_high", "attention_reason"),
    ),
    Key(
        "class", "max_background_only_accuracy", "share", None,
        "largest share of photos still predicted right with the object removed",
        "chance is 1 / number of classes, so no bound suits every model",
        "background-only accuracy",
        ("background_only_accuracy", "background_only_low", "background_only_high", "reliance_reason"),
    ),
    Key(
        "class", "min_other_background_accuracy", "share", None,
        "lowest accuracy on backgrounds of other classes",
        "includes the cost of pasting, which differs from model to model",
        "accuracy on other-class backgrounds",
        ("other_background_accuracy", "other_low", "other_high", "reliance_reason"),
    ),
    Key(
        "image", "fail_on", "level", NO_LEVEL,
        "lowest level of an image finding that fails the gate",
        "image rules are WATCH: each says that a photo is worth a look, not that the model is wrong",
    ),
    Key(
        "image", "max_flagged_share", "share", None,
        "largest share of a class's intervened photos whose prediction rests on the background",
        "single photos do so in good models as well; the class rules say when it is many",
        "share of photos that rest on their background", ("", "", "", "reliance_reason"),
    ),
)  # fmt: skip
"""Every key of gate.toml: the one source of reading, judging and `example`."""

TABLES = tuple(dict.fromkeys(key.table for key in KEYS))
_BY_NAME = {(key.table, key.name): key for key in KEYS}


@dataclass(frozen=True)
class GateConfig:
    """The thresholds of a gate.

    Attributes:
        values: "table.key" -> value, for every key of KEYS; None = not checked.
        source: the file they come from, None for the defaults.
    """

    values: Mapping[str, Value]
    source: str | None = None

    def level(self, table: str) -> str:
        """`fail_on` of a table: one of LEVELS, or NO_LEVEL."""
        return str(self.values[f"{table}.fail_on"])

    def bound(self, key: Key) -> float | None:
        """A numeric threshold, None if it is not checked."""
        value = self.values[f"{key.table}.{key.name}"]
        return None if value is None else float(value)

    @property
    def require_judged(self) -> bool:
        """Whether a check that could not be judged fails the gate."""
        return bool(self.values["dataset.require_judged"])


@dataclass(frozen=True)
class GateRow:
    """One check of one subject.

    Attributes:
        scope: "dataset", "class" or "image".
        subject: class name, "" for the whole data set.
        check: rule code, or key of gate.toml.
        measured, low, high: the number judged and its interval, where there is one.
        threshold: the bound, in the unit of `measured`; for a rule the rule's own.
        status: one of STATUSES.
        sentence: what was found and what was allowed, or why it was not judged.
    """

    scope: str
    subject: str
    check: str
    measured: float | None
    low: float | None
    high: float | None
    threshold: float | None
    status: str
    sentence: str


@dataclass(frozen=True)
class GateResult:
    """The verdict.

    Attributes:
        passed: nothing failed, something was judged, and with `require_judged` nothing was left unjudged.
        rows: every check, failed ones first, then those not judged.
        summary: one sentence for the terminal.
        config: the thresholds judged by.
        ignored: outcomes that somebody ignored on purpose; they are no checks.
    """

    passed: bool
    rows: tuple[GateRow, ...]
    summary: str
    config: GateConfig
    ignored: int = 0

    @property
    def exit_code(self) -> int:
        """0 passed, 1 failed."""
        return 0 if self.passed else 1

    def count(self, status: str) -> int:
        """Rows with this status."""
        return sum(row.status == status for row in self.rows)


def read_gate(path: str | Path | None) -> GateConfig:
    """Read a gate.toml over the defaults; None gives the defaults.

    Raises:
        ConfigError: unreadable file, invalid TOML (with its line), unknown table or key, wrong type, value out of
            range.
    """
    values = {f"{key.table}.{key.name}": key.default for key in KEYS}
    if path is None:
        return GateConfig(values)
    source = str(path)
    for table, content in _parse(Path(path), source).items():
        if table not in TABLES:
            raise ConfigError(f"{source}: unknown table or key {table!r} at the top level", _table_hint(table))
        if not isinstance(content, dict):
            raise ConfigError(f"{source}: {table} must be a table, got {content!r}", f"Write [{table}].")
        for name, value in content.items():
            if (table, name) not in _BY_NAME:
                raise ConfigError(f"{source} [{table}]: unknown key {name!r}", _key_hint(table, name))
            values[f"{table}.{name}"] = _checked(_BY_NAME[table, name], value, f"{source} [{table}] {name}")
    return GateConfig(values, source)


def judge(result: AuditResult, config: GateConfig) -> GateResult:
    """Hold a run against thresholds.

    Every outcome of a rule is one check, unless its scope has `fail_on = "none"`; every numeric key that is set is
    one check per subject. Findings below `fail_on` pass, and their sentence says so.

    Args:
        result: a finished run.
        config: from `read_gate`.
    """
    rows = [*_rule_rows(result, config), *_number_rows(result, config)]
    rows.sort(key=lambda row: STATUSES.index(row.status))  # stable: rules by code, keys as in KEYS
    failed = [row for row in rows if row.status == FAILED]
    unjudged = sum(row.status == NOT_JUDGED for row in rows)
    judged = len(rows) - unjudged
    passed = not failed and judged > 0 and not (config.require_judged and unjudged)
    summary = _summary(passed, failed, judged, unjudged, config)
    ignored = sum(outcome.status == "ignored" for outcome in result.outcomes)
    return GateResult(passed, tuple(rows), summary, config, ignored)


def write_gate(result_path: str | Path, gate_result: GateResult) -> tuple[Path, Path]:
    """Write RUN/gate.json and RUN/gate.md, each under a temporary name that is then renamed.

    Returns:
        the two paths.

    Raises:
        ResultError: the folder is missing or cannot be written.
    """
    folder = Path(result_path)
    content = {
        "format_version": FORMAT_VERSION,
        "passed": gate_result.passed,
        "exit_code": gate_result.exit_code,
        "summary": gate_result.summary,
        "counts": {status: gate_result.count(status) for status in STATUSES} | {"ignored": gate_result.ignored},
        "source": gate_result.config.source,
        "thresholds": dict(gate_result.config.values),
        "rows": [asdict(row) for row in gate_result.rows],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    return _write(folder / "gate.json", text + "\n"), _write(folder / "gate.md", _markdown(gate_result))


def example() -> str:
    """A gate.toml that says what every key does and why its default is what it is; as it stands, the defaults."""
    lines = ["# Thresholds of `bias-audit gate`. A key that is left out has the default shown here."]
    for table in TABLES:
        lines += ["", f"[{table}]"]
        for key in KEYS:
            if key.table != table:
                continue
            lines += [f"# {key.text}", f"# default: {key.reason}"]
            if key.default is None:
                lines.append(f"# {key.name} = 0.9" if key.name.startswith("min_") else f"# {key.name} = 0.1")
            else:
                lines.append(f"{key.name} = {json.dumps(key.default)}")
    return "\n".join(lines) + "\n"


# -- reading gate.toml ----------------------------------------------------------------------


def _parse(path: Path, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        hint = "Without a file the gate uses its defaults."
        raise ConfigError(f"cannot read the gate file {source!r}: {error.strerror or error}", hint) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the gate file {source!r} is not UTF-8 text: {error.reason}", "Save it as UTF-8.") from error
    except tomllib.TOMLDecodeError as error:
        hint = 'A line reads for instance: fail_on = "SUSPICIOUS".'
        raise ConfigError(f"the gate file {source!r} is not valid TOML: {error}", hint) from error


def _table_hint(name: str) -> str:
    if homes := [f"[{key.table}]" for key in KEYS if key.name == name]:
        return f"{name} belongs under {' or '.join(homes)}."
    close = difflib.get_close_matches(name, TABLES, 1)
    return f"Did you mean [{close[0]}]?" if close else f"Known tables: {', '.join(f'[{table}]' for table in TABLES)}."


def _key_hint(table: str, name: str) -> str:
    if homes := [f"[{key.table}]" for key in KEYS if key.name == name]:
        return f"{name} belongs under {' or '.join(homes)}."
    known = [key.name for key in KEYS if key.table == table]
    close = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(known)}."


def _checked(key: Key, value: Any, where: str) -> Value:
    """The value of a key, or ConfigError with what was expected."""
    if key.kind == "level":
        allowed = (*LEVELS, NO_LEVEL)
        if value not in allowed:
            close = difflib.get_close_matches(str(value).upper(), [name.upper() for name in allowed], 1)
            hints = [f"Did you mean {name!r}?" for name in allowed if close and name.upper() == close[0]]
            wanted = ", ".join(f'"{name}"' for name in allowed)
            raise ConfigError(f"{where} must be one of {wanted}, got {value!r}", "".join(hints))
        return str(value)
    if key.kind == "switch":
        if not isinstance(value, bool):
            raise ConfigError(f"{where} must be true or false, got {value!r}", "Write it without quotes.")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{where} must be a number, got {value!r}", "Write it without quotes, for instance 0.1.")
    highest = 1.0 if key.kind == "share" else math.inf
    if not 0 <= value <= highest or math.isinf(value):  # nan fails the comparison
        wanted = "lie in 0..1" if key.kind == "share" else "be 0 or more, and finite"
        hint = f"Write a share: {value / 100:g} for {value:g} %." if key.kind == "share" and 1 < value <= 100 else ""
        raise ConfigError(f"{where} must {wanted}, got {value!r}", hint)
    return float(value)


# -- judging --------------------------------------------------------------------------------


def _rule_rows(result: AuditResult, config: GateConfig) -> Iterator[GateRow]:
    for outcome in sorted(result.outcomes, key=lambda outcome: (outcome.code, outcome.subject)):
        table = outcome.scope if outcome.scope in ("class", "image") else "dataset"
        fail_on = config.level(table)
        if fail_on == NO_LEVEL or outcome.status == "ignored":
            continue
        status, sentence = _rule_status(outcome, fail_on)
        yield GateRow(
            table,
            outcome.subject,
            outcome.code,
            _number(outcome.measured),
            _number(outcome.low),
            _number(outcome.high),
            _number(outcome.threshold),
            status,
            sentence,
        )


def _rule_status(outcome: RuleOutcome, fail_on: str) -> tuple[str, str]:
    if outcome.status == "found":
        level = outcome.level or LEVELS[0]
        # A level this version does not know is no reason to let it through.
        severe = level not in LEVELS or LEVELS.index(level) >= LEVELS.index(fail_on)
        return (FAILED, f"{level}: {outcome.sentence}") if severe else (PASSED, f"{level}, below {fail_on}: {outcome.sentence}")
    return (PASSED if outcome.status == "passed" else NOT_JUDGED), outcome.sentence


def _number_rows(result: AuditResult, config: GateConfig) -> Iterator[GateRow]:
    for key in KEYS:
        bound = config.bound(key) if key.kind in ("share", "excess") else None
        if bound is None:
            continue
        if key.table == "dataset":
            yield _compared(key, "", bound, *_DATASET_NUMBERS[key.name](result))
        elif not result.class_rows:
            yield _compared(key, "", bound, None, None, None, "the run lists no classes")
        for row in result.class_rows if key.table != "dataset" else ():
            measured, low, high = _class_numbers(key, row)
            yield _compared(key, str(row.get("class_name", "")), bound, measured, low, high, _reason(key, row))


def _compared(
    key: Key, subject: str, bound: float, measured: float | None, low: float | None, high: float | None, reason: str
) -> GateRow:
    """One number against one bound; the bound itself is allowed."""
    where = f" of {subject!r}" if subject else ""
    if measured is None:
        sentence = f"{key.label}{where} was not judged: {reason}"
        return GateRow(key.table, subject, key.name, None, None, None, bound, NOT_JUDGED, sentence)
    above = key.name.startswith("max_")
    breach = measured > bound + _EQUAL if above else measured < bound - _EQUAL
    sentence = f"{key.label}{where} is {_digits(measured)}"
    if low is not None and high is not None:
        sentence += f" (95 % interval {_digits(low)} to {_digits(high)})"
    sentence += f", {'at most' if above else 'at least'} {_digits(bound)} is allowed"
    if low is not None and high is not None and low - _EQUAL <= bound <= high + _EQUAL:
        sentence += "; near the threshold: the interval reaches across it, so the other verdict is possible"
    return GateRow(key.table, subject, key.name, measured, low, high, bound, FAILED if breach else PASSED, sentence)


def _class_numbers(key: Key, row: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
    if key.name == "max_flagged_share":
        flagged, photos = _number(row.get("n_rests_on_background")), _number(row.get("n_interventions"))
        return (None if flagged is None or not photos else flagged / photos), None, None
    value, low, high, _ = key.columns
    return _number(row.get(value)), _number(row.get(low)), _number(row.get(high))


def _reason(key: Key, row: Mapping[str, Any]) -> str:
    given = row.get(key.columns[3]) if key.columns[3] else None
    if given and given != "ok":
        return str(given)
    return "no image of the class was read" if key.name == "min_accuracy" else "the run holds no such number"


def _accuracy(result: AuditResult) -> tuple[float | None, float | None, float | None, str]:
    """Share of right predictions over all classes.

    The interval recovers each class's variance from its own interval (Zou & Donner 2008, Stat. Med. 27, 1693-1702):
    classes are strata of fixed size, and no second interval formula is needed.
    """
    strata = []
    for row in result.class_rows:
        n, share = _number(row.get("n_read")), _number(row.get("accuracy"))
        if n and share is not None:
            strata.append((n, share, _number(row.get("accuracy_low")), _number(row.get("accuracy_high"))))
    total = sum(n for n, *_ in strata)
    if not total:
        return None, None, None, "no image was read"
    mean = sum(n * share for n, share, *_ in strata) / total
    below = above = 0.0
    for n, share, low, high in strata:
        if low is None or high is None:
            return mean, None, None, ""
        below += (n / total * (share - low)) ** 2
        above += (n / total * (high - share)) ** 2
    return mean, max(0.0, mean - math.sqrt(below)), min(1.0, mean + math.sqrt(above)), ""


def _unreadable(result: AuditResult) -> tuple[float | None, float | None, float | None, str]:
    return _share(result, "unreadable", "read", "no image was found")


def _without_mask(result: AuditResult) -> tuple[float | None, float | None, float | None, str]:
    return _share(result, "without_mask", "with_mask", "no image was read")


def _share(
    result: AuditResult, bad: str, good: str, reason: str
) -> tuple[float | None, float | None, float | None, str]:
    """A share of the images there are: counted, not sampled, so without interval."""
    counts = result.info.counts
    if bad not in counts or good not in counts:
        return None, None, None, f"the run does not count {bad if bad not in counts else good!r}"
    total = counts[bad] + counts[good]
    return (counts[bad] / total if total else None), None, None, reason


_DATASET_NUMBERS = {
    "min_accuracy": _accuracy,
    "max_unreadable_share": _unreadable,
    "max_without_mask_share": _without_mask,
}


def _number(value: Any) -> float | None:
    """A finite number, or None: tables write missing values as NaN or null."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


# -- words and files ------------------------------------------------------------------------


def _summary(passed: bool, failed: list[GateRow], judged: int, unjudged: int, config: GateConfig) -> str:
    left = f"; {unjudged} could not be judged" if unjudged else ""
    if passed:
        return f"Gate passed: {_checks(judged)} passed{left}."
    if failed:
        named = [f"{row.subject}: {row.check}" if row.subject else row.check for row in failed[:_NAMED]]
        more = f" and {len(failed) - _NAMED} more" if len(failed) > _NAMED else ""
        return f"Gate failed: {len(failed)} of {_checks(judged)} failed ({', '.join(named)}{more}){left}."
    if judged:
        return f"Gate failed: {_checks(unjudged)} could not be judged, and require_judged is set; the other {judged} passed."
    return f"Gate failed: nothing could be judged ({_checks(unjudged)} tried)."


def _checks(n: int) -> str:
    return f"{n} check" if n == 1 else f"{n} checks"


def _digits(value: float) -> str:
    """Two decimals, more where two would hide that the value is not zero or not the bound."""
    text = f"{value:.2f}"
    return text if abs(float(text) - value) < 5e-4 else f"{value:.3g}"


def _markdown(gate: GateResult) -> str:
    """gate.md: what failed and what was not judged in full, what passed as a folded list."""
    lines = [f"## {'Passed' if gate.passed else 'Failed'}: background-bias gate", "", _escaped(gate.summary), ""]
    source = f"`{gate.config.source}`" if gate.config.source and "`" not in gate.config.source else "the defaults"
    for status in STATUSES:
        rows = [row for row in gate.rows if row.status == status]
        if not rows:
            continue
        heading = f"{status.capitalize()} ({len(rows)})"
        folded = status == PASSED
        lines += [f"<details><summary>{heading}</summary>", ""] if folded else [f"### {heading}", ""]
        lines += ["| scope | subject | check | measured | interval | threshold | what |", "|---|---|---|---|---|---|---|"]
        lines += [_line(row) for row in rows]
        lines += ["", "</details>", ""] if folded else [""]
    if gate.ignored:
        lines += [f"Ignored on purpose: {_checks(gate.ignored)}.", ""]
    return "\n".join([*lines, f"Thresholds: {source}."]) + "\n"


def _line(row: GateRow) -> str:
    interval = "" if row.low is None or row.high is None else f"{_digits(row.low)} to {_digits(row.high)}"
    measured, threshold = ("" if value is None else _digits(value) for value in (row.measured, row.threshold))
    cells = (row.scope, row.subject, row.check, measured, interval, threshold, row.sentence)
    return f"| {' | '.join(_escaped(cell) for cell in cells)} |"


_ACTIVE = {ord(sign): f"&#{ord(sign)};" for sign in "&<>|`*_[]\\~@#!"}


def _escaped(text: str) -> str:
    """One line that Markdown and HTML show as it is: class names are data, not markup."""
    return " ".join(text.split()).translate(_ACTIVE)


def _write(target: Path, text: str) -> Path:
    """Atomic and flushed, like every file of a run folder (run.py writes arrays too, so it needs NumPy)."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(text.encode("utf-8", "backslashreplace"))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        hint = "The verdict stands; free space or make the run folder writable to keep it."
        raise ResultError(f"cannot write {str(target)!r}: {error.strerror or error}", hint) from error
    return target
