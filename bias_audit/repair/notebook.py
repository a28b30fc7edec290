"""HTML of a repair for a notebook; styles stand in the elements, and nothing is fetched."""

from __future__ import annotations

from bias_audit.notebook.run_html import text
from bias_audit.repair.proof import class_table, runs
from bias_audit.repair.result import Repair

MOST_ROWS = 60

_CELL = "padding:.25em .75em;text-align:left;vertical-align:top"


def repair_html(repair: Repair) -> str:
    """The repair as an HTML element, complete in itself."""
    parts = [f"<p><strong>{text(repair.verdict)}</strong> {text(repair.sentence)}</p>"]
    if repair.proof is not None:
        rows = class_table(repair.proof)
        heads = "".join(f'<th scope="col" style="{_CELL}">{each}</th>' for each in ("class", "", *runs(repair.proof)))
        lines = [
            f'<tr><th scope="row" style="{_CELL}"><bdi>{text(row["class"])}</bdi></th>'
            + "".join(f'<td style="{_CELL}">{text(each)}</td>' for each in (row["what"], *row["cells"]))
            + "</tr>"
            for row in rows[:MOST_ROWS]
        ]
        more = (
            f"<p>and {len(rows) - MOST_ROWS:,} more rows: <code>repair.table()</code></p>"
            if len(rows) > MOST_ROWS
            else ""
        )
        table = f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody>"
        parts.append(
            f'<div style="overflow-x:auto"><table style="border-collapse:collapse">{table}</table></div>{more}'
        )
    if repair.model is not None:
        parts.append(f"<p>The repaired model: <code>{text(repair.model)}</code></p>")
    if repair.path is not None:
        parts.append(f"<p>The whole report: <code>{text(repair.path / 'repair.html')}</code></p>")
    return f'<div style="max-width:62em">{"".join(parts)}</div>'
