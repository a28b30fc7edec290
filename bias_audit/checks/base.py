"""What a check is: it measures with the model, keeps tables, judges them by rules, and has a section in the report.

A check is a folder with `check.py`, which declares everything once and does its work by functions of its other files:
`measure.py` (the only one that sees a model), `summary.py` (tables and columns made from what was measured),
`columns.py`, `rule.py`, `section.py` and `section.html`, and `BAxxx.md` for each rule. `check.py`, `columns.py` and
`rule.py` import nothing heavy, so that the gate and `--help` stay fast; the bodies of their functions import what they
need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from bias_audit.checks.evidence import Evidence
    from bias_audit.checks.outcomes import RuleOutcome
    from bias_audit.config import AuditConfig, Thresholds
    from bias_audit.data.batches import Geometry
    from bias_audit.data.dataset import Dataset
    from bias_audit.heatmaps.methods import Explainer
    from bias_audit.heatmaps.permutation_tie import Tie
    from bias_audit.run.columns import Column
    from bias_audit.run.folder import Run
    from bias_audit.run.progress import Progress
    from bias_audit.run.result import AuditResult

Scope = Literal["dataset", "class", "image", "slice", "cluster"]

Role = Literal["", "tests reliance", "accuses a class", "proves a cue", "doubts the input", "doubts the maps"]
"""What a rule's finding means to others; all that the verdict and the gate may ask of a rule."""


Need = Literal["masks", "composites", "maps"]
"""What a rule cannot answer without."""


@dataclass(frozen=True)
class Rule:
    """A question with an answer for each of its subjects.

    Attributes:
        code: BA and three digits; its text for people is the file CODE.md in the folder of the check.
        title: the rule in a few words.
        about: what is asked, in a sentence: the title of a rule that was ignored on request.
        scope: what its subjects are.
        measures: what `RuleOutcome.measured` is, and its unit: "share", "points" or "number".
        more: words of the link from a finding to the section that shows more; "" = there is none.
        place: id of that section in the page; "" = the check's own.
        needs: see `Need`.
        role: see `Role`.
        worse: which way `RuleOutcome.measured` gets worse.
        cue: what it proves of a class, beside its background: a cue of what kind; "" = no cue.
        by_hand: a reviewer makes its subjects, so that an audit which has none says nothing of them.
        collect: photos that a class lacks where the rule accuses it, after its name; "" = on other backgrounds.
    """

    code: str
    title: str
    about: str
    scope: Scope
    measures: tuple[str, Literal["share", "points", "number"]]
    more: str = ""
    place: str = ""
    needs: frozenset[Need] = frozenset()
    role: Role = ""
    worse: Literal["high", "low"] = "high"
    cue: str = ""
    by_hand: bool = False
    collect: str = ""


Judge = Callable[[Rule, "Evidence"], "list[RuleOutcome]"]
"""What a rule says of each of its subjects."""


@dataclass(frozen=True)
class Option:
    """A setting of an audit that belongs to a check: a whole number, 0 or more.

    Attributes:
        setting: field of `AuditConfig`; of a check of another package its key in [audit], see `Context.setting`.
        flag: on the command line.
        metavar: its value in the help.
        help: what it does, with the default.
        default: of a check of another package; None = that of the field.
    """

    setting: str
    flag: str
    metavar: str
    help: str
    default: int | None = None


Stage = Literal["input", "maps", "photos"]
"""When a check measures: before the preprocessing is settled, before the heatmaps are made, or after that."""

Part = Literal["images", "compared", "classes"]
"""Columns of the shared tables that a check adds: per photo, per photo against its class, per class."""


@dataclass(frozen=True)
class Given:
    """Paths that an audit was given beside the model and the test set, for the checks that read them.

    Attributes:
        strangers: folder of pictures of no class that the model knows; None = none.
        train: folder of the training pictures; None = not known.
        cues: file with names of recurring cues; None = the one beside the run, where there is one.
        beside: folder in which the run folder lies.
    """

    strangers: Path | None
    train: Path | None
    cues: Path | None
    beside: Path


