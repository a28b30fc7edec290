"""Decisions in a real browser: kept through reloads and kills, seen by two reviewers, hostile words shown as words."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from made_run import HUSKY, NAMES, made_parts, write_parts

from bias_audit.report.page import write_report
from bias_audit.review.decisions import Decision, add, read_decisions

HOSTILE = "</script><img src=x onerror=alert(1)><b>\"'{{ 7 * 7 }}"


class Server:
    """`bias-audit review` in a process of its own."""

    def __init__(self, run: Path, port: int = 0) -> None:
        command = [sys.executable, "-m", "bias_audit", "review", str(run), "--no-browser", "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.port = int(self.url.split(":")[2].split("/")[0])

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Exit code and what was said on stderr."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, how)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.fixture
def run(tmp_path: Path) -> Path:
    parts = made_parts()
    parts.images[0]["content"] = "0" * 16
    parts.clusters = [{"cluster_id": "husky-abc123", "class_name": HUSKY, "n": 3}]  # type: ignore[attr-defined]
    return write_parts(parts, tmp_path / "run")


@pytest.fixture
def serve(run: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(port: int = 0) -> Server:
        servers.append(Server(run, port))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.end(signal.SIGKILL)


@pytest.fixture
def context(browser: Any) -> Iterator[Callable[..., Any]]:
    opened = []

    def new(**options: Any) -> Any:
        opened.append(browser.new_context(**options))
        opened[-1].set_default_timeout(60_000)
        return opened[-1]

    yield new
    for each in opened:
        each.close()


def visit(context: Any, url: str, reviewer: str = "Ada") -> Any:
    page = context.new_page()
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    page.on("dialog", lambda dialog: (page.problems.append(dialog.message), dialog.accept()))
    page.goto(url)
    if reviewer:
        page.get_by_label("Reviewer").fill(reviewer)
    return page


def card(page: Any, number: int = 0) -> Any:
    return page.locator(".finding").nth(number)


def press(page: Any, name: str, number: int = 0) -> None:
    card(page, number).get_by_role("button", name=name, exact=True).click()


def decided(page: Any, text: str, number: int = 0) -> None:
    """Wait until a decision is shown with the finding."""
    card(page, number).locator(".decided:not(.past) li", has_text=text).first.wait_for()


def saved(page: Any) -> None:
    page.locator(".review-state", has_text="Saved.").wait_for()


def test_a_decision_survives_a_reload_and_a_killed_server(serve: Any, context: Any, run: Path) -> None:
    server, reader = serve(), context()
    page = visit(reader, server.url)
    press(page, "Legitimate context")
    decided(page, "legitimate context by Ada")
    card(page).get_by_label("Note").fill("huskies live in snow")
    card(page).get_by_label("Holds until").fill("2099-12-31")
    page.keyboard.press("Tab")
    decided(page, "holds until 2099-12-31: huskies live in snow")
    saved(page)
    page.reload()
    decided(page, "huskies live in snow")
    assert card(page).get_by_role("button", name="Legitimate context").get_attribute("aria-pressed") == "true"
    server.end(signal.SIGKILL)
    (kept,) = [each for each in read_decisions(run) if each.reviewer == "Ada"]
    assert (kept.verdict, kept.note, kept.expires) == ("legitimate context", "huskies live in snow", "2099-12-31")

    press(page, "Bias", 1)  # nobody answers
    page.locator(".review-state.is-loud", has_text="NOT SAVED: 1 decision").wait_for()
    decided(page, "(not saved yet)", 1)
    assert len(read_decisions(run)) == 1
    again = serve(server.port)
    page.locator(".review-state.is-loud", has_text="the server was started anew").wait_for()  # it keeps what waits
    assert again.url != server.url, "a new start has a new token"
    second = visit(reader, again.url, reviewer="")
    decided(second, "huskies live in snow")
    decided(second, "bias by Ada", 1)  # what waited in the browser has been sent
    saved(second)
    assert second.get_by_label("Reviewer").input_value() == "Ada"
    assert sorted(each.verdict for each in read_decisions(run)) == ["bias", "legitimate context"]
    code, said = again.end(signal.SIGINT)
    assert (code, "decisions.sqlite" in said, "Traceback" in said) == (0, True, False)
    assert second.problems == []


def test_two_reviewers_at_once(serve: Any, context: Any, run: Path) -> None:
    server = serve()
    ada, bob = visit(context(), server.url, "Ada"), visit(context(), server.url, "Bob")
    press(ada, "Bias")
    press(bob, "Wrong mask")
    press(bob, "Wrong label", 1)
    for page in (ada, bob):
        decided(page, "bias by Ada")
        decided(page, "wrong mask by Bob")
        decided(page, "wrong label by Bob", 1)
        page.locator(".review-progress", has_text="2 of 4 findings and clusters decided").wait_for()
    assert card(ada).get_by_role("button", name="Bias").get_attribute("aria-pressed") == "true"
    assert card(ada).get_by_role("button", name="Wrong mask").get_attribute("aria-pressed") == "false"
    press(bob, "Undo")
    card(ada).locator(".decided li", has_text="by Bob").wait_for(state="detached")
    assert {(each.reviewer, each.verdict) for each in read_decisions(run)} == {("Ada", "bias"), ("Bob", "wrong label")}
    press(bob, "History")
    card(bob).locator(".past li.is-withdrawn", has_text="wrong mask by Bob").wait_for()


def test_hostile_words_stay_words(serve: Any, context: Any, run: Path) -> None:
    add(run, Decision("finding", HOSTILE, "bias", note=HOSTILE, reviewer=HOSTILE, subject=HOSTILE))
    server = serve()
    page = visit(context(), server.url, HOSTILE)
    press(page, "Bias")
    card(page).get_by_label("Note").fill(HOSTILE)
    page.keyboard.press("Tab")
    decided(page, f": {HOSTILE}")
    saved(page)
    page.reload()
    decided(page, f"bias by {HOSTILE}")
    press(page, "History")
    card(page).locator(".past bdi", has_text=HOSTILE).first.wait_for()
    page.locator(".review-lost summary").click()
    lost = page.locator(".review-lost li").inner_text()
    assert lost.startswith(f"{HOSTILE}: bias by {HOSTILE}")
    assert page.locator(".decide img, .review-bar img, .decide .note b").count() == 0
    write_report(run)
    static = visit(context(), (run / "report.html").as_uri(), "")
    decided(static, f"bias by {HOSTILE}")
    assert page.problems == static.problems == []


def test_keys_decide_about_what_has_the_focus(serve: Any, context: Any, run: Path) -> None:
    page = visit(context(), serve().url)
    page.keyboard.press("b")  # in the field of the name it is a letter
    assert page.get_by_label("Reviewer").input_value() == "Adab"
    page.get_by_label("Reviewer").fill("Ada")
    for letter, verdict in (("b", "bias"), ("m", "wrong mask"), ("w", "wrong label"), ("l", "legitimate context")):
        card(page, 1).get_by_role("button", name="Bias").focus()
        page.keyboard.press(letter)
        decided(page, f"{verdict} by Ada", 1)
    page.keyboard.press("u")
    decided(page, "wrong label by Ada", 1)
    page.keyboard.press("Control+b")
    page.locator("h1").click()
    page.keyboard.press("b")
    saved(page)
    assert [each.verdict for each in read_decisions(run)] == ["wrong label"]


def test_a_name_is_asked_for_and_then_the_decision_taken(serve: Any, context: Any, run: Path) -> None:
    page = visit(context(), serve().url, "")
    press(page, "Bias")
    page.locator(".review-state.is-loud", has_text="Who decides?").wait_for()
    assert page.evaluate("document.activeElement.closest('.review-bar') !== null")
    page.keyboard.type("Ada")
    page.keyboard.press("Enter")
    decided(page, "bias by Ada")
    saved(page)
    assert len(read_decisions(run)) == 1


def test_what_is_made_later_can_be_decided_about(serve: Any, context: Any, run: Path) -> None:
    page = visit(context(), serve().url)
    page.evaluate("""() => {
        const tile = document.createElement("div");
        Object.assign(tile.dataset, { targetKind: "image", targetKey: "0000000000000000", targetSubject: "a photo" });
        tile.innerHTML = '<div class="decide"></div>';
        tile.id = "late";
        document.querySelector("main").prepend(tile);
        tile.dispatchEvent(new CustomEvent("bias-audit:target", { bubbles: true }));
    }""")
    page.locator("#late").get_by_role("button", name="Wrong mask").click()
    page.locator("#late .decided li", has_text="wrong mask by Ada").wait_for()
    saved(page)
    (kept,) = read_decisions(run)
    assert (kept.target_kind, kept.target_key) == ("image", "0" * 16)
    page.locator(".review-progress", has_text="0 of 4 findings and clusters decided, and 1 image").wait_for()
    other = f"husky/{NAMES[2]}"  # the same element shows another photo, known by its path
    page.evaluate(
        """(key) => {
            const tile = document.getElementById("late");
            Object.assign(tile.dataset, { targetKey: key, targetSubject: key });
            tile.dispatchEvent(new CustomEvent("bias-audit:target", { bubbles: true }));
        }""",
        other,
    )
    assert page.locator("#late .decided li").count() == 0
    assert page.locator("#late .verdicts").count() == 1
    page.locator("#late").get_by_role("button", name="Bias").focus()
    page.keyboard.press("w")
    page.locator("#late .decided li", has_text="wrong label by Ada").wait_for()
    page.locator(".review-progress", has_text="and 2 images").wait_for()
    saved(page)
    assert {(each.target_key, each.verdict) for each in read_decisions(run)} == {
        ("0" * 16, "wrong mask"),
        (other, "wrong label"),
    }


def test_what_the_server_refuses_is_said_and_not_shown_as_saved(serve: Any, context: Any, run: Path) -> None:
    page = visit(context(), serve().url)
    parts = made_parts()
    parts.outcomes = parts.outcomes[4:]
    write_parts(parts, run)
    press(page, "Bias")
    page.locator(".review-state.is-loud", has_text="NOT SAVED: this run has no such finding").wait_for()
    assert card(page).locator(".decided li").count() == 0


def test_a_file_keeps_decisions_and_hands_them_on(context: Any, run: Path, tmp_path: Path) -> None:
    write_report(run)
    reader = context(accept_downloads=True)
    page = visit(reader, (run / "report.html").as_uri(), "")
    assert not page.locator(".review-bar").is_visible(), "a page that is only read shows no bar"
    press(page, "Bias")
    page.get_by_label("Reviewer").fill("Ada")
    page.keyboard.press("Enter")
    decided(page, "bias by Ada")
    press(page, "Wrong mask", 1)
    press(page, "Bias", 1)
    press(page, "Undo", 1)
    decided(page, "wrong mask by Ada", 1)
    card(page, 0).get_by_label("Note").fill("snow 🐺")
    page.keyboard.press("Tab")
    page.reload()
    decided(page, "bias by Ada")
    decided(page, "snow 🐺")
    with page.expect_download() as loading:
        page.get_by_role("button", name="Download decisions").click()
    file = tmp_path / "decisions.json"
    loading.value.save_as(file)
    assert json.loads(file.read_text())["format_version"] == 1
    done = subprocess.run(
        [sys.executable, "-m", "bias_audit", "review", str(run), "--import", str(file)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    kept = {(each.code, each.verdict, each.note, each.reviewer, each.measured) for each in read_decisions(run)}
    assert kept == {("BA201", "bias", "snow 🐺", "Ada", 0.75), ("BA202", "wrong mask", "", "Ada", 0.25)}
    assert page.problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_controls_are_accessible_and_fit_a_phone(serve: Any, context: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(context(viewport={"width": 360, "height": 740}, color_scheme=scheme), serve().url)
    press(page, "Legitimate context")
    saved(page)
    press(page, "History")
    card(page).locator(".past li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = axe.run(page, {"include": [".decide", ".review-bar"]}).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
