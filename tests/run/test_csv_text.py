"""CSV files: what a spreadsheet would compute is quoted, and every text comes back as it was."""

from __future__ import annotations

import ast
import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bias_audit.gate.table_columns import read_columns
from bias_audit.run.csv_text import csv_text, quoted, unquoted
from bias_audit.run.result import AuditResult
from bias_audit.run.tables import fill_csv

PACKAGE = Path(__file__).parents[2] / "bias_audit"

FORMULAS = (
    "=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "\r=1", "\n=1", " =1", "\u00a0=1", "\u200b=1", "\ufeff@x",
    "\uff1d1", "\uff0b1", "\uff0d1", "\uff20x", "\u3000\uff1d1", "\x00=1", "--1", "-", "\u22121+2",
)  # fmt: skip

PLAIN = ("", "husky", "-0.5", "+1", "-3e-05", ".5", "a=1", "a/=x.jpg", "wölf 🐺", "  x", "1-2")

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
begun = st.builds(str.__add__, st.text("'=+-@\t\r\n \u200b\uff1d0.", max_size=3), texts)


def read_back(text: str) -> list[list[str]]:
    return [[unquoted(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""), strict=True)]


@pytest.mark.parametrize("text", [*FORMULAS, "'", "'x", "'=1", "''"])
def test_what_is_computed_is_quoted_and_comes_back(text):
    assert quoted(text) == f"'{text}"
    assert unquoted(quoted(text)) == text


@pytest.mark.parametrize("value", [*PLAIN, -0.5, -3, None, True])
def test_other_text_and_numbers_stay(value):
    assert quoted(value) == value


def test_files_that_quoted_nothing_are_read_as_they_are():
    assert [unquoted(cell) for cell in ("'s Hertogenbosch", "'", "=1", "-0.5")] == [
        "'s Hertogenbosch",
        "'",
        "=1",
        "-0.5",
    ]
    assert unquoted("'-0.5") == "-0.5", "as older exports of decisions wrote it"


@given(st.lists(st.lists(begun, min_size=2, max_size=2), max_size=3), begun, st.sampled_from(["\n", "\r\n"]))
@example([["a\rb", "'\r"]], "'=", "\n")
def test_every_text_survives_the_way_through_a_file(rows, head, end):
    text = csv_text([head, "n"], rows, end)
    assert read_back(text) == [[head, "n"], *rows]
    if not any(sign in text.removesuffix(end) for sign in "\r\n"):
        assert text.endswith(end)


def _csv(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    fill_csv(frame, file)
    return file.getvalue()


@given(begun, st.lists(begun, min_size=1, max_size=3))
@example("=x", ["a\rb.jpg", "'=1", "-0.5", "'"])
def test_names_of_a_table_are_the_gates(tmp_path_factory, column, names):
    frame = pd.DataFrame({"image_id": names, f"{column}.": ["x"] * len(names), "gap": [-0.5] * len(names)})
    folder = tmp_path_factory.mktemp("table")
    (folder / "images.csv").write_bytes(_csv(frame))
    run = AuditResult(folder, None, "", (), (), ())
    read = read_columns(run, "images", ("image_id", f"{column}.", "gap"))
    assert read == {"image_id": names, f"{column}.": ["x"] * len(names), "gap": ["-0.5"] * len(names)}


def test_columns_of_numbers_and_missing_texts_are_not_touched():
    frame = pd.DataFrame({"=h": ["=1", None, "a"], "x": [-0.123456789, float("nan"), 2.0], "o": [-1, "-x", None]})
    assert _csv(frame).decode() == "'=h,x,o\n'=1,-0.123457,-1\n,,'-x\na,2,\n"


def test_nothing_else_writes_csv():
    writers = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("to_csv", "writer", "DictWriter"):
                writers.append(path.relative_to(PACKAGE).as_posix())
    assert sorted(writers) == ["run/csv_text.py", "run/tables.py"]
