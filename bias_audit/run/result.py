"""What an audit found: the values that are kept, and reading them back from a run folder.

Nothing here needs a model. `audit.json` alone feeds the gate; the tables are read when somebody asks.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.checks.levels import overall_level
from bias_audit.checks.outcomes import LEVELS, RuleCount, RuleOutcome
from bias_audit.errors import ResultError

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.gate import GateResult

FORMAT_VERSION = 1
"""Version of audit.json and of the tables; a reader refuses newer ones."""


@dataclass(frozen=True)
class RunInfo:
    """Provenance of a run: enough to repeat it and to know what it did not look at.

    Attributes:
        name: the run in a few words (model on data).
        model, data, masks: paths as given; masks None when there were none.
        model_sha256, fingerprint: content hashes of the model file and of the data set listing.
        version, created: bias-audit version; ISO time in UTC.
        seconds: wall-clock seconds of the stages, by name.
        config: the AuditConfig as a dict; thresholds likewise.
        class_names: in the order of the model's outputs.
        layer, grid, method, head: explained layer path, (h, w) of the maps, attribution method, output head.
        input_size: (height, width, channels) that the model was given.
        counts: images found, read, unreadable, skipped, with_mask, without_mask, estimated_masks, attention_scored,
            attention_unscorable, interventions_done, interventions_eligible, ignored_files.
        statuses: how many images per `status`, and per `mask_status`/`attention_status`/`intervention_status`.
        mask_kind: "mask", "box", "estimated", "mixed" or "none".
        content: hash over classes, image ids, labels and file contents: equal on every machine with the same data,
            which `fingerprint`, made of sizes and times, is not; "" in runs of before.
        preprocess: the preprocessing in use; the one that was chosen where the configuration says "auto".
        strangers: folder of pictures of no known class, as given; None when there was none.
        notes: sentences a reader must know (sampling, boxes overestimate, decoder, warnings), most important first.
    """

    name: str
    model: str
    data: str
    masks: str | None
    model_sha256: str
    fingerprint: str
    version: str
    created: str
    seconds: dict[str, float]
    config: dict[str, Any]
    thresholds: dict[str, Any]
    class_names: tuple[str, ...]
    layer: str
    grid: tuple[int, int]
    method: str
    head: str
    input_size: tuple[int, int, int]
    counts: dict[str, int]
    statuses: dict[str, dict[str, int]]
    mask_kind: str
    notes: tuple[str, ...] = ()
    strangers: str | None = None
    preprocess: str = ""
    content: str = ""


@dataclass(frozen=True)
class AuditResult:
    """A finished audit, as it lies in its run folder.

    `images`, `classes`, `confusion` and `findings` are pandas tables (columns: `bias_audit.run.tables`).
    """

    path: Path
    info: RunInfo
    verdict: str
    outcomes: tuple[RuleOutcome, ...]
    rules: tuple[RuleCount, ...]
    class_rows: tuple[dict[str, Any], ...]

    @property
    def level(self) -> str:
        """One of LEVELS, NO_RELIANCE or NOT_JUDGED; see `overall_level`."""
        return overall_level(self.outcomes)

    @functools.cached_property
    def images(self) -> pd.DataFrame:
        """One row per image, index `image_id`."""
        return self.table("images")

    @functools.cached_property
    def classes(self) -> pd.DataFrame:
        """One row per class, index `class_name`."""
        return self.table("classes")

    @functools.cached_property
    def confusion(self) -> pd.DataFrame:
        """Counts and row shares of label against prediction, long form."""
        return self.table("confusion")

    @functools.cached_property
    def findings(self) -> pd.DataFrame:
        """The outcomes with status `found`, worst first."""
        import pandas as pd

        columns = [
            "code",
            "level",
            "scope",
            "subject",
            "measured",
            "low",
            "high",
            "threshold",
            "n",
            "p_value",
            "sentence",
        ]
        rows = [{name: getattr(outcome, name) for name in columns} for outcome in self.found()]
        return pd.DataFrame(rows, columns=columns)

    @functools.cached_property
    def gap_matrix(self) -> pd.DataFrame:
        """How far each class's backgrounds pull the objects of each other class, long form."""
        return self.table("gap_matrix")

    @functools.cached_property
    def slices(self) -> pd.DataFrame:
        """Accuracy per value of the user's columns, against the rest."""
        return self.table("slices")

    @functools.cached_property
    def strangers(self) -> pd.DataFrame:
        """One row per picture of no known class, index `image_id`; no rows where none were given."""
        return self.table("strangers")

    @functools.cached_property
    def clusters(self) -> pd.DataFrame:
        """Recurring cues that the network looks at, index `cluster_id`, the strongest first."""
        return self.table("clusters")

    @functools.cached_property
    def cluster_spots(self) -> pd.DataFrame:
        """Where each of them was seen: one row per spot."""
        return self.table("cluster_spots")

    @functools.cached_property
    def probes(self) -> pd.DataFrame:
        """Properties of the whole photo that were exchanged: one row per property and class."""
        return self.table("probes")

    @functools.cached_property
    def hypotheses(self) -> pd.DataFrame:
        """Regions that reviewers drew and had tested, index `hypothesis_id`; no rows in a run that nobody reviewed."""
        from bias_audit.run.tables import table

        return self.table("hypotheses") if (self.path / "hypotheses.parquet").exists() else table("hypotheses", [])

    @functools.cached_property
    def leakage(self) -> pd.DataFrame:
        """What the data alone give away of the label: probes of the background, file properties, copies."""
        return self.table("leakage")

    def found(self) -> list[RuleOutcome]:
        """Outcomes with status `found`: highest level first, then by code, largest value (shrunken gap), subject."""
        return sorted(
            (outcome for outcome in self.outcomes if outcome.found),
            key=lambda outcome: (
                -LEVELS.index(outcome.level or LEVELS[0]),
                outcome.code,
                # A class of ten photos does not lead a class of hundred by chance (docs/science.md#shrinkage).
                -float(outcome.evidence.get("background_gap_shrunken") or outcome.measured or 0),
                outcome.subject,
            ),
        )

    def gate(
        self, thresholds: str | Path | None = None, *, baseline: str | Path | AuditResult | None = None
    ) -> GateResult:
        """Judge this run as `bias-audit gate` does: `thresholds` is a gate.toml, `baseline` an older run."""
        from bias_audit.gate.running import gate_run

        return gate_run(self, thresholds, baseline=baseline)

    def table(self, name: str) -> pd.DataFrame:
        """A table of the run by its name.

        Raises:
            ResultError: it is missing or damaged.
        """
        from bias_audit.run.tables import read_table

        return read_table(self.path, name)

    def _repr_html_(self) -> str:
        """The verdict, the findings and the class table for a notebook."""
        from bias_audit.run.tables import class_summary

        report = self.path / "report.html"
        findings = self.findings[["level", "code", "subject", "sentence"]].to_html(index=False, escape=True)
        return (
            f"<p><strong>{html.escape(self.verdict)}</strong></p>{findings}{class_summary(self.classes).to_html(escape=True)}"
            f"<p>Full report: <code>{html.escape(str(report))}</code></p>"
        )


