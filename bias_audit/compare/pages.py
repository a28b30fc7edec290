"""Pages beside the report, in its style: one file, no network, no script, a strict content security policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markupsafe import Markup

from bias_audit.report import figures
from bias_audit.report.rendering import asset, environment, source


def render_page(template: str, values: Mapping[str, Any], pictures: Iterable[dict[str, object]] = ()) -> bytes:
    """A template of the report's folder as UTF-8.

    Args:
        template: file name.
        values: what it shows.
        pictures: {key, jpeg, width, height, grid}, see `figures.picture_rules`.
    """
    names = ("page.css", "comparison.css")
    styles = [asset(name) for name in names]
    styles.append(Markup(figures.picture_rules(pictures)))
    allowed = " ".join(source(style) for style in styles)
    policy = f"default-src 'none'; img-src data:; style-src {allowed}; base-uri 'none'; form-action 'none'"
    text = environment().get_template(template).render(**values, styles=styles, policy=policy)
    return text.encode("utf-8", "backslashreplace")
