"""Writes report.html from the summary of a run: one file, no network, a strict content security policy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup

from bias_audit.errors import ResultError
from bias_audit.files.text import read_json
from bias_audit.report import figures
from bias_audit.report.anonymous import anonymous as hidden
from bias_audit.report.browser_section import packed
from bias_audit.report.gallery import PICTURE_BUDGET
from bias_audit.report.rendering import asset, environment, source
from bias_audit.report.summary import summarise
from bias_audit.run import versions
from bias_audit.run.atomic import guarded, write_atomically
from bias_audit.run.result import AuditResult, load

ASSETS = (
    "page.css", "first_screen.css", "findings.css", "browser.css", "review.css", "region.css",
    "numbers.js", "page.js", "browser.js", "review.js", "region.js",
)  # fmt: skip
"""Styles and scripts of the page, in the order in which they are included."""

PARTS = {
    "browser.js": ("browser_data.js", "browser_list.js", "browser_view.js", "browser.js"),
    "review.js": ("review_state.js", "review.js"),
}
"""Scripts made of several files in one scope: later files use what earlier ones define."""

ONLY_LIVE = ("region.css", "region.js")
"""Styles and scripts that need a model behind the page."""

EVERYTHING = 10**12
"""Budget of bytes for pictures that are written as files, which is no limit."""

_PICTURE_FILE = re.compile(r"[a-z]\d+h?\.(?:jpg|png)")

PAGE_LIMIT = 8_000_000
"""Size in bytes below which the page stays, whatever the size of the data set; pictures in files do not count."""


def write_report(
    run: AuditResult | str | Path, *, images: str = "flagged", anonymous: bool = False, out: str | Path | None = None
) -> Path:
    """Write the page of a run from its folder alone: from audit.json, the tables and pictures.json.

    The page is written under a temporary name and renamed, so nobody ever reads half of it.

    Args:
        run: a run folder, or its result where that is at hand (the audit writes the page before audit.json).
        images: "none"; "flagged" = the most suspicious, within PICTURE_BUDGET; "all" = all that the audit kept, as
            files in `picture_folder_of` the page.
        anonymous: replace names of files, folders and reviewers.
        out: path of the page; None = RUN/report.html.

    Returns:
        path of the page.

    Raises:
        ResultError: the run is missing, unfinished or damaged, or the page cannot be written.
    """
    result = run if isinstance(run, AuditResult) else load(run)
    page = result.path / "report.html" if out is None else Path(out)
    hint = "Free space or make the folder writable."
    guarded(lambda: page.parent.mkdir(parents=True, exist_ok=True), page.parent, hint)
    if images != "all":
        return write_atomically(page, page_of(result, images=images, anonymous=anonymous), hint, own=out is None)
    summary = _summary(result, read_pictures(result.path), EVERYTHING, anonymous)
    folder = picture_folder_of(page)
    _write_pictures(folder, summary["pictures"], hint)
    return write_atomically(page, render(summary, picture_folder=quote(folder.name)), hint, own=out is None)


def picture_folder_of(page: Path) -> Path:
    """Path of the folder beside a page that holds its pictures, where they are not in the page itself."""
    return page.with_name(f"{page.stem}-images")


def page_of(
    result: AuditResult,
    review: dict[str, Any] | None = None,
    *,
    images: str = "flagged",
    anonymous: bool = False,
) -> bytes:
    """The page of a run as UTF-8, with its pictures inside.

    Where the page would reach PAGE_LIMIT, it gets fewer pictures.

    Args:
        result: a finished run.
        review: see `render`.
        images: "none" or "flagged", see `write_report`.
        anonymous: see `write_report`.

    Raises:
        ResultError: a table or the pictures of the run are damaged.
    """
    pictures = {} if images == "none" else read_pictures(result.path)

    def made(budget: int) -> bytes:
        summary = _summary(result, pictures, budget, anonymous)
        return render({**summary, "pictures_left_out": images == "none"}, review)

    budget = PICTURE_BUDGET
    page = made(budget)
    # The markup around pictures is estimated beforehand; where it was more, pictures give way, not the limit.
    while len(page) >= PAGE_LIMIT and budget > 0:
        budget = int(0.97 * budget * PAGE_LIMIT / len(page)) if budget > PICTURE_BUDGET // 20 else 0
        page = made(budget)
    return page


def _summary(result: AuditResult, pictures: Mapping[str, Any], budget: int, anonymous: bool) -> dict[str, Any]:
    summary = summarise(result, pictures, budget)
    return hidden(summary, result) if anonymous else summary


def _write_pictures(folder: Path, pictures: Iterable[dict[str, object]], hint: str) -> None:
    """Write pictures as files; those of an earlier page are removed, anything else in the folder stays."""
    guarded(lambda: folder.mkdir(exist_ok=True), folder, hint)
    written = set()
    for name, content in figures.picture_files(pictures):
        guarded(partial((folder / name).write_bytes, content), folder / name, hint)
        written.add(name)
    for file in folder.iterdir():
        if file.name not in written and _PICTURE_FILE.fullmatch(file.name):
            guarded(file.unlink, file, hint)


def render(summary: dict[str, Any], review: dict[str, Any] | None = None, picture_folder: str = "") -> bytes:
    """Render the summary of a run as an HTML page in UTF-8.

    Args:
        summary: dict of `summary.summarise`.
        review: what `bias-audit review` tells its page (api: path of the server, live, reviewer); None for a page in a
            file.
        picture_folder: folder beside the page that holds the pictures as files; "" = the page holds them itself.
    """
    live = bool(review and review.get("live"))
    names = [name for name in ASSETS if live or name not in ONLY_LIVE]
    files = {name: _asset(name) for name in names}
    styles = [content for name, content in files.items() if name.endswith(".css")]
    styles.append(Markup(figures.picture_rules(summary["pictures"], picture_folder)))
    scripts = [content for name, content in files.items() if name.endswith(".js")]
    policy = "; ".join(
        (
            "default-src 'none'",
            "img-src data: 'self'" if review is not None or picture_folder else "img-src data:",
            *([] if review is None else ["connect-src 'self'"]),
            f"style-src {' '.join(map(source, styles))}",
            f"script-src {' '.join(map(source, scripts))}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    text = (
        environment()
        .get_template("page.html")
        .render(
            **summary,
            styles=styles,
            scripts=scripts,
            live=live,
            policy=policy,
            review=review,
            images_data=packed(summary["browser"]),
        )
    )
    # A name that is no valid Unicode must not cost the report.
    return text.encode("utf-8", "backslashreplace")


def _asset(name: str) -> Markup:
    parts = [asset(part) for part in PARTS.get(name, (name,))]
    return Markup(parts[0] if len(parts) == 1 else '"use strict";\n{\n' + "\n".join(parts) + "}\n")


def read_pictures(folder: Path) -> dict[str, Any]:
    """Content of a run's pictures.json, {} where the run has none.

    Raises:
        ResultError: the file cannot be read, or is damaged.
    """
    file = folder / "pictures.json"
    hint = "Delete it to make the page without pictures, or run the audit again."
    content = read_json(file, ResultError, hint=hint)
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ResultError(f"{str(file)!r} is damaged: expected an object, got {type(content).__name__}", hint)
    return versions.renamed(content, versions.PICTURES)
