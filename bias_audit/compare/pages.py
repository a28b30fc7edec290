"""Renders pages in the style of the report: one file, no network, no script, a strict content security policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from bias_audit.report import figures
from bias_audit.report.rendering import asset, environment, source


def render_page(template: str, values: Mapping[str, Any], pictures: Iterable[dict[str, object]] = ()) -> bytes:
    """Render a template of the report as an HTML page in UTF-8.

    Args:
        template: file name of the template.
        values: variables of the template.
        pictures: pictures of the page as {key, jpeg, width, height, grid}, see `figures.picture_rules`.
    """
    names = ("page.css", "comparison.css")
    styles = [asset(name) for name in names]
    styles.append(Markup(figures.picture_rules(pictures)))
    allowed = " ".join(source(style) for style in styles)
    policy = f"default-src 'none'; img-src data:; style-src {allowed}; base-uri 'none'; form-action 'none'"
    text = environment().get_template(template).render(**values, styles=styles, policy=policy)
    return text.encode("utf-8", "backslashreplace")
