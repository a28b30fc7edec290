"""The parts of a check: it measures with the model, keeps tables, judges them by rules, and fills a report section.

A check is a folder with `check.py`, which declares everything once and does its work by functions of its other files:
`measure.py` (the only one that sees a model), `summary.py` (tables and columns made from what was measured),
`columns.py`, `rule.py`, `section.py` and `section.html`, and `BAxxx.md` for each rule. `check.py`, `columns.py` and
`rule.py` import nothing heavy, so that the gate and `--help` stay fast; the bodies of their functions import what they
need.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from bias_audit.run.quantities import Unit
from bias_audit.run.statuses import OK

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome
    from bias_audit.checks.parts import Parts
    from bias_audit.config import AuditConfig, Thresholds
    from bias_audit.data.addresses import Url
    from bias_audit.data.batches import Geometry
    from bias_audit.data.dataset import Dataset
    from bias_audit.data.mask_estimates import Estimate
    from bias_audit.data.remote.reach import Reach
    from bias_audit.heatmaps.given import Results
    from bias_audit.heatmaps.methods import Explainer
    from bias_audit.heatmaps.permutation_tie import Tie
    from bias_audit.run.columns import Column
    from bias_audit.run.folder import Run
    from bias_audit.run.progress import Progress
    from bias_audit.run.result import AuditResult

Scope = Literal["dataset", "class", "image", "slice", "cue"]

Role = Literal[
    "",
    "tests reliance",
    "proves reliance, names no class",
    "accuses a class",
    "proves a cue",
    "doubts the input",
    "doubts the maps",
    "doubts the estimates",
]
"""Meaning of a rule's finding for the verdict and the gate, which ask a rule's role and never its code."""


Need = Literal["masks", "composites", "maps"]
"""An input without which a rule cannot be judged: masks, composites (pasted photos) or heatmaps."""


@dataclass(frozen=True)
class Rule:
    """A question that a check answers for each of its subjects: the data set, a class, a slice or a cue.

    Attributes:
        code: BA and three digits; its text for people is the file CODE.md in the folder of the check.
        title: the rule in a few words.
        about: what the rule asks, in a sentence; the title of its outcome where the rule was ignored on request.
        scope: kind of the rule's subjects.
        measures: what `RuleOutcome.measured` is, and its unit (`quantities.Unit`).
        more: text of the link from a finding to the section that shows more; "" = no link.
        place: id of that section in the page; "" = the check's own section.
        needs: inputs without which the rule cannot be judged, see `Need`.
        role: what a finding means for the verdict and the gate, see `Role`.
        highest: highest level of LEVELS that a finding may have, which decides how loud CI shows the rule. A rule that
            does not say it may have any.
        worse: whether high or low values of `RuleOutcome.measured` are the bad ones.
        cue: kind of cue that a finding proves for a class, in words; "" = it proves none.
        by_hand: True where a reviewer makes the subjects; an audit without any then has no outcome of the rule.
        explains: codes of rules whose answers are symptoms of what this rule finds: where it doubts the audit (level
            MODEL WARNING), these are not applicable, so that no advice contradicts the cause.
        collect: which photos to collect for a class that the rule accuses, worded to follow the class name; "" =
            photos on other backgrounds.
    """

    code: str
    title: str
    about: str
    scope: Scope
    measures: tuple[str, Unit]
    more: str = ""
    place: str = ""
    needs: frozenset[Need] = frozenset()
    role: Role = ""
    highest: str = "CONFIRMED"
    worse: Literal["high", "low"] = "high"
    cue: str = ""
    by_hand: bool = False
    collect: str = ""
    explains: tuple[str, ...] = ()


RULE_CODE = r"[A-Z]{2,4}\d{3}"
"""Pattern of a rule's code: BA201, or DC001 of another package."""

Judge = Callable[[Rule, "Evidence"], "list[RuleOutcome]"]
"""Function that judges a rule: (rule, evidence) -> one outcome per subject."""


@dataclass(frozen=True)
class Option:
    """A setting of an audit that belongs to a check: a whole number, 0 or more.

    Attributes:
        setting: field of `AuditConfig`; for a check of another package the key in [audit], see `Context.setting`.
        flag: the option on the command line, with its hyphens.
        metavar: placeholder of the value in the help.
        help: text of the help: what the option does, with the default.
        default: default of an option of another package's check; None = that of the field of `AuditConfig`.
    """

    setting: str
    flag: str
    metavar: str
    help: str
    default: int | None = None


