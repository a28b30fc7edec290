"""Runs of every kind: badge, headline, findings, terminal, gate and notebook show one level and one set of numbers."""

from __future__ import annotations

import contextlib
import html
import html.parser
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from stand_in import WORLDS, finished

from bias_audit.checks.levels import class_levels
from bias_audit.checks.outcomes import FAILS_FROM, LEVELS, NO_LEVELS, RuleOutcome, number
from bias_audit.checks.reasons import MASKS_IN_DOUBT
from bias_audit.checks.registry import find_rule
from bias_audit.cli.gate_table import show_gate
from bias_audit.cli.result import show_result
from bias_audit.compare.history import history
from bias_audit.gate import GateResult, write_gate
from bias_audit.report.marked import write_marked
from bias_audit.run.identity import subject_title
from bias_audit.run.progress import NORMAL, VERBOSE, Progress
from bias_audit.run.quantities import NONE, interval
from bias_audit.run.result import AuditResult

VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclass
class Node:
    """An element of a page with what is in it, texts and elements."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    inside: list[Node | str] = field(default_factory=list)

    def all(self) -> Iterator[Node]:
        """This element and all within it, in the order of the page."""
        yield self
        for each in self.inside:
            if isinstance(each, Node):
                yield from each.all()

    def of(self, name: str) -> list[Node]:
        """Elements of a class (".level"), with an id ("#verdict"), or of a tag."""
        if name[0] == "#":
            return [each for each in self.all() if each.attributes.get("id") == name[1:]]
        if name[0] == ".":
            return [each for each in self.all() if name[1:] in each.attributes.get("class", "").split()]
        return [each for each in self.all() if each.tag == name]

    def text(self, without: str = "unseen") -> str:
        """The text that a reader sees, in one style of blanks and signs."""
        parts = []
        for each in self.inside:
            if isinstance(each, str):
                parts.append(each)
            elif without not in each.attributes.get("class", "").split() and each.tag not in ("script", "style"):
                apart = "range-text" in each.attributes.get("class", "").split()  # stands below its number
                parts.append(f" {each.text(without)}" if apart else each.text(without))
        return plain("".join(parts))


class Tree(html.parser.HTMLParser):
    """Reads a page into `root`."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.root = Node("")
        self._open = [self.root]
        self.feed(content)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].inside.append(node)
        if tag not in VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open[-1].inside.append(Node(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop().tag == tag, "elements are closed in order"

    def handle_data(self, data: str) -> None:
        self._open[-1].inside.append(data)


def plain(text: str) -> str:
    """A text as it is on a terminal: ordinary blanks, each once, and ordinary minus signs."""
    return " ".join(text.replace("\N{MINUS SIGN}", "-").split())


@dataclass
class Shown:
    """Everything that is made of one run."""

    run: AuditResult
    page: Node
    notebook: Node
    terminal: list[str]
    whole: list[str]
    gate: GateResult
    gate_lines: list[str]
    markdown: str
    junit: ET.Element


@pytest.fixture(scope="module", params=WORLDS)
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        patch.chdir(tmp_path_factory.mktemp(request.param.replace(" ", "-")))
        run = finished(WORLDS[request.param], Path("run"))
        gate = run.gate()
        write_gate(run.path, gate)
        yield Shown(
            run,
            Tree((run.path / "report.html").read_text(encoding="utf-8")).root,
            Tree(run._repr_html_()).root,
            printed(show_result, run, Progress(NORMAL)),
            printed(show_result, run, Progress(VERBOSE)),
            gate,
            printed(show_gate, gate, "Thresholds: defaults"),
            (run.path / "gate.md").read_text(encoding="utf-8"),
            ET.parse(run.path / "gate.junit.xml").getroot(),
        )


def printed(show: Callable[..., None], *arguments: object) -> list[str]:
    """The lines that something prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        show(*arguments)
    return out.getvalue().splitlines()


def effect(outcome: RuleOutcome) -> str:
    """The number of a finding with its interval, as every place has to show it; "" without one."""
    rule = find_rule(outcome.code)
    assert rule is not None
    said = interval(number(outcome.measured), outcome.low, outcome.high, rule.measures[1])
    return "" if said == NONE else said


def findings(run: AuditResult) -> list[tuple[str, str, str, str]]:
    """Level, rule, what it is about, and effect of each finding, the worst first."""
    return [(str(each.level), each.code, plain(subject_title(each)), effect(each)) for each in run.found()]


def numbers(row: dict[str, Any]) -> list[str]:
    """The four numbers of a class with their intervals; "" for those that there are not."""
    columns = (
        ("accuracy", "accuracy_low", "accuracy_high", "share"),
        ("same_background_accuracy", "same_low", "same_high", "share"),
        ("other_background_accuracy", "other_low", "other_high", "share"),
        ("background_gap", "gap_low", "gap_high", "points"),
    )
    said = [interval(*(number(row[name]) for name in names), unit) for *names, unit in columns]
    return ["" if each == NONE else each for each in said]


def is_called(shown: str, name: str) -> bool:
    """Whether a name is shown, as a whole or without its middle."""
    head, cut, tail = shown.partition("\N{HORIZONTAL ELLIPSIS}")
    return shown == name or bool(cut and head and tail and name.startswith(head) and name.endswith(tail))


# -- one level -------------------------------------------------------------------------------------------------------


LEVEL_OF = {
    "suspicious": "SUSPICIOUS", "confirmed": "CONFIRMED", "confirmed by a cue": "CONFIRMED", "hidden": "HIDDEN",
    "watch": "NO RELIANCE SHOWN", "clean": "NO RELIANCE SHOWN", "no masks": "NOT JUDGED",
    "estimated masks": "SUSPICIOUS", "clean on estimated masks": "NO RELIANCE SHOWN",
    "doubtful input": "MODEL WARNING", "many classes": "SUSPICIOUS", "victims": "SUSPICIOUS", "masks in doubt": "WATCH",
    "object fills the picture": "OBJECT FILLS THE PICTURE", "too few photos": "NOT JUDGED",
}  # fmt: skip
"""World -> overall level of its run."""


CLASSES_OF: dict[str, dict[str, str]] = {
    "suspicious": {"husky": "SUSPICIOUS", "wolf": "SUSPICIOUS"}, "confirmed by a cue": {"wolf": "CONFIRMED"},
    "victims": {"wolf": "SUSPICIOUS", "fox": "COLLATERAL", "husky": "COLLATERAL"}, "watch": {}, "no masks": {},
    "masks in doubt": {"husky": "WATCH", "wolf": "WATCH"},
}  # fmt: skip
"""World -> levels of its classes, where they are known by hand."""


def test_the_worlds_are_of_every_kind(shown: Shown, request: pytest.FixtureRequest) -> None:
    world = request.node.callspec.params["shown"]
    assert shown.run.level == LEVEL_OF[world]
    assert class_levels(shown.run.found()) == CLASSES_OF.get(world, class_levels(shown.run.found()))


def test_badge_title_terminal_notebook_and_history_show_one_level(shown: Shown) -> None:
    level = shown.run.level
    (verdict,) = shown.page.of("#verdict")
    assert verdict.of(".level")[0].text() == level
    assert shown.page.of("title")[0].text().split(" \N{MIDDLE DOT} ")[0] == level
    assert shown.notebook.of("strong")[0].text() == level
    assert last_block(shown.terminal)[0].startswith(f" {level}  ")
    (whole,) = [row for row in history([shown.run.path]).rows if not row.class_name]
    assert whole.level == level


def last_block(lines: list[str]) -> list[str]:
    return lines[len(lines) - lines[::-1].index("") :]


def test_the_gate_fails_by_the_level_that_is_shown(shown: Shown) -> None:
    level = shown.run.level
    if level in LEVELS and LEVELS.index(level) >= LEVELS.index(FAILS_FROM):
        assert not shown.gate.passed
        types = {each.attrib["type"] for each in shown.junit.iter("failure")}
        assert level in types
        assert max(types & set(LEVELS), key=LEVELS.index) == level, "no failure is of a higher level"
    verdict = shown.markdown.splitlines()[0].removeprefix("## ").partition(":")[0]
    assert verdict == ("Passed" if shown.gate.passed else "Failed")
    assert int(shown.junit.attrib["failures"]) == shown.gate.count("failed")


def test_the_headline_is_the_first_sentence_everywhere(shown: Shown) -> None:
    headline = shown.page.of("h1")[0].text()
    begin = headline.rstrip("\N{HORIZONTAL ELLIPSIS} ")
    lines = last_block(shown.terminal)
    steps = next(place for place, line in enumerate(lines) if line.startswith("  Report  "))
    said = plain(" ".join(lines[:steps])).removeprefix(f"{shown.run.level} ")
    both = min(len(begin), len(said.rstrip("\N{HORIZONTAL ELLIPSIS}")))
    assert both > 40
    assert begin[:both] == said[:both]
    assert begin in shown.notebook.of("p")[0].text()
    assert begin.lower() in shown.run.verdict.lower()


# -- one set of numbers ----------------------------------------------------------------------------------------------


def test_findings_of_the_page(shown: Shown) -> None:
    seen = []
    for article in shown.page.of(".finding"):
        (line,) = article.of("summary")[:1]
        about = line.of("bdi")
        told = line.of(".effect")
        code = article.of(".fine")[-1].of(".code")[0].text()
        seen.append(
            (line.of(".level")[0].text(), code, about[0].text() if about else "", told[0].text() if told else "")
        )
    assert seen == findings(shown.run)


def test_findings_of_the_terminal(shown: Shown) -> None:
    seen, level = [], ""
    for line in shown.whole:
        if line.strip() in LEVELS and line.startswith("  ") and line[2] != " ":
            level = line.strip()
        elif match := re.match(r"    ([A-Z]+\d+)  (.*)", line):
            seen.append((level, match[1], match[2]))
    expected = findings(shown.run)
    assert [each[:2] for each in seen] == [each[:2] for each in expected]
    for (_, _, said), (_, _, about, told) in zip(seen, expected, strict=True):
        assert said.endswith(told)
        assert not about or is_called(said.partition(": ")[0], about)


def test_findings_of_the_notebook(shown: Shown) -> None:
    seen = []
    for line in shown.notebook.of("li"):
        about = line.of("bdi")
        seen.append((line.of("b")[0].text(), line.text().split()[line.of("b")[0].text().count(" ") + 1].rstrip(":"),
                     about[0].text() if about else ""))  # fmt: skip
    assert seen == [each[:3] for each in findings(shown.run)][:30]


def test_findings_of_the_gate(shown: Shown) -> None:
    """Each finding that the gate judges is a row of gate.md and a test case, with its level, number and name."""
    cells = [line.strip("| ").split(" | ") for line in shown.markdown.splitlines() if line.startswith("| ")]
    rows = [[html.unescape(cell) for cell in row] for row in cells]
    names = {case.attrib["name"]: case for case in shown.junit.iter("testcase")}
    judged = [each for each in shown.run.found() if each.scope in ("class", "cue")]
    assert judged or shown.run.level in (*NO_LEVELS, "MODEL WARNING")
    for outcome in judged:
        about, told = subject_title(outcome), effect(outcome)
        (row,) = [row for row in rows if row[0] == about and f"({outcome.code})" in row[1]]
        assert row[2].endswith(told)
        assert row[4].startswith((f"{outcome.level}: ", f"{outcome.level}, below "))
        case = names[f"{outcome.code} {outcome.title}: {about}"]
        if (failure := case.find("failure")) is not None:
            assert failure.attrib["type"] == outcome.level
            assert failure.attrib["message"].startswith(f"{outcome.level}: ")
        (head,) = [row for row in shown.gate.rows if (row.check, row.subject) == (outcome.code, outcome.subject)]
        if head.status != "passed":
            said = plain(" ".join(shown.gate_lines))
            assert plain(f"{head.status}: {about}: {outcome.code} ({head.origin})") in said


def test_classes_have_one_level_and_one_set_of_numbers(shown: Shown) -> None:
    levels = class_levels(shown.run.found())
    rows = {row["class_name"]: numbers(row) for row in shown.run.class_rows}
    past = {row.class_name: row.level for row in history([shown.run.path]).rows if row.class_name}
    assert {name: level for name, level in past.items() if level in LEVELS} == levels

    (table,) = shown.page.of("table.classes") or shown.page.of("#classes")
    seen = {}
    for line in table.of("tbody")[0].of("tr"):
        name = line.of("bdi")[0].text()
        level = line.of(".mini")
        cells = [each for each in line.of("td") if "core" in each.attributes["class"].split()]
        said = ["" if "missing" in each.attributes["class"].split() else each.text() for each in cells]
        seen[name] = (level[0].text() if level else "", said)
    assert seen == {name: (levels.get(name, ""), said) for name, said in rows.items()}

    seen = {}
    for line in shown.notebook.of("tbody")[0].of("tr"):
        _, *cells, level = (each.text() for each in line.of("td"))
        seen[line.of("bdi")[0].text()] = (level, ["" if each == NONE else each for each in cells])
    assert seen.items() <= {name: (levels.get(name, ""), said) for name, said in rows.items()}.items()

    begin = next(place for place, line in enumerate(shown.terminal) if line.startswith("  recognised"))
    lines = [re.split(r" {2,}", line.strip()) for line in shown.terminal[begin + 1 :]]
    listed = [line for line in lines if len(line) > 2][: min(len(rows), 10)]
    assert len(listed) == min(len(rows), 10)
    for shortened, *cells in listed:
        (name,) = [name for name in rows if is_called(shortened, name)]
        level = cells[-1] if cells[-1] in (*LEVELS, "not judged") else ""
        assert level.replace("not judged", "") == levels.get(name, "")
        known = {part for each in rows[name] for part in (each, each.partition(" [")[0])} | {NONE}
        measured = [each for each in cells if each[-1:] in "%]" or each == NONE]
        assert measured
        assert set(measured) <= known


def test_the_first_screen_shows_the_numbers_of_its_class_and_finding(shown: Shown) -> None:
    (verdict,) = shown.page.of("#verdict")
    title = verdict.of(".measured-here")[0].of("h2")[0]
    about = title.of("bdi")
    shares = [
        each.text() for each in verdict.of(".three")[0].of("dd") if "none" not in each.attributes.get("class", "")
    ]
    if about:
        (row,) = [row for row in shown.run.class_rows if row["class_name"] == about[0].text()]
        assert shares == [each for each in numbers(row)[:3] if each]
    links = [each.attributes["href"] for each in verdict.of(".answers")[0].of("a")]
    for place in (int(each.removeprefix("#finding-")) for each in links if each.startswith("#finding-")):
        assert effect(shown.run.found()[place - 1]) in verdict.of(".answers")[0].text()


def test_where_masks_are_in_doubt_they_are_what_to_look_at(shown: Shown) -> None:
    doubted = any(each.reason_code == MASKS_IN_DOUBT for each in shown.run.outcomes)
    (advice,) = shown.page.of(".advice")[:1]
    assert advice.text().startswith("See whether the masks cover the whole objects") == doubted


def test_the_strip_is_the_same_on_the_page_and_in_a_notebook(shown: Shown) -> None:
    strip = shown.page.of(".strip-shown")
    if not strip or "its surroundings change" not in strip[0].of("figcaption")[0].text():
        return
    there = [each.text() for each in strip[0].of(".prediction")]
    here = [plain(each.of("figcaption")[0].inside[-1].text()) for each in shown.notebook.of("figure")]
    assert here == there
    assert all(re.fullmatch(r".+ \d+%", each) for each in there)


def test_a_finding_that_is_handed_on_is_the_same(shown: Shown) -> None:
    if not (found := shown.run.found()):
        return
    page = Tree(write_marked(shown.run, [found[0].code]).read_text(encoding="utf-8")).root
    assert page.of("h1")[0].text().lower() in shown.run.verdict.lower()
    same = [each for each in findings(shown.run) if each[1] == found[0].code]
    sections = page.of("main")[0].of("section")[1:]
    assert [(each.of(".level")[0].text(), each.of(".code")[0].text()) for each in sections] == [
        each[:2] for each in same
    ]
    for section, (_, _, about, told) in zip(sections, same, strict=True):
        assert [each.text() for each in section.of("h2")[0].of("bdi")] == ([about] if about else [])
        assert not told or section.of(".big")[0].text().partition(", n =")[0].endswith(told)


# -- nothing odd -----------------------------------------------------------------------------------------------------


def test_nothing_is_minus_nothing_or_no_number(shown: Shown) -> None:
    texts = [shown.page.text(), shown.notebook.text(), *shown.whole, *shown.gate_lines, html.unescape(shown.markdown),
             *(f"{' '.join(each.attrib.values())} {each.text}" for each in shown.junit.iter())]  # fmt: skip
    for text in texts:
        assert not re.search(r"(?<![\d.])-0(?:\.0+)?(?![.\d])", plain(text)), text
        assert not re.search(r"\b(?:nan|inf)\b", plain(text)), text


def test_no_title_is_a_hash(shown: Shown) -> None:
    heads = [each.text() for name in ("title", "h1", "h2", "h3", "h4", "summary") for each in shown.page.of(name)]
    heads += [line.of("bdi")[0].text() for line in shown.notebook.of("li") if line.of("bdi")]
    heads += [case.attrib["name"] for case in shown.junit.iter("testcase")]
    heads += [line.partition(" | ")[0] for line in shown.markdown.splitlines() if line.startswith("| ")]
    for head in (*heads, *shown.terminal, *shown.whole, *shown.gate_lines):
        assert not re.search(r"\b(?=[0-9a-f]*\d)[0-9a-f]{6,}\b", head), head


def test_every_line_fits_eighty_cells_and_two_classes_fit_a_screen(shown: Shown) -> None:
    for line in (*shown.terminal, *shown.whole, *shown.gate_lines):
        assert cell_len(line) <= 80, line
    if len(shown.run.class_rows) == 2:
        assert len(shown.terminal) <= 45
