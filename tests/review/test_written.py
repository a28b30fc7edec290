"""Which texts show a reader anything."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.review.written import visible


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \t\r\n",
        "\u200b",  # zero-width space
        "\u200c\u200d\ufeff\u2060",  # joiners, byte order mark, word joiner
        "\u3164",  # Hangul fillers
        "\u115f\u1160\uffa0",
        "\u2800",  # empty braille cell
        "\U0001d159",  # empty note head
        "\u00a0\u2003\u3000",  # spaces
        "\u2028\u2029",  # separators
        "\u0301",  # an accent without a letter
        "\ufe0f\u034f\U000e0100",  # variation selectors, joiner of graphemes
        "\u00ad\u202e\u2066",  # soft hyphen, directions
        "\U000e0041",  # tags
        "\x00\x1b\x7f",
        "\ud800",
    ],
)
def test_nothing_can_be_seen_of_it(text: str) -> None:
    assert visible(text) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("  Dr. Ada\n", "Dr. Ada"),
        ("e\u0301", "e\u0301"),
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"),
        ("한글", "한글"),
        ("\u2801", "\u2801"),
        ("🐺", "🐺"),
        ("-", "-"),
    ],
)
def test_what_can_be_seen_stays_as_it_is(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters(categories=("L", "N", "P")), min_size=1), st.text("\u200b\u3164 \u2800\t"))
def test_a_letter_among_fillers_is_seen(letters: str, fillers: str) -> None:
    drawn = {"\u115f", "\u1160", "\u3164", "\uffa0"}
    assert bool(visible(fillers + letters + fillers)) is bool(set(letters) - drawn)


@given(st.text(st.characters(categories=("Cc", "Cf", "Zs", "Zl", "Zp", "Mn"))))
def test_no_text_of_controls_spaces_and_marks_is_seen(text: str) -> None:
    assert all(unicodedata.category(sign)[0] in "CZM" for sign in text)
    assert visible(text) == ""
