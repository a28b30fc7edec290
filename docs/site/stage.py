"""The pages of the site as Sphinx gets them: copied from the repository, with links that hold on the site.

Texts are written for readers of the repository, where every relative link leads to a file. On the site the pages of
`docs/` stand at the top and a few files from elsewhere stand beside them (`MOVED`). A link to any other file of the
repository becomes its address there.
"""

from __future__ import annotations

import json
import posixpath
import re
import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

MOVED = {
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "reports/methods.md": "reports/methods.md",
    "reports/compatibility.md": "reports/compatibility.md",
    "reports/compatibility-onnx.md": "reports/compatibility-onnx.md",
    "reports/compatibility-pytorch.md": "reports/compatibility-pytorch.md",
    "reports/benchmark/benchmark.md": "reports/benchmark/benchmark.md",
    "reports/benchmark/benchmark.judged-again.md": "reports/benchmark/benchmark.judged-again.md",
}
"""Texts from outside of `docs/` that are pages of the site: path in the repository -> path on the site."""

COPIED = (".png", ".svg", ".json", ".html")
"""Kinds of files that are copied where a page links to them, from `docs/` and `reports/`."""

INDEX = "docs/index.md"
GENERATED = "reference/"
"""Folder of the site with the pages that `reference.py` writes; links to them are taken as they are."""

FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\]\()([^)\s]+)(\))")
TO_A_RUN = re.compile(r'<a\b[^>]*\bhref="work/[^"]*"[^>]*>(.*?)</a>', re.DOTALL)
ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^)\s#]+\.(?:md|ipynb))\)", re.MULTILINE)


