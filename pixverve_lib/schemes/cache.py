"""Latents and text features on disk, in shards of pictures of one size, made once and checked before they are used."""
import hashlib
import json
import re
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pixverve_lib.kit.artefacts import atomic
from pixverve_lib.kit.progress import progress

SHARD_BYTES, SHARD_PICTURES = 2**26, 256
CALL_PIXELS = 2**20  # of small pictures that are encoded together
OPEN_FILES = 64


class Batch(NamedTuple):
    """Pictures of one size, ready for the network."""

    names: tuple[str, ...]
    latents: torch.Tensor  # N C h w
    text: torch.Tensor  # N L D
    empty: torch.Tensor  # L D, of the empty prompt

    def to(self, device) -> "Batch":
        return Batch(self.names, *(tensor.to(device) for tensor in self[1:]))


class Item(NamedTuple):
    """One picture before it is encoded."""

    name: str
    stamp: str  # changes when the picture does
    size: tuple[int, int]  # height, width in pixels
    read: Callable[[], np.ndarray]  # H W 3 uint8
    caption: str


class Shard(NamedTuple):
    """A file with latents  # N C h w, text  # N L D, and empty  # L D"""

    file: Path
    bucket: tuple[int, int]  # height, width in pixels
    names: tuple[str, ...]


@dataclass(frozen=True)
class CachedSet:
    """Pictures of a training set, numbered through all shards."""

    shards: tuple[Shard, ...]
    text_tokens: int
    digest: str  # of pictures, captions, sizes and the networks that encoded them

    def __len__(self):
        return len(self._places)

    @cached_property
    def _places(self):
        return [(shard, row) for shard in self.shards for row in range(len(shard.names))]

    @cached_property
    def buckets(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """(height, width) in pixels -> numbers of its pictures."""
        found = defaultdict(list)
        for number, (shard, _) in enumerate(self._places):
            found[shard.bucket].append(number)
        return {bucket: tuple(numbers) for bucket, numbers in found.items()}

    def batch(self, numbers: Sequence[int]) -> Batch:
        """Pictures of one bucket by number."""
        places = [self._places[number] for number in numbers]
        files = [(_opened(shard.file), row) for shard, row in places]
        rows = ([file.get_slice(key)[row : row + 1] for file, row in files] for key in ("latents", "text"))
        names = tuple(shard.names[row] for shard, row in places)
        return Batch(names, *map(torch.cat, rows), files[0][0].get_tensor("empty"))

    def all_batches(self, size: int) -> Iterator[Batch]:
        """Every picture once, in order, at most `size` at a time."""
        for numbers in self.buckets.values():
            yield from map(self.batch, _parts(numbers, size))


def plan(items: Mapping[tuple[int, int], Sequence[Item]], folder: Path, row_bytes) -> dict[Shard, list[Item]]:
    """Which file holds which items. items: of each bucket; row_bytes: of one picture, as a function of the bucket."""
    shards = {}
    for bucket, group in items.items():
        number = max(1, min(SHARD_PICTURES, SHARD_BYTES // row_bytes(bucket)))
        for index, part in enumerate(_parts(group, number)):
            file = folder / f"{bucket[0]}x{bucket[1]}-{index:05d}.safetensors"
            shards[Shard(file, bucket, tuple(item.name for item in part))] = list(part)
    return shards


def make(shards: Mapping[Shard, Sequence[Item]], folder: Path, encode, encoders: str) -> CachedSet:
    """Make the shards that are not there, whole and of these items; name the damaged ones and make them again.

    encode: (items, bucket) -> {"latents", "text", "empty"}; encoders: changes when what `encode` gives does. Shards of
    a set that was in the folder before are removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for file in set(folder.glob("*x*-*.safetensors")) - {shard.file for shard in shards}:
        if re.fullmatch(r"\d+x\d+-\d{5}", file.stem):
            file.unlink()
    digests = {shard: _digest(encoders, shard, items) for shard, items in shards.items()}
    todo = [shard for shard in shards if not _is_whole(shard.file, digests[shard])]
    kept = ["kept"] * sum(len(shard.names) for shard in shards if shard not in todo)
    with progress(sum(map(len, shards.values())), "latents and text features", kept) as count:
        for shard in todo:
            _write(shard, shards[shard], encode, digests[shard], count)
    _opened.cache_clear()
    length = _opened(next(iter(shards)).file).get_slice("text").get_shape()[1]
    return CachedSet(tuple(shards), length, hashlib.sha256("".join(digests.values()).encode()).hexdigest()[:16])


def _write(shard, items, encode, digest, count):
    parts = []
    for part in _parts(items, max(1, CALL_PIXELS // (shard.bucket[0] * shard.bucket[1]))):
        parts.append(encode(part, shard.bucket))
        for _ in part:
            count("ok")
    tensors = {key: torch.cat([part[key] for part in parts]).cpu().contiguous() for key in ("latents", "text")}
    tensors["empty"] = parts[0]["empty"].cpu().contiguous()
    sums = {key: _sum(tensor) for key, tensor in tensors.items()}
    with atomic(shard.file) as temporary:
        save_file(tensors, temporary, {"digest": digest, "sums": json.dumps(sums)})


def _digest(encoders, shard, items):
    rows = [(item.name, item.stamp, item.caption) for item in items]
    return hashlib.sha256(repr((encoders, shard.bucket, rows)).encode()).hexdigest()


def _is_whole(file, digest):
    """Whether a shard is there, undamaged and of this set; a damaged one is named."""
    if not file.exists():
        return False
    try:
        with safe_open(file, "pt") as opened:
            known = opened.metadata()
            if known["digest"] != digest:
                return False
            sums = {key: _sum(opened.get_tensor(key)) for key in ("latents", "text", "empty")}
        if sums != json.loads(known["sums"]):
            raise ValueError("its checksums are wrong")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        print(f"{file} is damaged ({error}): making it again")
        return False
    return True


def _parts(sequence, size):
    return [sequence[start : start + size] for start in range(0, len(sequence), size)]


def _sum(tensor):
    return zlib.crc32(tensor.flatten().view(torch.uint8).numpy())


@lru_cache(OPEN_FILES)
def _opened(file):
    return safe_open(file, "pt").__enter__()
