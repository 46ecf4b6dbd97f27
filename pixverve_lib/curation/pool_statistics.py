"""What the final pool is made of (Sec. 3.1.6): the row of Tab. 2, the distributions of Fig. 6, its spectrum (App. B).

A described pool is a frame with any of the columns of export.SCHEMA, one row a picture: of `export.annotation_records`,
or of the metadata of PixVerve-95K itself (`released`). What a pool lacks is said to be lacking.
"""
import json
import re
from collections import Counter
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from pixverve_lib.curation.export import SCORES
from pixverve_lib.imaging import large, reading, spectrum
from pixverve_lib.kit.parallel import map_pictures
from pixverve_lib.kit.progress import progress
from pixverve_lib.models.annotation import DIMENSIONS, NOT_ASSESSED
from pixverve_lib.paper import published

METADATA = {  # columns of Tab. 2 -> the column of a described pool behind it
    "basic_visual_scores": "scores", "tags": "tags", "bboxes": "boxes", "aesthetics_level_analysis": "aesthetics",
    "instance_level_description": "instances"}
ASPECTS = {"9:16": 9 / 16, "2:3": 2 / 3, "3:4": 3 / 4, "1:1": 1.0, "4:3": 4 / 3, "3:2": 3 / 2, "16:9": 16 / 9,
           "21:9": 21 / 9}  # width : height; not in paper: choice, Fig. 6's own bins are in the picture only
SCENARIOS = {  # the scenario with most of its words in the texts; not in paper: choice, for Fig. 6 prints no rule
    "landscape": "landscape mountain hill valley forest lake river field cliff desert canyon waterfall horizon meadow",
    "city": "city street building skyscraper bridge road tower house architecture window car traffic alley",
    "plants": "flower leaf foliage petal tree plant garden blossom grass fern berry branch",
    "animals": "animal bird dog cat horse fish insect butterfly lion elephant fur feather",
    "people": "person people man woman child portrait face crowd dancer hand hair",
    "food": "food fruit bread cake dish plate vegetable coffee drink meal apple pear lemon",
    "objects": "still life table vase bottle jar bowl cup book glass toy tool furniture interior",
    "water": "sea ocean beach wave coast shore harbour boat ship island underwater",
    "night": "night moon star galaxy dark lantern neon firework",
}
STOP_WORDS = (
    "about above across after against all also and are around as at away back because been before behind being below "
    "between both but by can covering each for from front has have her his image in into is it its left like more most "
    "near of off on one onto other out over percent picture right scene several side some stands than that the their "
    "them then there these they this through to two under up upper lower very was what where which while who with "
    "within"
)
EDGES = np.geomspace(1 / 1024, 0.5, 97)  # cycles a pixel, rings of the spectrum; not in paper: choice
FIT = (0.005, 0.3)  # cycles a pixel between which the slope is fitted; not in paper: choice
VERSION = "1"  # change it when a number of `power_spectrum` changes


class _Line(BaseModel):
    """One line of the metadata of PixVerve-95K; what else it holds is kept."""

    model_config = ConfigDict(extra="allow")
    file_name: str
    short_caption: str
    long_caption: str


def released(folder):
    """PixVerve-95K's own metadata: all *.jsonl of a folder.  Returns (described pool, rejected: path, step, reason).

    height and width are those of the lines, else of the picture beside them, else missing. A line that is no record, or
    whose file name leads out of the folder, costs that line. Raises FileNotFoundError without any such file.
    """
    folder = Path(folder)
    files = sorted(folder.glob("*.jsonl"))
    if not files:
        raise FileNotFoundError(f"no *.jsonl in {folder}: download the metadata of PixVerve-95K there")
    lines = [(f"{file.name}:{number}", line) for file in files
             for number, line in enumerate(file.read_bytes().splitlines(), 1) if line.strip()]
    rows, rejected = [], []
    with progress(len(lines), "reading metadata", unit="records") as count:
        for place, line in lines:
            try:
                rows.append(_record(line, folder))
                count("ok")
            except ValueError as error:
                rejected.append((place, "metadata", _reason(error)))
                count("rejected")
    columns = None if rows else ["file_name", "short_caption", "long_caption", "height", "width"]
    return (pd.DataFrame(rows, columns=columns), pd.DataFrame(rejected, columns=["path", "step", "reason"], dtype=str))


