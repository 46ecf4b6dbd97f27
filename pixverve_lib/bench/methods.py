"""The pictures of notebooks 05 to 07, gathered, and scored a method at a time as any folder of pictures is."""
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pixverve_lib.bench import cards, folder, kept_scores
from pixverve_lib.bench.metrics import METRICS
from pixverve_lib.imaging import reading
from pixverve_lib.kit import artefacts
from pixverve_lib.kit.run import home
from pixverve_lib.scenes import primer

SOURCES = ("scheme1_pictures", "scheme2_pictures", "scheme3_pictures")
BY = ["method", "scale", "caption"]


def drawn(run):
    """What the three schemes drew: a frame of artefacts.PICTURES with full paths, and a line for each shipped sample.

    Raises MissingArtefact where neither a run nor a sample has them, ValueError for a path that leaves its folder.
    """
    parts, lines = [], []
    for name in SOURCES:
        frame, sampled = artefacts.read_or_sample(run, name)
        parts.append(located(frame, artefacts.SAMPLES if sampled else home()))
        if sampled:
            command = artefacts.command(run, artefacts.ARTEFACTS[name].notebook)
            lines.append(f"{name}: the shipped sample, {len(frame)} pictures of a laptop run; your own: {command}")
    return pd.concat(parts, ignore_index=True), lines


def located(pictures, root):
    """The same frame with full paths.  Raises ValueError for a path that leaves `root`."""
    return pictures.assign(path=[str(_below(root, path)) for path in pictures.path])


def _below(root, path):
    full = (root / path).resolve()
    if not full.is_relative_to(root.resolve()):
        raise ValueError(f"picture {path} lies outside {root}: write the artefact anew")
    return full


def truth(prompts, side, where):
    """Scenes drawn for the prompts, the reference of FID: {name: path}.  Drawn once.  side: pixels"""
    where.mkdir(parents=True, exist_ok=True)
    found = {}
    for number, prompt in enumerate(prompts):
        path = where / f"{number:04d}.png"
        if not path.exists():
            with artefacts.atomic(path) as temporary:
                Image.fromarray(primer.draw(prompt.spec, side, np.random.default_rng(number))).save(temporary)
        found[path.name] = str(path)
    return found


def score(pictures, out, backends, lengths, seed=0):
    """Scores, rows and cards of every method, scale and caption, each by itself.

    pictures: frame of artefacts.PICTURES of built-in prompts. Returns scores: BY, metric, name, value, low, high,
    pictures; rows: BY, number and the columns of folder.Scored.rows; cards: BY, metric, card (one line). Goes on where
    an earlier run into `out` ended.
    """
    parts = [_one(dict(zip(BY, key, strict=True)), rows, Path(out), backends, lengths, seed)
             for key, rows in pictures.groupby(BY, sort=False)]
    return [pd.concat(frames, ignore_index=True) for frames in zip(*parts, strict=True)]


def _one(key, chosen, out, backends, lengths, seed):
    prompts = primer.bench_prompts()
    asked = [prompts[number] for number in chosen.number]
    names = [f"{number:04d}.png" for number in chosen.number]
    side = reading.probe(chosen.path.iloc[0])[0]
    scenes = out / f"scenes-{side}-{kept_scores.code()}"  # other code may draw others
    known = truth(prompts[:chosen.number.max() + 1], side, scenes)
    frame = pd.DataFrame({"file": names, "path": list(chosen.path), "short": [each.short for each in asked],
                          "long": [each.long for each in asked]})
    done = folder.score(frame, out / "-".join(key.values()).replace(" ", ""), backends, lengths, seed,
                        {name: known[name] for name in names})
    table = done.summary[done.summary.metric.isin(METRICS)]
    named = table.assign(name=[cards.name(metric, backends) for metric in table.metric], **key)
    rows = done.rows.assign(number=list(chosen.number), **key)
    lines = pd.DataFrame({"metric": list(done.cards), "card": [card.line() for card in done.cards.values()]})
    return named.drop(columns="missing"), rows, lines.assign(**key)
