"""The result of an audit: the values that are kept, and reading them back from a run folder.

Nothing here needs a model. `load` reads `audit.json` only; a table is read when it is first used.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.checks.levels import overall_level
from bias_audit.checks.outcomes import LEVELS, RuleCount, RuleOutcome
from bias_audit.errors import ResultError
from bias_audit.files.regular import unreachable
from bias_audit.files.text import read_json
from bias_audit.run import versions
from bias_audit.run.audit_schema import FORMAT_VERSION, audit_schema
from bias_audit.run.consistency import contradiction
from bias_audit.run.digests import REPAIR, Digests, content_digest
from bias_audit.run.json_schema import mismatch

if TYPE_CHECKING:
    import pandas as pd

    from bias_audit.gate import GateResult
    from bias_audit.notebook.figures import Figure
    from bias_audit.repair.result import Repair


@dataclass(frozen=True)
class RunInfo:
    """Provenance of a run: what is needed to repeat it, and to know which images it did not audit.

    Attributes:
        name: the run in a few words (model on data).
        model, data, masks: paths as given, or the name of a model in memory; masks (or boxes) None when not given.
        model_sha256, fingerprint: content hashes of the model file and of the data set listing.
        version, created: bias-audit version; ISO time in UTC.
        seconds: name of a stage -> its wall-clock seconds.
        config, thresholds: the AuditConfig and the Thresholds as dicts.
        class_names: names of the classes, by index.
        layer, grid, method, head: path of the explained layer, (h, w) of the maps, heatmap method, output head.
        input_size: (height, width, channels) that the model was given.
        counts: images found, read, unreadable, skipped, changed (during the audit), with_mask, without_mask,
            estimated_masks, attention_scored,
            attention_unscorable, interventions_done, interventions_eligible, ignored_files,
            unread_folders.
        statuses: number of images per value of each of the columns status, mask_status, attention_status,
            intervention_status and reread_status.
        mask_kind: "mask", "box", "estimated", "mixed" or "none".
        content: hash over classes, image ids, labels and file contents. It is equal on every machine with the same
            data, which `fingerprint` (made of sizes and times) is not; "" in older runs.
        preprocess: the preprocessing in use; the chosen one where the configuration says "auto".
        strangers: folder of pictures of no known class, as given; None when not given.
        backgrounds: folder of real scenes without an object, as given; None when not given.
        data_options: how the data were read, where it was not by the defaults, see `data.sources.options`.
        notes: sentences that a reader must know (sampling, boxes overestimate, decoder, warnings).
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
    backgrounds: str | None = None
    preprocess: str = ""
    content: str = ""
    data_options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class AuditResult:
    """A finished audit; `load` reads it from its run folder.

    The tables (`images`, `classes`, `confusion` and so on) are pandas tables with the columns of
    `bias_audit.run.schema`. They are read when first used.

    Attributes:
        path: the run folder.
        info: provenance of the run.
        verdict: the verdict in a few sentences.
        outcomes: outcomes of all rules, sorted by code.
        rules: for each rule, how many subjects were judged, passed and found.
        class_rows: the table of the classes as rows, column name -> value.
        digests: digests of the files of the tables; None for a run of format version 1, whose files cannot be checked.
        shards, digest: of the files in the folder `shards` by name, and of audit.json; None and "" for such a run.
        version: format version in which the run lies on the disk.
    """

    path: Path
    info: RunInfo
    verdict: str
    outcomes: tuple[RuleOutcome, ...]
    rules: tuple[RuleCount, ...]
    class_rows: tuple[dict[str, Any], ...]
    digests: Digests | None = None
    shards: Digests | None = None
    digest: str = ""
    version: int = FORMAT_VERSION

    @property
    def level(self) -> str:
        """The overall level of the audit: one of LEVELS or NO_LEVELS; see `overall_level`."""
        return overall_level(self.outcomes)

    @functools.cached_property
    def images(self) -> pd.DataFrame:
        """Table of the images: one row per image, index `image_id`."""
        return self.table("images")

    @functools.cached_property
    def classes(self) -> pd.DataFrame:
        """Table of the classes: one row per class, index `class_name`."""
        return self.table("classes")

    @functools.cached_property
    def confusion(self) -> pd.DataFrame:
        """Confusion table in long form: counts of label and prediction, and their share of the label's images."""
        return self.table("confusion")

    @functools.cached_property
    def findings(self) -> pd.DataFrame:
        """Table of the outcomes with status "found", worst first."""
        import pandas as pd

        of = ("code", "level", "scope", "subject", "measured", "low", "high", "threshold", "n", "p_value", "sentence")
        rows = [{name: getattr(outcome, name) for name in of} for outcome in self.found()]
        return pd.DataFrame(rows, columns=list(of))

    @functools.cached_property
    def gap_matrix(self) -> pd.DataFrame:
        """Gap matrix in long form: how much the backgrounds of each class pull the objects of each other class."""
        return self.table("gap_matrix")

    @functools.cached_property
    def slices(self) -> pd.DataFrame:
        """Table of slices: accuracy, attention and background gap per value of the user's columns, against the rest."""
        return self.table("slices")

    @functools.cached_property
    def strangers(self) -> pd.DataFrame:
        """Table of strangers: one row per picture of no known class, index `image_id`; empty where none were given."""
        return self.table("strangers")

    @functools.cached_property
    def scenes(self) -> pd.DataFrame:
        """Table of real scenes that lend backgrounds, index `image_id`; empty where none were given."""
        return self._younger("scenes")

    @functools.cached_property
    def cues(self) -> pd.DataFrame:
        """Table of recurring cues: one row per cue, index `cue_id`, the strongest first."""
        return self.table("cues")

    @functools.cached_property
    def cue_spots(self) -> pd.DataFrame:
        """Table of the spots of the recurring cues: one row per spot."""
        return self.table("cue_spots")

    @functools.cached_property
    def whole_photo(self) -> pd.DataFrame:
        """Table of whole-photo properties that were exchanged between photos: one row per property and class."""
        return self.table("whole_photo")

    @functools.cached_property
    def hypotheses(self) -> pd.DataFrame:
        """Table of regions that reviewers drew and had tested, index `hypothesis_id`; empty where there are none."""
        return self._younger("hypotheses")

    def _younger(self, name: str) -> pd.DataFrame:
        """A table that older runs do not have: empty there."""
        from bias_audit.run.tables import table

        file = self.file_of(name, "parquet")
        there = file in (self.digests or ()) or (self.path / file).exists()
        return self.table(name) if there else table(name, [])

    @functools.cached_property
    def leakage(self) -> pd.DataFrame:
        """Table of leaks in the data: background probes and file properties against the label, and copies."""
        return self.table("leakage")

    def found(self) -> list[RuleOutcome]:
        """Outcomes with status "found": highest level first, then by code, largest value (shrunken gap) and subject."""
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
        """Judge this run as the command `bias-audit gate` does, but write nothing.

        Args:
            thresholds: path of a gate.toml; None = the defaults.
            baseline: an older run or its folder, whose findings are known; None = no comparison.

        Raises:
            ConfigError: the gate.toml is wrong.
            ResultError: the baseline is damaged.
        """
        from bias_audit.gate.running import gate_run

        return gate_run(self, thresholds, baseline=baseline)

    def repair(self, model: Any, train: str | Path, masks: str | Path | None = None, **options: Any) -> Repair:
        """Refit the last layer of the audited model and prove it; see `bias_audit.repair.repairing.repair`."""
        from bias_audit.repair.repairing import repair

        return repair(self, model, train, masks, **options)

    def metrics(self) -> dict[str, float]:
        """Numbers of the run, its rules and its classes by name, for MLflow, TensorBoard and the like.

        Names stay what they are from version to version; `gate.flat` and docs/how-to/in-python.md say which there are.
        A number that was not measured has no entry: none of them is NaN.
        """
        from bias_audit.gate.flat import flat

        return flat(self)

    def table(self, name: str) -> pd.DataFrame:
        """Read a table of the run.

        Args:
            name: name of the table, for example "images".

        Raises:
            ResultError: the table is missing or damaged, or was changed after the run was written.
        """
        from bias_audit.run.tables import read_table

        if name not in self._tables:
            self._tables[name] = read_table(self.path, name, self.digests, self.version)
        return self._tables[name]

    def file_of(self, table: str, suffix: str = "csv") -> str:
        """Name of a table's file in the run folder, which an older run may call otherwise: "cues.csv"."""
        return f"{versions.table_name(table, self.version)}.{suffix}"

    @functools.cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        """Tables that were read already: a page is made several times, and each of its sections asks for its own."""
        return {}

    def plot(self, most: int = 40) -> Figure:
        """Draw the background gap of each class with its 95 % interval, for paper and slides.

        Args:
            most: most classes that are drawn, those with the largest gaps.

        Returns:
            a figure of Matplotlib, which a notebook shows: `run.plot().savefig("gaps.pdf")`.

        Raises:
            ResultError: no class has a background gap.
        """
        from bias_audit.notebook.figures import gaps

        return gaps(self, most)

    def show(self, class_name: str | None = None) -> Figure:
        """Draw photos of a class, their objects on other backgrounds, and what the model says of each.

        Args:
            class_name: the class; None = the worst class that has pictures.

        Returns:
            a figure of Matplotlib, which a notebook shows; saved as strip.png in the run folder, gate.md shows it.

        Raises:
            ResultError: there is no such class, or the run keeps no pictures of it.
        """
        from bias_audit.notebook.figures import strip_figure

        return strip_figure(self, class_name)

    def __repr__(self) -> str:
        return f"<AuditResult {str(self.path)!r}: {self.level}>"

    def _repr_html_(self) -> str:
        """HTML for a notebook: the verdict, a strip of pictures, the classes, and where the page is."""
        from bias_audit.notebook.run_html import run_html

        return run_html(self)


