"""`bias-audit data`: counts, masks, copies and what could be found, known by hand; a sentence for each wrong call."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

SIZE = 40


def photo(seed: int, height: int = SIZE, width: int = SIZE) -> np.ndarray:
    """A picture like no other: coarse noise, so that its perceptual hash is its own."""
    rng = np.random.default_rng(seed)
    return cv2.resize(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)


def disc(radius: int, void: int = 0, size: int = SIZE) -> np.ndarray:
    """A mask of a disc in the middle, with a ring of this width around it that has the value 128."""
    mask = np.zeros((size, size), np.uint8)
    cv2.circle(mask, (size // 2, size // 2), radius + void, 128, -1)
    cv2.circle(mask, (size // 2, size // 2), radius, 255, -1)
    return mask


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Twelve photos of a and nine of b in "images", discs in "masks"; the first of b lies in another class as well."""
    for label, count in (("a", 12), ("b", 9)):
        for number in range(count):
            save(tmp_path / "images" / label / f"{number}.png", photo(1000 * ord(label) + number))
            save(tmp_path / "masks" / label / f"{number}.png", disc(10))
    return tmp_path


def unfolded(out: str) -> str:
    """What was printed as one line: sentences are folded where the line ends."""
    return " ".join(out.split())


def looked(command: Any, *arguments: object) -> dict[str, Any]:
    code, out, err = command("data", *arguments, "--json", "--quiet")
    assert code == 0, err
    return json.loads(out)


def test_a_sound_data_set(world: Path, command: Any) -> None:
    found = looked(command, world / "images", "--masks", world / "masks")
    assert (found["photos"], found["sampled_from"], found["source"]) == (21, 0, "folder")
    a, b = found["classes"]
    assert (a["name"], a["photos"], a["masked"], a["units"], a["missing"]) == ("a", 12, 12, 12, 0)
    # One class is tested, so 2 / 2^k <= .05: six of twelve must be lost.
    share = a["smallest_gap"]
    assert sum(math.comb(12, k) * share**k * (1 - share) ** (12 - k) for k in range(6, 13)) == pytest.approx(
        0.8, abs=1e-3
    )
    assert (b["units"], b["smallest_gap"], b["missing"]) == (9, None, 1)
    assert found["masks"] == {"ok": 21}
    assert found["mask_kinds"] == ["mask"]
    assert found["sizes"] == [[SIZE, SIZE, 21]]
    assert found["copies"] == found["unread"] == found["bad_masks"] == []
    code, out, _ = command("data", world / "images", "--masks", world / "masks")
    assert code == 0
    assert "21 photos, 2 classes" in unfolded(out)
    assert "58 pp" in unfolded(out)
    assert "not enough images: 1 more is needed" in unfolded(out)
    assert "21 of 21 photos have a mask that can be used." in unfolded(out)


def test_masks_of_every_kind(world: Path, command: Any) -> None:
    masks = world / "masks"
    save(masks / "a" / "0.png", disc(0) * 0)
    save(masks / "a" / "1.png", np.zeros((SIZE, 3 * SIZE), np.uint8) + 255)
    (masks / "a" / "2.png").write_bytes(b"no picture")
    save(masks / "a" / "3.png", np.dstack([disc(10), disc(4), disc(2)]))
    (masks / "a" / "4.png").unlink()
    save(masks / "a" / "5.png", disc(1))  # five of 1600 pixels
    save(masks / "a" / "6.png", np.full((SIZE, SIZE), 255, np.uint8))
    save(masks / "c" / "99.png", disc(10))
    found = looked(command, world / "images", "--masks", masks)
    assert found["masks"] == {
        "ok": 16, "mask without foreground": 1, "mask has the wrong size": 1, "mask unreadable": 1,
        "mask is a colour picture": 1, "no mask": 1,
    }  # fmt: skip
    assert [each["image_id"] for each in found["bad_masks"]] == ["a/0.png", "a/1.png", "a/2.png", "a/3.png"]
    assert found["not_tested"] == {"object too small to paste": 1, "object fills the frame": 1}
    a = found["classes"][0]
    assert (a["masked"], a["without"], a["unusable"], a["units"], a["missing"]) == (7, 1, 4, 5, 5)
    assert found["unused_masks"] == ["c/99.png"]
    assert found["estimated"] is False
    _, out, _ = command("data", world / "images", "--masks", masks)
    assert "16 of 21 photos have a mask that can be used; 4 unusable (" in unfolded(out)
    assert "1 mask belongs to no picture, for instance 'c/99.png'" in unfolded(out)


