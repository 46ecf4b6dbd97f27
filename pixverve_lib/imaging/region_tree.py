"""A tree of regions: superpixels merged pairwise, the most alike neighbours first, until the picture is one.

Costs grow with the difference and, slowly, with the sizes, so that crumbs go first (POWER 1 would be Ward's criterion).
"""
import heapq
from typing import NamedTuple

import cv2
import numpy as np

GRID = 9  # pixels between the seeds of superpixels
POWER = 0.5  # of the sizes, in the cost of a merge


class Tree(NamedTuple):
    """Nodes 0 ... n - 1 are the superpixels, each later one joins its two children."""

    leaves: list[tuple[int, ...]]  # superpixels of each node
    parents: list[int]  # -1: the root, or what has no neighbour
    borders: np.ndarray  # pairs of neighbouring superpixels, B 2
    steps: np.ndarray  # how much the two differ, B, in units of the channels


def superpixels(rgb):
    """Cells grown from a grid of seeds along the gradients of colour.  rgb: H W 3 uint8  # H W int, 0 ... n - 1"""
    smooth = cv2.bilateralFilter(rgb, 5, 25, 3)
    seeds = np.zeros(rgb.shape[:2], np.int32)
    rows, columns = (np.arange(min(GRID, n) // 2, n, GRID) for n in seeds.shape)
    seeds[np.ix_(rows, columns)] = 1 + np.arange(len(rows) * len(columns)).reshape(len(rows), len(columns))
    cells = np.maximum(cv2.watershed(smooth, seeds), 0)
    beside = cv2.dilate(cells.astype(np.float32), np.ones((3, 3)))  # the lines between cells go to one of them
    cells = np.where(cells > 0, cells, beside).astype(int)
    return np.unique(cells, return_inverse=True)[1].reshape(cells.shape)


def merge(cells, channels):
    """The tree over `superpixels`.  channels: H W C float, what regions are compared by"""
    sizes = np.bincount(cells.ravel())
    means = np.stack([np.bincount(cells.ravel(), one.ravel()) for one in np.moveaxis(channels, -1, 0)], 1)
    means /= sizes[:, None]
    borders = _borders(cells)
    steps = np.linalg.norm(means[borders[:, 0]] - means[borders[:, 1]], axis=1)
    leaves, parents = _merged(list(sizes.astype(float)), list(means), borders.tolist())
    return Tree(leaves, parents, borders, steps)


def _borders(cells):
    across = np.stack([cells[:, :-1].ravel(), cells[:, 1:].ravel()], 1)
    down = np.stack([cells[:-1].ravel(), cells[1:].ravel()], 1)
    pairs = np.sort(np.concatenate([across, down]), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)


def _merged(sizes, means, borders):
    leaves, parents = [(i,) for i in range(len(sizes))], [-1] * len(sizes)
    beside = [set() for _ in sizes]
    for a, b in borders:
        beside[a].add(b)
        beside[b].add(a)

    def offer(a, b):
        step = means[a] - means[b]
        return float(step @ step) * (sizes[a] * sizes[b] / (sizes[a] + sizes[b])) ** POWER, a, b

    heap = [offer(a, b) for a, b in borders]
    heapq.heapify(heap)
    while heap:
        _, a, b = heapq.heappop(heap)
        if parents[a] >= 0 or parents[b] >= 0:  # an offer from before one of them was merged
            continue
        c = parents[a] = parents[b] = len(leaves)
        leaves.append(leaves[a] + leaves[b])
        parents.append(-1)
        sizes.append(sizes[a] + sizes[b])
        means.append((sizes[a] * means[a] + sizes[b] * means[b]) / sizes[c])
        beside.append((beside[a] | beside[b]) - {a, b})
        for other in beside[c]:
            beside[other] = beside[other] - {a, b} | {c}
            heapq.heappush(heap, offer(other, c))
    return leaves, parents