def tab_2(pool, name):
    """Tab. 2: the printed rows, and below them one measured on a described pool.  All cells are text, as printed."""
    table, sizes = published.table("tab_2"), _sizes(pool)
    sides = [f"{side:.0f}" for side in sizes.mean()] if len(sizes) else ["?"]
    row = {
        "dataset": name, "avg_resolution": " × ".join(sides), "number": f"{len(pool):,}",
        "avg_caption_length": f"{words(pool.long_caption).mean():.1f} words (Long)" if len(pool) else published.DASH,
        **{column: _mark(pool, source) for column, source in METADATA.items()},
        "variable_length_caption": _share(pool, [all(texts) for texts in _texts(pool)]),
    }
    return pd.concat([table, pd.DataFrame([row])[list(table)]], ignore_index=True)


def words(texts):
    """Length of each text in words: what stands between white space.  # Series of int"""
    return pd.Series([len(text.split()) if isinstance(text, str) else 0 for text in texts], dtype=int)


def caption_lengths(pool):
    """Columns caption ("long" | "short"), words; one row a caption that is there."""
    lengths = pd.concat([pd.DataFrame({"caption": kind, "words": words(pool[f"{kind}_caption"])})
                         for kind in ("long", "short")])
    return lengths[lengths.words > 0].reset_index(drop=True)


def aspects(pool):
    """Columns aspect (width : height, the nearest of ASPECTS by ratio), pictures; all of ASPECTS, in order."""
    sizes = _sizes(pool)
    ratios = np.log((sizes.width / sizes.height).to_numpy(float))[:, None] - np.log(list(ASPECTS.values()))
    counts = np.bincount(np.abs(ratios).argmin(axis=1), minlength=len(ASPECTS))
    return pd.DataFrame({"aspect": list(ASPECTS), "pictures": counts})


def scenarios(pool):
    """Columns scenario (of SCENARIOS, or "other"), pictures; the most frequent first. Judged by words of the texts."""
    counts = Counter(scenario(f"{short} {long}") for short, long in _texts(pool))
    return pd.DataFrame(counts.most_common(), columns=["scenario", "pictures"])


def scenario(text):
    """The scenario with most of its words in a text, the first of equal ones; "other" without any."""
    said = _tokens(text)
    hits = {name: len(said & set(hints.split())) for name, hints in SCENARIOS.items()}
    best = max(hits, key=hits.get)
    return best if hits[best] else "other"


def word_counts(pool, most=60):
    """Columns word, pictures: in how many captions a word occurs, most frequent first; STOP_WORDS are left out."""
    counts = Counter(word for short, long in _texts(pool) for word in sorted(_tokens(f"{short} {long}")))
    return pd.DataFrame(counts.most_common(most), columns=["word", "pictures"])


def scores(pool):
    """Columns score (of the six), value; one row a picture and score that is there."""
    found = [(name, held[name]) for held in pool.get("scores", []) if isinstance(held, dict) for name in SCORES
             if held.get(name) is not None]
    return pd.DataFrame(found, columns=["score", "value"])


def spectra(paths, folder):
    """The power spectrum of every picture, whole, at full size: columns picture, frequency, power.

    Frequencies in cycles a pixel, power in squared gray levels (imaging/spectrum.py). Sharded and resumable below
    `folder`; a picture that cannot be read is left out and counted by the progress line. 100 MP take 2 s and 0.6 GB.
    """
    seen = map_pictures(power_spectrum, paths, folder, version=VERSION, label="spectra")
    seen = seen[seen.status == "ok"].reindex(columns=["path", *_columns()])
    frame = seen.melt("path", var_name="ring", value_name="power").rename(columns={"path": "picture"})
    frame["frequency"] = frame.ring.map(dict(zip(_columns(), (EDGES[:-1] + EDGES[1:]) / 2, strict=True)))
    return frame.astype({"power": float}).dropna()[["picture", "frequency", "power"]].reset_index(drop=True)


