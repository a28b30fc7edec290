"""Text in cells of a terminal: known answers, and laws that hold for every text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.cli.fitting import cells, chopped, cut_end, cut_middle, folded, padded, paragraph

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs", "Mn", "Me", "Mc")), max_size=60)
widths = st.integers(2, 50)


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("wolf", 4, "wolf"),
        ("golden_retriever_1", 9, "gold…er_1"),
        ("golden_retriever_2", 9, "gold…er_2"),
        ("日本語の名前", 12, "日本語の名前"),
        ("日本語の名前", 9, "日本…名前"),  # 2+2+1+2+2
        ("日本語の名前", 8, "日本…前"),  # 2+2+1+2: a third character would need two cells where one is left
        ("ab", 1, "…"),
    ],
)
def test_a_name_keeps_its_begin_and_its_end(text: str, width: int, cut: str) -> None:
    assert cut_middle(text, width) == cut
    assert cells(cut) <= width


@pytest.mark.parametrize(
    ("text", "width", "cut"),
    [
        ("the same picture twice", 22, "the same picture twice"),
        ("the same picture twice", 20, "the same picture…"),
        ("the same picture, twice", 18, "the same picture…"),
        ("incomprehensibilities", 10, "incompreh…"),
        ("a incomprehensibilities", 10, "a incompr…"),  # behind the word only "a" would be left
    ],
)
def test_a_sentence_is_cut_behind_a_word(text: str, width: int, cut: str) -> None:
    assert cut_end(text, width) == cut


def test_a_paragraph_hangs_and_ends_in_an_ellipsis_where_lines_are_left_out() -> None:
    text = "one two three four five six"
    assert paragraph(text, 9, hanging=2) == ["one two", "  three", "  four", "  five", "  six"]
    assert paragraph(text, 9, hanging=2, most=2) == ["one two", "  three…"]
    assert paragraph("", 9) == [""]


def test_padding_counts_cells() -> None:
    assert (padded("日本", 6), padded("日本", 6, right=True), padded("long", 2)) == ("日本  ", "  日本", "long")


@given(texts, widths)
def test_nothing_is_wider_than_the_line(text: str, width: int) -> None:
    for line in (cut_middle(text, width), cut_end(text, width), *folded(text, width), *chopped(text, width)):
        assert cells(line) <= width
    assert "".join(chopped(text, width)) == text
    assert "".join("".join(folded(text, width)).split()) == "".join(text.split())