def to_json(result: AuditResult) -> dict[str, Any]:
    """The content of audit.json for a run, with its digest; a run without digests of its tables stays without one."""
    from bias_audit.run.json_values import plain  # imports NumPy, which a reader of runs does without

    version = 1 if result.digests is None else result.version
    content: dict[str, Any] = plain(
        {
            "format_version": version,
            "level": result.level,
            "verdict": result.verdict,
            "info": dataclasses.asdict(result.info),
            "rules": [dataclasses.asdict(count) for count in result.rules],
            "outcomes": [dataclasses.asdict(outcome) for outcome in result.outcomes],
            "classes": list(result.class_rows),
        }
    )
    content = versions.as_written(content, version)
    if result.digests is not None:
        content["tables"] = {name: list(digests) for name, digests in sorted(result.digests.items())}
        content["shards"] = {name: list(digests) for name, digests in sorted((result.shards or {}).items())}
        content["digest"] = content_digest(content)
    return content


def load(path: str | Path) -> AuditResult:
    """Read a finished run folder, and check that audit.json is whole: its types, its digest, and itself against itself.

    Raises:
        ResultError: the folder does not exist, or its run is unfinished, damaged or written by a newer version.
    """
    folder = Path(path)
    if not os.path.isdir(folder):  # unlike Path.is_dir, False for a name that is too long
        hint = "Give the folder that `bias-audit audit ... --out` wrote."
        raise ResultError(f"no run folder at {str(path)!r}{unreachable(folder)}", hint)
    file = folder / "audit.json"
    content = read_json(file, ResultError, hint=REPAIR)
    if content is None:
        raise ResultError(
            f"{str(path)!r} holds no audit.json: the audit there did not finish, or this is not a run folder",
            "Finish it with the same `bias-audit audit` command and --resume.",
        )
    if wrong := _damage(content, file):
        raise ResultError(f"{str(file)!r} is damaged: {wrong}", REPAIR)
    content = versions.current(content, content["format_version"])
    info = {**content["info"]}
    for name in info.keys() & {"class_names", "grid", "input_size", "notes"}:
        info[name] = tuple(info[name])
    result = AuditResult(
        path=folder,
        info=RunInfo(**info),
        verdict=content["verdict"],
        outcomes=tuple(RuleOutcome(**{**row, "image_ids": tuple(row["image_ids"])}) for row in content["outcomes"]),
        rules=tuple(RuleCount(**row) for row in content["rules"]),
        class_rows=tuple(content["classes"]),
        digests=content.get("tables"),
        shards=content.get("shards"),
        digest=content.get("digest", ""),
        version=content["format_version"],
    )
    if wrong := contradiction(result, content["level"]):
        raise ResultError(f"{str(file)!r} contradicts itself: {wrong}", REPAIR)
    return result


def _damage(content: Any, file: Path) -> str:
    """What is wrong with the content of audit.json, as a sentence fragment; "" for nothing.

    Raises:
        ResultError: it was written by a newer version.
    """
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        return f"format_version must be a whole number of 1 or more, not {str(version)[:60]!r}"
    if version > FORMAT_VERSION:
        raise ResultError(
            f"{str(file)!r} has format version {version}, this bias-audit reads up to {FORMAT_VERSION}",
            "Upgrade bias-audit.",
        )
    if wrong := mismatch(content, audit_schema(version)):
        return wrong
    if version > 1 and content_digest(content) != content["digest"]:
        return "it was changed after it was written: its content does not have the digest that it names"
    missing = [name for name in content.get("tables", ()) if not (file.parent / name).is_file()]
    return f"the table {missing[0]!r} is missing" if missing else ""