Stage = Literal["input", "maps", "photos"]
"""When a check measures: before the preprocessing is settled, before the heatmaps, or after the heatmaps."""

Part = Literal["images", "compared", "classes"]
"""Where a check adds columns: per photo (images), per photo compared with its class (compared), or per class."""


@dataclass(frozen=True)
class Given:
    """Further paths and addresses that an audit was given, beside the model and the test set.

    Attributes:
        strangers: folder or archive of pictures that belong to no class of the model; None = not given.
        train: folder or archive of the training pictures; None = not given.
        cues: file with names of recurring cues; None = the file beside the run folder, where there is one.
        beside: parent folder of the run folder.
        backgrounds: folder or archive of real scenes without an object; None = not given.
        dataset: the data set that is audited; None where there is none yet.
        results: predictions that were made elsewhere, in the place of the model, which then answers to nothing; None =
            there is a model.
        reach: what may be fetched of them; None = the defaults.
    """

    strangers: Path | Url | None
    train: Path | Url | None
    cues: Path | None
    beside: Path
    backgrounds: Path | Url | None = None
    dataset: Dataset | None = None
    results: Results | None = None
    reach: Reach | None = None


@dataclass(frozen=True)
class Context:
    """Everything that a check may use while it measures.

    Attributes:
        dataset: all samples.
        records: what is known of each sample so far, by column name: label, predicted, status and scores; empty before
            the heatmaps are made.
        groups: (n,) group code per sample (patient, scene); None = every photo is a group of its own.
        explainer: the model with its preprocessing and its heatmap method.
        geometry: how pictures become model inputs: size, resizing, colour channels, decoder.
        config, thresholds: settings of the audit, and bounds of its rules.
        run: the run folder, where a check keeps its shards (intermediate results).
        progress: display of the audit's progress.
        given: further paths that the audit was given.
        estimate: estimates the mask of a photo that has neither mask nor box; None = nothing is estimated.
    """

    dataset: Dataset
    records: Sequence[Mapping[str, Any]]
    groups: NDArray[np.intp] | None
    explainer: Explainer
    geometry: Geometry
    config: AuditConfig
    thresholds: Thresholds
    run: Run
    progress: Progress
    given: Given
    estimate: Estimate | None = None

    @property
    def outlined(self) -> Geometry:
        """The geometry by which photos and donors of the experiments are read: with estimates of missing masks.

        A pass over every photo takes `geometry`, for an estimate costs more than the model's answer.
        """
        return dataclasses.replace(self.geometry, estimate=self.estimate)

    def setting(self, option: Option) -> int:
        """Value of an option that a check of another package declares; its default where the user set none.

        Args:
            option: one of the check's `options`.
        """
        return dict(self.config.extra).get(option.setting, option.default or 0)