def test_without_masks_the_audit_estimates_or_does_not(world: Path, command: Any) -> None:
    found = looked(command, world / "images")
    assert found["estimated"] is True
    assert [each["units"] for each in found["classes"]] == [12, 9]
    none = looked(command, world / "images", "--masks", "none")
    assert [each["units"] for each in none["classes"]] == [0, 0]
    _, out, _ = command("data", world / "images", "--masks", "none")
    assert "reliance on the background cannot be tested" in unfolded(out)
    code, out, _ = command("data", world / "images", "--interventions", "0")
    assert code == 0
    assert "not tested (--interventions 0)" in unfolded(out)


def test_pictures_that_cannot_be_read_and_copies(world: Path, command: Any) -> None:
    images = world / "images"
    (images / "a" / "0.png").write_bytes(b"")
    (images / "a" / "1.png").write_bytes((images / "a" / "1.png").read_bytes()[:200])
    save(images / "a" / "x.webp", photo(1))
    (images / "a" / "Thumbs.db").write_bytes(b"x")
    shutil.copy(images / "b" / "0.png", images / "a" / "same.png")
    save(images / "a" / "half.png", cv2.resize(photo(1000 * ord("a") + 5), (20, 20), interpolation=cv2.INTER_AREA))
    save(images / "loose.png", photo(2))
    found = looked(command, images)
    unread = {each["image_id"]: each["why"] for each in found["unread"]}
    assert set(unread) == {"a/0.png", "a/1.png", "a/x.webp"}
    assert "empty" in unread["a/0.png"]
    assert [(each["first"], each["second"], each["bits"] is None) for each in found["copies"]] == [
        ("a/same.png", "b/0.png", True), ("a/5.png", "a/half.png", False),
    ]  # fmt: skip
    assert found["ignored_files"] == ["a/Thumbs.db"]
    assert list(found["left_out"].values()) == [1]
    assert (found["smallest"], found["different_sizes"]) == ([20, 20], 2)
    _, out, _ = command("data", images)
    said = unfolded(out)
    assert "1 pair of copies with different labels, one of which must be wrong: 'a/same.png' and 'b/0.png'." in said
    assert "1 pair of copies within a class (0 of them the same file)" in said
    assert "Pictures that cannot be read or are skipped: 3." in said


def table_of(world: Path) -> Path:
    rows = ["image,label,mask,split,patient"]
    for label, count in (("a", 12), ("b", 9)):
        for number in range(count):
            mask = f"masks/{label}/{number}.png" if number else ""
            rows.append(f"images/{label}/{number}.png,{label},{mask},{'test' if number else 'train'},p{number // 3}")
    (world / "t.csv").write_text("\n".join(rows))
    return world / "t.csv"


def test_groups_and_splits(world: Path, command: Any) -> None:
    table = table_of(world)
    found = looked(command, table, "--group-by", "patient", "--split", "test")
    assert found["photos"] == 19
    assert found["splits"] == {"train": 2, "test": 19}
    # p0 to p2 have two or three photos of either class, p3 three of a.
    assert found["groups"] == {"column": "patient", "groups": 4, "median": 5.0, "largest": 6, "several_classes": 3}
    assert [each["units"] for each in found["classes"]] == [4, 3]
    _, out, _ = command("data", table, "--group-by", "patient")
    said = " ".join(out.split())
    assert "not enough groups: 6 more are needed" in said
    assert "Splits of the data: train 2, test 19" in said
    code, _, err = command("data", table, "--group-by", "hospital")
    assert code == 2
    assert "no column 'hospital'" in err


def test_a_sample(world: Path, command: Any) -> None:
    found = looked(command, world / "images", "--masks", world / "masks", "--sample", "8")
    assert (found["photos"], found["sampled_from"]) == (8, 21)
    assert found["unused_masks"] == []
    _, out, _ = command("data", world / "images", "--sample", "8")
    assert "a sample of 8 of 21 photos" in unfolded(out)
    code, _, err = command("data", world / "images", "--sample", "1")
    assert code == 2
    assert "--sample 1" in err
    assert looked(command, world / "images", "--sample", "8", "--seed", "1") != found


