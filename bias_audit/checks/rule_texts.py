"""What each rule does, when to believe it and how to repair what it found: one Markdown file per rule, BA201.md.

Each lies in the folder of its check.

The files are edited by hand. They hold a title, one sentence, and the sections of SECTIONS in this order, as paragraphs
and lists with `code`; nothing else of Markdown, so that page, terminal and CI show the same. `{min_gap}` stands for a
field of `config.Thresholds` with its default.
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
"""Field of RuleText -> heading in its file."""

_FIRST = re.compile(r"# ([A-Z]{2,4}\d{3}): (\S.*)")

Block = tuple[str, tuple[str, ...]]
"""("paragraph", (text,)) or ("list", items)."""


@dataclass(frozen=True)
class RuleText:
    """One rule for people.

    Attributes:
        code: rule code.
        title: the rule in a few words, as its outcomes have it.
        summary: one sentence.
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
        """Heading and Markdown of each section, in order."""
        for field, heading in SECTIONS.items():
            yield heading, getattr(self, field)

    def markdown(self) -> str:
        """All of it."""
        parts = [f"# {self.code}: {self.title}", self.summary]
        parts += [part for heading, text in self.sections() for part in (f"## {heading}", text)]
        return "\n\n".join(parts) + "\n"

    def plain(self, width: int = 100) -> str:
        """All of it for a terminal of this many columns."""
        lines = [f"{self.code}: {self.title}", "", *_wrapped(self.summary, width)]
        for heading, text in self.sections():
            lines += ["", heading.upper()]
            lines += [line for block in blocks(text) for line in ("", *_block_lines(block, width))][1:]
        return "\n".join(lines) + "\n"


def explain_rule(code: str) -> RuleText:
    """The text of a rule; "ba201" is "BA201".

    Raises:
        ConfigError: there is no such rule; the hint names the nearest.
    """
    wanted = code.strip().upper()
    if wanted not in rule_codes():
        close = difflib.get_close_matches(wanted, rule_codes(), 1)
        known = f"Rules: {', '.join(rule_codes())}."
        raise ConfigError(f"there is no rule {code!r}", f"Did you mean {close[0]}? {known}" if close else known)
    return _read(wanted)


def rule_codes() -> tuple[str, ...]:
    """Codes of all rules of the known checks, in order."""
    return tuple(sorted(rule.code for _, rule in registry.rules()))


def every_rule() -> tuple[RuleText, ...]:
    """All texts, by code."""
    return tuple(_read(code) for code in rule_codes())


def blocks(markdown: str) -> list[Block]:
    """Paragraphs and lists of a section, line breaks within them gone."""
    found: list[Block] = []
    for part in re.split(r"\n\s*\n", markdown.strip()):
        if part.startswith("- "):
            items = re.split(r"\n- ", part[2:])
            found.append(("list", tuple(" ".join(item.split()) for item in items)))
        else:
            found.append(("paragraph", (" ".join(part.split()),)))
    return found


def spans(text: str) -> list[tuple[bool, str]]:
    """Pieces of a line: (is code, text)."""
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
    """Where a rule's text lies: beside the check that it belongs to."""
    check = next(check for check, rule in registry.rules() if rule.code == code)
    return beside(check, f"{code}.md")


@functools.cache
def _defaults() -> dict[str, str]:
    """Each threshold as it is written in a text: its name and default."""
    return {name: f"`{name}` = {value:g}" for name, value in dataclasses.asdict(Thresholds()).items()}


def _block_lines(block: Block, width: int) -> list[str]:
    kind, texts = block
    if kind == "paragraph":
        return _wrapped(texts[0], width)
    return [line for text in texts for line in _wrapped(text, width, "- ", "  ")]


def _wrapped(text: str, width: int, first: str = "", later: str = "") -> list[str]:
    """Lines; backticks are left out, for a terminal shows them as they are."""
    words = " ".join(text.replace("`", "").split())
    return textwrap.wrap(
        words, width, initial_indent=first, subsequent_indent=later, break_on_hyphens=False, break_long_words=False
    )
