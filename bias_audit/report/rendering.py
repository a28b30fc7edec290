"""Common parts of all pages: templates, numbers as text, and hashes for a content security policy."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, FunctionLoader, StrictUndefined
from markupsafe import Markup

from bias_audit.checks.installed import beside, imported
from bias_audit.report import figures
from bias_audit.run import quantities

TEMPLATES = Path(__file__).with_name("templates")

CHECKS = Path(__file__).parents[1] / "checks"
"""Folder of the checks, each with its section.html in a folder of its name."""

MINUS, THIN_SPACE = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"


@functools.cache
def environment() -> Environment:
    """The environment of the templates: it escapes all values, and fails on a variable that was not given.

    One for all pages of a process, since compiling the templates takes longer than filling them in.
    """
    made = Environment(
        loader=ChoiceLoader([FileSystemLoader((TEMPLATES, CHECKS)), FunctionLoader(_of_other_package)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(quantity=quantity, span=span, effect=effect, ratio=quantities.ratio, p_value=p_value)
    made.globals.update(
        interval=markup(figures.interval),
        histogram=markup(figures.histogram),
        contour_path=figures.contour_path,
        colour_bar=markup(figures.colour_bar),
    )
    return made


def _of_other_package(name: str) -> tuple[str, None, Callable[[], bool]] | None:
    """Content of NAME/section.html for an imported check of another package, read anew for every page.

    None where there is no such check.
    """
    folder, _, file = name.partition("/")
    for check in imported():
        if check.name == folder and file == "section.html":
            return beside(check, file).read_text(encoding="utf-8"), None, lambda: False
    return None


def asset(name: str) -> Markup:
    """Content of a style or script in the folder of the templates."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))


def markup(draw: Callable[..., str]) -> Callable[..., Markup]:
    """A drawing function for templates whose result is not escaped again, because `draw` escapes its texts itself."""

    def drawn(*arguments: Any, **options: Any) -> Markup:
        return Markup(draw(*arguments, **options))

    return drawn


def render_static(template: str, values: Mapping[str, Any], styles: Sequence[str], rules: str = "") -> bytes:
    """Render a template as an HTML page in UTF-8: one file, no network, no script, a strict content security policy.

    Args:
        template: file name of the template.
        values: variables of the template, beside `styles` and `policy`.
        styles: files of its style sheets.
        rules: one more style sheet, made by the package; "" = none.
    """
    sheets = [*map(asset, styles), *([Markup(rules)] if rules else [])]
    allowed = " ".join(source(sheet) for sheet in sheets)
    policy = f"default-src 'none'; img-src data:; style-src {allowed}; base-uri 'none'; form-action 'none'"
    text = environment().get_template(template).render(**values, styles=sheets, policy=policy)
    return text.encode("utf-8", "backslashreplace")  # a name that is no valid Unicode must not cost the page


def source(content: str) -> str:
    """The hash by which a content security policy allows an inline element with this content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def quantity(value: float | None, unit: str) -> str:
    """`quantities.quantity` as it is set in a page: a true minus sign, and no line break before "pp"."""
    return quantities.quantity(value, unit).replace("-", MINUS).replace(" pp", f"{THIN_SPACE}pp")


def span(estimate: Mapping[str, Any], unit: str) -> str:
    """Ends of the interval of `cells.estimate`, as `quantities.span` gives them: "27 to 88"; "" where there is none."""
    return quantities.span(estimate["low"], estimate["high"], unit).replace("-", MINUS)


def effect(estimate: Mapping[str, Any], unit: str) -> str:
    """A number of `cells.estimate` with its interval, as `quantities.interval` gives it: "68 pp [27 to 88]"."""
    ends = span(estimate, unit)
    return f"{quantity(estimate['value'], unit)} [{ends}]" if ends else quantity(estimate["value"], unit)


def p_value(value: float) -> str:
    """A p-value as text with its sign of comparison, behind a p in italics: "< 0.001" or "= 0.012"."""
    return quantities.p_value(value).removeprefix("p ")
