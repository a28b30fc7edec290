"""Reads YAML that others wrote, as texts, lists and mappings and nothing else: no tag makes an object of anything."""

from __future__ import annotations

from typing import Any

from bias_audit.errors import BiasAuditError, first_line
from bias_audit.files.text import DEEPEST


def parse_yaml(text: str, error: type[BiasAuditError], begin: str, *, hint: str = "") -> Any:
    """Content of a YAML text: texts, lists and mappings from texts; None for an empty one.

    Every scalar is the text that stands there: `no` is a name and no false, `010` no 8.

    Args:
        text: the text; whoever reads it bounds its size.
        error: kind of error that is raised.
        begin: begin of the sentence, as "the file 'data.yaml' is".
        hint: what the user can do.

    Raises:
        ImportError: PyYAML is not installed.
        BiasAuditError: no YAML, several documents, an alias (a few of which can stand for billions of nodes), a mapping
            with one key twice or with one that is no text, or brackets too deep.
    """
    import yaml

    class Loader(yaml.BaseLoader):  # type: ignore[misc]
        """Texts, lists and mappings; PyYAML's own safe loader knows dates and numbers without end as well."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise ValueError(f"line {self.peek_event().start_mark.line + 1} repeats another part by an alias (*)")
            self.depth += 1
            if self.depth > DEEPEST:
                raise RecursionError
            node = super().compose_node(parent, index)
            self.depth -= 1
            return node

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            keys = set()
            for key, _ in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise ValueError(f"line {key.start_mark.line + 1} has a key that is no text")
                if key.value in keys:
                    raise ValueError(f"line {key.start_mark.line + 1} has the key {key.value[:80]!r} a second time")
                keys.add(key.value)
            return super().construct_mapping(node, deep)

    loader = None
    try:
        loader = Loader(text)  # it looks for characters that YAML does not allow
        return loader.get_single_data()
    except RecursionError as raised:
        raise error(f"{begin} not valid YAML: brackets or lines lie more than {DEEPEST} deep", hint) from raised
    except yaml.MarkedYAMLError as raised:
        mark = raised.problem_mark or raised.context_mark
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise error(f"{begin} not valid YAML: {where}{raised.problem or raised.context}", hint) from raised
    except (yaml.YAMLError, ValueError) as raised:
        raise error(f"{begin} not valid YAML: {first_line(raised)}", hint) from raised
    finally:
        if loader is not None:
            loader.dispose()
