"""Which pictures are in which batch, as a function of its number and the seed alone.

So there is no position to save: a resumed run, on however many processes, goes on with the pictures that were due.
"""
import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from pixverve_lib.schemes.cache import Batch, CachedSet
from pixverve_lib.schemes.flow import F


@dataclass(frozen=True)
class Order:
    """Batch number n of a run, from n = 0 without end: `Order(...)(n)`; every epoch shuffles anew.

    batch: pictures of the largest bucket; of smaller ones as many as make the same number of tokens, text included, so
    that every step costs the same.
    """

    cached: CachedSet
    batch: int
    seed: int

    def __call__(self, number: int) -> Batch:
        epoch, place = divmod(number, self.per_epoch)
        return self.cached.batch(_epoch(self._sized, self.seed, epoch)[place])

    @property
    def per_epoch(self) -> int:
        """Batches in which every picture comes once."""
        return sum(math.ceil(len(numbers) / size) for numbers, size in self._sized)

    @cached_property
    def _sized(self):
        """(numbers of its pictures, batch size) of each bucket."""
        buckets = self.cached.buckets
        tokens = {bucket: bucket[0] * bucket[1] // F**2 + self.cached.text_tokens for bucket in buckets}
        budget = self.batch * max(tokens.values())
        return tuple((numbers, max(1, budget // tokens[bucket])) for bucket, numbers in buckets.items())


@lru_cache(maxsize=4)
def _epoch(sized, seed, epoch):
    """The batches of one epoch, each a tuple of numbers: pictures shuffled in their buckets, then batches shuffled."""
    rng = np.random.default_rng((seed, epoch))
    batches = []
    for numbers, size in sized:
        shuffled = rng.permutation(numbers).tolist()
        batches += [tuple(shuffled[start : start + size]) for start in range(0, len(shuffled), size)]
    return [batches[place] for place in rng.permutation(len(batches))]