def test_the_page(world: Path, command: Any) -> None:
    evil = "<img src=x onerror=alert(1)>.png"
    shutil.copy(world / "images" / "a" / "1.png", world / "images" / "b" / evil)
    save(world / "masks" / "a" / "1.png", disc(10) * 0)
    page = world / "look.html"
    code, out, _ = command("data", world / "images", "--masks", world / "masks", "--out", page)
    assert code == 0
    assert str(page) in unfolded(out)
    text = page.read_text()
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;.png" in text
    assert "<script" not in text
    assert re.findall(r"(?:src|href)=\"(?!data:image/jpeg;base64,|#)", text) == []
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert text.count("data:image/jpeg;base64,") == 12 + 10 + 1 + 2  # of each class, masks to look at, a pair of copies
    assert "mask without foreground" in text
    assert "Copies with different labels" in text
    code, _, err = command("data", world / "images", "--out", world / "look.pdf")
    assert code == 2
    assert "must end in .html" in err
    code, _, err = command("data", world / "images", "--out", world / "no folder" / "look.html")
    assert code == 2
    assert "cannot write" in err


def test_a_model_is_no_data_set(world: Path, command: Any) -> None:
    model = world / "model.keras"
    model.write_bytes(b"x")
    code, _, err = command("data", model)
    assert code == 2
    assert "is a model and no data set" in err


def test_model_and_data_exchanged(world: Path, command: Any) -> None:
    """The file needs not be read to see that; nothing is loaded and nothing written."""
    for name in ("model.keras", "net.onnx", "weights.pth"):
        (world / name).write_bytes(b"x")
        code, _, err = command("audit", world / "images", world / name, "--out", world / "run")
        assert code == 2
        assert "MODEL and DATA are exchanged" in err
        assert f"bias-audit audit {world / name} {world / 'images'}" in err
    assert not (world / "run").exists()
    code, _, err = command("audit", world / "nowhere", world / "model.keras")
    assert (code, "no model at" in err) == (2, True)


@pytest.mark.parametrize("name", ["data", "audit"])
def test_one_sentence_for_each_mistake(world: Path, command: Any, name: str) -> None:
    (world / "model.keras").write_bytes(b"x")
    first = (world / "model.keras",) if name == "audit" else ()
    shutil.copytree(world / "images", world / "parts" / "train")
    shutil.copytree(world / "images", world / "parts" / "test")
    shutil.copytree(world / "masks", world / "suffixed")
    for file in list((world / "suffixed").rglob("*.png")):
        file.rename(file.with_name(f"{file.stem}_mask.png"))
    shutil.copytree(world / "masks", world / "above" / "test")
    shutil.copytree(world / "masks", world / "above" / "train" / "more")
    (world / "one").mkdir()
    shutil.copytree(world / "images" / "a", world / "one" / "a")
    calls = [
        ((world,), ["pictures and their masks", str(world / "images"), "--masks"]),
        ((world / "parts",), ["parts of a data set", str(world / "parts" / "test")]),
        ((world / "images" / "a",), ["12 images directly inside it", "folder above it"]),
        ((world / "one",), ["has one class, 'a'", "folder above it"]),
        ((world / "images", "--masks", world / "suffixed"), ["matches an image", "'_mask' more", "a/0_mask.png"]),
        (
            (world / "images", "--masks", world / "above"),
            ["matches an image", "lie in 'test'", f"{world / 'above'}/test"],
        ),
    ]
    for arguments, says in calls:
        code, _, err = command(name, *first, *arguments)
        assert code == 2, (arguments, err)
        assert "Traceback" not in err
        for part in says:
            assert part in err, (arguments, err)


def test_no_framework_is_loaded(world: Path) -> None:
    ask = (
        "import sys; from bias_audit.cli import main\n"
        f"assert main(['data', {str(world / 'images')!r}, '--out', {str(world / 'look.html')!r}, '--json']) == 0\n"
        "frameworks = ('tensorflow', 'keras', 'torch', 'onnxruntime', 'sklearn', 'matplotlib')\n"
        "print('LOADED', *(name for name in frameworks if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.rsplit("LOADED", 1)[1].split() == []