def to_json(result: AuditResult) -> dict[str, Any]:
    """The content of audit.json."""
    return {
        "format_version": FORMAT_VERSION,
        "level": result.level,
        "verdict": result.verdict,
        "info": dataclasses.asdict(result.info),
        "rules": [dataclasses.asdict(count) for count in result.rules],
        "outcomes": [dataclasses.asdict(outcome) for outcome in result.outcomes],
        "classes": list(result.class_rows),
    }


def load(path: str | Path) -> AuditResult:
    """Read a finished run folder.

    Raises:
        ResultError: no such folder, an unfinished run, or one written by a newer version.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ResultError(f"no run folder at {str(path)!r}", "Give the folder that `bias-audit audit ... --out` wrote.")
    file = folder / "audit.json"
    if not file.is_file():
        raise ResultError(
            f"{str(path)!r} holds no audit.json: the audit there did not finish, or this is not a run folder",
            "Finish it with the same `bias-audit audit` command and --resume.",
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version = content["format_version"]
        if version > FORMAT_VERSION:
            raise ResultError(
                f"{str(file)!r} has format version {version}, this bias-audit reads up to {FORMAT_VERSION}",
                "Upgrade bias-audit.",
            )
        info = content["info"]
        for name in ("class_names", "grid", "input_size", "notes"):
            info[name] = tuple(info[name])
        return AuditResult(
            path=folder,
            info=RunInfo(**info),
            verdict=content["verdict"],
            outcomes=tuple(RuleOutcome(**{**row, "image_ids": tuple(row["image_ids"])}) for row in content["outcomes"]),
            rules=tuple(RuleCount(**row) for row in content["rules"]),
            class_rows=tuple(content["classes"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultError(f"{str(file)!r} is damaged: {error}", "Run the audit again with --overwrite.") from error
