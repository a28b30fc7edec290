"""A finished run folder for commands that read one, without auditing anything."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from agreeing import write_audit_json

from bias_audit.run.result import AuditResult, RunInfo
from bias_audit.run.schema import TABLES

DTYPES = {"string": "str", "float": "float64", "int": "Int64", "bool": "boolean"}


@pytest.fixture
def finished_run(tmp_path: Path) -> Path:
    info = RunInfo(
        name="m on d", model="m.keras", data="d", masks=None, model_sha256="0", fingerprint="0", version="0",
        created="2026-01-01T00:00:00+00:00", seconds={}, config={}, thresholds={}, class_names=("a", "b"), layer="l",
        grid=(7, 7), method="hires_cam", head="softmax", input_size=(8, 8, 3), counts={}, statuses={}, mask_kind="none",
    )  # fmt: skip
    rows = tuple({"class_name": name, "n": 0} for name in info.class_names)
    for name, columns in TABLES.items():
        frame = pd.DataFrame({column.name: pd.Series(dtype=DTYPES[column.kind]) for column in columns})
        frame.to_parquet(tmp_path / f"{name}.parquet")
    write_audit_json(AuditResult(tmp_path, info, "No reliance was shown.", (), (), rows))
    return tmp_path
