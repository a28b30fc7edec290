"""Build and coat of the animals in the planted worlds: fox, husky and wolf."""

from __future__ import annotations

from dataclasses import dataclass

Colour = tuple[float, float, float]
"""Red, green, blue in 0..1."""


@dataclass(frozen=True)
class Species:
    """Build and coat of a species; lengths in body units, colours RGB in 0..1.

    Attributes:
        leg, depth: height of the belly above the ground; depth of the trunk.
        girth: thickness of legs and neck, 1 = wolf.
        head, cheek, chin: radius of the head; width of its cheeks and length of its chin in radii.
        ear: width and height of the ears in head radii.
        tail: centre line of the tail from the rump.
        tail_width: largest radius of the tail.
        tail_tip: share of the tail that has the colour of its tip.
        back, side, belly, legs, tip, face, brow, ear_rim, iris: colours of the coat and the eyes.
    """

    leg: float
    depth: float
    girth: float
    head: float
    cheek: float
    chin: float
    ear: tuple[float, float]
    tail: tuple[tuple[float, float], ...]
    tail_width: float
    tail_tip: float
    back: Colour
    side: Colour
    belly: Colour
    legs: Colour
    tip: Colour
    face: Colour
    brow: Colour
    ear_rim: Colour
    iris: Colour


SPECIES: dict[str, Species] = {
    "fox": Species(
        leg=0.34,
        depth=0.29,
        girth=0.78,
        head=0.20,
        cheek=1.12,
        chin=0.92,
        ear=(0.36, 0.95),
        tail=((0.0, 0.0), (-0.15, -0.08), (-0.30, -0.16), (-0.46, -0.18), (-0.60, -0.13)),
        tail_width=0.115,
        tail_tip=0.30,
        back=(0.66, 0.31, 0.13),
        side=(0.80, 0.43, 0.19),
        belly=(0.90, 0.80, 0.70),
        legs=(0.19, 0.13, 0.11),
        tip=(0.94, 0.91, 0.87),
        face=(0.93, 0.88, 0.82),
        brow=(0.78, 0.40, 0.17),
        ear_rim=(0.20, 0.13, 0.10),
        iris=(0.55, 0.33, 0.10),
    ),
    "husky": Species(
        leg=0.35,
        depth=0.40,
        girth=1.10,
        head=0.215,
        cheek=0.98,
        chin=0.86,
        ear=(0.33, 0.72),
        tail=((0.0, 0.02), (-0.13, 0.14), (-0.15, 0.30), (-0.03, 0.39), (0.10, 0.32), (0.11, 0.21)),
        tail_width=0.085,
        tail_tip=0.34,
        back=(0.22, 0.23, 0.25),
        side=(0.37, 0.38, 0.41),
        belly=(0.90, 0.89, 0.87),
        legs=(0.88, 0.87, 0.85),
        tip=(0.93, 0.92, 0.90),
        face=(0.94, 0.93, 0.91),
        brow=(0.24, 0.25, 0.27),
        ear_rim=(0.20, 0.21, 0.23),
        iris=(0.42, 0.70, 0.92),
    ),
    "wolf": Species(
        leg=0.42,
        depth=0.38,
        girth=1.02,
        head=0.205,
        cheek=1.10,
        chin=1.02,
        ear=(0.31, 0.62),
        tail=((0.0, 0.0), (-0.12, -0.08), (-0.18, -0.22), (-0.21, -0.38), (-0.20, -0.50)),
        tail_width=0.075,
        tail_tip=0.22,
        back=(0.29, 0.26, 0.23),
        side=(0.53, 0.46, 0.37),
        belly=(0.76, 0.69, 0.57),
        legs=(0.62, 0.53, 0.41),
        tip=(0.20, 0.19, 0.18),
        face=(0.80, 0.74, 0.64),
        brow=(0.42, 0.37, 0.31),
        ear_rim=(0.34, 0.31, 0.28),
        iris=(0.86, 0.68, 0.22),
    ),
}
