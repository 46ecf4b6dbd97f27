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
    that every step costs the same. rehearsal: a second set, of which `share` of all batches are, evenly spread, so that
    a network does not forget the scale it came from.
    """

    cached: CachedSet
    batch: int
    seed: int
    rehearsal: CachedSet | None = None
    share: float = 0.0

    def __call__(self, number: int) -> Batch:
        if self.rehearsal is None:
            return self._batch(self.cached, number)
        before, after = math.floor(number * self.share), math.floor((number + 1) * self.share)
        return self._batch(self.rehearsal, before) if after > before else self._batch(self.cached, number - before)

    @property
    def per_epoch(self) -> int:
        """Batches, rehearsal aside, in which every picture comes once."""
        return sum(math.ceil(len(numbers) / size) for numbers, size in self._sized(self.cached))

    def _batch(self, cached, number):
        sized = self._sized(cached)
        epoch, place = divmod(number, sum(math.ceil(len(numbers) / size) for numbers, size in sized))
        return cached.batch(_epoch(sized, self.seed, epoch)[place])

    def _sized(self, cached):
        """(numbers of its pictures, batch size) of each bucket."""
        return tuple((numbers, max(1, self._budget // _tokens(cached, bucket)))
                     for bucket, numbers in cached.buckets.items())

    @cached_property
    def _budget(self):
        return self.batch * max(_tokens(self.cached, bucket) for bucket in self.cached.buckets)


def _tokens(cached, bucket):
    return bucket[0] * bucket[1] // F**2 + cached.text_tokens


@lru_cache(maxsize=4)
def _epoch(sized, seed, epoch):
    """The batches of one epoch, each a tuple of numbers: pictures shuffled in their buckets, then batches shuffled."""
    rng = np.random.default_rng((seed, epoch))
    batches = []
    for numbers, size in sized:
        shuffled = rng.permutation(numbers).tolist()
        batches += [tuple(shuffled[start : start + size]) for start in range(0, len(shuffled), size)]
    return [batches[place] for place in rng.permutation(len(batches))]
