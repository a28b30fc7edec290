"""Which rules accuse whom in the audits of the benchmark, and how often in audits in which nobody is guilty.

An accusation is a finding of any rule at one of the levels ACCUSING. Codes, scopes and levels decide, never sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from bias_audit.checks.outcomes import FAILS_FROM, LEVELS, RuleOutcome
from bias_audit.planted.benchmark.grid import TWIN_KINDS

ACCUSING = LEVELS[LEVELS.index(FAILS_FROM) :]
"""Levels of a finding that accuses: SUSPICIOUS, HIDDEN, CONFIRMED."""

TRIAGE = ("BA101", "BA102", "BA202", "BA204")
"""Rules that name classes and photos worth a look. If they speak in most clean audits, they say nothing."""

COLUMNS = ("code", "scope", "subject", "class_name", "level", "accuses", "measured", "low", "high", "p_value", "n")
"""Columns of a finding, beside those of its case."""


def named_class(outcome: RuleOutcome, class_names: Sequence[str]) -> str:
    """The class that an outcome is about; "" where it is about the whole data set, or about no single class.

    A class or image rule has the class as its subject; of a slice, cue or region the evidence names it.

    Args:
        outcome: outcome of a rule.
        class_names: all classes of the model.
    """
    if outcome.scope == "dataset":
        return ""
    name = outcome.subject if outcome.scope in ("class", "image") else outcome.evidence.get("class_name")
    return str(name) if name in class_names else ""


def accuses(outcome: RuleOutcome) -> bool:
    """Whether an outcome is an accusation."""
    return outcome.found and outcome.level in ACCUSING


def accusers(outcomes: Iterable[RuleOutcome], class_names: Sequence[str], name: str) -> list[str]:
    """Codes of the rules that accuse a class, each once, sorted.

    Args:
        outcomes: outcomes of all rules.
        class_names: all classes of the model.
        name: the class.
    """
    named = (each.code for each in outcomes if accuses(each) and named_class(each, class_names) == name)
    return sorted(set(named))


def findings_of(outcomes: Iterable[RuleOutcome], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """A row with COLUMNS for each finding, whatever its level."""
    rows = []
    for outcome in outcomes:
        if outcome.found:
            known: dict[str, Any] = {name: getattr(outcome, name) for name in COLUMNS if hasattr(outcome, name)}
            about = {"class_name": named_class(outcome, class_names), "accuses": accuses(outcome)}
            rows.append({**{name: {**known, **about}[name] for name in COLUMNS}, "level": outcome.level or ""})
    return rows


def by_rule(units: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """How many audits hold a finding of each rule and level: clean ones (TWIN_KINDS), and all others.

    Args:
        units: table of `units.read_units`, of which the models are counted.
        findings: table of the findings of the same models.

    Returns:
        one row per code and level, sorted: code, level, accuses, clean, of_clean, other, of_other (numbers of models).
    """
    models = units.drop_duplicates("model").set_index("model")["kind"]
    clean = models.isin(TWIN_KINDS)
    rows = []
    for (code, level), group in findings.groupby(["code", "level"]):
        told = clean.reindex(group["model"].unique())
        rows.append(
            {
                "code": code,
                "level": level,
                "accuses": level in ACCUSING,
                "clean": int(told.sum()),
                "of_clean": int(clean.sum()),
                "other": int((~told.astype(bool)).sum()),
                "of_other": int((~clean).sum()),
            }
        )
    order = ["code", "level", "accuses", "clean", "of_clean", "other", "of_other"]
    return pd.DataFrame(rows, columns=order)


def wrong(units: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """The accusations that are wrong: of a class that does not rely on any cue, or of a model without any such class.

    A class is innocent where `truth_any` is "negative". An accusation that names no class is wrong where no class of
    the model is anything else.

    Args:
        units, findings: as `by_rule`.
    """
    accused = findings[findings["accuses"].astype(bool)]
    innocent = set(map(tuple, units.loc[units["truth_any"] == "negative", ["model", "class_name"]].to_numpy(str)))
    spotless = units.assign(ok=units["truth_any"] == "negative").groupby("model")["ok"].all()
    keep = [
        bool(spotless[row["model"]]) if row["class_name"] == "" else (row["model"], row["class_name"]) in innocent
        for row in accused[["model", "class_name"]].to_dict("records")
    ]
    return accused[keep]
