"""The last step of the interval of two paired shares, without NumPy: `stats` and the gate of counts both take it."""

from __future__ import annotations

import math

Ends = tuple[float, float]


def paired_ends(shares: Ends, sizes: Ends, first: Ends, second: Ends, phi: float) -> Ends:
    """Interval of the difference of two paired shares: method 10 of Newcombe 1998, Stat. Med. 17, 2635-2650.

    Args:
        shares: both shares, 0..1.
        sizes: numbers of independent trials behind them.
        first, second: (low, high) of the Wilson interval of each.
        phi: correlation of the pairs, -1..1, before its continuity correction; 0 where one share does not vary.

    Returns:
        (low, high) of the first share minus the second, within -1..1.
    """
    (p, q), (n, m) = shares, sizes
    (p_low, p_high), (q_low, q_high) = first, second
    if phi > 0:
        phi = max(phi - 0.5 / math.sqrt(n * p * (1 - p) * m * q * (1 - q)), 0.0)

    def reach(a: float, b: float) -> float:
        return math.sqrt(max(a**2 - 2 * phi * a * b + b**2, 0.0))

    low = p - q - reach(p - p_low, q_high - q)
    high = p - q + reach(q - q_low, p_high - p)
    return max(-1.0, low), min(1.0, high)
