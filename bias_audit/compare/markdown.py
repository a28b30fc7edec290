"""Writes a comparison as Markdown (compare.md), short enough for a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bias_audit.compare.compared import Comparison
from bias_audit.compare.measures import BETTER, MEASURES, WORSE, Change
from bias_audit.compare.words import about, between, difference, measured, moved, ordered, tested
from bias_audit.gate.formats.markdown import escaped
from bias_audit.run.quantities import quantity

LIMIT = 60_000
"""Most bytes of the Markdown: GitHub takes comments of 65,536 characters."""

SHOWN = 100
"""Most rows of one table."""

_HEAD = ("| {} | measure | before | now | difference | 95% interval | test | |", "|---|---|---|---|---|---|---|---|")


def markdown(comparison: Comparison) -> str:
    """The comparison as Markdown, worse before better, with the unchanged rows folded.

    While the text is longer than LIMIT, the number of rows that each table may show is halved.
    """
    shown = SHOWN
    text = _page(comparison, shown)
    while len(text.encode("utf-8", "backslashreplace")) > LIMIT and shown:
        shown //= 2
        text = _page(comparison, shown)
    return text


def _page(comparison: Comparison, shown: int) -> str:
    old, new = comparison.old.info, comparison.new.info
    lines = [
        "## Background bias: new run against old run",
        "",
        f"**{_text(comparison.headline)}**",
        "",
        f"Old: {_text(old.name)}, {_text(old.created[:10])} (level {comparison.old.level}). "
        f"New: {_text(new.name)}, {_text(new.created[:10])} (level {comparison.new.level}).",
        "",
        _text(comparison.matching),
        "",
        *(f"- {_text(sentence)}" for sentence in comparison.differences),
        "",
    ]
    lines += _findings(comparison, shown)
    for title, subject, changes in (
        ("Data set", "", comparison.data),
        ("Classes", "class", comparison.classes),
        ("Slices", "slice", comparison.slices),
    ):
        if changes:
            lines += _changes(title, subject, changes, shown)
    lines += _flips(comparison, min(shown, 10))
    lines.append(
        "Better and worse: the test of no difference is significant after correction over the subjects of its table "
        "(Benjamini-Hochberg), and the interval excludes zero. “No difference shown” does not prove equality."
    )
    return "\n".join(lines) + "\n"


def _findings(comparison: Comparison, shown: int) -> Iterator[str]:
    found = comparison.findings
    if not found:
        yield from ("No findings in either run.", "")
        return
    yield from (
        f"### Findings ({len(found)})",
        "",
        "| | level | rule | about | measured | |",
        "|---|---|---|---|---|---|",
    )
    for each in found[:shown]:
        kind = f"{each.kind}: {each.state}" if each.state else each.kind
        cells = (
            kind,
            each.outcome.level or "",
            each.outcome.code,
            _text(about(each)),
            measured(each),
            _text(each.remark),
        )
        yield f"| {' | '.join(cells)} |"
    yield from _more(len(found), shown)


def _changes(title: str, subject: str, changes: Sequence[Change], shown: int) -> Iterator[str]:
    moved_ = [change for change in ordered(list(changes)) if change.verdict in (WORSE, BETTER)]
    still = [change for change in ordered(list(changes)) if change.verdict not in (WORSE, BETTER)]
    yield from (f"### {title}", "")
    if moved_:
        yield from (_HEAD[0].format(subject), _HEAD[1], *(_row(change) for change in moved_[:shown]))
        yield from _more(len(moved_), shown)
    if still:
        yield from (f"<details><summary>No difference shown, or too few images ({len(still)})</summary>", "")
        yield from (_HEAD[0].format(subject), _HEAD[1], *(_row(change) for change in still[:shown]))
        yield from _more(len(still), shown)
        yield from ("</details>", "")


def _row(change: Change) -> str:
    measure = MEASURES[change.measure]
    cells = (
        _text(change.subject) or "all images",
        measure.title,
        quantity(change.old, measure.unit),
        quantity(change.new, measure.unit),
        difference(change),
        between(change),
        tested(change).replace("<", "&lt;"),
        f"**{change.verdict}** ({change.n} images)"
        if change.verdict in (WORSE, BETTER)
        else f"{change.verdict} ({change.n} images)",
    )
    return f"| {' | '.join(cells)} |"


def _flips(comparison: Comparison, shown: int) -> Iterator[str]:
    kinds = [kind for kind in comparison.flips if kind.total]
    if kinds:
        yield from ("### Images", "")
    for kind in kinds:
        yield from (f"<details><summary>{kind.title}: {kind.total:,}</summary>", "")
        for flip in kind.images[:shown]:
            taken = f"taken for {_text(flip.old_predicted)} before, for {_text(flip.new_predicted)} now"
            yield f"- {_text(flip.image_id)} ({_text(flip.label)}): {taken}; {_text(moved(flip, kind))}"
        if kind.total > shown:
            yield f"- and {kind.total - min(shown, len(kind.images)):,} more"
        yield from ("", "</details>", "")


def _more(total: int, shown: int) -> Iterator[str]:
    if total > shown:
        yield from ("", f"and {total - shown:,} more")
    yield ""


def _text(text: str) -> str:
    return escaped(text)
