"""Decisions in a real browser: kept through reloads and kills, seen by two reviewers, hostile words shown as words."""

from __future__ import annotations

import contextlib
import csv
import datetime
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

PHOTO = "0123456789abcdef"
"""Content of one image, as decisions about it are kept."""

HASTE = """for (const name of ["setInterval", "setTimeout"]) {
    const set = window[name];
    window[name] = (what, wait, ...given) => set(what, wait / 10, ...given);
}"""
"""A page asks its server for news, and tries again what was not saved, ten times as often as it does for a user."""


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
    parts.images[1]["content"] = PHOTO
    parts.cues = [{"cue_id": "husky-abc123", "class_name": HUSKY, "n": 3}]  # type: ignore[attr-defined]
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
        opened.append(browser.new_context(reduced_motion="reduce", **options))
        opened[-1].set_default_timeout(60_000)
        opened[-1].add_init_script(HASTE)
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
    page.evaluate("document.querySelectorAll('.finding > details').forEach((fold) => (fold.open = true))")
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
    press(page, "Bias")
    decided(page, "bias by Ada")
    assert card(page).locator(":required").count() == 0, "what the gate needs of a waiver is not asked of a bias"
    press(page, "Legitimate context")
    decided(page, "legitimate context by Ada")
    needed = card(page).locator(".decide-needed")
    assert needed.inner_text() == "Kept. The gate does not accept the finding yet: it needs a note and a date."
    card(page).get_by_label("Note (required by the gate)").fill("huskies live in snow")
    card(page).get_by_label("Holds until (required by the gate)").fill("2099-12-31")
    assert card(page).locator(":required").count() == 2
    page.keyboard.press("Tab")
    decided(page, "holds until 2099-12-31: huskies live in snow")
    needed.wait_for(state="hidden")
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


def test_a_date_outlives_another_verdict_and_is_nobody_elses(serve: Any, context: Any, run: Path) -> None:
    page = visit(context(), serve().url)
    press(page, "Legitimate context")
    card(page).get_by_label("Note (required by the gate)").fill("huskies live in snow")
    card(page).get_by_label("Holds until (required by the gate)").fill("2099-12-31")
    page.keyboard.press("Tab")
    decided(page, "holds until 2099-12-31")
    press(page, "Bias")
    decided(page, "bias by Ada")
    press(page, "Legitimate context")
    decided(page, "legitimate context by Ada")
    decided(page, "holds until 2099-12-31: huskies live in snow")
    page.get_by_label("Reviewer").fill("Bob")
    page.get_by_label("Reviewer").press("Enter")
    press(page, "Legitimate context")
    decided(page, "legitimate context by Bob")
    saved(page)
    assert {each.reviewer: each.expires for each in read_decisions(run)} == {"Ada": "2099-12-31", "Bob": ""}
    assert page.problems == []


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
        page.locator(".review-progress", has_text="1 of 4 findings and cues decided, 1 disagreement").wait_for()
    assert card(ada).get_by_role("button", name="Bias").get_attribute("aria-pressed") == "true"
    assert card(ada).get_by_role("button", name="Wrong mask").get_attribute("aria-pressed") == "false"
    press(bob, "Undo")
    card(ada).locator(".decided li", has_text="by Bob").wait_for(state="detached")
    assert {(each.reviewer, each.verdict) for each in read_decisions(run)} == {("Ada", "bias"), ("Bob", "wrong label")}
    press(bob, "History")
    card(bob).locator(".past li.is-withdrawn", has_text="wrong mask by Bob").wait_for()


def at(page: Any) -> str:
    """What of the page is visited: the id of the finding or cue, or the name of the image."""
    return str(
        page.evaluate(
            """() => {
                const target = document.activeElement.closest("[data-target-key]");
                return target ? target.id || target.dataset.targetSubject : "";
            }"""
        )
    )


def state(page: Any, number: int) -> str:
    return str(card(page, number).locator(".decide").get_attribute("data-state"))