@dataclass(frozen=True)
class Context:
    """What a check may use while it measures.

    Attributes:
        dataset: all samples.
        records: what is known of each sample so far: label, predicted, status and scores, by column name; none before
            the heatmaps are made.
        groups: (n,) group code per sample (patient, scene); None = every photo by itself.
        explainer: the model behind its preprocessing.
        geometry: how pictures become model inputs.
        config, thresholds: settings of the audit, and bounds of its rules.
        run: the run folder, where a check keeps its shards.
        progress: what shows how far it is.
        given: further paths.
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

    def setting(self, option: Option) -> int:
        """The value of an option of a check of another package."""
        return dict(self.config.extra).get(option.setting, option.default or 0)


@dataclass(frozen=True)
class Measured:
    """What a check measured, or keeps of what it once measured.

    Attributes:
        tables: by name, those of the check's `tables` that it measures.
        pictures: entries of pictures.json, by name.
        settles: settings that were left to the check, and the value that it found, by name of the setting.
        notes: sentences that a reader of the run must know.
        counts: numbers that go with the run, by name.
        own: gives what the check needs beside its tables, in a frozen dataclass of its own; called when it is used.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)
    settles: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    own: Callable[[], Any] = lambda: None


@dataclass(frozen=True)
class Photos:
    """What the tables are made from, beside what a check itself measured. Nothing here needs the model.

    Attributes:
        images: table of the images, as far as it is made.
        class_names: all classes of the model, by index.
        groups: group code per image (patient, scene), index as `images`; None = every photo by itself.
        ties: class name -> permutation test of its maps against its objects.
        thresholds: bounds of the rules.
        seed: of bootstrap and permutations.
        remasked: positions of the images whose mask is another one than when the check measured.
    """

    images: pd.DataFrame
    class_names: Sequence[str]
    groups: pd.Series | None
    ties: Mapping[str, Tie]
    thresholds: Thresholds
    seed: int
    remasked: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Page:
    """What a section may show beside what its check measured.

    Attributes:
        result: the run.
        pictures: content of pictures.json.
        budget: bytes that pictures may take in the whole page.
    """

    result: AuditResult
    pictures: Mapping[str, Any]
    budget: int


class Check(Protocol):
    """See the top of this file. A check has no state: it is declared once and asked many times.

    Attributes:
        name: of its folder, its timing and its place in the page.
        title: its link in the page's list of sections.
        anchor: id of its section there; "" = its name, with hyphens.
        options: settings that belong to it.
        stage: when it measures.
        tables: name -> columns of the tables that it writes into the run.
        columns: what it adds to the shared tables, see `Part`.
        rules: its rules, by code.
        judges: what judges by each of them, where that needs nothing but the evidence.
        after: names of checks that are judged before it.
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
        """Hashes of what the check reads of the disk beside model and test set, by name, before the model is loaded.

        A run can only be resumed where they are the same.

        Raises:
            DataError, ConfigError: it is not there, or damaged.
        """
        return {}

    def measure(self, context: Context) -> Measured:
        """Make the check's experiment, or read what an interrupted audit has made of it; by itself there is none."""
        return Measured()

    def recall(self, result: AuditResult) -> Measured:
        """What a finished run holds of it.

        Raises:
            ResultError: a table is missing or damaged.
        """
        return Measured({name: result.table(name) for name in self.tables})

    def add(self, part: Part, measured: Measured, photos: Photos) -> pd.DataFrame:
        """The columns that the check adds to a shared table, a row for each of its rows, in their order."""
        raise LookupError(f"{self.name} declares columns of {part} and does not make them")

    def sum_up(self, measured: Measured, photos: Photos) -> Mapping[str, pd.DataFrame]:
        """Those of its tables that are made from other tables, by name."""
        return {}

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """What one of its rules says of each of its subjects."""
        return self.judges[rule](rule, evidence)

    def mark(self, outcomes: Sequence[RuleOutcome], evidence: Evidence) -> Sequence[RuleOutcome]:
        """The outcomes of all checks, where this one has something to say of them."""
        return outcomes

    def pictures(self, measured: Measured, outcomes: Sequence[RuleOutcome]) -> Mapping[str, Any]:
        """Its entries of pictures.json, which may depend on what was found."""
        return measured.pictures

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """What section.html is given, under the name `section`; None where there is nothing to show."""
        return None
