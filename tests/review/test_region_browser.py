"""Drawing a region in a real browser, with a stand-in for the model: what is asked, and how the answer is shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from made_run import HUSKY, jpeg, made_parts, write_parts

from bias_audit.errors import ConfigError
from bias_audit.review.regions import region_routes
from bias_audit.review.server import LOOPBACK, bind, create_app

HOSTILE = "<img src=x onerror=alert(5)>"
PLAIN = "0123456789abcdef"


class StandIn:
    """Answers as `live.LiveModel` does, and remembers what it was asked."""

    class_names = (HUSKY, "wolf")

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.shape = (64, 48)
        self.times = 1

    def find(self, key: str) -> str:
        if key != PLAIN:
            raise ConfigError(f"the run has no image {key}")
        return "husky/plain.jpg"

    def picture(self, image_id: str) -> bytes:
        import base64

        return base64.b64decode(jpeg((200, 200, 255), self.shape))

    def answer(self, image_id: str, corners: Any, name: str, reviewer: str, class_name: str) -> dict[str, Any]:
        self.asked.append(
            {"image_id": image_id, "corners": corners, "name": name, "reviewer": reviewer, "class_name": class_name}
        )
        if name == "nothing":
            raise ConfigError("the region takes 0.00% of the picture", "Draw a larger one.")
        sentence = f"{name} raises the probability by 0.27 [0.18, 0.35]."
        shot = {
            "arm": "pasted",
            "host": HOSTILE,
            "probability": 0.52,
            "jpeg": jpeg((9, 9, 9)),
            "width": 32,
            "height": 24,
        }
        return {
            "hypothesis": {"class_name": HUSKY},
            "outcome": {"level": "CONFIRMED", "status": "found", "sentence": sentence},
            "pictures": [shot, {**shot, "arm": "control", "probability": float("nan")}] * self.times,
        }


@pytest.fixture
def tester() -> StandIn:
    return StandIn()


@pytest.fixture
def page(tmp_path: Path, browser: Any, tester: StandIn) -> Iterator[Any]:
    parts = made_parts()
    for row in parts.images:
        row["content"] = PLAIN if row["image_id"] == "husky/plain.jpg" else ""
    run = write_parts(parts, tmp_path / "run")
    opened = bind(0)
    app = create_app(run, "secret", live=region_routes(tester), reviewer="Ada")
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, log_level="error", lifespan="off"))
    thread = threading.Thread(target=lambda: server.run(sockets=[opened]), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    tab = browser.new_page(viewport={"width": 1200, "height": 1000}, reduced_motion="reduce")
    tab.set_default_timeout(60_000)
    tab.problems = []
    tab.on("pageerror", lambda error: tab.problems.append(str(error)))
    tab.on("dialog", lambda dialog: (tab.problems.append(dialog.message), dialog.accept()))
    tab.goto(f"http://{LOOPBACK}:{opened.getsockname()[1]}/secret/#image={PLAIN}")
    yield tab
    tab.close()
    server.should_exit = True
    thread.join(timeout=30)


def start(page: Any) -> Any:
    page.locator("#browser .test-region").first.click()
    dialog = page.locator("#region-dialog")
    dialog.wait_for()
    return dialog


def test_a_line_is_drawn_and_its_answer_shown(page: Any, tester: StandIn) -> None:
    dialog = start(page)
    assert dialog.get_by_label("Your name").input_value() == "Ada"
    canvas = dialog.locator("[data-part=drawing]")
    dialog.locator("img[data-part=picture]").evaluate("(image) => image.decode()")
    box = canvas.bounding_box()
    corners = [(0.1, 0.7), (0.9, 0.7), (0.9, 0.95), (0.1, 0.95)]
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.7 * box["height"])
    page.mouse.down()
    for x, y in corners[1:]:
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
    page.mouse.up()
    dialog.get_by_label("What is it?").fill(HOSTILE)
    dialog.get_by_role("button", name="Test it").click()
    dialog.get_by_text("Answered, and kept in the run.").wait_for()
    (asked,) = tester.asked
    assert (asked["image_id"], asked["name"], asked["reviewer"]) == ("husky/plain.jpg", HOSTILE, "Ada")
    assert asked["class_name"] == ""
    assert asked["corners"] == [[pytest.approx(x, abs=0.01), pytest.approx(y, abs=0.01)] for x, y in corners]
    answer = dialog.locator(".region-answer")
    assert "CONFIRMED" in answer.inner_text()
    assert f"{HOSTILE} raises the probability" in answer.inner_text()
    assert "with the region: husky 52%" in answer.inner_text()
    assert answer.locator("img").count() == 2
    assert page.problems == []


def test_it_stands_beside_the_views_and_has_a_key(page: Any) -> None:
    button = page.locator("#browser .views").get_by_role("button", name="Test a region")
    button.wait_for()
    assert button.locator("u").inner_text() == "T"
    page.keyboard.press("t")
    page.locator("#region-dialog").wait_for()
    page.get_by_label("Your name").press("t")
    assert page.get_by_label("Your name").input_value() == "tAda", "in a field it is a letter"
    assert page.problems == []


def test_it_works_without_a_pointer_and_says_what_is_wrong(page: Any, tester: StandIn) -> None:
    dialog = start(page)
    dialog.get_by_role("button", name="Test it").click()
    dialog.get_by_label("What is it?").fill("nothing")
    dialog.get_by_role("button", name="Test it").click()
    dialog.get_by_text("Draw a line around the thing first.").wait_for()
    assert tester.asked == []
    for label, value in (("left", "10"), ("top", "20"), ("width", "30"), ("height", "40")):
        dialog.get_by_label(label).fill(value)
    dialog.get_by_label("Watch the class").select_option("wolf")
    dialog.get_by_role("button", name="Test it").click()
    dialog.get_by_text("Draw a larger one.").wait_for()
    (asked,) = tester.asked
    assert asked["class_name"] == "wolf"
    assert asked["corners"] == [
        [pytest.approx(x), pytest.approx(y)] for x, y in ((0.1, 0.2), (0.4, 0.2), (0.4, 0.6), (0.1, 0.6))
    ]
    assert page.problems == []


@pytest.mark.parametrize("width", [360, 1280])
def test_the_dialog_is_accessible(page: Any, axe: Any, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    dialog = start(page)
    found = axe(page, "#region-dialog")
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert dialog.evaluate("(element) => element.scrollWidth <= element.clientWidth + 1")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def inside(page: Any, element: Any) -> bool:
    """Whether an element lies within the window as a whole."""
    box, window = element.bounding_box(), page.viewport_size
    return bool(
        box
        and box["x"] >= 0
        and box["y"] >= 0
        and box["x"] + box["width"] <= window["width"]
        and box["y"] + box["height"] <= window["height"]
    )


def ask(dialog: Any) -> None:
    """Fill the form in and have the answer shown."""
    dialog.get_by_label("What is it?").fill("snow")
    for label, value in (("left", "10"), ("top", "20"), ("width", "30"), ("height", "40")):
        dialog.get_by_label(label).fill(value)
    dialog.get_by_role("button", name="Test it").click()
    dialog.get_by_text("Answered, and kept in the run.").wait_for()


def assert_scrolls_inside(page: Any, dialog: Any) -> None:
    assert inside(page, dialog)
    assert dialog.evaluate("(element) => element.scrollHeight > element.clientHeight"), "more than is seen at once"
    assert dialog.evaluate("(element) => element.scrollWidth <= element.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    dialog.locator(".region-answer li").last.scroll_into_view_if_needed()
    assert inside(page, dialog.locator(".region-answer li").last.locator("p"))


@pytest.mark.parametrize("shape", [(64, 48), (64, 64), (48, 96)])
def test_the_whole_dialog_is_seen_on_a_laptop(page: Any, tester: StandIn, shape: tuple[int, int]) -> None:
    tester.shape, tester.times = shape, 8
    page.set_viewport_size({"width": 1440, "height": 900})
    dialog = start(page)
    picture = dialog.locator("img[data-part=picture]")
    picture.evaluate("(image) => image.decode()")
    assert dialog.bounding_box()["width"] == pytest.approx(62 * 16, abs=2)
    dialog.get_by_role("button", name="Test it").click()
    status = dialog.locator("[data-part=status]")
    dialog.get_by_label("What is it?").fill("snow")
    dialog.get_by_role("button", name="Test it").click()
    dialog.get_by_text("Draw a line around the thing first.").wait_for()
    for part in (dialog, dialog.get_by_role("heading"), picture, dialog.get_by_role("button", name="Test it"), status):
        assert inside(page, part)
    assert dialog.evaluate("(element) => element.scrollHeight <= element.clientHeight"), "seen without scrolling"
    photo, form = picture.bounding_box(), dialog.locator("form").bounding_box()
    assert photo["x"] + photo["width"] <= form["x"], "the drawing at the left, the form at the right"
    assert photo["width"] / photo["height"] == pytest.approx(shape[0] / shape[1], rel=0.02)
    canvas = dialog.locator("[data-part=drawing]").bounding_box()
    assert [canvas[name] for name in ("width", "height")] == pytest.approx(
        [photo[name] for name in ("width", "height")], abs=1
    ), "corners are told as shares of the canvas, so it must be as large as the photo"
    ask(dialog)
    assert_scrolls_inside(page, dialog)


def test_the_dialog_scrolls_inside_on_a_phone(page: Any, tester: StandIn) -> None:
    tester.times = 8
    page.set_viewport_size({"width": 390, "height": 844})
    dialog = start(page)
    dialog.locator("img[data-part=picture]").evaluate("(image) => image.decode()")
    button = dialog.get_by_role("button", name="Test it")
    button.scroll_into_view_if_needed()
    assert inside(page, button)
    assert inside(page, dialog)
    ask(dialog)
    assert_scrolls_inside(page, dialog)


def test_the_list_of_keys_is_as_narrow_as_it_was(page: Any) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.locator("[data-part=help]").click()
    assert page.locator("#keys-help").bounding_box()["width"] <= 30 * 16
