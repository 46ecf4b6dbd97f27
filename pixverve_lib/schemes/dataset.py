"""Training sets: pictures with captions, checked before anything is encoded, and cut to buckets of sizes.

With `side`, a picture is shrunk evenly until it just covers the bucket of about side x side pixels whose aspect ratio
is nearest to its own, and what stands over is cut off at both ends: nothing is stretched or enlarged. Without `side` it
keeps its size, cut to multiples of F.
"""
import hashlib
import math
import os
from collections import defaultdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch

from pixverve_lib.imaging import reading
from pixverve_lib.schemes import cache, checkpoints, engine, flow
from pixverve_lib.schemes.flow import F

STEPS = 16  # not in paper: choice, the sides of buckets are multiples of side / 16, or of F if that is larger
WIDEST = 2.5  # not in paper: choice, largest aspect ratio that has a bucket; wider pictures lose their ends
NAMED = 5  # pictures that an error names before it only counts


class BadTrainingSet(ValueError):
    """Pictures or captions that cannot be trained on; the line says what is wrong with which."""


def prepare(pictures, captions, pipeline, folder, side=None, **text) -> cache.CachedSet:
    """Encode pictures and captions into `folder`, or find them there.

    pictures: a folder, or a sequence of paths or of pictures  # H W 3 uint8
    captions: one for each of a sequence; of a folder a mapping by file name, or None: NAME.txt beside each picture.
    side: of the square with the area of every bucket, in pixels; None keeps sizes. text: `max_sequence_length` and
    `text_encoder_out_layers` where the pipeline's own defaults do not fit (nano_klein.TEXT).
    Raises BadTrainingSet: no or one picture, no caption, unreadable, smaller than its bucket.
    """
    folder, groups = Path(folder), defaultdict(list)
    for item in _items(pictures, captions):
        groups[bucket(item.size, side)].append(item)
    _refuse_small(groups)
    channels = pipeline.transformer.config.in_channels
    shards = cache.plan(groups, folder, lambda size: 4 * channels * size[0] * size[1] // F**2)
    encoders = f"{checkpoints.fingerprint(pipeline.vae)} {checkpoints.fingerprint(pipeline.text_encoder)} {text}"
    encode = partial(_encode, pipeline, text)
    with engine.processes().main_process_first():
        return cache.make(shards, folder, encode, encoders)


def bucket(size, side=None):
    """(height, width) in pixels, multiples of F, to which a picture of `size` is cut."""
    if side is None:
        return tuple(length // F * F for length in size)
    step = max(F, side // STEPS // F * F)
    longest = math.floor(side * math.sqrt(WIDEST) / step) * step
    sides = [(round(side**2 / long / step) * step, long) for long in range(side // step * step, longest + 1, step)]
    aspect = max(size) / min(size)
    short, long = min(sides, key=lambda each: abs(math.log(each[1] / each[0] / aspect)))
    return (short, long) if size[0] <= size[1] else (long, short)


def fit(rgb, height, width):
    """The picture shrunk evenly until it just covers height x width, cut to it around its centre  # H W 3 uint8"""
    tall, wide = rgb.shape[:2]
    scale = max(height / tall, width / wide)
    if scale < 1:
        tall, wide = max(height, round(tall * scale)), max(width, round(wide * scale))
        rgb = cv2.resize(rgb, (wide, tall), interpolation=cv2.INTER_AREA)
    top, left = (tall - height) // 2, (wide - width) // 2
    return rgb[top : top + height, left : left + width]


def files(folder):
    """Paths of the pictures in a folder and below it, sorted."""
    return sorted(path for path in Path(folder).rglob("*") if path.suffix.lower() in reading.SUFFIXES)


def caption_beside(path):
    """What NAME.txt beside a picture says, or None."""
    beside = path.with_suffix(".txt")
    return beside.read_text("utf8").strip() if beside.exists() else None


def _items(pictures, captions):
    if _is_path(pictures):
        given, where = files(pictures), f"in {pictures}"
        captions = [caption_beside(path) if captions is None else captions.get(path.name) for path in given]
    else:
        given, where = list(pictures), "given"
    if len(given) < 2:
        raise BadTrainingSet(f"{'only one picture' if given else 'no picture'} {where}: a training set has at least "
                             f"two ({' '.join(reading.SUFFIXES)})")
    if isinstance(captions, str) or captions is None or len(captions) != len(given):
        raise BadTrainingSet(f"captions do not fit the {len(given)} pictures: give one for each, in the same order")
    names = [Path(each).name if _is_path(each) else f"picture-{n:05d}" for n, each in enumerate(given)]
    _refuse("without a caption (NAME.txt beside a file, or a mapping by file name)",
            [name for name, caption in zip(names, captions, strict=True) if not (caption or "").strip()])
    items, unreadable = [], []
    for name, picture, caption in zip(names, given, captions, strict=True):
        try:
            items.append(cache.Item(name, *_described(picture), caption))
        except reading.UnreadableImage as error:
            unreadable.append(f"{name} ({error.reason})")
    _refuse("that cannot be read (repair or remove them)", unreadable)
    return items


def _is_path(picture):
    return isinstance(picture, (str, os.PathLike))




def _described(picture):
    """Stamp, size and how to read it."""
    if _is_path(picture):
        header, file = reading.probe(picture), os.stat(picture)
        return f"{file.st_size} {file.st_mtime_ns}", (header.height, header.width), partial(_read, picture)
    rgb = np.ascontiguousarray(picture)
    return hashlib.sha256(rgb).hexdigest(), rgb.shape[:2], lambda: rgb


def _read(path):
    try:
        return reading.read_rgb(path)
    except reading.UnreadableImage as error:
        raise BadTrainingSet(f"{path} cannot be read ({error.reason}): repair or remove it") from error


def _refuse_small(groups):
    small = [
        f"{item.name} ({item.size[0]} x {item.size[1]} for {height} x {width})"
        for (height, width), items in groups.items()
        for item in items
        if min(height, width) < F or item.size[0] < height or item.size[1] < width
    ]
    _refuse("smaller than the size to train at (leave them out, or choose a smaller side)", small)


def _refuse(what, names):
    if names:
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise BadTrainingSet(f"{len(names)} pictures {what}: {', '.join(names[:NAMED])}{more}")


def _encode(pipeline, text, items, size):
    """What a shard holds of these items."""
    rgb = np.stack([fit(item.read(), *size) for item in items])
    with torch.inference_mode():
        features = pipeline.encode_prompt([item.caption for item in items] + [""], **text)[0]
        return {"latents": flow.encode(pipeline, rgb), "text": features[:-1], "empty": features[-1]}
