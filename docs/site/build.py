"""Build the site: `make docs`, or `python docs/site/build.py [FOLDER]` where the extra `docs` is installed.

Warnings are errors, and so is a link that leads nowhere. Addresses of other sites are not asked.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import checked  # noqa: E402  (the three files beside this one are scripts, not a package)
import reference  # noqa: E402
import stage  # noqa: E402


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/site").resolve()
    sources = folder.with_name(f"{folder.name}-sources")
    stage.stage(sources, reference.pages())
    sphinx = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", "-E"]
    code = subprocess.run([*sphinx, "-c", str(HERE), str(sources), str(folder)], check=False).returncode
    if code:
        return code
    found = checked.faults(folder)
    print("\n".join(found) or f"{folder / 'index.html'}: no warning, no dead link, nothing from the network")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
