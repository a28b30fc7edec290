"""A region drawn on a photo, tested on a model that follows the background, and on one that does not."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

import bias_audit
from bias_audit.errors import ConfigError, DataError
from bias_audit.pipeline.live_test import LiveModel
from bias_audit.review.regions import region_routes
from bias_audit.review.server import create_app
from bias_audit.run.progress import QUIET, Progress
from bias_audit.run.result import load

if TYPE_CHECKING:
    from conftest import TinyWorld

STRIP = [[0, 0], [1, 0], [1, 0.55], [0, 0.55]]
"""More than half of a photo: enough green on blue to turn the model that weighs one against the other."""


@pytest.fixture(scope="module")
def live(tiny: TinyWorld, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> LiveModel:
    run = tmp_path_factory.mktemp("live") / "run"
    shutil.copytree(finished, run)
    return LiveModel(run, tiny.follows_background, Progress(QUIET))


def test_the_background_is_answered_with_an_effect_that_is_kept(live: LiveModel):
    before = load(live.folder)
    answer = live.answer("a/a_00.png", STRIP, " green ", "Ada")
    row = answer["hypothesis"]
    assert (row["class_name"], row["name"], row["reviewer"], row["n_hosts"]) == ("a", "green", "Ada", 12)
    assert row["area"] == pytest.approx(0.55, abs=0.02)
    assert row["object_share"] < 0.3
    assert row["paste_low"] > 0.3
    assert (row["turned"] > 0.5, row["turned_control"]) == (True, 0)
    assert (answer["outcome"]["status"], answer["outcome"]["level"]) == ("found", "CONFIRMED")
    assert {picture["arm"] for picture in answer["pictures"]} >= {"photo", "inpaint", "pasted", "control"}
    after = load(live.folder)
    (outcome,) = [outcome for outcome in after.outcomes if outcome.code == "BA303"]
    assert outcome.subject == row["hypothesis_id"]
    assert "drawn by Ada" in outcome.sentence
    assert [o for o in after.outcomes if o.code != "BA303"] == list(before.outcomes)
    live.answer("a/a_00.png", STRIP, "grass", "Bob")
    assert list(load(live.folder).hypotheses["name"]) == ["grass"]


def test_a_model_that_follows_the_object_is_not_moved(tiny: TinyWorld, tmp_path: Path):
    out = tmp_path / "object"
    options = {"interventions": 0, "discovery": 0, "probes": 0, "leakage": 0, "batch_size": 4}
    bias_audit.audit(tiny.follows_object, tiny.images, masks=tiny.masks, out=out, **options)
    masks = {path.name: cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in (tiny.masks / "a").iterdir()}
    lowest = max(masks, key=lambda name: int(np.flatnonzero(masks[name].any(axis=1))[0]))
    upper = float(np.flatnonzero(masks[lowest].any(axis=1))[0]) / len(masks[lowest])
    strip = [[0, 0], [1, 0], [1, upper], [0, upper]]
    answer = LiveModel(out, tiny.follows_object, Progress(QUIET)).answer(f"a/{lowest}", strip, "green", "Ada")
    assert answer["hypothesis"]["area"] > 0.4
    assert answer["hypothesis"]["object_share"] == 0
    assert abs(answer["hypothesis"]["paste_effect"]) < 0.02
    assert answer["outcome"]["status"] == "passed"


def test_the_page_asks_for_it_through_the_server(live: LiveModel):
    client = TestClient(create_app(live.folder, "secret", live=region_routes(live)), base_url="http://127.0.0.1:80")
    headers = {"host": "127.0.0.1:80", "origin": "http://127.0.0.1:80", "sec-fetch-site": "same-origin"}
    content = str(load(live.folder).images.loc["a/a_03.png", "content"])
    api = "/secret/api/live"
    assert client.get(f"{api}/classes", headers=headers).json() == {"classes": ["a", "b"]}
    picture = client.get(f"{api}/picture", params={"key": content}, headers=headers)
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    asked = {"key": content, "corners": STRIP, "name": "<i>green</i>", "reviewer": "Ada"}
    answered = client.post(f"{api}/regions", json=asked, headers=headers).json()
    assert answered["outcome"]["level"] == "CONFIRMED"
    assert answered["hypothesis"]["image_id"] == "a/a_03.png"
    page = client.get("/secret/", headers=headers).text
    assert "&lt;i&gt;green&lt;/i&gt;" in page
    assert "<i>green" not in page
    for wrong in ({**asked, "key": "../../etc/passwd"}, {**asked, "corners": [[0, 0]]}, {"key": content}, [1]):
        refused = client.post(f"{api}/regions", json=wrong, headers=headers)
        assert (refused.status_code, bool(refused.json()["error"])) == (400, True)
    assert client.post(f"{api}/regions", json=asked, headers={**headers, "origin": "http://evil"}).status_code == 403


def test_what_is_refused(live: LiveModel, tiny: TinyWorld):
    with pytest.raises(ConfigError, match=r"no image 'a/none.png'"):
        live.answer("a/none.png", STRIP, "green", "Ada")
    with pytest.raises(ConfigError, match="needs a name"):
        live.answer("a/a_00.png", STRIP, "  ", "Ada")
    with pytest.raises(ConfigError, match="no class 'c'"):
        live.answer("a/a_00.png", STRIP, "green", "Ada", "c")
    with pytest.raises(ConfigError, match="is not the model of"):
        LiveModel(live.folder, tiny.follows_object, Progress(QUIET))
    assert live.picture("a/a_00.png").startswith(b"\xff\xd8")
    with pytest.raises(ConfigError, match="no image"):
        live.picture("../masks/a/a_00.png")


def test_another_file_under_the_same_name_is_noticed(tiny: TinyWorld, finished: Path, tmp_path: Path):
    run, images = tmp_path / "run", tmp_path / "images"
    shutil.copytree(tiny.images, images)
    options = {"interventions": 0, "discovery": 0, "probes": 0, "leakage": 0, "batch_size": 4}
    bias_audit.audit(tiny.follows_background, images, masks=tiny.masks, out=run, **options)
    live = LiveModel(run, tiny.follows_background, Progress(QUIET))
    shutil.copy(images / "b/b_01.png", images / "a/a_00.png")
    with pytest.raises(DataError, match="not the photo that was audited"):
        live.answer("a/a_00.png", STRIP, "green", "Ada")
    (images / "a/a_01.png").unlink()
    with pytest.raises(DataError, match="1 of 24 images"):
        LiveModel(run, tiny.follows_background, Progress(QUIET))
