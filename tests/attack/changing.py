"""Random changes of texts, bytes and JSON values: what damage, carelessness and malice do to a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

ODD_TEXTS = (
    "", " ", "\u200b", "\x00", "\x1b[31m", "\u202egpj", "=cmd|' /C calc'!A0", "../../etc/passwd", "/etc/passwd", "nan",
    "é" * 300, "<script>alert(1)</script>", "{{ 7 * 7 }}", "\ud800", "x" * 10_000, "found", "passed", "not applicable",
    "ignored", "WATCH", "CONFIRMED", "ok", "class", "dataset", "image",
)  # fmt: skip

ODD_NUMBERS = (0, 1, -1, 2**31, 2**63, 2**64, 10**30, 10**400, -(10**400), 0.5, 1e308, -1e308, 5e-324, True, False)


def changed_text(text: str, rng: Random) -> tuple[str, str]:
    """A text with one change, and the change in words."""
    if not text:
        return "x", "x written into an empty file"
    at = rng.randrange(len(text))
    lines = text.split("\n")
    line = rng.randrange(len(lines))
    match rng.randrange(10):
        case 0:
            return text[:at] + text[at + 1 :], f"character {at} ({text[at]!r}) deleted"
        case 1:
            new = rng.choice("0123456789abcdefxyzABC{}[]\",:.-+ \n\t\x00=#'")
            return text[:at] + new + text[at + 1 :], f"character {at} ({text[at]!r}) made {new!r}"
        case 2:
            new = rng.choice("0123456789{}[]\",:.-+ \n\x00=#'eE")
            return text[:at] + new + text[at:], f"{new!r} put in at {at}"
        case 3:
            return text[:at], f"cut at {at} of {len(text)}"
        case 4:
            end = min(len(text), at + rng.randint(2, 200))
            return text[:at] + text[end:], f"characters {at}..{end} deleted"
        case 5:
            return "\n".join(lines[:line] + lines[line + 1 :]), f"line {line + 1} deleted"
        case 6:
            return "\n".join(lines[: line + 1] + lines[line:]), f"line {line + 1} doubled"
        case 7:
            other = rng.randrange(len(lines))
            lines[line], lines[other] = lines[other], lines[line]
            return "\n".join(lines), f"lines {line + 1} and {other + 1} swapped"
        case 8:
            digits = [i for i, each in enumerate(text) if each.isdigit()]
            at = rng.choice(digits) if digits else at
            new = rng.choice("0123456789")
            return text[:at] + new + text[at + 1 :], f"digit {at} ({text[at]!r}) made {new!r}"
        case _:
            return text[:at] + "9" * 5000 + text[at:], f"5,000 digits put in at {at}"


def changed_bytes(data: bytes, rng: Random) -> tuple[bytes, str]:
    """Bytes with one change, in the head more often than anywhere else, and the change in words."""
    if not data:
        return b"\0", "a zero byte written into an empty file"
    at = rng.randrange(min(len(data), 96)) if rng.random() < 0.5 else rng.randrange(len(data))
    match rng.randrange(9):
        case 0:
            bit = 1 << rng.randrange(8)
            return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :], f"bit {bit} of byte {at} turned"
        case 1:
            new = rng.choice((0, 1, 127, 128, 254, 255, rng.randrange(256)))
            return data[:at] + bytes([new]) + data[at + 1 :], f"byte {at} made {new}"
        case 2:
            return data[:at], f"cut at {at} of {len(data)}"
        case 3:
            end = min(len(data), at + rng.randint(1, 64))
            return data[:at] + data[end:], f"bytes {at}..{end} deleted"
        case 4:
            new = rng.randbytes(rng.randint(1, 16))
            return data[:at] + new + data[at:], f"{new!r} put in at {at}"
        case 5:
            size = rng.choice((2, 4, 8))
            number = rng.choice((0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 13_000, 40_000, 65_500, 0x7FFFFFFF, 0xFFFFFFFF))
            new = (number % 256**size).to_bytes(size, rng.choice(("big", "little")))
            return data[:at] + new + data[at + size :], f"number {number} written at {at}"
        case 6:
            end = min(len(data), at + rng.randint(1, 256))
            return data[:at] + bytes(end - at) + data[end:], f"bytes {at}..{end} made zero"
        case 7:
            start, size = rng.randrange(len(data)), rng.randint(1, 128)
            return data[:at] + data[start : start + size] + data[at + size :], f"bytes {start}.. copied to {at}"
        case _:
            changed = bytearray(data)
            for _ in range(rng.randint(2, 20)):
                changed[rng.randrange(len(data))] = rng.randrange(256)
            return bytes(changed), "several bytes changed"


def paths(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Path of every value inside a JSON value, the value itself first."""
    found = [path]
    if isinstance(content, dict):
        for key, value in content.items():
            found += paths(value, (*path, key))
    elif isinstance(content, list):
        for index, value in enumerate(content):
            found += paths(value, (*path, index))
    return found


def changed_value(content: Any, rng: Random) -> str:
    """Change one value inside a JSON object in place, and return the change in words."""
    # By depth first: else most changes would fall on the long lists.
    every = paths(content)[1:]
    depth = rng.choice(sorted({len(path) for path in every}))
    path = rng.choice([each for each in every if len(each) == depth])
    home = content
    for key in path[:-1]:
        home = home[key]
    key, value = path[-1], home[path[-1]]
    name = ".".join(map(str, path))
    match rng.randrange(8):
        case 0:
            del home[key]
            return f"{name} deleted"
        case 1:
            home[key] = rng.choice((None, [], {}, "", 0, False))
        case 2:
            home[key] = rng.choice((float("nan"), float("inf"), float("-inf")))
        case 3:
            home[key] = rng.choice(ODD_NUMBERS)
        case 4:
            home[key] = rng.choice(ODD_TEXTS)
        case 5:
            others = [each for each in paths(content)[1:] if len(each) == len(path)]
            other = rng.choice(others)
            there = content
            for step in other[:-1]:
                there = there[step]
            if there is home or other[: len(path)] != path:
                home[key], there[other[-1]] = there[other[-1]], home[key]
            return f"{name} and {'.'.join(map(str, other))} swapped"
        case 6:
            home[key] = rng.choice(([value], {"": value}, str(value), [value, value]))
        case _:
            if isinstance(value, list) and value:
                rng.choice((value.reverse, lambda: value.append(value[0]), value.clear, lambda: value.pop()))()
            elif isinstance(value, dict):
                value[rng.choice(ODD_TEXTS)] = rng.choice(ODD_TEXTS)
            elif isinstance(value, int | float):
                home[key] = rng.choice((-value, value + 1, value / 2, 1 - value))
            else:
                home[key] = str(value)[:-1]
    return f"{name} made {str(home[key])[:60]!r}" if key in home or isinstance(home, list) else f"{name} changed"


def as_json(content: Any) -> bytes:
    """JSON as bytes, whatever its texts and numbers are; lone surrogates as escapes."""
    return json.dumps(content).encode()


def deep(rng: Random) -> tuple[str, str]:
    """A JSON text nested deeper than a reader without a bound survives, and what it is in words."""
    depth = rng.choice((1_000, 20_000, 200_000))
    opened, closed = rng.choice((("[", "]"), ('{"a":', "}")))
    return opened * depth + "1" + closed * depth, f"{depth} levels of {opened!r}"


Change = Callable[[bytes, Random], tuple[bytes, str]]
