"""Photos in memory as a caller may hold them: odd arrays, and objects that raise, lie about their length or change."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Any

from .trying import LOST, WRONG, Attempt, Kind, sentence

PHOTOS = 6


def odd_photos(attempt: Attempt) -> str:
    """Arrays, lists, frames and data sets of them: a sentence that leaves nothing behind, or photos of 8 bits."""
    import numpy as np

    from bias_audit.data.in_memory.keeping import Given, keep
    from bias_audit.data.pictures import decode
    from bias_audit.data.sources import open_dataset
    from bias_audit.data.sources.options import SourceOptions

    rng = attempt.rng
    numbers = np.random.default_rng(rng.randrange(2**32))
    folder, mine = attempt.folder / "kept", attempt.folder / "kept" / "mine.txt"
    folder.mkdir()
    mine.write_text("mine")
    images = [_image(rng, numbers, attempt.folder) for _ in range(PHOTOS)]
    if rng.random() < 0.3:
        images = [images[0]] * rng.randint(0, PHOTOS)
    elif rng.random() < 0.6:
        images = list(numbers.integers(0, 256, (PHOTOS, 5, 4, 3)).astype(rng.choice((np.uint8, np.float32))))
    labels = [_label(rng, numbers) for _ in range(PHOTOS)]
    labels = labels if rng.random() < 0.3 else [rng.choice((0, 1)) for _ in range(PHOTOS)]
    masks = [_mask(rng, numbers) for _ in range(PHOTOS)] if rng.random() < 0.3 else None
    container, data = _held(rng, images, labels, masks)
    said: dict[str, Any] = {}
    if rng.random() < 0.3:
        odd = ("a", "../a", "/a", "a\0", "", "a/b", "x" * 5000, None, 7, b"\xff", "\ud800")
        said["ids"] = rng.choice((["a", "b", "c", "d", "e", "f"], [rng.choice(odd) for _ in range(PHOTOS)], "label", 7))
    if rng.random() < 0.2:
        said["value_range"] = rng.choice(((0, 1), (0, 255), (1, 0), "unit", np.arange(3), (0, math.nan)))
    if rng.random() < 0.2:
        said["masks"] = rng.choice((np.zeros((PHOTOS, 4, 4)), [None] * PHOTOS, 7, np.ones((1, 4, 4))))
    if rng.random() < 0.1:
        said["split"] = "test"
    attempt.what = f"{container} of {[_told(image) for image in images[:2]]}, {labels[:3]!r}, {said!r}"
    before = _files(attempt.folder)
    opened: list[Any] = []

    def audit() -> None:
        kept = keep(Given(data, **said), folder, most=rng.choice((None, 100, 10**6)))
        options = SourceOptions(outside=kept.outside)
        opened.append(open_dataset(kept.listing, None, options))

    ended = sentence(audit)
    if mine.read_text() != "mine":
        attempt.bad(LOST, "a file that lay there was changed")
    if not opened:
        if left := _files(attempt.folder) - before:
            attempt.bad(WRONG, f"it was refused, and left {sorted(left)[:3]}")
        return ended
    for sample in opened[0].samples:
        if sample.image_id.startswith("/") or ".." in sample.image_id.split("/"):
            attempt.bad(WRONG, f"image id {sample.image_id!r}")
        pixels = None if sample.skip else decode(sample.path, 3)[0]
        if pixels is not None and (pixels.ndim != 3 or pixels.dtype != np.uint8):
            attempt.bad(WRONG, f"pixels {pixels.shape} {pixels.dtype}")
    return ended


class Raises:
    """What breaks whoever looks at it."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __array__(self, *arguments: Any, **named: Any) -> Any:
        raise self.error("no")

    def __len__(self) -> int:
        raise self.error("no")

    @property
    def shape(self) -> Any:
        raise self.error("no")


def _image(rng: Random, numbers: Any, folder: Path) -> Any:
    import io

    import numpy as np
    from PIL import Image

    shape = rng.choice(
        ((5, 4, 3), (5, 4, 3), (5, 4), (5, 4, 1), (3, 5, 4), (1, 5, 4), (5, 4, 4), (3, 3, 3), (0, 4, 3), (5,), ())
    )
    eight = numbers.integers(0, 256, shape).astype(np.uint8)

    def pillow() -> Any:
        return Image.fromarray(numbers.integers(0, 256, (5, 4, 3)).astype(np.uint8))

    def file() -> bytes:
        stream = io.BytesIO()
        pillow().save(stream, rng.choice(("PNG", "JPEG", "GIF")))
        content = stream.getvalue()
        return content if rng.random() < 0.5 else content[: rng.randrange(len(content))]

    def spoiled() -> Any:
        values = eight.astype(rng.choice((np.float16, np.float32, np.float64)))
        if values.size:
            values.flat[rng.randrange(values.size)] = rng.choice((np.nan, np.inf, -1, 256, 1e30))
        return values

    made: dict[str, Any] = {
        "uint8": lambda: eight,
        "floats": lambda: eight / 255,
        "large floats": lambda: eight.astype(np.float32),
        "normalised": lambda: numbers.normal(0, 1, shape),
        "spoiled": spoiled,
        "wide": lambda: numbers.integers(-(2**62), 2**62, shape),
        "bool": lambda: eight > 99,
        "objects": lambda: np.full(shape, None),
        "texts": lambda: np.full(shape, "x"),
        "ragged": lambda: [[1, 2], [3]],
        "nested": lambda: eight.tolist(),
        "pillow": lambda: pillow().convert(rng.choice(("RGB", "L", "P", "RGBA", "CMYK", "1", "I", "F", "LA"))),
        "bytes": file,
        "dict": lambda: {"bytes": rng.choice((None, file(), 7)), "path": rng.choice((None, "no.png", 7))},
        "path": lambda: rng.choice(("no.png", str(folder), "", "a\0b", "/etc/hostname", Path("x"))),
        "nothing": lambda: None,
        "raises": lambda: Raises(rng.choice((ValueError, SystemExit, KeyboardInterrupt, MemoryError))),
    }
    return made[rng.choice((*made, "uint8", "uint8", "floats", "large floats"))]()


