"""How a run looks in a notebook: what it says, what it escapes, and what is left where its pictures are missing."""

from __future__ import annotations

import base64
import html.parser
import json
import re
from pathlib import Path

import cv2
import matplotlib.pyplot
import numpy as np
import pytest
from made_run import HOSTILE, HUSKY, NAMES, WOLF, made_parts, write_parts

from bias_audit.errors import ResultError
from bias_audit.notebook.strips import strips
from bias_audit.report.page import write_report
from bias_audit.run.result import AuditResult, load


class Elements(html.parser.HTMLParser):
    """Tags, attributes and texts of a piece of HTML, as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, "elements are closed in order"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> AuditResult:
    folder = write_parts(made_parts(), tmp_path_factory.mktemp("notebook") / "run")
    write_report(folder)
    return load(folder)


def test_its_repr_is_one_line(run: AuditResult) -> None:
    assert repr(run) == f"<AuditResult {str(run.path)!r}: SUSPICIOUS>"


def test_strip_verdict_classes_and_page(run: AuditResult) -> None:
    seen = Elements(run._repr_html_())
    text = " ".join(" ".join(seen.texts).split())
    assert text.startswith("SUSPICIOUS The prediction follows the background in 1 of 2 classes (husky)")
    # The photo that another background turns comes first: seen right, right on another husky's background, then wrong.
    photo = "the photo \N{CHECK MARK} husky 90%"
    own = "on the background of another husky photo \N{CHECK MARK} husky 93%"
    other = f"on the background of a {WOLF} photo \N{BALLOT X} {WOLF} 93%"
    assert f"{photo} {own} {other} with the object removed husky 93%" in text
    assert "husky 8 100% [68 to 100] 100% [68 to 100] 25% [7 to 59] 75 pp [25 to 90] SUSPICIOUS" in text
    assert f"{WOLF} 8 88% [53 to 98] 100% [68 to 100] 100% [68 to 100] 0 pp [-30 to 30]" in text
    assert "3 findings" in text
    assert str(run.path / "report.html") in text
    assert seen.open == []


def test_names_are_text_and_nothing_is_fetched(run: AuditResult) -> None:
    seen = Elements(run._repr_html_())
    assert HOSTILE in " ".join(seen.texts)
    known = {"div", "p", "b", "strong", "bdi", "figure", "img", "figcaption", "small", "br", "span", "table", "caption"}
    assert {tag for tag, _ in seen.tags} <= known | {
        "thead", "tbody", "tr", "th", "td", "details", "summary", "ul", "li", "code", "a",
    }  # fmt: skip
    for tag, attributes in seen.tags:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert re.fullmatch(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", str(attributes["src"]))
            assert attributes["alt"]
    assert "http" not in run._repr_html_()
    assert "url(" not in run._repr_html_()


def test_the_page_is_linked_where_a_notebook_can_follow(
    run: AuditResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def links() -> list[str | None]:
        return [attributes["href"] for tag, attributes in Elements(run._repr_html_()).tags if tag == "a"]

    monkeypatch.chdir(run.path.parent)
    assert links() == ["run/report.html"]
    monkeypatch.chdir(tmp_path)
    assert links() == []


def test_a_run_without_pictures_shows_the_rest(tmp_path: Path) -> None:
    parts = made_parts()
    parts.pictures = None
    run = load(write_parts(parts, tmp_path / "run"))
    for told in ("The run holds no pictures of pasted objects.", "75 pp [25 to 90]", "bias-audit report"):
        assert told in run._repr_html_(), "and its page is missing, too"
    with pytest.raises(ResultError, match="no pictures of pasted objects"):
        run.show()
    (run.path / "pictures.json").write_text("[")
    assert "The pictures cannot be shown: " in run._repr_html_()
    assert "75 pp [25 to 90]" in run._repr_html_()


def test_damaged_pictures_are_left_out(tmp_path: Path) -> None:
    parts = made_parts()
    assert parts.pictures is not None
    rows = parts.pictures["composites"][HUSKY]
    rows[0]["jpeg"] = '"><script>alert(1)</script>'
    rows[1] = 7
    parts.pictures["composites"][WOLF] = {"not": "rows"}
    parts.pictures["images"][f"{HUSKY}/{NAMES[7]}"]["jpeg"] = None
    run = load(write_parts(parts, tmp_path / "run"))
    assert strips(run, WOLF) == []
    assert [len(strip.tiles) for strip in strips(run, HUSKY)] == [5, 2]
    assert "alert(1)" not in run._repr_html_()


def test_many_classes_are_cut_and_counted(tmp_path: Path) -> None:
    parts = made_parts()
    usual = parts.classes[1]
    parts.classes += [
        {**usual, "class_name": f"class {i}", "background_gap": i / 100, "gap_low": 0.0} for i in range(50)
    ]
    run = load(write_parts(parts, tmp_path / "run"))
    assert "and 23 more classes" in run._repr_html_(), "53 in all, 30 shown"
    (axes,) = run.plot(most=5).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "husky (SUSPICIOUS)", "class 49", "class 48", "class 47", "class 46",
    ]  # fmt: skip
    assert "the 5 largest of 52 gaps; 1 class could not be tested" in axes.get_title(loc="left")


class TestFigures:
    def test_gaps_lie_where_the_table_has_them(self, run: AuditResult) -> None:
        figure = run.plot()
        (axes,) = figure.axes
        lines = [list(line.get_xdata()) for line in axes.get_lines()]
        assert [25.0, 90.0] in lines
        assert [75.0] in lines
        assert [-30.0, 30.0] in lines
        assert [label.get_text() for label in axes.get_yticklabels()] == ["husky (SUSPICIOUS)", WOLF]
        assert matplotlib.pyplot.get_fignums() == [], "no list of pyplot keeps it"

    def test_a_notebook_gets_a_png(self, run: AuditResult) -> None:
        shown = cv2.imdecode(np.frombuffer(run.plot()._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
        assert shown.shape[1] > 400
        assert shown.std() > 5, "something is drawn"

    def test_the_strip_of_a_class(self, run: AuditResult) -> None:
        figure = run.show(HUSKY)
        titles = [axes.get_title().replace("\n", " ") for axes in figure.axes]
        assert titles[:4] == [
            "the photo", "on the background of another husky photo", f"on the background of a {WOLF} photo",
            "with the object removed",
        ]  # fmt: skip
        said = [text.get_text() for axes in figure.axes[:3] for text in axes.texts]
        assert said == ["\N{CHECK MARK} husky 90%", "\N{CHECK MARK} husky 93%", f"\N{BALLOT X} {WOLF} 93%"]
        (first,) = strips(run, HUSKY)[0].tiles[:1]
        jpeg = cv2.imdecode(np.frombuffer(base64.b64decode(first.jpeg), np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(figure.axes[0].get_images()[0].get_array(), jpeg[..., ::-1])

    def test_dollars_are_no_formulas(self, tmp_path: Path) -> None:
        parts = made_parts()
        parts.classes[1]["class_name"] = parts.classes[1]["class_name"] + " $_$"
        run = load(write_parts(parts, tmp_path / "run"))
        assert run.plot()._repr_png_()

    def test_what_cannot_be_drawn_is_said(self, run: AuditResult, tmp_path: Path) -> None:
        with pytest.raises(ResultError, match="no class 'wulf'") as error:
            run.show("wulf")
        assert HUSKY in str(error.value.hint)
        with pytest.raises(ResultError, match="no pictures of pasted objects of"):
            run.show(WOLF)
        parts = made_parts()
        parts.classes = [{**row, "background_gap": None} for row in parts.classes]
        parts.outcomes = ()
        untested = load(write_parts(parts, tmp_path / "run"))
        with pytest.raises(ResultError, match="no class of this run has a background gap to draw"):
            untested.plot()


def test_outcomes_are_the_list_and_findings_the_table(run: AuditResult) -> None:
    assert list(run.findings["code"]) == ["BA201", "BA202", "BA901"]
    assert len(run.outcomes) > len(run.findings)
    assert json.dumps([outcome.code for outcome in run.outcomes])
