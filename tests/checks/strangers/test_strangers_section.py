"""What the page says of pictures of no known class."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from made_run import HUSKY, Parts, picture, put_table, table

from bias_audit.checks.strangers.section import STRANGERS_SHARE, strangers_section
from bias_audit.report.page import write_report
from bias_audit.run.result import AuditResult, load

Write = Callable[[Parts], Path]

KIND = "<b onmouseover=alert(5)>lynx</b>"


@pytest.fixture
def met(parts: Parts, write_run: Write) -> AuditResult:
    """Three lynxes with hostile names, of which two have pictures, and a rat that could not be read."""
    usual = {"group": KIND, "status": "ok", "predicted": HUSKY, "second": "wolf", "second_probability": 0.1}
    rows = [
        {**usual, "image_id": f"{KIND}/{number}.jpg", "probability": 0.9, "log_odds": float(number)}
        for number in range(3)
    ]
    rows.append({"image_id": "rat/1.jpg", "group": "rat", "status": "unreadable"})
    parts.info = dataclasses.replace(parts.info, counts={**parts.info.counts, "strangers": 4})
    assert parts.pictures is not None
    parts.pictures["strangers"] = {f"{KIND}/{number}.jpg": picture(200 + number) for number in (0, 2)}
    folder = write_run(parts)
    put_table(folder, "strangers", table("strangers", rows))
    return load(folder)


def test_a_group_per_kind_the_surest_first(met: AuditResult) -> None:
    pictures = {"strangers": {f"{KIND}/{number}.jpg": picture(number) for number in (0, 2)}}
    section = strangers_section(met, pictures, 1_000_000)
    lynx, rat = section["groups"]
    assert [image["image_id"] for image in lynx["images"]] == [f"{KIND}/2.jpg", f"{KIND}/0.jpg"]
    assert "3 taken for husky" in lynx["sentence"]
    assert (rat["sentence"], rat["images"]) == ("rat (1): none could be read.", [])
    assert [one["key"] for one in section["pictures"]] == ["s0", "s1"]
    assert 0 < section["bytes"] <= 1_000_000 * STRANGERS_SHARE
    assert strangers_section(met, pictures, 0)["pictures"] == []
    broken = {"strangers": {f"{KIND}/0.jpg": {**picture(0), "jpeg": "url(evil)"}}}
    assert strangers_section(met, broken, 1_000_000)["pictures"] == []


def test_the_page_shows_them_as_text_and_pictures(met: AuditResult) -> None:
    text = write_report(met).read_text(encoding="utf-8")
    section = text[text.index('id="strangers"') : text.index('id="confusion"')]
    assert "<b onmouseover" not in section
    assert "&lt;b onmouseover=alert(5)&gt;lynx&lt;/b&gt;" in section
    assert section.count('class="heat s') == 2
    assert ".s0{" in text
    assert 'href="#strangers"' in text


def test_without_strangers_the_page_says_nothing(parts: Parts, write_run: Write) -> None:
    text = write_report(write_run(parts)).read_text(encoding="utf-8")
    assert 'id="strangers"' not in text
    assert 'href="#strangers"' not in text
