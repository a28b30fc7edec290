"""Units as `read_units` gives them, made by hand, so that every rate can be counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from bias_audit.planted.benchmark.accusations import COLUMNS
from bias_audit.planted.benchmark.grid import CLASSES, TWIN_KINDS

Model = Callable[..., pd.DataFrame]

DEFAULTS: dict[str, Any] = {
    "cue": "", "rho": float("nan"), "head": "gap", "seed": 10, "n_test": 400, "seconds": 8.0, "reliance": float("nan"),
    "guilty": False, "truth": "negative", "flagged": False, "level": "", "reason": "", "judged": True,
    "named_first": False, "truth_any": "negative", "accused": False, "accused_by": "", "model_accused": False,
    "cpu_seconds": 30.0, "package": "abc", "unit": "complete_masks", "gate_passes": False,
    "accuracy": 0.95, "background_gap": 0.0, "attract": 0.0, "background_only_accuracy": 0.25,
    "background_share": 0.8, "p_sign_flip": 0.5,
}  # fmt: skip


@pytest.fixture
def model() -> Model:
    """model(name, kind, {class index: columns}, **columns of all classes) -> the units of one model."""

    def make(name: str, kind: str, special: dict[int, dict[str, Any]] | None = None, **common: Any) -> pd.DataFrame:
        rows = [
            {
                "model": name,
                "kind": kind,
                "clean": kind in TWIN_KINDS or kind.endswith("_clean"),
                "label": label,
                "class_name": class_name,
                **DEFAULTS,
                **common,
                **(special or {}).get(label, {}),
            }
            for label, class_name in enumerate(CLASSES)
        ]
        return pd.DataFrame(rows)

    return make


@pytest.fixture
def found() -> Callable[..., pd.DataFrame]:
    """found((model, code, class or "", level, accuses), ...) -> the table of the findings."""

    def make(*rows: tuple[str, str, str, str, bool]) -> pd.DataFrame:
        columns = ["model", "seed", "kind", "cue", "rho", "guilty", *COLUMNS]
        named = [dict(zip(("model", "code", "class_name", "level", "accuses"), row, strict=True)) for row in rows]
        return pd.DataFrame([{"subject": row["class_name"], **row} for row in named], columns=columns)

    return make
