"""Pictures without labels, of a folder or an archive, here or elsewhere: training pictures, strangers, real scenes."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bias_audit.data.addresses import Url
from bias_audit.data.archives import SUFFIXES, Archive
from bias_audit.data.folders import LINKED
from bias_audit.data.locations import Location
from bias_audit.data.sources.folder import is_image
from bias_audit.data.trees import Tree, is_tree, place_of, printable_name
from bias_audit.errors import DataError
from bias_audit.files.regular import unreachable

if TYPE_CHECKING:
    from bias_audit.data.remote.reach import Reach


def pictures_at(
    given: Path | Url, what: str, hint: str = "", reach: Reach | None = None
) -> tuple[str, dict[str, Location]]:
    """The pictures below what a user names.

    Args:
        given: a folder, an archive or a folder in one, or the address of any of these.
        what: what it is called: "folder of strangers".
        hint: what should be given, for messages.
        reach: what may be fetched, and what a file may cost; None = the defaults.

    Returns:
        (name of the folder or archive, without its suffix; name of each picture below it as text -> where it lies).

    Raises:
        DataError: nothing is there, what is there is no folder and no archive, or it holds no pictures.
    """
    said = repr(str(given))
    if not is_tree(given):
        raise DataError(f"no {what} at {said}{unreachable(Path(str(given)))}", hint)
    place = place_of(given, reach)
    if place.file:
        raise DataError(f"the {what} {said} is a file, and no archive (.zip, .tar)", hint)
    if not (found := pictures_below(place.tree)):
        raise DataError(f"the {what} {said} holds no pictures", hint)
    name = given.absolute().name if isinstance(given, Path) else given.name
    packed = isinstance(place.tree, Archive) and name.lower().endswith(SUFFIXES)
    return PurePosixPath(name).stem if packed else name, found


def pictures_below(tree: Tree) -> dict[str, Location]:
    """Name of each picture of a tree as text -> where it lies, in the order of their paths, but for hidden ones.

    A folder that cannot be listed counts as a picture, which nobody can read either: so it is a row, and is not lost.
    So does what an archive holds under the name of a picture and cannot be read: a link, or a name that leads out.
    """
    listed = tree.files()
    lost = [name for name, why in listed.unread.items() if why != LINKED]
    lost += [name for name in tree.ignored() if is_image(name.rpartition("/")[2])]
    names = [name for name in listed.files if is_image(name.rpartition("/")[2])]
    names = sorted({*names, *lost}, key=lambda name: name.split("/"))
    return {printable_name(name): tree.location(name) for name in names if not _hidden(name)}


def _hidden(name: str) -> bool:
    return any(part.startswith(".") and part != ".." for part in name.split("/"))