def repository() -> str:
    """Address of the repository, as pyproject.toml says it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    address: str = project["urls"]["Source"]
    return address


def site_path(path: str) -> str | None:
    """Where a file of the repository stands on the site; None where it does not."""
    if path in MOVED:
        return MOVED[path]
    if path.startswith("docs/site/"):
        return None
    inside = path.removeprefix("docs/")
    if path.startswith("docs/") and path.endswith((".md", ".ipynb", *COPIED)):
        return inside.removesuffix(".ipynb") + ".md" if path.endswith(".ipynb") else inside
    if path.startswith("reports/") and path.endswith(COPIED):
        return path
    return None


def pages() -> list[str]:
    """Paths in the repository of all texts that are pages of the site."""
    found = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*"))]
    return [
        *(name for name in found if name.endswith((".md", ".ipynb")) and "/." not in name and site_path(name)),
        *MOVED,
    ]


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """The text with a change made to all that lies outside of fenced blocks."""
    parts, last = [], 0
    for block in FENCE.finditer(text):
        parts += [change(text[last : block.start()]), block.group()]
        last = block.end()
    return "".join([*parts, change(text[last:])])


def targets(path: str, text: str) -> list[str]:
    """Where the relative links of a page lead: paths in the repository, each with its anchor."""
    found: list[str] = []
    outside_code(text, lambda part: (found.extend(match[2] for match in LINK.finditer(part)), part)[1])
    return [_from_root(path, link) for link in found if not _is_address(link)]


def on_site(path: str, text: str, address: str, needed: set[str]) -> str:
    """The text of a page with links as the site needs them.

    Args:
        path: path of the page in the repository.
        text: its Markdown.
        address: address of the repository.
        needed: gets the paths of files to copy.
    """
    here = posixpath.dirname(site_path(path) or path)

    def changed(match: re.Match[str]) -> str:
        link = match[2]
        if _is_address(link) or link.startswith("#"):
            return match[0]
        target, _, anchor = _from_root(path, link).partition("#")
        hash_ = f"#{anchor}" if anchor else ""
        if target.startswith("docs/" + GENERATED):
            return f"{match[1]}{posixpath.relpath(target.removeprefix('docs/'), here or '.')}{hash_}{match[3]}"
        place = site_path(target)
        if place is None:
            kind = "tree" if (ROOT / target).is_dir() else "blob"
            return f"{match[1]}{address}/{kind}/main/{target}{hash_}{match[3]}"
        if target.endswith(COPIED):
            needed.add(target)
        return f"{match[1]}{posixpath.relpath(place, here or '.')}{hash_}{match[3]}"

    return outside_code(text, lambda part: LINK.sub(changed, part))


def contents(index: str, generated: Mapping[str, str]) -> str:
    """The table of contents that Sphinx wants, made of the lists of links in the index page.

    Args:
        index: text of docs/index.md; each heading of second order that has a list of pages becomes a part.
        generated: path on the site -> text of the generated pages, in their order; they make the part "Reference".
    """
    parts: list[str] = []
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        caption = section.splitlines()[0].strip()
        entries = [f"{title} <{_entry(link)}>" for title, link in ENTRY.findall(section)]
        if caption == "Reference":
            entries = [*(name for name in generated if name.count("/") == 1), *entries]
        parts.append(_toctree(caption, entries))
        if caption == "Begin":
            parts.append(_toctree("Notebooks", [str(site_path(path)) for path in pages() if path.endswith(".ipynb")]))
    return "\n".join(parts)


def _toctree(caption: str, entries: list[str]) -> str:
    """A part of the contents; "" where nothing belongs to it."""
    lines = "\n".join(entries)
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n" if entries else ""


def stage(folder: Path, generated: Mapping[str, str]) -> None:
    """Write everything that Sphinx builds from into a folder, which is emptied before.

    Args:
        folder: where to write.
        generated: path on the site -> text of pages that no file of the repository holds.
    """
    shutil.rmtree(folder, ignore_errors=True)
    address, needed = repository(), set[str]()
    for path in pages():
        text = (ROOT / path).read_text(encoding="utf-8")
        place = site_path(path)
        assert place is not None
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".ipynb"):
            text = notebook(json.loads(text), target)
        text = on_site(path, text, address, needed)
        if path == INDEX:
            text += "\n" + contents((ROOT / path).read_text(encoding="utf-8"), generated)
        target.write_text(text, encoding="utf-8")
    for path in sorted(needed):
        target = folder / str(site_path(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():  # what a cell of a notebook shows lies there already
            shutil.copyfile(ROOT / path, target)
    for name, text in generated.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


def notebook(content: Mapping[str, object], target: Path) -> str:
    """An executed notebook as Markdown: its texts, its code, and what each cell showed; pictures lie beside it."""
    import base64

    parts: list[str] = []
    cells = content["cells"]
    assert isinstance(cells, list)
    for number, cell in enumerate(cells):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        if cell["cell_type"] != "code":
            continue
        parts.append(f"```python\n{source}\n```")
        printed = "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")
        if printed:
            parts.append(f"```text\n{printed.rstrip()}\n```")
        for place, output in enumerate(cell["outputs"]):
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{target.stem}-{number}-{place}.png"
                (target.parent / name).write_bytes(base64.b64decode("".join(data["image/png"])))
                parts.append(f"![what the cell shows]({name})")
            elif "text/html" in data:
                markup = re.sub(r"\n\s*\n", "\n", "".join(data["text/html"]))  # an empty line would end it in Markdown
                markup = TO_A_RUN.sub(r"\1", markup)  # no run folder lies on the site
                parts.append(f'<div class="shown">{markup}</div>')
            elif text := "".join(data.get("text/plain", "")):
                parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _is_address(link: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]*:", link) is not None


def _from_root(path: str, link: str) -> str:
    target, mark, anchor = link.partition("#")
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), target)) if target else path
    return f"{target}{mark}{anchor}"


def _entry(link: str) -> str:
    """What a link of docs/index.md is called on the site: `../SECURITY.md` is `security.md`."""
    target = _from_root(INDEX, link)
    return site_path(target) or target.removeprefix("docs/")