@dataclass(frozen=True)
class Measured:
    """Result of a check's measurement, either fresh (`Check.measure`) or read from a finished run (`Check.recall`).

    Attributes:
        tables: name -> table; those of the check's `tables` that come from the measurement itself.
        pictures: name -> entry of pictures.json.
        settles: name of a setting that the user left to the check -> the value that the check chose.
        notes: sentences that a reader of the run must know.
        counts: name -> number that is kept with the run.
        own: returns further data that only this check uses, in a class of its own; called only when a rule or
            summary needs the data.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)
    settles: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    own: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Photos:
    """Input of a check's tables and columns, beside its own measurement. Nothing here needs the model.

    Attributes:
        images: table of the images, with the columns that exist so far.
        class_names: all classes of the model, by index.
        groups: group code per image (patient, scene), index as `images`; None = every photo is a group of its own.
        ties: class name -> permutation test of the class's heatmaps against the masks of its photos.
        thresholds: bounds of the rules.
        seed: seed of bootstrap and permutations.
        remasked: positions of the images whose mask has changed since the check measured.
    """

    images: pd.DataFrame
    class_names: Sequence[str]
    groups: pd.Series | None
    ties: Mapping[str, Tie]
    thresholds: Thresholds
    seed: int
    remasked: frozenset[int] = frozenset()

    def of_class(self, name: str) -> pd.DataFrame:
        """The readable images with this label, in their order."""
        return self._read.get(name, self.images.iloc[:0])

    @functools.cached_property
    def _read(self) -> dict[str, pd.DataFrame]:
        read = self.images[self.images["status"] == OK]
        return {str(name): group for name, group in read.groupby("label")}


@dataclass(frozen=True)
class Page:
    """Input of a check's section of the report, beside its own measurement.

    Attributes:
        result: the finished run.
        pictures: content of pictures.json.
        budget: bytes that all pictures of the page may take together.
    """

    result: AuditResult
    pictures: Mapping[str, Any]
    budget: int


class Check(Protocol):
    """Base class of every check: what the check declares, and the functions that the pipeline calls.

    A check has no state: one instance is made and called for every run. Methods that a check does not need keep the
    defaults below.

    Attributes:
        name: name of the check's folder; its time and its section of the page go by this name too.
        title: text of the link in the page's list of sections.
        anchor: id of the section in the page; "" = the name, with hyphens.
        options: settings that belong to the check.
        stage: when the check measures.
        tables: name -> columns of each table that the check writes into the run.
        columns: columns that the check adds to the shared tables, see `Part`.
        rules: rules of the check, in the order of their codes.
        judges: function that judges each rule; a check whose rules need more than the evidence overrides `judge`.
        after: names of the checks that must be judged before this one.
    """

    name: str
    title: str
    anchor: str = ""
    options: Sequence[Option] = ()
    stage: Stage = "photos"
    tables: Mapping[str, Sequence[Column]] = MappingProxyType({})
    columns: Mapping[Part, Sequence[Column]] = MappingProxyType({})
    rules: Sequence[Rule] = ()
    judges: Mapping[Rule, Judge] = MappingProxyType({})
    after: Sequence[str] = ()

    def fingerprints(self, given: Given) -> Mapping[str, str]:
        """Hashes of the files that the check reads beside model and test set, by name.

        They are taken before the model is loaded. An interrupted run can only be resumed where they are the same.

        Raises:
            DataError, ConfigError: a file or folder is missing or damaged.
        """
        return {}

    def measure(self, context: Context) -> Measured:
        """Run the check's experiment with the model, or read its result from an interrupted audit.

        The default is for a check without an experiment: an empty result.
        """
        return Measured()

    def parts(self, config: AuditConfig) -> Parts | None:
        """What of `measure`, in stage "photos", several processes can make beforehand; None = nothing."""
        return None

    def recall(self, result: AuditResult) -> Measured:
        """Read the check's measurement from a finished run; by default its tables.

        Raises:
            ResultError: a table is missing or damaged.
        """
        # Read when it is first asked for, and once: the shards of a check may hold many pictures.
        own = functools.cache(functools.partial(self.recall_own, result))
        return Measured({name: result.table(name) for name in self.tables}, own=own)

    def recall_own(self, result: AuditResult) -> Any:
        """What a finished run holds of `Measured.own`; None by default."""
        return None

    def add(self, part: Part, measured: Measured, photos: Photos) -> pd.DataFrame:
        """Make the columns that the check adds to a shared table.

        Args:
            part: which columns are wanted.
            measured: result of `measure` or `recall`.
            photos: input of the tables.

        Returns:
            the declared columns of `part`, with the rows of the shared table in the same order.

        Raises:
            LookupError: the check declares such columns and does not make them (an error in the check).
        """
        raise LookupError(f"{self.name} declares columns of {part} and does not make them")

    def sum_up(self, measured: Measured, photos: Photos) -> Mapping[str, pd.DataFrame]:
        """Tables of the check that are made from other tables, by name; they need no model."""
        return {}

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """Outcomes of one of the check's rules, one per subject."""
        return self.judges[rule](rule, evidence)

    def mark(self, outcomes: Sequence[RuleOutcome], evidence: Evidence) -> Sequence[RuleOutcome]:
        """Amend the outcomes of all checks, for example by a caveat; by default they are returned unchanged."""
        return outcomes

    def contradiction(self, result: AuditResult) -> str:
        """What the outcomes of the check's rules say that the class table of the run contradicts; "" for nothing.

        Asked whenever a run is read, with audit.json alone: the tables of the run are not read for it.
        """
        return ""

    def pictures(self, measured: Measured, outcomes: Sequence[RuleOutcome]) -> Mapping[str, Any]:
        """Entries of pictures.json that belong to the check; they may depend on the outcomes."""
        return measured.pictures

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """Values that the template section.html uses, under the name `section`; None = the page has no such section."""
        return None
