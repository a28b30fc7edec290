"""Who lends a spot to whom, so that effects of pasting can be averaged into units that have nothing in common.

An effect of pasting belongs to the photo that lends and to the one that is host. Lenders of one patient are no
independent trials, nor are lenders whose spots go to one host (docs/science.md#proof-of-a-cue). So lenders and hosts
are dealt into blocks that share neither a photo nor a group, as many as possible, and a block is the unit of the test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bias_audit.data.sampling import in_turn

Indices = NDArray[np.intp]


def dealt(
    lenders: Sequence[int], others: Sequence[int], groups: Indices, each: int
) -> tuple[dict[int, list[int]], dict[int, int]]:
    """Hosts of every lender, and the block that it belongs to.

    No two blocks share a host, or a group of lenders or hosts. There are as many as the smaller of the numbers of
    groups allows; photos of a group that both lends and could be host stay among themselves.

    Args:
        lenders: images that lend, indices into `groups`.
        others: images that could be hosts, the first ones preferred.
        groups: group code of each image.
        each: hosts of a lender, fewer where its block has fewer.

    Returns:
        (hosts, blocks): lender -> its hosts; lender -> number of its block. A lender may have no host.
    """
    of_lenders, of_others = ({int(groups[image]): None for image in images} for images in (lenders, others))
    both = [group for group in of_lenders if group in of_others]
    lend = [group for group in of_lenders if group not in of_others]
    take = [group for group in of_others if group not in of_lenders]
    take = take[: each * sum(int(groups[image]) in lend for image in lenders)]
    count = min(len(lend), len(take))
    parts: list[tuple[list[int], list[int]]] = [([group], [group]) for group in both]
    if count:
        split = zip(np.array_split(lend, count), np.array_split(take, count), strict=True)
        parts += [(list(map(int, some)), list(map(int, onto))) for some, onto in split]
    else:
        parts += [([group], []) for group in lend]
    hosts: dict[int, list[int]] = {}
    blocks: dict[int, int] = {}
    for number, (from_these, onto_these) in enumerate(parts):
        ordered = in_turn([image for image in others if groups[image] in onto_these], groups)
        for place, lender in enumerate(image for image in lenders if groups[image] in from_these):
            wanted = range(each * place, each * (place + 1)) if ordered else ()
            hosts[lender] = list(dict.fromkeys(ordered[i % len(ordered)] for i in wanted))
            blocks[lender] = number
    return hosts, blocks
