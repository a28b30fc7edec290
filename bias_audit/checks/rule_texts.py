"""Reading the rule texts: one Markdown file per rule (BA201.md) that explains it to people.

A text says what the rule does, when to believe it and how to repair what it found. The file lies in the folder of the
rule's check and is edited by hand. It holds a title, one sentence, and the sections of SECTIONS in this order, as
paragraphs and lists with `code`; nothing else of Markdown, so that page, terminal and CI show the same. `{min_gap}`
stands for a field of `checks.thresholds.Thresholds` with its default.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources.abc import Traversable

from bias_audit.checks import registry
from bias_audit.checks.base import RULE_CODE
from bias_audit.checks.installed import beside
from bias_audit.config import Thresholds
from bias_audit.errors import ConfigError

SECTIONS = {
    "done": "What is done",
    "judged": "What is judged",
    "true_case": "A true case",
    "false_case": "A false case",
    "repair": "What to do",
    "source": "Source",
}
"""Field of `RuleText` -> heading of the section in the file."""

_FIRST = re.compile(rf"# ({RULE_CODE}): (\S.*)")

Block = tuple[str, tuple[str, ...]]
"""A paragraph or list of a section: ("paragraph", (text,)) or ("list", items)."""


@dataclass(frozen=True)
class RuleText:
    """The text that explains one rule to people.

    Attributes:
        code: rule code.
        title: the rule in a few words, as in its outcomes.
        summary: the rule in one sentence.
        done, judged, true_case, false_case, repair, source: sections of SECTIONS, in Markdown.
    """

    code: str
    title: str
    summary: str
    done: str
    judged: str
    true_case: str
    false_case: str
    repair: str
    source: str

    def sections(self) -> Iterator[tuple[str, str]]:
        """Pairs of heading and Markdown text of each section, in order."""
        for field, heading in SECTIONS.items():
            yield heading, getattr(self, field)

    def markdown(self) -> str:
        """The whole text as Markdown."""
        parts = [f"# {self.code}: {self.title}", self.summary]
        parts += [part for heading, text in self.sections() for part in (f"## {heading}", text)]
        return "\n\n".join(parts) + "\n"

    def plain(self, width: int = 100) -> str:
        """The whole text for a terminal, wrapped at `width` characters."""
        lines = [f"{self.code}: {self.title}", "", *_wrapped(self.summary, width)]
        for heading, text in self.sections():
            lines += ["", heading.upper()]
            lines += [line for block in blocks(text) for line in ("", *_block_lines(block, width))][1:]
        return "\n".join(lines) + "\n"


def explain_rule(code: str) -> RuleText:
    """The text of one rule.

    Args:
        code: rule code; case and surrounding spaces do not matter.

    Raises:
        ConfigError: there is no such rule; the hint names the nearest code, if one is near, and all codes.
    """
    wanted = code.strip().upper()
    if registry.find_rule(wanted) is None:
        close = difflib.get_close_matches(wanted, rule_codes(), 1)
        known = f"Rules: {', '.join(rule_codes())}."
        raise ConfigError(f"there is no rule {code!r}", f"Did you mean {close[0]}? {known}" if close else known)
    return _read(wanted)


def rule_codes() -> tuple[str, ...]:
    """Codes of all rules of the known checks, sorted."""
    return tuple(sorted(rule.code for _, rule in registry.rules()))


def every_rule() -> tuple[RuleText, ...]:
    """The texts of all rules of the known checks, sorted by code."""
    return tuple(_read(code) for code in rule_codes())


def blocks(markdown: str) -> list[Block]:
    """Split the Markdown of a section into paragraphs and lists, each text on one line."""
    found: list[Block] = []
    for part in re.split(r"\n\s*\n", markdown.strip()):
        if part.startswith("- "):
            items = re.split(r"\n- ", part[2:])
            found.append(("list", tuple(" ".join(item.split()) for item in items)))
        else:
            found.append(("paragraph", (" ".join(part.split()),)))
    return found


def spans(text: str) -> list[tuple[bool, str]]:
    """Split a line at its backticks into (is code, text); empty pieces are left out."""
    return [(place % 2 == 1, piece) for place, piece in enumerate(text.split("`")) if piece]


@functools.cache
def _read(code: str) -> RuleText:
    text = rule_file(code).read_text(encoding="utf-8")
    head, *parts = text.format_map(_defaults()).split("\n## ")
    first, _, summary = head.partition("\n")
    title = _FIRST.fullmatch(first)
    found = {heading: content.strip() for heading, _, content in (part.partition("\n") for part in parts)}
    if title is None or title[1] != code or list(found) != list(SECTIONS.values()) or len(parts) != len(found):
        raise ValueError(f"{code}.md: wanted '# {code}: title', a sentence and the sections {[*SECTIONS.values()]}")
    return RuleText(code, title[2], summary.strip(), **{field: found[name] for field, name in SECTIONS.items()})


def rule_file(code: str) -> Traversable:
    """The file of a rule's text, in the folder of its check.

    Args:
        code: code of a known rule.
    """
    check = next(check for check, rule in registry.rules() if rule.code == code)
    return beside(check, f"{code}.md")


@functools.cache
def _defaults() -> dict[str, str]:
    """Name of each threshold -> its name and default as a rule text shows them."""
    return {name: f"`{name}` = {value:g}" for name, value in dataclasses.asdict(Thresholds()).items()}


def _block_lines(block: Block, width: int) -> list[str]:
    kind, texts = block
    if kind == "paragraph":
        return _wrapped(texts[0], width)
    return [line for text in texts for line in _wrapped(text, width, "- ", "  ")]


def _wrapped(text: str, width: int, first: str = "", later: str = "") -> list[str]:
    """Text wrapped to lines of `width`, without backticks; `first` and `later` are the indents."""
    words = " ".join(text.replace("`", "").split())
    return textwrap.wrap(
        words, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False, break_long_words=False
    )
