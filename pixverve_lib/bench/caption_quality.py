"""Diffusion-4K's Tab. 10 in small: the same scenes asked for by full captions and by alt-text-like ones.

The paper compares captions of GPT-4o with those that LAION-5B found on web pages. Here the full caption is the true
long one of a built-in scene, and the poor one keeps the form of the short one, but words are missing or wrong at
random, as in alternative texts. How many is a choice of ours; nothing here measures web captions.
"""
from dataclasses import replace

import numpy as np
import pandas as pd

from pixverve_lib.bench import nano_scores
from pixverve_lib.scenes import primer

MISSING, WRONG = 0.4, 0.15  # chance of each word; not in paper: choice
KINDS = {"colour": tuple(primer.COLOURS), "shape": primer.SHAPES, "place": tuple(primer.PLACES)}
OWN, TRUE = "nano-CLIPScore", "nano-CLIPScore (full caption)"


def full(prompts):
    """The same prompts with the long caption as both captions.  prompts: of primer.bench_prompts"""
    return [replace(prompt, short=prompt.long) for prompt in prompts]


def poor(prompts, seed=0, missing=MISSING, wrong=WRONG):
    """The same prompts with an alt-text-like caption as both captions; the scene, which is the truth, stays.

    Each word is left out with chance `missing`, else exchanged for another of its kind with chance `wrong`.
    """
    rng = np.random.default_rng(seed)
    texts = [_poor(prompt.spec, rng, missing, wrong) for prompt in prompts]
    return [replace(prompt, short=text, long=text) for prompt, text in zip(prompts, texts, strict=True)]


def _poor(spec, rng, missing, wrong):
    parts = [" ".join(filter(None, (_worn(rng, getattr(thing, kind), words, missing, wrong)
                                    for kind, words in KINDS.items()))) for thing in spec.things]
    tone = _worn(rng, spec.tone, tuple(primer.TONES), missing, wrong)
    ground = _worn(rng, spec.background, primer.BACKGROUNDS, missing, wrong)
    parts.append(" ".join(filter(None, (tone, ground))))
    return ", ".join(filter(None, parts)) or spec.background  # a caption has a word


def _worn(rng, word, words, missing, wrong):
    lost, exchanged = rng.random(2) < (missing, wrong)
    others = [other for other in words if other != word]
    return "" if lost else others[rng.integers(len(others))] if exchanged else word


def measure(drawn, seed=0):
    """Rows as of nano_scores.measure with a column `captions` before them, and the agreement with the full caption too.

    drawn: {captions: (paths, prompts as of `full` or `poor`)}; OWN is each picture against the caption it was drawn
    from, as in the paper; TRUE against the full one, so that a poor caption that was obeyed gets no credit.
    """
    rows = []
    for captions, (paths, prompts) in drawn.items():
        own = nano_scores.measure(paths, prompts, seed)
        truth = [replace(prompt, short=primer.long_caption(prompt.spec)) for prompt in prompts]
        true = nano_scores.measure(paths, truth, seed)
        rows.append(pd.concat([own, true[true.score == OWN].assign(score=TRUE)]).assign(captions=captions))
    frame = pd.concat(rows, ignore_index=True)
    return frame[["captions", *frame.columns.drop("captions")]]
