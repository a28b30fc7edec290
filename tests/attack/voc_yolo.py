"""Data sets in the form of Pascal VOC and YOLO: XML files, image sets, masks of indices, data.yaml, label files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from xml.sax.saxutils import escape

from .changing import ODD_NUMBERS, ODD_TEXTS, changed_bytes, changed_text
from .trying import EXECUTED, LOST, WRONG, Attempt, Kind, in_child, sentence

PHOTO = b"P6 8 6 255\n" + bytes(8 * 6 * 3)

SECONDS, MEMORY = 15, 600_000_000

SECRET = "the secret beside the data"


def xml_files(attempt: Attempt) -> str:
    """One of three XML files with a change, or one that is well made and holds what no annotation should."""
    rng = attempt.rng
    data = _xml([_object("wolf", (1, 1, 5, 4)), _object("fox", (5, 3, 8, 6))])
    match rng.randrange(4):
        case 0:
            text, attempt.what = changed_text(data, rng)
            content = text.encode("utf-8", "surrogatepass")
        case 1:
            content, attempt.what = changed_bytes(data.encode(), rng)
        case 2:
            content = data.encode()
            for _ in range(rng.randint(1, 3)):
                content, attempt.what = changed_bytes(content, rng)
        case _:
            content = _odd_xml(rng, attempt.folder).encode("utf-8", "surrogatepass")
            attempt.what = repr(content[:200])
    root = _voc(attempt)
    (root / "Annotations/1.xml").write_bytes(content)
    return _opened(attempt, root)


def image_sets(attempt: Attempt) -> str:
    """An image set with a change, or one with odd names; what it names never leads out."""
    rng = attempt.rng
    text, attempt.what = changed_text("0\n1 1\n2  -1\n", rng)
    if rng.random() < 0.5:
        names = [*ODD_TEXTS, "../0", "/etc/passwd", "0.xml", "Annotations/0", "0 0 0", "-1", "1 -1 -1", "0\r\n"]
        text = "\n".join(rng.choices(names, k=rng.randint(1, 6)))
        attempt.what = repr(text[:200])
    root = _voc(attempt)
    (root / "ImageSets/Main").mkdir(parents=True)
    (root / "ImageSets/Main/val.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    return _opened(attempt, root, split=rng.choice(("val", "val", "Main/val", *ODD_TEXTS)), whole=False)


def index_masks(attempt: Attempt) -> str:
    """A mask of indices with a change of its bytes."""
    rng = attempt.rng
    root = _voc(attempt)
    mask = root / rng.choice(("SegmentationObject", "SegmentationClass")) / "1.png"
    mask.parent.mkdir()
    data = (attempt.world / "mask.png").read_bytes()
    data, attempt.what = changed_bytes(data, rng)
    mask.write_bytes(data)
    return _opened(attempt, root)


def data_yamls(attempt: Attempt) -> str:
    """A data.yaml with a change, or one that holds what only a careless reader of YAML would make something of."""
    rng = attempt.rng
    marker = attempt.folder / "marker"
    text, attempt.what = changed_text(YAML, rng)
    if rng.random() < 0.6:
        text = rng.choice((
            lambda: "[" * 10_000,
            lambda: ("[" * 90 + "]" * 90 + ",\n") * 300,
            lambda: "- " * 20_000,
            lambda: "? " * 10_000,
            lambda: "".join(f"{' ' * depth}a:\n" for depth in range(400)),
            lambda: "names: [" + "a, " * 100_000 + "b]\nval: images/val\n",
            lambda: "a: &a [x, x]\n" + "".join(f"b{n}: &b{n} [{'*a, ' * 9}*a]\n" for n in range(30)),
            lambda: f"names: !!python/object/apply:os.system ['touch {marker}']\nval: images/val\n",
            lambda: f"!!python/object/new:pathlib.Path.touch [[{marker}]]\n",
            lambda: f"names: [a, b]\ndownload: touch {marker}\nval: images/val\n",
            lambda: f"names: [a, b]\nnc: {'9' * 6000}\nval: images/val\n",
            lambda: f"names: [a, b]\nkpt_shape: [{'9' * 6000}, 9]\nval: images/val\n",
            lambda: "names: [a, b]\nval: " + ":59" * 100_000 + "\n",
            lambda: f"names: [a, b]\nval: {rng.choice((*ODD_TEXTS[:9], '..', '/', '.', '../..', '[[a]]', '{a: b}'))}\n",
            lambda: f"names: [a, b]\npath: {rng.choice(('/', '..', '~', '.', 'images', '//x'))}\nval: images\n",
            lambda: f"names: [a, b]\nval: [{', '.join(['images/val'] * 2000)}]\n",
            lambda: "names: {" + ", ".join(f"{n}: c{n}" for n in range(20_000)) + "}\nval: images/val\n",
            lambda: "%TAG ! tag:x,2000:\n" * 3 + YAML,
            lambda: "#" * 2_000_000,
            lambda: "'" + "a" * 900_000,
        ))()  # fmt: skip
        attempt.what = repr(text[:150])
    root = _yolo(attempt)
    (root / "data.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    return _opened(attempt, root, whole=False, marker=marker)


def label_files(attempt: Attempt) -> str:
    """A label file with a change, or one of odd numbers."""
    rng = attempt.rng
    text, attempt.what = changed_text("0 0.5 0.5 0.5 0.5\n1 0.1 0.1 0.9 0.1 0.9 0.9\n", rng)
    if rng.random() < 0.5:
        words = ("0", "1", ".5", "1e999", "nan", "-0", "0x1", "1_0", "inf", "½", "\u0661", *map(str, ODD_NUMBERS[:9]))
        count = rng.choice((0, 1, 4, 5, 6, 7, 9, 10_001, 200_001))
        lines = [" ".join([rng.choice("01"), *rng.choices(words if rng.random() < 0.5 else (".1", ".9"), k=count)])]
        text = "\n".join(lines * rng.choice((1, 1, 3, 50 if count < 100 else 1)))
        attempt.what = f"{count} numbers a line: {text[:100]!r}"
    root = _yolo(attempt)
    (root / "labels/val/1.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    return _opened(attempt, root)


def picture_lists(attempt: Attempt) -> str:
    """A list of pictures of odd names, of which none leads out."""
    rng = attempt.rng
    names = (*ODD_TEXTS, "images/val/0.ppm", "./images/val/1.ppm", "..", "../x.png", "labels/val/0.txt", ".",
             "a\\..\\..\\b", "data.yaml", "/dev/zero", "images/val", "images/val/0.ppm/", "~/x.png")  # fmt: skip
    text = "\n".join(rng.choices(names, k=rng.randint(1, 6)))
    attempt.what = repr(text[:200])
    root = _yolo(attempt)
    (root / "data.yaml").write_text("names: [fox, wolf]\nval: list.txt\n")
    (root / "list.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    return _opened(attempt, root, whole=False)


YAML = "path: .\ntrain: images/train\nval: images/val\ntest: # none\nnc: 2\nnames:\n  0: fox\n  1: wolf\n"


def _opened(
    attempt: Attempt, root: Path, *, split: str | None = None, whole: bool = True, marker: Path | None = None
) -> str:
    """List the data set and load its samples in a process of its own.

    Args:
        attempt: the try.
        root: the data set; all that it holds lies below.
        split: part that is asked for.
        whole: whether each of its three pictures must be a sample or counted.
        marker: a file that only code of the attack would write.
    """
    import numpy as np

    from bias_audit.data import sources
    from bias_audit.data.batches import Geometry, load
    from bias_audit.data.crops import Crop
    from bias_audit.data.masks import MaskReading
    from bias_audit.data.sources.options import SourceOptions

    options = SourceOptions(split=split, objects=attempt.rng.choice(("photo", "each")), object_size=2)

    def opened() -> None:
        dataset = sources.open_dataset(root, None, options)
        dataset.fingerprint()
        if len({sample.image_id for sample in dataset.samples}) < len(dataset.samples):
            attempt.bad(WRONG, "an image id that comes twice")
        for sample in dataset.samples[:20]:
            loaded = load(sample, Geometry((6, 8), 3, "stretch", "bilinear", MaskReading()))
            if loaded.mask is not None and not np.isin(loaded.mask, (0, 1, 2)).all():
                attempt.bad(WRONG, "a mask of other values than 0, 1 and 2")
        for sample in dataset.samples:
            photo = sample.path.photo if isinstance(sample.path, Crop) else sample.path
            if not Path(str(photo)).resolve().is_relative_to(root.resolve()):
                attempt.bad(WRONG, f"{photo} lies outside of the data")
        if SECRET in repr((dataset.class_names, dataset.left_out, [sample.skip for sample in dataset.samples])):
            attempt.bad(WRONG, "a file outside of the data was read")
        if whole and len(dataset.samples) + sum(dataset.left_out.values()) < 3:
            attempt.bad(LOST, f"of 3 pictures {len(dataset.samples)} are samples, and {dataset.left_out} are counted")

    answer = in_child(lambda: sentence(opened), SECONDS, MEMORY)
    if marker is not None and marker.exists():
        attempt.bad(EXECUTED, str(marker))
    return answer


def _voc(attempt: Attempt) -> Path:
    """Three pictures with XML files."""
    root = attempt.folder / "voc"
    for name in ("JPEGImages", "Annotations"):
        (root / name).mkdir(parents=True)
    for number, label in enumerate(("fox", "wolf", "fox")):
        (root / f"JPEGImages/{number}.ppm").write_bytes(PHOTO)
        (root / f"Annotations/{number}.xml").write_text(_xml([_object(label, (2, 2, 5, 5))]))
    (attempt.folder / "secret").write_text(SECRET)
    return root


def _yolo(attempt: Attempt) -> Path:
    """Three pictures with label files."""
    root = attempt.folder / "yolo"
    for name in ("images", "labels"):
        (root / name / "val").mkdir(parents=True)
    for number in range(3):
        (root / f"images/val/{number}.ppm").write_bytes(PHOTO)
        (root / f"labels/val/{number}.txt").write_text(f"{number % 2} 0.5 0.5 0.5 0.5\n")
    (root / "data.yaml").write_text(YAML)
    return root


def _xml(objects: list[str], head: str = "") -> str:
    size = "<size><width>8</width><height>6</height><depth>3</depth></size>"
    return f"{head}<annotation><filename>1.jpg</filename>{size}{''.join(objects)}</annotation>"


def _object(name: str, box: tuple[object, ...], more: str = "") -> str:
    corners = "".join(
        f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object><name>{name}</name><difficult>0</difficult><bndbox>{corners}</bndbox>{more}</object>"


def _odd_xml(rng: Random, folder: Path) -> str:
    """An XML file that is well made, and holds what no annotation should."""
    good = _object("wolf", (1, 1, 5, 4))
    secret = (folder / "secret").as_uri()
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    points = "".join(f"<x{n}>{rng.randint(-9, 9)}</x{n}><y{n}>{rng.randint(-9, 9)}</y{n}>" for n in range(1, 3000))
    made: tuple[Callable[[], str], ...] = (
        lambda: _xml([_object("&x;", (1, 1, 5, 4))], f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret}">]>'),
        lambda: _xml([_object("&e11;", (1, 1, 5, 4))], f'<!DOCTYPE a [<!ENTITY e0 "lol">{entities}]>'),
        lambda: _xml([good], f'<!DOCTYPE a SYSTEM "{secret}">'),
        lambda: (
            f'<annotation xmlns:i="http://www.w3.org/2001/XInclude"><i:include href="{secret}" parse="text"/>'
            f"{good}</annotation>"
        ),
        lambda: "<a>" * 100_000,
        lambda: _xml(["<part>" * 60 + "</part>" * 60]),
        lambda: _xml([good] * rng.choice((500, 20_000))),
        lambda: _xml([good]).replace("<width>8</width>", f"<width>{rng.choice((60_000, 10**9 - 1))}</width>"),
        lambda: _xml([_object("x" * 1_000_000, (1, 1, 5, 4))]),
        lambda: _xml([_object(escape(rng.choice(ODD_TEXTS).replace("\0", "")), (1, 1, 5, 4))]),
        lambda: _xml([_object("wolf", tuple(rng.choice(ODD_NUMBERS) for _ in range(4)))]),
        lambda: _xml([_object("wolf", (1, 1, rng.choice(("1e308", "-1e308", "nan", "inf", "0x5", "1_0", "")), 5))]),
        lambda: _xml([_object("wolf", (1, 1, 8, 6), f"<polygon>{points}</polygon>")] * rng.choice((1, 50))),
        lambda: _xml([_object("wolf", (1, 1, 8, 6), "<polygon>" + "<x1>1</x1>" * 99 + "</polygon>")]),
        lambda: _xml([good]).replace("<width>8<", f"<width>{rng.choice(('9' * 5000, '-8', '8.0', '1e9', '', '٣'))}<"),
        lambda: (
            f'<?xml version="1.0" encoding="{rng.choice(("utf-7", "x", "utf-16", "idna", "hex", "rot13"))}"?>'
            + _xml([good])
        ),
        lambda: "<annotation " + " ".join(f'a{n}="{n}"' for n in range(50_000)) + "/>",
        lambda: f"<!--{'-' * 100_000}",
        lambda: f"<annotation>{'<![CDATA[' * 10_000}",
    )
    return rng.choice(made)()


def prepare(folder: Path) -> None:
    from PIL import Image

    mask = Image.new("P", (8, 6))
    mask.putpalette([value for index in range(256) for value in (index, 255 - index, 0)])
    mask.putdata([value % 3 if value < 40 else 255 for value in range(48)])
    mask.save(folder / "mask.png")


KINDS = {
    "Pascal VOC: XML files": Kind(xml_files, lambda folder: None, 25, 25),
    "Pascal VOC: image sets": Kind(image_sets, lambda folder: None, 5, 5),
    "Pascal VOC: masks": Kind(index_masks, prepare, 10, 10),
    "YOLO: data.yaml": Kind(data_yamls, lambda folder: None, 15, 15),
    "YOLO: label files": Kind(label_files, lambda folder: None, 10, 10),
    "YOLO: lists of pictures": Kind(picture_lists, lambda folder: None, 5, 5),
}
