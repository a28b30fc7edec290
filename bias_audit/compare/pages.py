"""Renders pages in the style of the report: one file, no network, no script, a strict content security policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bias_audit.report import figures
from bias_audit.report.rendering import render_static


def render_page(template: str, values: Mapping[str, Any], pictures: Iterable[dict[str, object]] = ()) -> bytes:
    """Render a template of the report as an HTML page in UTF-8.

    Args:
        template: file name of the template.
        values: variables of the template.
        pictures: pictures of the page as {key, jpeg, width, height, grid}, see `figures.picture_rules`.
    """
    return render_static(template, values, ("page.css", "comparison.css"), figures.picture_rules(pictures))
