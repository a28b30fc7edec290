"""Tables in lines that fit, and the commands that print them: nothing is wider than the line, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_run import made_parts, slice_outcomes, slice_rows, write_parts
from rich.cells import cell_len

from bias_audit.cli import explain, inspect
from bias_audit.cli.comparison import show as show_comparison
from bias_audit.cli.console import show_tables
from bias_audit.cli.tables import table_lines
from bias_audit.compare.compared import compare
from bias_audit.heatmaps.explained import Explained
from bias_audit.run.printable import printable
from bias_audit.run.result import load

HEADS = ("class", "photos", "not read", "smallest gap found")
ROWS = [("fox", "9", "-", "not enough images: 2 more are needed"), ("wolf", "1,241", "1", "23 pp")]

Printed = Callable[..., list[str]]


@pytest.fixture(params=["80", "", "60", "200"])
def printed(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Printed:
    """The lines that a function prints; none of them may be wider than the line."""
    monkeypatch.setenv("COLUMNS", request.param)

    def lines(show: Callable[..., None], *arguments: Any) -> list[str]:
        capsys.readouterr()
        show(*arguments)
        said = capsys.readouterr().out.splitlines()
        assert max(map(cell_len, said)) <= int(request.param or 80)
        return said

    return lines


def words(text: str) -> str:
    return "".join(text.split())


def test_a_table_that_fits_has_a_line_for_each_row() -> None:
    heads, lines = table_lines(HEADS, ROWS, 80)
    assert heads == ["  class  photos  not read  smallest gap found"]
    assert [line for _, line in lines] == [
        "  fox         9         -  not enough images: 2 more are needed",
        "  wolf    1,241         1  23 pp",
    ]
    assert [place for place, _ in lines] == [0, 1]


def test_heads_are_folded_first_and_then_the_widest_cells() -> None:
    heads, lines = table_lines(HEADS, ROWS, 46)
    assert heads == [
        "  class  photos   not  smallest gap found",
        "                 read",
    ]
    assert [line for _, line in lines] == [
        "  fox         9     -  not enough images: 2",
        "                       more are needed",
        "  wolf    1,241     1  23 pp",
    ]
    assert [place for place, _ in lines] == [0, 0, 1]


def test_where_nothing_helps_a_row_is_a_paragraph() -> None:
    heads, lines = table_lines(HEADS, ROWS, 30)
    assert heads == []
    assert [line for _, line in lines] == [
        "class: fox; photos: 9;",
        "  smallest gap found: not",
        "  enough images: 2 more are",
        "  needed",
        "class: wolf; photos: 1,241;",
        "  not read: 1; smallest gap",
        "  found: 23 pp",
    ]


def test_without_rows_there_is_no_table() -> None:
    assert table_lines(HEADS, [], 80) == ([], [])


TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)


@given(rows=st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5), width=st.integers(40, 120))
def test_no_line_is_too_wide_and_no_word_is_lost(rows: list[tuple[str, str, str]], width: int) -> None:
    heads, lines = table_lines(("name", "what was seen", ""), rows, width)
    assert all(cell_len(line) <= width for line in (*heads, *(line for _, line in lines)))
    for place, row in enumerate(rows):
        shown = "".join(line for at, line in lines if at == place)
        signs = [sign for sign in shown if not sign.isspace()]
        for sign in words("".join(printable(text) for text in row if text != "-")):
            assert sign in signs


def test_tables_of_a_command(printed: Printed) -> None:
    remarks = ["A remark of more words than stand on one line of eighty cells, which is broken between two of them."]
    tables = {"classes": (HEADS, ROWS), "nothing": (("a", "b"), [])}
    lines = printed(show_tables, "A headline", remarks, tables, 1, "A closing sentence.")
    assert lines[0] == "A headline"
    assert words(remarks[0]) in words("".join(lines))
    assert "classes" in lines
    assert "nothing" not in lines
    assert "  and 1 more" in lines
    assert lines[-1] == "A closing sentence."


def test_a_comparison(printed: Printed, tmp_path: Path) -> None:
    old, new = made_parts(), made_parts()
    new.outcomes = (*new.outcomes, *slice_outcomes())
    new.slices = slice_rows()
    comparison = compare(load(write_parts(old, tmp_path / "old")), load(write_parts(new, tmp_path / "new")))
    lines = printed(show_comparison, comparison)
    assert "findings" in lines
    assert words("a slice is recognised worse") not in words("".join(lines)), "the rule's code and subject tell it"
    assert "BA203" in "".join(lines)


def test_explained_pictures(printed: Printed) -> None:
    long = Path("photos") / ("a folder with a long name/" * 5) / "wolf.jpg"
    read = Explained(
        path=long, status="ok", top=(("wolf", 0.973), ("husky", 0.02)), explained="wolf", explained_probability=0.973,
        log_odds=3.6, method="hires_cam", layer="top",
    )  # fmt: skip
    bad = Explained(Path("broken.jpg"), "unreadable", "the file ends in the middle of the picture, and little is left")
    lines = printed(explain._show, [read, bad], Path("reports/explain-net"))
    begin, end = lines[0].index("predicted"), next(at for at, line in enumerate(lines) if line.startswith("not read"))
    path = "".join(line[:begin] for line in lines[:end])
    assert words(path) == words(f"picture {long}"), "a path is never cut"
    rest = words("".join(line[begin:] for line in lines[:end]))
    assert words("wolf 97% husky 2% wolf") in rest
    assert words("not read: broken.jpg: the file ends in the middle") in words("".join(lines[end:]))


def test_a_model_that_is_inspected(printed: Printed) -> None:
    facts = {
        "model": "models/" + "a long name " * 12, "parameters": 2_257_984, "head": "softmax", "outputs": 2,
        "class_names": ["husky", "wolf"], "class_count": 2, "input": {"height": 224, "width": 224, "channels": 3},
        "inside": ["rescaling: x / 127.5 - 1"], "inside_shown": True, "pictures": "8 bits, as they are",
        "preprocess_hint": "none: the model scales its input itself, to -1..1, as MobileNetV2 wants it",
        "method": "hires_cam", "layer": "out_relu", "map": (7, 7), "seconds_per_1000_images": 12.345,
        "timed_images": 96, "batch_size": 32, "notes": ["A note."],
        "layers": [
            {"path": "block_1_expand_relu", "grid": (112, 112), "channels": 96, "chosen": False},
            {"path": "out_relu", "grid": (7, 7), "channels": 1280, "chosen": True},
        ],
    }  # fmt: skip
    lines = printed(inspect._show, facts)
    assert "parameters    2,257,984" in lines
    assert "  layer                grid     channels" in lines
    assert "  block_1_expand_relu  112x112        96" in lines
    assert "  out_relu             7x7          1280  explained" in lines
    assert lines[-1] == "- A note."
