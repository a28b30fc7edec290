"""The result of a repair, as Python and a notebook show it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bias_audit.repair.proof import Proof, class_table, finding_table, runs
from bias_audit.run.result import AuditResult

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Made:
    """What was refitted, and with what.

    Attributes:
        model: file of the repaired model; None = only the layer was exported.
        layer: .npz file of the layer; None = it was not asked for.
        against: what the run proved, in words.
        path: the refitted layer.
        pictures: kind of picture -> how many were made.
        strength: the penalty that was chosen; control_strength: that of the control.
        temperature: that the logits were divided by.
        notes: sentences that a reader must know.
    """

    model: Path | None
    layer: Path | None
    against: str
    path: str
    pictures: dict[str, int]
    strength: float
    temperature: float
    control_strength: float
    notes: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Repair:
    """A repair and its proof.

    Attributes:
        before: the run that was repaired.
        verdict: "repaired", "improved", "not repaired" or "nothing to repair".
        sentence: the verdict in a sentence or two.
        proof: the audits before, of the control and after; None where there was nothing to repair.
        made: what was refitted; None as there.
        path: folder of the audits and of repair.html; None as there.
    """

    before: AuditResult
    verdict: str
    sentence: str
    proof: Proof | None = None
    made: Made | None = None
    path: Path | None = None

    @property
    def model(self) -> Path | None:
        """File of the repaired model; None where none was written."""
        return None if self.made is None else self.made.model

    @property
    def run(self) -> AuditResult:
        """The audit of the repaired model; the run before where there was nothing to repair."""
        return self.before if self.proof is None else self.proof.after

    @property
    def control(self) -> AuditResult | None:
        """The audit of the control: the same refit on the training photos as they are."""
        return None if self.proof is None else self.proof.control

    def table(self) -> pd.DataFrame:
        """Numbers of every class before, of the control and after, with the ends of their intervals."""
        import pandas as pd

        rows = []
        names = () if self.proof is None else tuple(runs(self.proof))
        for row in () if self.proof is None else class_table(self.proof):
            cells: dict[str, Any] = {"class": row["class"], "what": row["what"]}
            for name, (value, low, high) in zip(names, row["values"], strict=True):
                cells |= {name: value, f"{name}_low": low, f"{name}_high": high}
            rows.append(cells)
        columns = ["class", "what", *(f"{name}{end}" for name in names for end in ("", "_low", "_high"))]
        return pd.DataFrame(rows, columns=columns)

    def content(self) -> dict[str, Any]:
        """All of it as plain values, as repair.json holds it."""
        if self.proof is None or self.made is None:
            return {"verdict": self.verdict, "sentence": self.sentence}
        return {
            "verdict": self.verdict,
            "sentence": self.sentence,
            "made": {
                name: str(value) if isinstance(value, Path) else value for name, value in asdict(self.made).items()
            },
            "runs": {name: str(run.path) for name, run in runs(self.proof).items()},
            "levels": {name: run.level for name, run in runs(self.proof).items()},
            "classes": class_table(self.proof),
            "findings": finding_table(self.proof),
        }

    def __repr__(self) -> str:
        return f"<Repair {str(self.path or self.before.path)!r}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """HTML for a notebook: the verdict, the numbers of the classes, and where the page is."""
        from bias_audit.repair.notebook import repair_html

        return repair_html(self)
