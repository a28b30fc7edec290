"""`bias-audit report --images ... --anonymous --out ...`: what of a run may be handed on."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_run import HUSKY, NAMES, Parts, info, put_table, table
from PIL import Image

from bias_audit.checks.outcomes import RuleOutcome
from bias_audit.cli import main
from bias_audit.report.page import write_report
from bias_audit.review import decisions
from bias_audit.run.result import load

Write = Callable[[Parts], Path]

COPY = "/home/turing/training set/IMG_7731 (2).jpg"


def revealing(parts: Parts, write_run: Write) -> Path:
    """A run that says names wherever a run can say one."""
    first, second = (f"husky/{name}" for name in NAMES[:2])
    parts.info = info(
        name="net on photos of Ötzi", model="/srv/models/net.keras", data="/srv/data/Ötzi", masks="/srv/masks of Ötzi",
        notes=(f"{first} and {NAMES[7]!r} were odd; see /srv/data/Ötzi/readme.txt.",),
        config={"layer": "auto", "class_map": "/srv/map of classes.json"},
    )  # fmt: skip
    parts.outcomes += (
        RuleOutcome("BA403", "copies", "dataset", "", "found", f"{second!r} is {COPY!r}.", level="WATCH", measured=1.0),
    )
    for row in parts.images:
        if row["status"] == "unreadable":
            row["status_reason"] = f"cannot identify '/srv/data/Ötzi/{row['image_id']}'"
    parts.leakage = [
        {"kind": "training copy", "name": second, "typical": COPY, "class_name": HUSKY, "value": 2.0, "measure": "bits"}
    ]
    folder = write_run(parts)
    images = pd.read_parquet(folder / "images.parquet")
    images["scan"] = [f"scans/{index % 3}.dcm" for index in range(len(images))]
    put_table(folder, "images", images)
    slices = table("slices", [{"column": "scan", "value": "scans/0.dcm", "n": 9, "accuracy": 1.0, "reason": "ok"}])
    put_table(folder, "slices", slices)
    result = load(folder)
    content = str(result.images.index[0])
    decisions.add(
        folder,
        decisions.Decision("image", content, "wrong mask", f"look at {second}", "Grace Hopper", subject=first),
        data=result.info.fingerprint,
    )
    return folder


def words(folder: Path) -> list[str]:
    """Every name that must not be in an anonymous page."""
    ids = [str(name) for name in load(folder).images.index]
    own = [name for image in ids for name in (image, image.rpartition("/")[2])]
    return [*own, COPY, "IMG_7731", "/srv/", "Ötzi", "net.keras", ".dcm", "Grace Hopper", "turing"]


def told(page: bytes) -> str:
    """The page as text, once as it lies there and once with its escapes undone."""
    import html

    text = page.decode()
    escapes = re.sub(r"\\u([0-9a-f]{4})", lambda match: chr(int(match[1], 16)), text)
    escapes = escapes.encode("utf-16", "surrogatepass").decode("utf-16")
    return "\n".join([text, escapes, html.unescape(text), html.unescape(escapes)])


def test_an_anonymous_page_holds_no_name(parts: Parts, write_run: Write, tmp_path: Path) -> None:
    folder = revealing(parts, write_run)
    out = tmp_path / "to share" / "page.html"
    assert main(["report", str(folder), "--anonymous", "--out", str(out)]) == 0
    shown = told(out.read_bytes())
    assert [word for word in words(folder) if word in shown] == []
    assert HUSKY in shown, "classes keep their names"
    assert "reviewer 1" in shown
    assert len(set(re.findall(r"image-[0-9a-f]{12}", shown))) >= 26


def test_the_search_for_names_would_find_them(parts: Parts, write_run: Write) -> None:
    folder = revealing(parts, write_run)
    shown = told(write_report(folder).read_bytes())
    assert [name for name in words(folder)[-8:] if name not in shown] == []
    assert [name for name in NAMES if f"husky/{name}" not in shown] == []


def test_two_anonymous_pages_call_an_image_by_the_same_name(parts: Parts, write_run: Write, tmp_path: Path) -> None:
    folder = revealing(parts, write_run)
    one = write_report(folder, anonymous=True, out=tmp_path / "1.html").read_bytes()
    assert write_report(folder, anonymous=True, out=tmp_path / "2.html").read_bytes() == one


def test_without_images_there_is_none(parts: Parts, write_run: Write) -> None:
    text = write_report(write_run(parts), images="none").read_text(encoding="utf-8")
    assert "data:image/jpeg" not in text
    assert "data:image/png" not in text
    assert "Pictures were left out of this file on request" in text


def test_all_images_lie_beside_the_page(parts: Parts, write_run: Write, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_run(parts)
    beside = folder / "report-images"
    beside.mkdir()
    (beside / "i999.jpg").write_bytes(b"of an earlier page")
    (beside / "notes.txt").write_text("the user's own")
    assert main(["report", str(folder), "--images", "all"]) == 0
    assert capsys.readouterr().out.strip() == str(folder / "report.html")
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "data:image/jpeg" not in text
    asked = set(re.findall(r"url\(report-images/([^)]+)\)", text))
    assert {file.name for file in beside.iterdir()} == asked | {"notes.txt"}
    assert {base64.b64encode((beside / name).read_bytes()).decode() for name in asked if name.endswith(".jpg")} == {
        entry["jpeg"]
        for entry in [
            *parts.pictures["images"].values(),
            *parts.pictures["composites"][HUSKY],
            *parts.pictures["emptied"][HUSKY],
        ]
    }
    assert not [name for name in asked if "husky" in name], "no name of a file outlives the picture"


def test_a_heavy_page_is_warned_of(
    parts: Parts, write_run: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_run(parts)
    assert main(["report", str(folder), "--images", "all"]) == 0
    assert "MB" not in capsys.readouterr().err
    monkeypatch.setattr("bias_audit.cli.report.HEAVY", 100_000)
    assert main(["report", str(folder), "--images", "all"]) == 0
    assert "take 0 MB; --images flagged keeps them below 8 MB" in capsys.readouterr().err


def test_a_page_of_files_works_from_a_disk(parts: Parts, write_run: Write, tmp_path: Path, browser: Any) -> None:
    page_file = write_report(write_run(parts), images="all", out=tmp_path / "it's (all) #1.html")
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    page.goto(page_file.as_uri())
    page.locator("#browser").scroll_into_view_if_needed()
    page.locator(".stage .frame").wait_for()
    page.wait_for_load_state("networkidle")
    loaded = page.evaluate(
        """() => Promise.all(['.stage .frame', '.stage .heat'].map((name) => new Promise((done) => {
          const image = new Image();
          image.onload = () => done(image.naturalWidth); image.onerror = () => done(0);
          image.src = getComputedStyle(document.querySelector(name)).backgroundImage.slice(5, -2);
        })))"""
    )
    context.close()
    assert loaded == [32, 2]
    assert complaints == []


def test_an_unknown_choice_of_images_is_refused(parts: Parts, write_run: Write) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["report", str(write_run(parts)), "--images", "some"])
    assert refused.value.code == 2


def test_thumbnails_carry_nothing_of_their_original() -> None:
    """What is stored is encoded from pixels: no EXIF, no comment, no thumbnail of a camera."""
    from bias_audit.report.pictures import encode_picture

    picture = encode_picture(np.full((300, 400, 3), 120, np.float32))
    image = Image.open(io.BytesIO(base64.b64decode(picture["jpeg"])))
    assert dict(image.getexif()) == {}
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_the_audit_keeps_no_exif(tmp_path: Path) -> None:
    """From a photo with its author in EXIF and comment to what the audit stores of it."""
    from bias_audit.data.batches import Geometry
    from bias_audit.data.masks import MaskReading
    from bias_audit.data.sources import open_dataset
    from bias_audit.report.pictures import make_pictures

    exif = Image.Exif()
    exif[0x013B] = "Grace Hopper"
    for label in ("a", "b"):
        (tmp_path / label).mkdir()
        Image.new("RGB", (64, 48), (90, 120, 30)).save(
            tmp_path / label / "1.jpg", exif=exif, comment=b"by Grace Hopper"
        )
    assert b"Grace" in (tmp_path / "a" / "1.jpg").read_bytes()
    dataset = open_dataset(tmp_path, None)
    images = pd.DataFrame({"predicted": ["a", "b"]}, index=[sample.image_id for sample in dataset.samples])
    made = make_pictures(dataset, [0, 1], images, {}, Geometry((48, 64), 3, "stretch", "bilinear", MaskReading()), {})
    assert set(made) == {"a/1.jpg", "b/1.jpg"}
    for picture in made.values():
        content = base64.b64decode(picture["jpeg"])
        assert b"Grace" not in content
        assert dict(Image.open(io.BytesIO(content)).getexif()) == {}
