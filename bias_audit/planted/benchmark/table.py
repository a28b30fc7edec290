"""Writes the scored benchmark as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from bias_audit.errors import ResultError
from bias_audit.planted.benchmark.by_unit import UnitsScored
from bias_audit.planted.benchmark.grid import FROZEN_THRESHOLDS, KINDS
from bias_audit.planted.benchmark.layout import heading, number, table
from bias_audit.planted.benchmark.rates import FLAGS, HIGH_RHO, Rate
from bias_audit.planted.benchmark.score import ENOUGH_TPR, Scored
from bias_audit.planted.benchmark.truth import NEGATIVE, POSITIVE, STRONG
from bias_audit.planted.benchmark.unit_table import units_text

MOST_FAILURES = 25
"""Most units that are listed as missed, and as accused wrongly; units.parquet and findings.parquet hold all."""

RATES = {
    "tpr": f"biased classes found, rho >= {HIGH_RHO}",
    "guilty_models": f"models with a biased class, rho >= {HIGH_RHO}, with any accusation",
    "tpr_strong": f"strongly biased classes found (reliance >= {STRONG})",
    "tpr_weaker": f"biased classes found, rho < {HIGH_RHO}",
    "fpr_clean": "classes accused in clean and null worlds",
    "clean_models": "clean and null models with any accusation",
    "fpr_others": "innocent classes accused beside a guilty one",
    "fpr_on_object": "classes accused, cue on the object",
    "fpr_tiny": "classes accused, tiny objects",
}

_NUMBERS = {"measured": float, "low": float, "p_value": float}

FIRST = {"attract": "by attract", "background_gap": "by background gap", "verdict": "by the verdict"}


@dataclass(frozen=True)
class Made:
    """By what code the models were audited and judged.

    Attributes:
        commit: commit of the repository, as the user gave it; "" = not given.
        judged: digest of the package that judged, see `judging.package_digest`.
        audited: digests of the packages that audited, each once.
        thresholds: digest of the thresholds that judged, see `units.thresholds_digest`.
    """

    commit: str
    judged: str
    audited: tuple[str, ...]
    thresholds: str

    @property
    def mixed(self) -> bool:
        """Whether not all models were audited by the package that judged them."""
        return self.audited != (self.judged,)


def report_text(
    scored: Scored | None, made: Made, failed: Mapping[str, str] | None = None, units: UnitsScored | None = None
) -> str:
    """The report in Markdown.

    Args:
        scored: scores of the worlds of `grid.cases`, of report seeds only; None = none of them was run.
        made: the code by which they were audited and judged.
        failed: name of a case -> reason, for cases that failed and are missing.
        units: scores of all units, of the seeds that units are reported on; None = they are left out.

    Raises:
        ResultError: seeds that are no report seeds are among the seeds. Rules and thresholds were chosen on them, so
            their rates prove nothing.
    """
    for each in (scored, units):
        if each is not None and not each.reportable:
            raise ResultError(
                f"seeds {', '.join(map(str, each.seeds))} are not all report seeds: they are not reported",
                "Rules were chosen on the others. Run `bias-audit benchmark` for the report seeds.",
            )
    parts = ["# Planted-bias benchmark", "", _summary(units or scored, made)]
    if failed:
        parts += ["", f"**{len(failed)} cases failed and are missing below:** {', '.join(failed)}."]
    return "\n".join([*parts, "", *_all_sections(scored, units), ""])


def tuning_text(scored: Scored | None, made: Made, units: UnitsScored | None = None) -> str:
    """The tables for tuning seeds, by which rules are chosen; not to be quoted. Arguments as `report_text`."""
    ran = units or scored
    if ran is None:
        return ""
    head = f"TUNING SEEDS {', '.join(map(str, ran.seeds))}: to choose rules by, not to be reported or quoted."
    about = f"{ran.models} models, {ran.core_minutes:z.0f} minutes of one core. {_code(made)}"
    return "\n".join([head, about, "", *_all_sections(scored, units)])


def _all_sections(scored: Scored | None, units: UnitsScored | None) -> list[str]:
    """The units first, then what is told of the worlds of `grid.cases` alone."""
    lines = units_text(units) if units else []
    if scored is None:
        return lines
    return [*lines, *(["", "# The unit of complete masks", ""] if lines else []), *_sections(scored)]


def _sections(scored: Scored) -> list[str]:
    return [
        *_required(scored),
        "",
        *_rules(scored),
        "",
        *_findings(scored),
        "",
        *_wrong(scored),
        "",
        *_scores(scored),
        "",
        *_cases(scored),
        "",
        *_smallest(scored),
        "",
        *_calibration(scored),
        "",
        *_failures("Biased classes that the verdict missed", scored.missed),
        "",
        *_failures("Classes that the verdict convicted wrongly", scored.false_alarms),
    ]


def _summary(scored: Scored | UnitsScored | None, made: Made) -> str:
    if scored is None:
        return _code(made)
    seeds = ", ".join(map(str, scored.seeds))
    text = (
        f"{scored.models} models of seeds {seeds}, audited with default settings and all checks from the model, "
        f"photos drawn like the training photos, and masks. {_code(made)} An accusation is a finding at SUSPICIOUS, "
        f"HIDDEN or CONFIRMED, by any rule; the verdict is that of BA201 alone. A class counts as biased if the "
        f"planted cue, put into or taken out of the background of fresh scenes, moves at least {POSITIVE:z.0%} of "
        f"them, as clean below {NEGATIVE:z.0%} or if nothing was planted for it; what lies between counts for the "
        f"dose-response alone. All this kept one core busy for {scored.core_minutes:z.0f} minutes."
    )
    if isinstance(scored, Scored):
        text += f" An audit takes {scored.seconds_per_1000:z.0f} s per 1,000 images on one thread (48 x 48 pixels)."
    return text


def _code(made: Made) -> str:
    """By what code: the commit and the digests, with a warning in bold where they do not fit together."""
    commit = f"Commit {made.commit}, package {made.judged}." if made.commit else f"Package {made.judged}."
    said = [commit]
    if made.mixed:
        said.append(f"**Audited by other packages than the one that judged: {', '.join(made.audited)}.**")
    if made.thresholds == FROZEN_THRESHOLDS:
        said.append(f"Thresholds {made.thresholds}, frozen on the tuning seeds.")
    else:
        frozen = FROZEN_THRESHOLDS or "none"
        said.append(f"**Thresholds {made.thresholds} are not those frozen on the tuning seeds ({frozen}).**")
    return " ".join(said)


def _required(scored: Scored) -> list[str]:
    rows = [[row.name, _rate(row.rate), row.bound, "yes" if row.holds else "**no**"] for row in scored.required]
    head = ["figure (95 % Wilson interval)", "measured", "must be", "holds"]
    return [*heading("What must hold"), *table(head, rows)]


def _findings(scored: Scored) -> list[str]:
    rows = [
        [
            row["code"],
            row["level"],
            "yes" if row["accuses"] else "",
            f"{row['clean']} of {row['of_clean']}",
            f"{row['other']} of {row['of_other']}",
        ]
        for row in scored.findings.to_dict("records")
    ]
    title = "Which rules speak (audits with at least one such finding; clean: no cue, or one that goes with no class)"
    return [*heading(title), *table(["rule", "level", "accuses", "clean audits", "other audits"], rows)]


def _wrong(scored: Scored) -> list[str]:
    title = "Wrong accusations, by any rule: of a class that relies on no cue, or of a model without such a class"
    if scored.wrong.empty:
        return [*heading(title), "None."]
    rows = [
        [
            row["model"],
            row["code"],
            row["subject"] or "(the model)",
            row["level"],
            number(row["measured"]),
            number(row["low"]),
            f"{row['p_value']:z.2g}" if row["p_value"] == row["p_value"] else "-",
        ]
        for row in scored.wrong.head(MOST_FAILURES).astype(_NUMBERS).to_dict("records")
    ]
    left = len(scored.wrong) - MOST_FAILURES
    more = [f"And {left} more."] if left > 0 else []
    head = ["model", "rule", "subject", "level", "measured", "lower limit", "p"]
    return [*heading(f"{title}: {len(scored.wrong)}"), *table(head, rows), *more]


def _rules(scored: Scored) -> list[str]:
    names = [name for name in FLAGS if name in scored.rules]
    rows = [
        [RATES[rate], *(_rate(scored.rules[name][rate]) for name in names)]
        for rate in RATES
        if any(scored.rules[name][rate].n for name in names)
    ]
    first = [[f"guilty class comes first {FIRST[name]}", "", _rate(rate), *[""] * (len(names) - 2)]
             for name, rate in scored.first.items()]  # fmt: skip
    return [*heading("Accusations (95 % Wilson intervals)"), *table(["", *names], rows + first)]


def _scores(scored: Scored) -> list[str]:
    rows = [
        [
            f"*{row['title']}*" if row["baseline"] else row["title"],
            _span(row["auroc"], row["auroc_low"], row["auroc_high"]),
            number(row["auroc_strong"]),
            _span(row["ap"], row["ap_low"], row["ap_high"]),
            number(row["spearman"]),
            f"{row['positives']} of {row['n']}",
        ]
        for row in scored.scores.to_dict("records")
    ]
    head = ["score (baselines slanted)", "class AUROC", "strong bias", "average precision", "dose-response", "biased"]
    title = "Scores (95 % bootstrap over models; dose-response: Spearman with the verified reliance)"
    return [*heading(title), *table(head, rows)]


def _cases(scored: Scored) -> list[str]:
    order = {kind: place for place, kind in enumerate(KINDS)}
    frame = scored.cases.sort_values(["kind", "cue", "rho"], key=lambda column: column.map(order).fillna(0)
                                     if column.name == "kind" else column, kind="stable")  # fmt: skip
    rows = [
        [
            KINDS[row["kind"]],
            row["cue"].replace("_", " "),
            "" if math.isnan(row["rho"]) else f"{row['rho']:z.2f}",
            str(row["models"]),
            number(row["accuracy"]),
            number(row["reliance"]),
            number(row["gap"]),
            number(row["attract"]),
            f"{row['found']} of {row['positives']}" if row["planted"] else "",
            f"{row['flagged']} of {row['others']}",
        ]
        for row in frame.to_dict("records")
    ]
    head = ["world", "cue", "rho", "models", "accuracy", "reliance", "gap", "attract", "found", "accused wrongly"]
    title = "Worlds (reliance, gap and attract: mean of guilty classes; found: of those verified as biased)"
    return [*heading(title), *table(head, rows)]


def _smallest(scored: Scored) -> list[str]:
    rows = [[cue.replace("_", " "), "none" if rho is None else f"{rho:z.2f}"] for cue, rho in scored.detectable.items()]
    title = f"Smallest strength from which on at least {ENOUGH_TPR:z.0%} of the biased classes are found"
    return [*heading(title), *table(["cue", "rho"], rows)]


def _calibration(scored: Scored) -> list[str]:
    rows = [
        [
            row["column"],
            str(row["n"]),
            number(row["ks"]),
            f"{row['p']:z.2g}",
            _span(row["at_05"], row["at_05_low"], row["at_05_high"]),
        ]
        for row in scored.calibration.to_dict("records")
    ]
    title = "p-values in clean and null worlds (uniform if calibrated; classes of a model are not independent)"
    return [*heading(title), *table(["test", "classes", "KS distance", "KS p", "share of p <= .05"], rows)]


def _failures(title: str, units: pd.DataFrame) -> list[str]:
    if units.empty:
        return [*heading(title), "None."]
    rows = [
        [
            row["model"],
            row["class_name"],
            row["head"],
            number(row["reliance"]),
            number(row["accuracy"]),
            number(row["background_gap"]),
            number(row["attract"]),
            number(row["background_only_accuracy"]),
            row["level"] or ("passed" if row["judged"] else "not judged"),
        ]
        for row in units.head(MOST_FAILURES).to_dict("records")
    ]
    more = [f"And {len(units) - MOST_FAILURES} more."] if len(units) > MOST_FAILURES else []
    head = ["model", "class", "head", "reliance", "accuracy", "gap", "attract", "background only", "verdict"]
    return [*heading(f"{title}: {len(units)}"), *table(head, rows), *more]


def _rate(rate: Rate) -> str:
    if not rate.n:
        return "-"
    low, high = rate.interval
    return f"{rate.value:z.2f} [{low:z.2f}, {high:z.2f}] ({rate.k} of {rate.n})"


def _span(value: float, low: float, high: float) -> str:
    return number(value) if math.isnan(low) else f"{value:z.2f} [{low:z.2f}, {high:z.2f}]"
