"""The file as it lies on disk: its figures, its size, its policy, and how it gets there."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_run import HUSKY, NAMES, Parts, info, made_parts, picture, write_parts
from PIL import Image

from bias_audit.checks.outcomes import LEVELS, RuleOutcome
from bias_audit.errors import ResultError
from bias_audit.report import figures
from bias_audit.report.page import PAGE_LIMIT, write_report
from bias_audit.report.rendering import p_value, quantity
from bias_audit.run.result import load

Write = Callable[[Parts], Path]

HEAVY = ("tensorflow", "keras", "sklearn", "scipy", "matplotlib", "cv2")


# -- figures ------------------------------------------------------------------------------------------------------


def test_a_heatmap_is_a_png_of_one_pixel_per_cell() -> None:
    image = Image.open(io.BytesIO(figures.heat_png([[0.0, 0.5, 1.0], [2.0, -1.0, float("nan")]])))
    assert (image.mode, image.size) == ("RGBA", (3, 2))
    pixels = np.asarray(image)
    assert pixels[0, 0].tolist() == [0, 0, 4, 0], "no evidence is invisible"
    assert pixels[0, 1, :3].tolist() == [186, 54, 85], "inferno in the middle"
    assert pixels[0, 2].tolist() == [252, 255, 164, round(255 * figures.MOST_OPAQUE)]
    assert pixels[1].tolist() == [pixels[0, 2].tolist(), pixels[0, 0].tolist(), pixels[0, 0].tolist()], "clipped"


def test_the_colours_grow_lighter_and_more_opaque_with_the_evidence() -> None:
    values = np.linspace(0, 1, 101)
    pixels = np.asarray(Image.open(io.BytesIO(figures.heat_png([values.tolist()]))), float)[0]
    # Relative luminance of sRGB (WCAG 2): a reader of a grey print sees the same order.
    rgb = pixels[:, :3] / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > 0).all()
    assert (np.diff(pixels[:, 3]) >= 0).all()


def places(svg: str, kind: str) -> list[float]:
    """x positions in per cent of the elements of a class."""
    root = ET.fromstring(svg)
    return [
        float(element.get(name, "")[:-1])
        for element in root.iter()
        if element.get("class") == kind
        for name in ("cx", "x1", "x2")
        if element.get(name)
    ]


def test_an_interval_is_drawn_where_its_numbers_say() -> None:
    svg = figures.interval(0.5, 0.25, 0.75, threshold=0.05)
    assert places(svg, "dot") == [50.0]
    assert places(svg, "range") == [25.0, 75.0]
    assert places(svg, "threshold") == [5.0, 5.0]
    assert places(svg, "zero") == []


def test_an_interval_on_another_scale_shows_zero_and_keeps_within_its_ends() -> None:
    svg = figures.interval(0.5, -3.0, 1.5, scale=(-1.0, 1.0))
    assert places(svg, "dot") == [75.0]
    assert places(svg, "range") == [0.0, 100.0]
    assert places(svg, "zero") == [50.0, 50.0]
    assert places(figures.interval(0.5, None, None), "range") == []


def test_the_label_of_a_figure_is_escaped() -> None:
    assert ET.fromstring(figures.interval(0, None, None, label='"<b>&')).get("aria-label") == '"<b>&'


def test_contours_are_closed_paths() -> None:
    contours = [[[1, 2], [3.5, 4], [5, 6]], [[7, 8], [9, 9], [7, 9]]]
    assert figures.contour_path(contours) == "M1 2L3.5 4L5 6ZM7 8L9 9L7 9Z"
    assert figures.contour_path([]) == ""


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "share", "\N{EN DASH}"),
        (0.0, "share", "0%"),
        (1.0, "share", "100%"),
        (0.954, "share", "95%"),
        (0.997, "share", "99.7%"),
        (0.99999, "share", "> 99.9%"),
        (0.004, "share", "0.4%"),
        (0.0001, "share", "< 0.1%"),
        (-0.25, "points", "\N{MINUS SIGN}25 pp"),
        (-0.0001, "points", "> \N{MINUS SIGN}0.1 pp"),
        (-0.99999, "points", "< \N{MINUS SIGN}99.9 pp"),
        (1.305, "number", "1.30"),
        (-0.001, "number", "0.00"),
    ],
)
def test_numbers_as_text(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit).replace("\N{NARROW NO-BREAK SPACE}", " ") == text


def test_small_p_values_are_not_rounded_to_zero() -> None:
    assert (p_value(0.0004), p_value(0.0421)) == ("< 0.001", "= 0.042")


# -- the file -----------------------------------------------------------------------------------------------------


def test_every_inline_style_and_script_is_allowed_by_its_hash(parts: Parts, write_run: Write) -> None:
    text = write_report(write_run(parts)).read_text(encoding="utf-8")
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1])
    for tag in ("style", "script"):
        blocks = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.S)
        hashes = {base64.b64encode(hashlib.sha256(block.encode()).digest()).decode() for block in blocks}
        assert blocks
        assert hashes == set(re.findall("sha256-([^']*)'", re.search(rf"{tag}-src ([^;]*)", policy)[1]))
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_nothing_needs_what_the_policy_forbids(parts: Parts, write_run: Write) -> None:
    text = write_report(write_run(parts)).read_text(encoding="utf-8")
    assert not re.search(r"<[^>]*\sstyle=", text)
    assert not re.search(r"<[a-z][^<>\"]*\son[a-z]+=", text)
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)


def test_each_jpeg_is_embedded_once(parts: Parts, write_run: Write) -> None:
    text = write_report(write_run(parts)).read_text(encoding="utf-8")
    stored = [
        *parts.pictures["images"].values(),
        *parts.pictures["composites"][HUSKY],
        *parts.pictures["emptied"][HUSKY],
    ]
    assert len({entry["jpeg"] for entry in stored}) == len(stored) - 1 == 33, "one is shown twice"
    assert [text.count(entry["jpeg"]) for entry in stored] == [1] * 34


def test_hostile_names_are_text(parts: Parts, write_run: Write) -> None:
    text = write_report(write_run(parts)).read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert "<script>alert" not in text
    assert "{{ 7 * 7 }}" in text, "a name is data, not a template"
    for name in NAMES:
        assert str(html.escape(name)).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text


def test_a_result_at_hand_and_its_folder_give_the_same_page(parts: Parts, write_run: Write) -> None:
    folder = write_run(parts)
    from_folder = write_report(folder).read_bytes()
    result = load(folder)
    # The audit writes audit.json last: its page is made before there is one.
    (folder / "audit.json").unlink()
    assert write_report(result).read_bytes() == from_folder


def test_no_pictures_no_findings_nothing_read(parts: Parts, write_run: Write) -> None:
    parts.pictures, parts.outcomes, parts.images, parts.confusion = None, (), [], []
    parts.info = info(counts={}, statuses={}, notes=(), seconds={}, masks=None, mask_kind="none")
    for row in parts.classes:
        for key in [key for key in row if key not in ("class_name", "n", "n_read")]:
            del row[key]
        row.update(n=0, n_read=0)
    text = write_report(write_run(parts)).read_text(encoding="utf-8")
    assert "NOT JUDGED" in text
    assert "no acquittal" in text
    assert "The run holds no pictures" in text
    assert "no readable images" in text


@pytest.mark.slow
def test_the_page_stays_below_its_limit_whatever_the_set(tmp_path: Path) -> None:
    parts = made_parts()
    base = parts.pictures["images"][f"husky/{NAMES[0]}"]
    # Long names and rough outlines make the markup around a picture larger than estimated.
    rough = [[[round(x * 0.1, 1), 20.5] for x in range(300)]]
    long = "<&>" * 60
    for index in range(3000):
        image_id = f"husky/{long}{index:05d}.jpg"
        parts.images.append({**parts.images[7], "image_id": image_id, "background_excess": index / 1000})
        jpeg = base64.b64encode(index.to_bytes(2, "big") + bytes(9000)).decode()
        parts.pictures["images"][image_id] = {**base, "jpeg": jpeg, "outline": rough}
    folder = write_parts(parts, tmp_path / "run")
    content = write_report(folder).read_bytes()
    assert 0.7 * PAGE_LIMIT < len(content) < PAGE_LIMIT
    text = content.decode()
    assert re.search(r"\d+ of 3,024 stored pictures are in this file", text)
    assert html.escape(f"{long}02999.jpg") in text
    assert html.escape(f"{long}00000.jpg") not in text, "the least suspicious ones give way"


def test_many_classes_stay_below_the_limit_too(tmp_path: Path) -> None:
    parts = made_parts()
    names = [f"class {index:05d}" for index in range(3000)]
    parts.classes = [{**parts.classes[1], "class_name": name} for name in names]
    statuses = ("found", "passed", "not applicable")
    parts.outcomes = tuple(
        RuleOutcome(
            "BA201",
            "title",
            "class",
            name,
            statuses[index % 3],
            f"What happened to {name}.",
            level=None if index % 3 else "SUSPICIOUS",
        )
        for index, name in enumerate(names)
    )
    parts.info = info(class_names=tuple(names))
    content = write_report(write_parts(parts, tmp_path / "run")).read_bytes()
    assert len(content) < PAGE_LIMIT
    text = content.decode()
    assert "200 of 3,000 classes are listed" in text
    assert "and 940 more findings" in text


def test_every_level_has_its_own_shape_and_a_colour(parts: Parts, write_run: Write) -> None:
    rows = [RuleOutcome("BA101", "t", "class", HUSKY, "found", f"As {level}.", level=level) for level in LEVELS]
    parts.outcomes = tuple(rows)
    text = write_report(write_run(parts)).read_text(encoding="utf-8")
    shown = re.findall(r'<article class="finding is-([a-z-]+)"', text)
    assert shown == [level.lower().replace(" ", "-") for level in reversed(LEVELS)], "worst first"
    shapes = [re.search(rf'<symbol id="{name}"[^>]*>(.*?)</symbol>', text) for name in shown]
    assert None not in shapes
    assert len({shape.group(1) for shape in shapes if shape}) == len(LEVELS)
    for name in shown:
        assert re.search(rf"\.is-{name}\b[^{{}}]*{{ --level: var\(--", text), name


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    parts: Parts, write_run: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(parts)
    before = write_report(folder).read_bytes()

    def full(source: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    parts.verdict = "SUSPICIOUS: another one."
    write_run(parts)
    with pytest.raises(ResultError, match=r"cannot write .*report.html': No space left on device"):
        write_report(folder)
    assert (folder / "report.html").read_bytes() == before
    assert not list(folder.glob(".*"))


def test_a_missing_run_and_damaged_pictures_are_said_clearly(tmp_path: Path, parts: Parts, write_run: Write) -> None:
    with pytest.raises(ResultError, match="no run folder"):
        write_report(tmp_path / "nowhere")
    folder = write_run(parts)
    for content in ("{", "[]"):
        (folder / "pictures.json").write_text(content)
        with pytest.raises(ResultError, match=r"pictures.json' is damaged"):
            write_report(folder)


@pytest.mark.parametrize(
    ("part", "value"), [("grid", [["x"]]), ("grid", [1]), ("outline", [[[1], [2], [3]]]), ("outline", [4])]
)
def test_a_damaged_map_or_outline_costs_itself_and_not_the_page(
    parts: Parts, write_run: Write, part: str, value: object
) -> None:
    name, stored = next(iter(parts.pictures["images"].items()))
    stored[part] = value
    assert html.escape(name) in write_report(write_run(parts)).read_text(encoding="utf-8")


def test_pictures_of_images_that_are_not_in_the_table_are_left_out(parts: Parts, write_run: Write) -> None:
    parts.pictures["images"]["husky/ghost.jpg"] = picture(200)
    assert "ghost" not in write_report(write_run(parts)).read_text(encoding="utf-8")


def imported(statement: str) -> set[str]:
    """Which of HEAVY a fresh Python has loaded after `statement`."""
    code = f"import sys\n{statement}\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


def test_a_page_is_made_without_the_heavy_libraries(parts: Parts, write_run: Write) -> None:
    folder = write_run(parts)
    assert imported(f"from bias_audit.report.page import write_report; write_report({str(folder)!r})") == set()


def test_the_check_for_heavy_libraries_can_fail() -> None:
    assert imported("import scipy") == {"scipy"}
