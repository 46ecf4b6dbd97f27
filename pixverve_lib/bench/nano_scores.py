"""Scores of pictures that a nano model drew from the built-in prompts, each with a bootstrap interval over pictures.

pos, shape       share of things with the right colour at the right place, and with the right shape too: a checker that
                 knows the truth (scenes/primer_checker.py), not a model's opinion.
nano-FID         Frechet distance of nano-clip features to drawn scenes of the same prompts. Never comparable with FID.
nano-CLIPScore   100 x cosine of nano-clip features of picture and short prompt. Never comparable with CLIPScore.
"""
from functools import partial

import numpy as np

from pixverve_lib.bench import bootstrap
from pixverve_lib.imaging import distances, reading
from pixverve_lib.models import nano_clip
from pixverve_lib.scenes import primer, primer_checker


def measure(paths, prompts, seed=0):
    """A frame with a row a score: score, value, low, high (bootstrap over pictures), pictures.

    paths: of pictures; prompts: of primer.bench_prompts, one each.
    """
    pictures = [reading.read_rgb(path) for path in paths]
    looked = features(pictures, prompts)
    return bootstrap.over_pictures(partial(_scores, looked), len(pictures), seed)


def values(paths, prompts):
    """The four scores of pictures of the first prompts, {name: value} without intervals, to compare what is alike."""
    pictures = [reading.read_rgb(path) for path in paths]
    return _scores(features(pictures, prompts[:len(pictures)]), slice(None))


def features(pictures, prompts):
    """What the scores are made of, a row a picture: things, pos, shape (counts), image, text, reference (features)."""
    clip, specs = nano_clip.load(), [prompt.spec for prompt in prompts]
    verdicts = [primer_checker.check(picture, spec) for picture, spec in zip(pictures, specs, strict=True)]
    truth = [primer.draw(spec, len(picture), np.random.default_rng(i))
             for i, (picture, spec) in enumerate(zip(pictures, specs, strict=True))]
    return {
        "things": np.array([len(verdict.colour) for verdict in verdicts]),
        "pos": np.array([sum(verdict.colour) for verdict in verdicts]),
        "shape": np.array([sum(map(all, zip(verdict.colour, verdict.shape, strict=True))) for verdict in verdicts]),
        "image": clip.pooled_features(pictures), "reference": clip.pooled_features(truth),
        "agreement": clip.score(pictures, [prompt.short for prompt in prompts]),
    }


def _scores(looked, rows):
    things = looked["things"][rows].sum()
    return {
        "pos": looked["pos"][rows].sum() / things, "shape": looked["shape"][rows].sum() / things,
        "nano-FID": distances.frechet(looked["image"][rows], looked["reference"][rows]),
        "nano-CLIPScore": float(looked["agreement"][rows].mean()),
    }


def chance(paths, prompts):
    """pos and shape of the same pictures against the prompts of their neighbours: what luck alone gives."""
    pictures = [reading.read_rgb(path) for path in paths]
    return primer_checker.scores(pictures, [prompt.spec for prompt in prompts[1:] + prompts[:1]])


def on_prompts(paths, prompts):
    """{"pos", "shape", "stray"} of pictures of the first prompts, each in [0, 1] and without an interval, for curves.

    stray: share of the places that a prompt leaves empty where a picture shows a thing
    """
    pictures = [reading.read_rgb(path) for path in paths]
    specs = [prompt.spec for prompt in prompts[:len(pictures)]]
    return primer_checker.scores(pictures, specs) | {"stray": primer_checker.stray(pictures, specs)}
