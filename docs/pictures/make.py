"""Make the pictures of docs/concepts.md: `make pictures`. Photos are drawn by bias-audit itself; no network is needed.

What the captions say is predicted by `by_ground`, a few lines that look at the lower edge of a photo alone.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bias_audit.interventions.edits import background_only, foreground_only, hole, inpaint, paste
from bias_audit.planted.world import Plan, Shot, take_shot

HERE = Path(__file__).parent
HEIGHT, WIDTH, GAP, LINE = 128, 160, 10, 36
WHITE, INK, GOOD, BAD = (255, 255, 255), (32, 36, 42), (20, 110, 60), (170, 50, 20)
FONT = ImageFont.load_default(13)

Pixels = NDArray[np.float32]
Panel = tuple[Pixels, str, str]
"""Pixels, what the panel shows, and the class of the object; "" = nothing is predicted."""


def by_ground(pixels: Pixels) -> str:
    """The class that a model names which has learned snow: the ground decides."""
    grey = float(pixels[-8:].mean())
    return "wolf" if grey > 140 else "fox" if grey < 75 else "husky"


def shots(class_name: str, place: str, number: int) -> list[Shot]:
    """The first photos of a class in a place, from a world in which every wolf stands in snow."""
    drawn = (take_shot(Plan(), "test", class_name, index, size=HEIGHT) for index in range(60))
    return list(itertools.islice((each for each in drawn if each.cue or each.place == place), number))


def pixels_of(taken: Shot) -> Pixels:
    return taken.photo.astype(np.float32)


def mask_of(taken: Shot) -> NDArray[np.uint8]:
    return (taken.mask > 0).astype(np.uint8)


def emptied(taken: Shot) -> Pixels:
    """The background that a photo lends: its object removed, the hole filled as in an audit."""
    return inpaint(pixels_of(taken), hole(mask_of(taken)))


def pasted(taken: Shot, donor: Shot) -> Pixels:
    return paste(pixels_of(taken), mask_of(taken), emptied(donor))


def sheet(name: str, rows: list[list[Panel]]) -> None:
    """Write rows of panels with their captions."""
    width = max(len(row) for row in rows) * (WIDTH + GAP) + GAP
    picture = Image.new("RGB", (width, len(rows) * (HEIGHT + LINE + GAP) + GAP), WHITE)
    draw = ImageDraw.Draw(picture)
    for down, row in enumerate(rows):
        for across, (pixels, caption, label) in enumerate(row):
            x, y = GAP + across * (WIDTH + GAP), GAP + down * (HEIGHT + LINE + GAP)
            picture.paste(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), (x, y))
            draw.text((x, y + HEIGHT + 2), caption, fill=INK, font=FONT)
            if label:
                said = by_ground(pixels)
                draw.text((x, y + HEIGHT + 17), f"says {said}", fill=GOOD if said == label else BAD, font=FONT)
    picture.quantize(128).save(HERE / f"{name}.png", optimize=True)


def main() -> None:
    wolves, huskies, foxes = shots("wolf", "snow", 4), shots("husky", "grass", 3), shots("fox", "forest", 3)
    for label, own in (("wolf", wolves), ("husky", huskies), ("fox", foxes)):
        assert all(by_ground(pixels_of(each)) == label for each in own), "it is to be right about the photos"
    wolf = wolves[0]
    mask = np.repeat(mask_of(wolf)[..., None] * np.float32(255), 3, axis=2)
    sheet("composites", [
        [
            (pixels_of(wolf), "the photo", "wolf"), (mask, "its mask", ""),
            (pasted(wolf, wolves[1]), "own class", "wolf"), (pasted(wolf, wolves[2]), "own class", "wolf"),
        ],
        [
            (pasted(wolf, huskies[0]), "other class", "wolf"), (pasted(wolf, foxes[1]), "other class", "wolf"),
            (background_only(pixels_of(wolf), mask_of(wolf)), "without the object", "wolf"),
            (foreground_only(pixels_of(wolf), mask_of(wolf)), "object alone", "wolf"),
        ],
    ])  # fmt: skip
    sheet("gap", [
        [
            (pixels_of(each), "the photo", "wolf"), (pasted(each, wolves[3]), "another wolf's place", "wolf"),
            (pasted(each, huskies[1]), "a husky's place", "wolf"), (pasted(each, foxes[0]), "a fox's place", "wolf"),
        ]
        for each in wolves[:3]
    ])  # fmt: skip
    sheet("pull", [
        [
            (pixels_of(each), "the photo", label), (pasted(each, wolves[3]), "a wolf's place", label),
            (pasted(each, third), "a third class's place", label),
        ]
        for each, third, label in ((foxes[2], huskies[1], "fox"), (huskies[2], foxes[0], "husky"))
    ])  # fmt: skip
    away = np.roll(hole(mask_of(wolf)), -WIDTH // 4, axis=1) * (1 - hole(mask_of(wolf)))
    sheet("removed", [[
        (pixels_of(wolf), "the photo", "wolf"),
        (background_only(pixels_of(wolf), mask_of(wolf)), "object removed", "wolf"),
        (inpaint(pixels_of(wolf), away), "a hole beside it", "wolf"),
    ]])  # fmt: skip


if __name__ == "__main__":
    main()
