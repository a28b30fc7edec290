"""Explained pictures by themselves: one line as text, a picture in a notebook, arrays for whoever asks."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np

from bias_audit.heatmaps.explained import MOST_SHOWN, Explained, Pictures

GREY = np.full((8, 12, 3), 100, np.uint8)


def explained(**changes: object) -> Explained:
    values: dict[str, object] = {
        "path": Path("a/<b>.jpg"), "status": "ok", "top": (("wolf", 0.9), ("husky", 0.1)), "explained": "wolf",
        "explained_probability": 0.9, "log_odds": 2.2, "map": np.array([[-1, 0], [1, 3]], np.float32),
        "method": "hires_cam", "layer": "conv", "seen": lambda: GREY,
    }  # fmt: skip
    return Explained(**{**values, **changes})  # type: ignore[arg-type]


def test_its_text_is_one_line() -> None:
    assert repr(explained()) == "<Explained 'a/<b>.jpg': wolf 90%; hires_cam heatmap 2x2>"
    assert repr(explained(explained="husky", explained_probability=0.1)).endswith(
        ": husky 10%, predicted wolf 90%; hires_cam heatmap 2x2>"
    )
    unread = Explained(Path("x\n.jpg"), "unreadable", "cut off")
    assert repr(unread) == "<Explained 'x\\n.jpg': unreadable: cut off>"


def test_what_is_asked_for() -> None:
    one = explained()
    assert one.predictions == {"wolf": 0.9, "husky": 0.1}
    assert one.image is GREY
    heat = one.heatmap
    assert heat is not None
    assert heat.shape == (8, 12)
    assert (float(heat.min()), float(heat.max())) == (0.0, 1.0), "the positive part over its maximum"
    assert heat[-1, -1] == 1.0
    assert heat[0, 0] == 0.0
    assert explained(map=-np.ones((2, 2), np.float32)).heatmap is None, "no positive evidence"
    assert explained(seen=None).heatmap is None
    assert explained(seen=None).image is None


def test_a_notebook_gets_a_picture() -> None:
    shown = cv2.imdecode(np.frombuffer(explained()._repr_png_() or b"", np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[1] == 12
    assert shown.shape[0] > 8, "the title stands above"
    text = explained()._repr_html_()
    assert "a/&lt;b&gt;.jpg" in text
    assert "<b>" not in text
    assert "<bdi>wolf</bdi> 90%<br><bdi>husky</bdi> 10%" in text
    (jpeg,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    drawn = cv2.imdecode(np.frombuffer(base64.b64decode(jpeg), np.uint8), cv2.IMREAD_COLOR).astype(int)
    assert drawn.shape == (8, 12, 3)
    assert drawn[-1, -1, 2] - drawn[-1, -1, 0] > 60, "red where the evidence is strongest"
    assert abs(drawn[0, 0, 2] - drawn[0, 0, 0]) < 40, "and grey where there is none"


def test_without_a_picture_it_says_why() -> None:
    unread = Explained(Path("x.jpg"), "unreadable", "cut <off>")
    assert unread._repr_png_() is None
    assert "unreadable: cut &lt;off&gt;" in unread._repr_html_()
    kept_none = explained(map=None, seen=None)
    assert kept_none._repr_png_() is None
    assert "wolf 90%" in kept_none._repr_html_()


def test_a_list_is_cut_and_says_so() -> None:
    text = Pictures([explained()] * (MOST_SHOWN + 2))._repr_html_()
    assert text.count("<img") == MOST_SHOWN
    assert "and 2 more pictures" in text
    assert "more pictures" not in Pictures([explained()])._repr_html_()
    assert repr(Pictures([explained()])) == f"[{explained()!r}]"
