"""Pages beside the report, in its style: one file, no network, no script, a strict content security policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bias_audit.report import figures
from bias_audit.report.page import TEMPLATES, p_value, quantity, share


def render_page(template: str, values: Mapping[str, Any], pictures: Iterable[dict[str, object]] = ()) -> bytes:
    """A template of the report's folder as UTF-8.

    Args:
        template: file name.
        values: what it shows.
        pictures: {key, jpeg, width, height, grid}, see `figures.picture_rules`.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(quantity=quantity, share=share, p_value=p_value)
    environment.globals.update(interval=markup(figures.interval))
    names = ("page.css", "comparison.css")
    styles = [Markup((TEMPLATES / name).read_text(encoding="utf-8")) for name in names]
    styles.append(Markup(figures.picture_rules(pictures)))
    allowed = " ".join(_source(style) for style in styles)
    policy = f"default-src 'none'; img-src data:; style-src {allowed}; base-uri 'none'; form-action 'none'"
    text = environment.get_template(template).render(**values, styles=styles, policy=policy)
    return text.encode("utf-8", "backslashreplace")


def markup(draw: Callable[..., str]) -> Callable[..., Markup]:
    """A function that escapes inside what it draws, for templates."""

    def drawn(*arguments: Any, **options: Any) -> Markup:
        return Markup(draw(*arguments, **options))

    return drawn


def _source(content: str) -> str:
    """The hash by which a content security policy allows an inline element."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
