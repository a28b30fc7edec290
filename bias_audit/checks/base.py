"""What a check is: it measures with the model, keeps tables, judges them by rules, and has a section in the report.

A check is a folder with `check.py`, which declares everything once and does its work by functions of its other files:
`measure.py` (the only one that sees a model), `columns.py`, `rule.py`, `section.py` and `section.html`, and `BAxxx.md`
for each rule. `check.py`, `columns.py` and `rule.py` import nothing heavy, so that the gate and `--help` stay fast; the
bodies of their functions import what they need.
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
    from bias_audit.run.columns import Column
    from bias_audit.run.folder import Run
    from bias_audit.run.progress import Progress
    from bias_audit.run.result import AuditResult

Scope = Literal["dataset", "class", "image", "slice", "cluster"]

Role = Literal["", "accuses a class", "proves a cue", "doubts the run"]
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


Judge = Callable[[Rule, "Evidence"], "list[RuleOutcome]"]
"""What a rule says of each of its subjects."""


@dataclass(frozen=True)
class Option:
    """A setting of an audit that belongs to a check.

    Attributes:
        setting: field of `AuditConfig`.
        flag: on the command line.
        metavar: its value in the help.
        help: what it does, with the default.
    """

    setting: str
    flag: str
    metavar: str
    help: str


@dataclass(frozen=True)
class Context:
    """What a check may use while it measures.

    Attributes:
        dataset: all samples.
        records: what is known of each sample so far: label, predicted, status and scores, by column name.
        groups: (n,) group code per sample (patient, scene); None = every photo by itself.
        explainer: the model behind its preprocessing.
        geometry: how pictures become model inputs.
        config, thresholds: settings of the audit, and bounds of its rules.
        run: the run folder, where a check keeps its shards.
        progress: what shows how far it is.
        train: folder of the training pictures, None = not known.
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
    train: Path | None = None


@dataclass(frozen=True)
class Measured:
    """What a check measured, or keeps of what it once measured.

    Attributes:
        tables: by name, as the check's `tables` declare them.
        pictures: entries of pictures.json, by name.
        own: gives what the check's rules need beside its tables, in a frozen dataclass of its own; called when they
            judge.
    """

    tables: Mapping[str, pd.DataFrame]
    pictures: Mapping[str, Any] = field(default_factory=dict)
    own: Callable[[], Any] = lambda: None


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
        tables: name -> columns of the tables that it writes into the run.
        rules: its rules, by code.
        judges: what judges by each of them, where that needs nothing but the evidence.
    """

    name: str
    title: str
    anchor: str = ""
    options: Sequence[Option] = ()
    tables: Mapping[str, Sequence[Column]] = MappingProxyType({})
    rules: Sequence[Rule] = ()
    judges: Mapping[Rule, Judge] = MappingProxyType({})

    def measure(self, context: Context) -> Measured:
        """Make the check's experiment, or read what an interrupted audit has made of it; by itself there is none."""
        return Measured({})

    def recall(self, result: AuditResult) -> Measured:
        """What a finished run holds of it.

        Raises:
            ResultError: a table is missing or damaged.
        """
        return Measured({name: result.table(name) for name in self.tables})

    def judge(self, rule: Rule, evidence: Evidence) -> list[RuleOutcome]:
        """What one of its rules says of each of its subjects."""
        return self.judges[rule](rule, evidence)

    def section(self, measured: Measured, page: Page) -> dict[str, Any] | None:
        """What section.html is given, under the name `section`; None where there is nothing to show."""
        return None
