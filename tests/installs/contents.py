"""Are sdist and wheel complete? `python -m tests.installs.contents dist`; part of `make dist`."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Collection
from pathlib import Path

NOT_IN_SDIST = (".editorconfig", ".gitignore", ".pre-commit-config.yaml", "MANIFEST.in", "reports/sample/")
"""What the repository holds and no test needs; MANIFEST.in is in it anyway."""


def lacking(tracked: Collection[str], sdist: Collection[str], wheel: Collection[str]) -> list[str]:
    """Files that are missing, each with where.

    Args:
        tracked: files of the repository.
        sdist: files of the sdist, as in the repository.
        wheel: files of the wheel.
    """
    package = {name for name in tracked if name.startswith("bias_audit/")}
    kept = {name for name in tracked if not name.startswith(NOT_IN_SDIST)}
    return [
        *(f"wheel: {name}" for name in sorted(package - {*wheel})),
        *(f"wheel: {name} is not ours" for name in sorted({*wheel} - package) if ".dist-info/" not in name),
        *(f"sdist: {name}" for name in sorted(kept - {*sdist})),
    ]


def main() -> int:
    folder = Path(sys.argv[1])
    (source,), (built,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    tracked = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True).stdout.splitlines()
    with tarfile.open(source) as archive:
        sdist = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(built) as archive:
        wheel = set(archive.namelist())
    missing = lacking(tracked, sdist, wheel)
    print("\n".join(missing) or f"complete: {len(wheel)} files in the wheel, {len(sdist)} in the sdist")
    return int(bool(missing))


if __name__ == "__main__":
    raise SystemExit(main())