def _label(rng: Random, numbers: Any) -> Any:
    import numpy as np

    return rng.choice(
        (0, 1, "a", "b", b"a", "", None, -1, 10**9, 10**40, 0.5, 1.0, math.nan, True, np.int8(1), np.eye(2)[0], [0, 1],
         np.zeros(2), numbers.normal(0, 1, 3), np.array("a"), {}, Raises(ValueError), "\ud800", 1j)
    )  # fmt: skip


def _mask(rng: Random, numbers: Any) -> Any:
    import numpy as np

    return rng.choice(
        (None, np.ones((5, 4), bool), numbers.integers(0, 3, (5, 4)), numbers.random((5, 4)), np.ones((1, 5, 4)),
         np.ones(3), np.ones((0, 4)), b"no", "no.png", Raises(SystemExit), np.full((5, 4), np.nan))
    )  # fmt: skip


def _held(rng: Random, images: list[Any], labels: list[Any], masks: list[Any] | None) -> tuple[str, Any]:
    """(name, data) of the photos in one of the forms that are taken, or in one that is not."""
    import numpy as np

    count = len(images)
    parts = (images, labels[:count]) if masks is None else (images, labels[:count], masks[:count])
    rows = list(zip(*parts, strict=True))

    def stacked() -> Any:
        try:
            return np.stack(images)
        except BaseException:  # an image that raises when it is looked at
            return images

    class Lists:
        """Of PyTorch by name; its length, its elements and its iteration may not agree."""

        shift = rng.choice((0, 0, 1, -1, 10**9))
        classes = rng.choice((["x", "y"], ["x"], [1, 2], "xy", None, ["x", "x"]))

        def __len__(self) -> int:
            return len(rows) + self.shift

        def __getitem__(self, place: int) -> Any:
            return rows[place]

    class Tables:
        """Of the library `datasets` by name."""

        features: Any = rng.choice(
            ({"image": 1, "label": 2}, {"label": 1}, None, [], {"image": 1, "label": Raises(ValueError)})
        )
        format = rng.choice((None, {}, {"type": None}, {"type": "numpy"}, 7))

        def __len__(self) -> int:
            return len(rows)

        def __iter__(self) -> Any:
            return iter({"image": row[0], "label": row[1]} for row in rows)

    def cells(part: Any) -> Any:
        """An array of objects as they are: pandas before 2.3 asks each whether it is an array."""
        made = np.empty(len(part), object)
        for place, value in enumerate(part):
            made[place] = value
        return made

    def frame() -> Any:
        import pandas as pd

        names = ("image", "label", "mask")
        made = pd.DataFrame({name: pd.Series(cells(part)) for name, part in zip(names, parts, strict=False)})
        extra = rng.choice((None, [{}] * len(made), [None] * len(made), range(len(made))))
        return made if extra is None else made.assign(extra=list(extra))

    def broken() -> Any:
        yield from rows
        raise rng.choice((ValueError, SystemExit, KeyboardInterrupt, StopIteration))("no")

    torch = type("Dataset", (Lists,), {"__module__": "torch.utils.data.dataset"})
    table = type("Dataset", (Tables,), {"__module__": "datasets.arrow_dataset"})
    made: dict[str, Any] = {
        "arrays": lambda: (stacked(), *parts[1:]),
        "lists": lambda: parts,
        "pairs": lambda: rows,
        "generator": lambda: iter(rows),
        "broken generator": broken,
        "dicts": lambda: [dict(zip(("image", "label", "mask"), row, strict=False)) for row in rows],
        "frame": frame,
        "torch": torch,
        "datasets": table,
        "short": lambda: (stacked(), labels[:1]),
        "single": lambda: [(image,) for image in images],
        "other": lambda: rng.choice((None, 7, {}, {"image": images}, set(), object(), Raises(ValueError), type)),
    }
    name = rng.choice((*made, "arrays", "pairs"))
    return name, made[name]()


def _told(value: Any) -> str:
    return f"{type(value).__name__} {getattr(value, 'dtype', '')}" if not isinstance(value, Raises) else "Raises"


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def nothing(folder: Path) -> None:
    """No material is needed."""


KINDS = {"photos in memory": Kind(odd_photos, nothing, 40, 40)}
