"""A page with some findings of a run: which ones, what it keeps to itself, and that it does not call the run better."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from made_run import HOSTILE, HUSKY, made_parts, write_parts

from bias_audit.errors import ConfigError
from bias_audit.report.marked import find, write_marked
from bias_audit.run.result import load


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(made_parts(), tmp_path_factory.mktemp("marked") / "run")


def test_it_has_the_marked_findings_and_no_others(run: Path) -> None:
    page = write_marked(load(run), [f"{HUSKY}/BA202"])
    assert page == run / "marked.html"
    text = page.read_text(encoding="utf-8")
    assert ">BA202</span>" in text
    assert "BA201" not in text
    assert "could not be read" not in text, "the finding about unreadable images was not marked"
    assert "This page shows 1 of its 3 findings" in text
    assert "images that rest on the background" in text
    assert text.count("url(data:image/jpeg") == 2, "pictures of its two photos, and of no other"


def test_the_verdict_is_that_of_the_whole_run(run: Path) -> None:
    """Alone the finding would make WATCH of a run that is SUSPICIOUS."""
    text = write_marked(load(run), ["BA202"]).read_text(encoding="utf-8")
    assert re.search(r"<title>SUSPICIOUS", text)
    assert "The prediction follows the background in 1 of 2 classes" in text


def test_it_runs_nothing_and_asks_for_nothing(run: Path, tmp_path: Path) -> None:
    page = write_marked(load(run), [f"{HUSKY}/BA201"], out=tmp_path / "new" / "page.html")
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert HOSTILE not in text
    assert "default-src &#39;none&#39;" in text
    assert "75\N{NARROW NO-BREAK SPACE}pp [25 to 90]" in text
    assert text.count("url(data:image/jpeg") >= 4, "the photo and its composites"


def test_without_pictures_and_without_names(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    text = write_marked(load(run), ["BA201"], images="none", anonymous=True, out=out).read_text(encoding="utf-8")
    assert "url(data:image/jpeg" not in text
    assert "plain.jpg" not in text


def test_findings_go_by_subject_and_rule(run: Path) -> None:
    result = load(run)
    assert [each.code for each in find(result, [f"{HUSKY}/BA202", "BA901"])] == ["BA202", "BA901"]
    with pytest.raises(ConfigError, match="no finding 'wolf/BA201'") as error:
        find(result, [f"{HUSKY}/BA201", "wolf/BA201"])
    assert error.value.hint == f"Found are: {HUSKY}/BA201, {HUSKY}/BA202, BA901."
