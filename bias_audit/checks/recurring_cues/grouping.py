"""Grouping of spots into candidates for recurring cues, by several methods (views) that are one function each.

A view yields groups of spots, the most typical spot first. A new view is one function and one line in VIEWS.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bias_audit.checks.recurring_cues.collect import Seen
from bias_audit.stats import ENOUGH_GROUPS

Indices = NDArray[np.intp]

COMPONENTS = 20
"""Number of principal components to which features are reduced before they are grouped (docs/science.md#views)."""

SMALLEST = ENOUGH_GROUPS
"""Smallest number of images of a recurring cue: with fewer the proof gives no interval."""

SHARE = 1 / 40
"""Smallest share of all spots that a dense group must hold; smaller groups are noise of the density estimate."""

MOST_DIFFUSE = 3
"""Largest number of groups per class among spots of no dense group: snow has diffuse features, a ruler dense ones."""

NEIGHBOURS, MOST_STRATEGIES = 10, 8
"""Settings of the spectral grouping: neighbours in the graph, and largest number of groups (Lapuschkin et al. 2019).

See docs/science.md#views.
"""

MOST_COMPONENTS = 3
"""Number of principal components per class whose strongest images make a group."""

HOT_CELL = 0.3
"""Smallest share of a class's maps with their peak in one place that makes it a fixed position."""


@dataclass(frozen=True)
class Group:
    """A group of spots that one view puts together.

    Attributes:
        view: key of VIEWS.
        spots: indices into `Seen.spots`, the most typical first, one per image at most.
    """

    view: str
    spots: Indices


def by_features(seen: Seen, seed: int) -> Iterator[Indices]:
    """Groups of spots with similar pooled features, over all classes, wherever in the picture they lie.

    The features are reduced by PCA and grouped by HDBSCAN (Campello et al. 2013). Spots of no dense group are split per
    predicted class by k-means. See docs/science.md#views.
    """
    from sklearn.cluster import HDBSCAN

    spots = seen.spots
    if len(spots.image) < 2 * SMALLEST:
        return
    points = _reduced(seen.features)
    smallest = max(SMALLEST, round(SHARE * len(points)))
    labels = HDBSCAN(min_cluster_size=smallest, copy=True).fit(points).labels_
    for label in range(int(labels.max()) + 1):
        yield _typical_first(np.flatnonzero(labels == label), points, spots.share)
    for name in np.unique(seen.predicted):
        rest = np.flatnonzero((labels < 0) & (seen.predicted[spots.image] == name))
        if len(np.unique(spots.image[rest])) >= 2 * SMALLEST:
            for part in _split(points[rest], MOST_DIFFUSE, seed):
                yield _typical_first(rest[part], points, spots.share)


def by_maps(seen: Seen, seed: int) -> Iterator[Indices]:
    """Groups of similar heatmaps of one predicted class: SpRAy (Lapuschkin et al. 2019, Nat. Commun. 10, 1096).

    Spectral grouping on the graph of the ten nearest maps, with the number of groups at the largest eigengap
    (docs/science.md#views). A group holds the strongest spot of each of its images.
    """
    for images in _of_each_class(seen):
        if len(images) < 3 * SMALLEST:
            continue
        flat = np.abs(seen.maps[images]).reshape(len(images), -1).astype(np.float64)
        flat /= np.maximum(flat.sum(axis=1, keepdims=True), 1e-12)
        embedding, count = spectral_embedding(flat)
        for part in _split(embedding, count, seed, exactly=True):
            first = _first_spots(seen, images[part])
            middle = flat[part].mean(axis=0)
            order = np.argsort(((flat[part] - middle) ** 2).sum(axis=1), kind="stable")
            yield first[order][first[order] >= 0]


def by_components(seen: Seen, seed: int) -> Iterator[Indices]:
    """Groups of images in which one direction of a class's relevance is strongest: class-wise neural PCA.

    With psi = relevance per channel and v_l the l-th component of its covariance over a class,
    alpha_l = (sum_k v_lk) <psi - mean, v_l> is what the direction adds to the log-odds (Neuhaus et al. 2023;
    docs/science.md#views). A group holds the strongest spots of the tenth of the images with the largest alpha_l.
    """
    for images in _of_each_class(seen):
        if len(images) < 3 * SMALLEST:
            continue
        psi = seen.relevance[images].astype(np.float64)
        psi -= psi.mean(axis=0)
        _, _, directions = np.linalg.svd(psi, full_matrices=False)
        for direction in directions[:MOST_COMPONENTS]:
            alpha = direction.sum() * (psi @ direction)
            top = np.argsort(-alpha, kind="stable")[: max(SMALLEST, len(images) // 10)]
            first = _first_spots(seen, images[top])
            yield first[first >= 0]


def by_position(seen: Seen, seed: int) -> Iterator[Indices]:
    """Groups of spots at one fixed place in the picture that the maps of one class peak at: tags, watermarks, captions.

    Peaks are counted per cell, each also for its neighbours. The place must hold HOT_CELL of the class's peaks, and at
    least twice the share of the other classes.
    """
    strongest = _first_spots(seen, np.arange(len(seen.labels)))
    hot = np.zeros((len(seen.labels), *seen.spots.grid))
    with_spot = np.flatnonzero(strongest >= 0)
    reach = seen.spots.reach
    for image in with_spot:
        hot[(image, *seen.spots.window(strongest[image]))] = 1
    for images in _of_each_class(seen):
        own = np.intersect1d(images, with_spot)
        if len(own) < 2 * SMALLEST:
            continue
        rest = np.setdiff1d(with_spot, images)
        share, other = hot[own].mean(axis=0), hot[rest].mean(axis=0) if len(rest) else np.zeros(seen.spots.grid)
        row, column = np.unravel_index(int(share.argmax()), share.shape)
        members = own[hot[own, row, column] > 0]
        if share[row, column] >= HOT_CELL and share[row, column] >= 2 * other[row, column] and len(members) >= SMALLEST:
            spots = strongest[members]
            away = np.abs(seen.spots.row[spots] - row) + np.abs(seen.spots.column[spots] - column)
            assert away.max() <= 2 * reach
            yield spots[np.lexsort((-seen.spots.share[spots], away))]


VIEWS: dict[str, Callable[[Seen, int], Iterator[Indices]]] = {
    "features": by_features,
    "maps": by_maps,
    "components": by_components,
    "position": by_position,
}


def groups(seen: Seen, seed: int) -> list[Group]:
    """The groups of all views with one spot per image and at least SMALLEST images, in the order of VIEWS.

    Args:
        seen: spots, heatmaps and activations of the sample.
        seed: seed of every random choice.
    """
    found = []
    for view, function in VIEWS.items():
        for spots in function(seen, seed):
            _, first = np.unique(seen.spots.image[spots], return_index=True)
            one_each = spots[np.sort(first)]
            if len(one_each) >= SMALLEST:
                found.append(Group(view, one_each))
    return found


def spectral_embedding(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Leading eigenvectors of the normalised neighbourhood graph, and the number of groups by the largest eigengap.

    Args:
        points: (n, d) n points, n above NEIGHBOURS.

    Returns:
        (eigenvectors (n, count), count), with count in 2..MOST_STRATEGIES.
    """
    norms = (points**2).sum(axis=1)
    distances = norms[:, None] + norms - 2 * points @ points.T
    np.fill_diagonal(distances, np.inf)
    neighbours = np.argsort(distances, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(points) - 1)]
    graph = np.zeros((len(points), len(points)))
    np.put_along_axis(graph, neighbours, 1.0, axis=1)
    graph = (graph + graph.T) / 2
    root = 1 / np.sqrt(graph.sum(axis=1))
    values, vectors = np.linalg.eigh(root[:, None] * graph * root)
    values, vectors = values[::-1], vectors[:, ::-1]
    gaps = values[:MOST_STRATEGIES] - values[1 : MOST_STRATEGIES + 1]
    count = int(np.argmax(gaps[1:])) + 2
    return vectors[:, :count], count


def _reduced(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features scaled to unit length and reduced to at most COMPONENTS principal components."""
    from sklearn.decomposition import PCA

    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features.astype(np.float64) / np.maximum(lengths, 1e-12)
    return np.asarray(PCA(min(COMPONENTS, *unit.shape), svd_solver="full").fit_transform(unit), np.float64)


def _split(points: NDArray[np.float64], most: int, seed: int, *, exactly: bool = False) -> list[Indices]:
    """Split points by k-means, with k = `most` or the k in 2..most with the best silhouette.

    Returns:
        indices of the points of each group; one group with all points where no k splits them.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import silhouette_score

    tried: list[tuple[float, NDArray[np.int32]]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than groups
        for k in (most,) if exactly else range(2, most + 1):
            labels = KMeans(k, n_init=4, random_state=seed).fit(points).labels_
            if exactly:
                tried.append((0.0, labels))
            elif len(np.unique(labels)) > 1:
                tried.append((float(silhouette_score(points, labels)), labels))
    if not tried:
        return [np.arange(len(points))]
    _, labels = max(tried, key=lambda each: each[0])
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _typical_first(members: Indices, points: NDArray[np.float64], shares: NDArray[np.float64]) -> Indices:
    """Spots of a group, the most typical first: near the weighted middle and with a large share of the heatmap."""
    middle = np.average(points[members], axis=0, weights=shares[members])
    away = np.sqrt(((points[members] - middle) ** 2).sum(axis=1))
    return members[np.argsort(away / shares[members], kind="stable")]


def _of_each_class(seen: Seen) -> list[Indices]:
    return [np.flatnonzero(seen.predicted == label) for label in np.unique(seen.predicted)]


def _first_spots(seen: Seen, images: Indices) -> Indices:
    """Index of the strongest spot of each image (n,), -1 for an image without spots."""
    owners, first = np.unique(seen.spots.image, return_index=True)
    place = dict(zip(owners.tolist(), first.tolist(), strict=True))
    return np.array([place.get(int(image), -1) for image in images], np.intp)
