"""HTML of a run for a notebook: the verdict, a strip of pictures, the classes, and where the page is.

Styles stand in the elements and colours are the notebook's own: what cleans notebooks removes style sheets and scripts,
and a notebook may be light or dark. Every text of the run is escaped, and nothing is fetched.
"""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bias_audit.checks.levels import class_levels
from bias_audit.checks.outcomes import number
from bias_audit.errors import ResultError
from bias_audit.notebook.strips import NO_PICTURES, Strip, strips
from bias_audit.run import quantities
from bias_audit.run.identity import subject_title
from bias_audit.run.printable import printable
from bias_audit.run.result import AuditResult
from bias_audit.run.verdict_text import without_level

MOST_CLASSES = 30
MOST_FINDINGS = 30

_LINE = "border:1px solid rgba(128,128,128,.4)"
_CELL = "padding:.25em .75em;text-align:left;vertical-align:top"
_NUMBER = "padding:.25em .75em;text-align:right;white-space:nowrap"

RATES = (
    ("as is", "accuracy", "accuracy_low", "accuracy_high", "share"),
    ("on backgrounds of its class", "same_background_accuracy", "same_low", "same_high", "share"),
    ("on other backgrounds", "other_background_accuracy", "other_low", "other_high", "share"),
    ("background gap", "background_gap", "gap_low", "gap_high", "points"),
)
"""Heading, columns of value and interval, and unit of the numbers of a class."""


def run_html(result: AuditResult) -> str:
    """The run as an HTML element, complete in itself.

    Pictures that are missing or damaged are said to be so; the rest is shown as ever.
    """
    said = f"<p><strong>{text(result.level)}</strong> {text(without_level(result.verdict))}</p>"
    parts = [said, _strip(result), _classes(result)]
    return f'<div style="max-width:62em">{"".join(parts)}{_findings(result)}{_page(result.path)}</div>'


def text(content: object) -> str:
    """A text of the run as HTML: nothing of it is markup, and no character of it is invisible."""
    return html.escape(printable(content))


def worst_first(result: AuditResult) -> list[tuple[dict[str, Any], str]]:
    """The classes as (row of the class table, level of its worst finding or ""), those with findings first."""
    levels = class_levels(result.found())
    places = {name: place for place, name in enumerate(levels)}
    rows = sorted(result.class_rows, key=lambda row: places.get(str(row["class_name"]), len(places)))
    return [(row, levels.get(str(row["class_name"]), "")) for row in rows]


def rate(row: dict[str, Any], value: str, low: str, high: str, unit: str) -> str:
    """A number of a class with its interval, as text."""
    return quantities.interval(number(row.get(value)), number(row.get(low)), number(row.get(high)), unit)


def _strip(result: AuditResult) -> str:
    try:
        made = strips(result)
    except ResultError as error:
        return f"<p>The pictures cannot be shown: {text(error.message)}</p>"
    return _drawn(made[0]) if made else f"<p>{NO_PICTURES}</p>"


def _drawn(strip: Strip) -> str:
    figures = []
    for tile in strip.tiles:
        mark, word = {True: ("\N{CHECK MARK}", "right"), False: ("\N{BALLOT X}", "wrong"), None: ("", "")}[tile.right]
        sign = f'<span role="img" aria-label="{word}">{mark}</span> ' if mark else ""
        figures.append(
            '<figure style="margin:0;width:150px">'
            f'<img style="width:100%;height:auto" alt="{text(strip.subject)}: {text(tile.text)}" '
            f'src="data:image/jpeg;base64,{tile.jpeg}">'
            f"<figcaption><small><bdi>{text(tile.text)}</bdi></small><br>{sign}<bdi>{text(tile.said)}</bdi></figcaption>"
            "</figure>"
        )
    title = f"A photo of <b><bdi>{text(strip.subject)}</bdi></b>, and its object pasted on other backgrounds:"
    row = f'<div style="display:flex;flex-wrap:wrap;gap:.75em">{"".join(figures)}</div>'
    return f'<div style="margin:.75em 0"><p>{title}</p>{row}</div>'


def _classes(result: AuditResult) -> str:
    wrapped = _NUMBER.replace("nowrap", "normal")  # else the headings make the table wider than a notebook
    headings = (("class", _CELL), ("photos", wrapped), *((name, wrapped) for name, *_ in RATES), ("finding", _CELL))
    head = "".join(f'<th scope="col" style="{style}">{heading}</th>' for heading, style in headings)
    rows = worst_first(result)
    lines = []
    for row, level in rows[:MOST_CLASSES]:
        numbers = (str(int(number(row.get("n_read")) or 0)), *(rate(row, *columns) for _, *columns in RATES))
        cells = "".join(f'<td style="{_NUMBER}">{text(each)}</td>' for each in numbers)
        name = f'<th scope="row" style="{_CELL}"><bdi>{text(row["class_name"])}</bdi></th>'
        lines.append(f'<tr>{name}{cells}<td style="{_CELL}">{text(level)}</td></tr>')
    left = len(rows) - MOST_CLASSES
    more = f"<p>and {left:,} more classes: <code>run.classes</code></p>" if left > 0 else ""
    caption = '<caption style="text-align:left">Share of photos that are recognised, with 95% intervals</caption>'
    table = f"{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div style="overflow-x:auto"><table style="border-collapse:collapse;{_LINE}">{table}</table></div>{more}'


def _findings(result: AuditResult) -> str:
    found = result.found()
    if not found:
        return "<p>No rule found anything.</p>"
    items = [
        f"<li><b>{text(each.level)}</b> {text(each.code)}"
        f"{f' <bdi>{text(about)}</bdi>' if (about := subject_title(each)) else ''}: {text(each.sentence)}</li>"
        for each in found[:MOST_FINDINGS]
    ]
    left = len(found) - MOST_FINDINGS
    more = [f"<li>and {left:,} more: <code>run.findings</code></li>"] if left > 0 else []
    count = f"{len(found):,} finding{'' if len(found) == 1 else 's'}"
    return f"<details><summary>{count}</summary><ul>{''.join([*items, *more])}</ul></details>"


def _page(folder: Path) -> str:
    """Where the page of the run is, as a link where a notebook can follow it: below the working folder."""
    page = folder / "report.html"
    if not page.is_file():
        return f"<p>The page of the run is missing; <code>bias-audit report {text(folder)}</code> writes it.</p>"
    shown = f"<code>{text(page)}</code>"
    try:
        near = os.path.relpath(page.resolve(), Path.cwd().resolve())
    except ValueError:  # another drive
        near = os.pardir
    if near.split(os.sep)[0] != os.pardir:
        address = quote(near.replace(os.sep, "/").encode("utf-8", "surrogateescape"))
        shown = f'<a href="{address}" target="_blank" rel="noopener">{shown}</a>'
    return f"<p>The whole report: {shown}</p>"
