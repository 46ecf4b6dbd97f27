"""Which image tokens one query sees: windows of a token grid, and the schedules of them that cycle over the blocks.

A partition (a, b) makes two sets of a * b groups of the H x W tokens, each of about H W / (a b):

    close    a x b windows of neighbours            rows i with equal i // ceil(H / a), columns likewise with b
    remote   tokens of equal offset in the stride   rows i with equal i % a, columns with equal j % b

so (1, 1) is full attention twice. A schedule is a cycle of partitions: block k uses number k modulo its length, the
double blocks first.

`paper`     Sec. 4.1 as printed: aspect ratios 1:1, 1:2, 2:1, 1:8, 8:1, and a window whose sides scale linearly with the
            resolution, i.e. the same partitions at every scale. A 1:1 window is square; its size is not printed.
`released`  The authors' code: 1:1 is (1, 1), full attention in every fifth block, and the partition doubles from 4K to
            8K, so that the window stays 32 x 16 tokens and only grows, to 40 x 20, from 8K to 10K (M21).
`square`    Ours: one square window in every block, to see what the aspect ratios are for.

At 1:16 a side of the token grid is 16 times shorter; windows and their number a side both shrink by 4.
"""
from functools import lru_cache
from typing import NamedTuple

import numpy as np

SHRINK = 4  # square root of the 1:16 of the scale model; not in paper: choice
CLOSE, REMOTE = 1, 2  # in `seen`

Partition = tuple[int, int]

PAPER = ((8, 8), (8, 16), (16, 8), (4, 32), (32, 4))  # ratios Sec. 4.1; numbers as released, (8, 8) our choice
RELEASED_4K = ((1, 1), (8, 16), (16, 8), (4, 32), (32, 4))  # not in paper: released code
RELEASED_8K = ((1, 1), (16, 32), (32, 16), (8, 64), (64, 8))  # not in paper: released code, for 10K as well
SQUARE = ((16, 16),)  # not in paper: choice, about as many windows as the others
PRESETS = {  # (name, scale) at full size
    **{("paper", scale): PAPER for scale in ("4K", "8K", "10K")},
    ("released", "4K"): RELEASED_4K, ("released", "8K"): RELEASED_8K, ("released", "10K"): RELEASED_8K,
    **{("square", scale): SQUARE for scale in ("4K", "8K", "10K")},
}
NAMES = tuple(dict.fromkeys(name for name, _ in PRESETS))


class Groups(NamedTuple):
    """Token numbers, row by row of the grid, of every group of one branch."""

    members: np.ndarray  # groups x largest group, int64; what is no token repeats token 0
    real: np.ndarray  # the same, bool: whether it is a token
    place: np.ndarray  # of each token in `members`, flattened


def preset(name: str, scale: str, nano: bool = False) -> tuple[Partition, ...]:
    """Partitions of a named schedule at "4K", "8K" or "10K", at full size or for the 1:16 model. Raises ValueError."""
    if (name, scale) not in PRESETS:
        raise ValueError(f"no window schedule {name!r} at {scale!r}: use one of {', '.join(NAMES)} at 4K, 8K or 10K")
    partitions = PRESETS[name, scale]
    shrink = SHRINK if nano else 1
    return tuple((max(1, a // shrink), max(1, b // shrink)) for a, b in partitions)


@lru_cache(maxsize=64)
def groups(grid: tuple[int, int], partition: Partition, branch: int) -> Groups:
    """The groups of a branch, CLOSE or REMOTE, of a grid (height, width in tokens).

    Where the partition does not divide the grid, the last windows, and the remote groups of large offsets, are smaller,
    or even empty: they are padded. Raises ValueError when the partition is larger than the grid.
    """
    check(grid, partition)
    rows, columns = (_lines(length, number, branch) for length, number in zip(grid, partition, strict=True))
    real = (rows >= 0)[:, None, :, None] & (columns >= 0)[None, :, None, :]
    members = np.where(real, rows[:, None, :, None] * grid[1] + columns[None, :, None, :], 0)
    members, real = (each.reshape(partition[0] * partition[1], -1) for each in (members, real))
    place = np.empty(grid[0] * grid[1], np.int64)
    place[members[real]] = np.flatnonzero(real)
    return Groups(members, real, place)


def check(grid: tuple[int, int], partition: Partition) -> None:
    """Raise ValueError unless the grid can be partitioned."""
    if any(not 1 <= number <= length for number, length in zip(partition, grid, strict=True)):
        raise ValueError(f"partition {partition[0]} x {partition[1]} is larger than the grid of {grid[0]} x {grid[1]} "
                         "tokens: use a schedule for this scale, or a larger picture")


def seen(grid: tuple[int, int], partition: Partition, query: tuple[int, int]) -> np.ndarray:
    """What a query (row, column) sees of the image  # H W uint8: 0, CLOSE, REMOTE, or both added (3)"""
    token, found = query[0] * grid[1] + query[1], np.zeros(grid[0] * grid[1], np.uint8)
    for branch in (CLOSE, REMOTE):
        members, real, place = groups(grid, partition, branch)
        group = place[token] // members.shape[1]
        found[members[group][real[group]]] |= branch
    return found.reshape(grid)


def maps(grid: tuple[int, int], schedule: tuple[Partition, ...], query: tuple[int, int]) -> dict[Partition, np.ndarray]:
    """`seen` for every partition of a schedule, in its order."""
    return {partition: seen(grid, partition, query) for partition in schedule}


def _lines(length, number, branch):
    """Rows (or columns) of each of `number` groups, -1 where there is none  # number x ceil(length / number)"""
    most = -(-length // number)
    lines = np.arange(number * most)
    lines = lines.reshape(number, most) if branch == CLOSE else lines.reshape(most, number).T
    return np.where(lines < length, lines, -1)
