"""Text for a terminal: nothing in it is obeyed, everything else stays, JSON and XML hold what they held."""

from __future__ import annotations

import io
import json
import logging
import unicodedata
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bias_audit.cli.pipes import _Printed
from bias_audit.run.printable import printable, printable_json, without_commands
from bias_audit.run.progress import VERBOSE, Progress

texts = st.text(st.characters(codec=None))

OBEYED = [chr(code) for code in (*range(32), *range(0x7F, 0xA0))]
UNSEEN = list(
    "\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\U000e0041"
)
READ = ("ünï 🐺", "می\u200cشود", "👩\u200d🚀", "क्\u200dष", "a\\x1b", "'", "")


@pytest.mark.parametrize("sign", [*OBEYED, *UNSEEN, "\ud800", "\uffff"])
def test_what_a_terminal_obeys_or_hides_is_escaped(sign):
    assert printable(f"a{sign}b") == "a" + sign.encode("unicode_escape", "surrogatepass").decode() + "b"
    assert printable(sign, lines=True) == (sign if sign in "\t\n" else printable(sign))


@pytest.mark.parametrize("text", READ)
def test_what_is_read_stays(text):
    assert printable(text) == printable(text, lines=True) == without_commands(text) == text


@given(texts)
def test_text_is_printed_as_it_was_made_the_first_time(text):
    once = printable(text)
    assert printable(once) == once
    assert not {unicodedata.category(sign) for sign in once} & {"Cc", "Cs", "Zl", "Zp"}
    once.encode("utf-8")


@given(texts)
def test_xml_holds_it(text):
    element = ET.Element("a")
    element.text = printable(text, lines=True)
    assert (ET.fromstring(ET.tostring(element, encoding="utf-8")).text or "") == element.text


@given(st.dictionaries(texts, texts | st.lists(texts), max_size=3))
def test_json_holds_the_same_values(content):
    text = printable_json(json.dumps(content, ensure_ascii=False, indent=1))
    assert json.loads(text) == json.loads(json.dumps(content))
    assert printable(text, lines=True) == text


def test_libraries_keep_their_colours_only():
    said = "\x1b[1;31mred\x1b[0m 10 %\r\x1b]0;title\x07\x1b[2J\x9b2J\u202e\n"
    made = "\x1b[1;31mred\x1b[0m 10 %\r\\x1b]0;title\\x07\\x1b[2J\\x9b2J\\u202e\n"
    assert without_commands(said) == made
    buffer = io.BytesIO()
    stream = _Printed(buffer, "utf-8", newline="")
    print(said, end="", file=stream, flush=True)
    assert buffer.getvalue().decode() == made


def test_notes_and_what_is_logged(capsys, caplog):
    progress = Progress(VERBOSE)
    with caplog.at_level(logging.DEBUG, logger="bias_audit"):
        progress.note("a\x1b[2Jb\n::error::c")
        progress.detail("d\x9be")
    said = ["a\\x1b[2Jb\\n::error::c", "d\\x9be"]
    assert capsys.readouterr().err.splitlines() == said
    assert [record.getMessage() for record in caplog.records] == said