def power_spectrum(path):
    """Power of each ring of EDGES of one picture: a flat dict, None where a small picture has no such frequency."""
    height, width = large.size(path)
    gray, top = np.empty((height, width), np.uint8), 0
    for band in large.read_bands(path):
        cv2.cvtColor(band, cv2.COLOR_RGB2GRAY, dst=gray[top : top + len(band)])
        top += len(band)
    _, power = spectrum.raps(gray, EDGES, hann=True)
    return {name: float(value) if np.isfinite(value) else None for name, value in zip(_columns(), power, strict=True)}


def mean_spectrum(found):
    """Over the pictures of `spectra`: columns frequency, power (geometric mean), low, high (5 and 95 percent)."""
    rings = found[found.power > 0].groupby("frequency").power
    return pd.DataFrame({"power": np.exp(rings.apply(lambda power: np.log(power).mean())),
                         "low": rings.quantile(0.05), "high": rings.quantile(0.95)}).reset_index()


def slope(frequency, power):
    """(exponent, factor, R^2) of power = factor * frequency ** exponent, least squares of the logarithms.

    Natural pictures are near -2, white noise is 0. NaN with fewer than three rings in FIT.
    """
    frequency, power = np.asarray(frequency, float), np.asarray(power, float)
    used = (frequency >= FIT[0]) & (frequency <= FIT[1]) & (power > 0)
    if used.sum() < 3:
        return (np.nan,) * 3
    x, y = np.log(frequency[used]), np.log(power[used])
    exponent, constant = np.polyfit(x, y, 1)
    residual = np.sum((y - exponent * x - constant) ** 2)
    return exponent, np.exp(constant), 1 - residual / max(np.sum((y - y.mean()) ** 2), 1e-12)


def _columns():
    return [f"ring_{number:02d}" for number in range(len(EDGES) - 1)]


def _record(line, folder):
    found = _Line.model_validate(json.loads(line)).model_dump()
    parts = PurePosixPath(found["file_name"].replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        raise ValueError("its file name leads out of the folder")
    if not all(isinstance(found.get(side), int | float) for side in ("height", "width")):
        try:
            found["height"], found["width"] = reading.probe(folder / parts)[:2]
        except reading.UnreadableImage:
            found["height"] = found["width"] = np.nan
    return found


def _reason(error):
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
    return " ".join(str(error).split())


def _sizes(pool):
    return pool.reindex(columns=["height", "width"]).astype(float).dropna()


def _texts(pool):
    """(short, long) of each picture; "" for a caption that is missing."""
    return [tuple(text.strip() if isinstance(text, str) else "" for text in both)
            for both in zip(pool.short_caption, pool.long_caption, strict=True)]


def _tokens(text):
    """The different words of a text, singular where only an s makes the plural."""
    found = set(re.findall(r"[a-z]{3,}", text.lower())) - set(STOP_WORDS.split())
    return {word[:-1] if word.endswith("s") and not word.endswith("ss") else word for word in found}


def _mark(pool, column):
    """How many records have a part of the metadata, as Tab. 2 marks it; the paper's counts in brackets where due."""
    cells = pool[column] if column in pool else [None] * len(pool)
    mark = _share(pool, list(map(_is_there, cells)))
    if column == "scores" and mark == "✓":
        return f"✓ ({len(SCORES)} Metrics)"
    if column == "aesthetics" and mark == "✓":
        told = {name for cell in cells for name, text in cell.items() if text and text != NOT_ASSESSED}
        return f"✓ ({len(told & set(DIMENSIONS))} Dimensions)"
    return mark


def _is_there(cell):
    """An empty list is an answer, such as no instance; a dict of nothing but None is none."""
    values = cell.values() if isinstance(cell, dict) else ()
    return isinstance(cell, list | tuple | np.ndarray) or any(value is not None for value in values)


def _share(pool, there):
    count = sum(there)
    return "×" if not count else "✓" if count == len(pool) else f"{count} of {len(pool)}"