def test_a_disagreement_is_no_decision_and_is_found_again(serve: Any, context: Any, run: Path) -> None:
    for who, verdict in (("Ada", "wrong mask"), ("Bob", "wrong label")):
        add(run, Decision("image", PHOTO, verdict, reviewer=who, subject="a photo"))
    server = serve()
    ada, bob = visit(context(), server.url, "Ada"), visit(context(), server.url, "Bob")
    press(ada, "Legitimate context")
    press(bob, "Legitimate context")
    press(ada, "Bias", 1)
    press(bob, "Wrong mask", 1)
    for page in (ada, bob):
        page.locator(
            ".review-progress",
            has_text="1 of 4 findings and cues decided, 1 disagreement; 1 image in disagreement",
        ).wait_for()
        assert [state(page, number) for number in (0, 1, 2)] == ["decided", "disagreement", "undecided"]
        assert card(page, 1).get_by_text("Disagreement: reviewers say different things").is_visible(), "in words"
        assert not card(page, 0).get_by_text("Disagreement").is_visible()

    page = ada
    page.reload()
    page.locator(".review-progress", has_text="1 disagreement").wait_for()
    visited = []
    for _ in range(5):
        page.keyboard.press("n")
        visited.append(at(page))
    image = page.evaluate("document.querySelector('.image-view').dataset.targetSubject")
    assert visited == ["finding-2", "finding-3", "cue-1", image, "finding-2"], "past finding 1, which is decided"
    assert page.locator(".image-view").get_attribute("data-target-key") == PHOTO
    assert page.locator(".image-view .disagreement").is_visible()

    page.keyboard.press("m")  # Ada gives in, about the finding that is visited
    decided(page, "wrong mask by Ada", 1)
    for each in (ada, bob):
        each.locator(".review-progress", has_text="2 of 4 findings and cues decided; 1 image").wait_for()
        card(each, 1).locator(".disagreement").wait_for(state="hidden")
    bob.get_by_role("button", name="Next undecided").click()
    assert at(bob) == "finding-3"
    press(bob, "Bias", 2)
    bob.locator("#cue-1").get_by_role("button", name="Bias", exact=True).click()
    bob.get_by_role("button", name="Next undecided").click()
    assert bob.locator(".image-view").get_attribute("data-target-key") == PHOTO
    bob.keyboard.press("m")
    bob.locator(".review-progress", has_text="4 of 4 findings and cues decided, and 1 image").wait_for()
    assert bob.get_by_role("button", name="Next undecided").is_disabled(), "nothing is left"
    assert (ada.problems, bob.problems) == ([], [])


def gate(run: Path) -> tuple[int, str]:
    """Exit code of `bias-audit gate`, and its output as one line."""
    command = [sys.executable, "-m", "bias_audit", "gate", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=run)
    return done.returncode, " ".join(done.stdout.split())


def test_a_finding_that_one_waives_and_another_calls_bias_fails_the_gate(
    serve: Any, context: Any, run: Path, tmp_path: Path
) -> None:
    (run / "gate.toml").write_text("[dataset]\nmax_unreadable_share = 0.1\n[rules]\nrequire = []\n")
    server = serve()
    ada, bob = visit(context(), server.url, "Ada"), visit(context(), server.url, "Bob")
    until = (datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(30)).isoformat()
    press(ada, "Legitimate context")
    card(ada).get_by_label("Note").fill("huskies live in snow")
    card(ada).get_by_label("Holds until").fill(until)
    ada.keyboard.press("Tab")
    decided(ada, f"holds until {until}")
    saved(ada)
    code, said = gate(run)
    assert (code, "1 waived" in said, "Gate passed" in said) == (0, True, True), said
    press(bob, "Bias")
    saved(bob)
    card(ada).get_by_text("Disagreement: reviewers say different things").wait_for()
    code, said = gate(run)
    assert (code, "Gate failed" in said) == (1, True)
    assert "of Ada on husky is no waiver: reviewers disagree (Ada: legitimate context, Bob: bias)." in said
    rows = json.loads((run / "gate.json").read_text())["rows"]
    assert {row["status"] for row in rows if (row["check"], row["subject"]) == ("BA201", HUSKY)} == {"failed"}

    review = [sys.executable, "-m", "bias_audit", "review", str(run)]
    files = tmp_path / "all.csv", tmp_path / "all.json"
    for file in files:
        subprocess.run([*review, "--export", str(file)], check=True, capture_output=True)
    with files[0].open(encoding="utf-8", newline="") as text:
        assert [row["state"] for row in csv.DictReader(text)] == ["disagreement", "disagreement"]
    assert len(json.loads(files[1].read_text())["disagreements"]) == 1
    done = subprocess.run([*review, "--next", str(tmp_path / "next"), "--undecided"], capture_output=True, text=True)
    assert "reviewers disagree: BA201 husky (Ada: legitimate context, Bob: bias)." in done.stdout
    assert "BA201 husky" not in (tmp_path / "next" / "collect.csv").read_text()


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
    assert card(page, 1).locator(".verdicts u").all_inner_texts() == ["B", "L", "m", "W", "U"]
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
    page.locator(".review-progress", has_text="0 of 4 findings and cues decided, and 1 image").wait_for()
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
def test_controls_are_accessible_and_fit_a_phone(serve: Any, context: Any, axe: Any, scheme: str) -> None:
    page = visit(context(viewport={"width": 360, "height": 740}, color_scheme=scheme), serve().url)
    press(page, "Legitimate context")
    saved(page)
    press(page, "History")
    card(page).locator(".past li").first.wait_for()
    page.get_by_label("Reviewer").fill("Bob")
    press(page, "Bias")
    card(page).locator(".disagreement").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    found = axe(page, {"include": [".decide", ".review-bar"]})
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []
