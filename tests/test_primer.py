"""The simplest family of scenes: what is kept out of training, its pictures at every side, and their checker."""

import hashlib
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pixverve_lib.scenes import primer, primer_checker

BENCH = primer.bench_prompts()
SPECS = [prompt.spec for prompt in BENCH[:60]]


def test_training_never_shows_a_held_out_combination_and_the_bench_always_does():
    rng = np.random.default_rng(0)
    assert not any(primer.unseen(thing) for _ in range(2000) for thing in primer.sample(rng).things)
    assert all(any(map(primer.unseen, prompt.spec.things)) for prompt in BENCH)


def test_the_bench_is_the_one_that_was_published():
    text = "\n".join(f"{prompt.id}|{prompt.short}|{prompt.long}" for prompt in BENCH)
    assert (len(BENCH), len(set(BENCH))) == (200, 200)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "e808bc424090ef76"


def test_captions_name_everything_in_words_of_the_vocabulary():
    prompt = next(prompt for prompt in BENCH if len(prompt.spec.things) == 3)
    named = {prompt.spec.background, prompt.spec.tone}
    named |= {word for thing in prompt.spec.things for word in (thing.colour, thing.shape, thing.place)}
    for caption in (prompt.short, prompt.long):
        words = caption.replace(",", " ,").split()
        assert named <= set(words) <= set(primer.VOCABULARY)


@pytest.mark.parametrize("side", [100, 256, 640])
def test_a_larger_picture_shows_the_same_scene_with_more_detail(side):
    small, large = (primer.draw(SPECS[0], s, np.random.default_rng(3)).astype(np.float32) for s in (64, side))
    shrunk = cv2.resize(large, (64, 64), interpolation=cv2.INTER_AREA)
    detail = np.abs(large - cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_CUBIC)).mean()
    assert np.abs(shrunk - small).mean() < 4 and detail > 1


def test_the_same_seed_draws_the_same_picture_and_another_seed_another():
    first, again, other = (primer.draw(SPECS[0], 64, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_side_too_small_to_hold_things_is_refused():
    with pytest.raises(ValueError, match="at least 64"):
        primer.draw(SPECS[0], 63)


@pytest.mark.parametrize("side", [64, 256])
def test_the_checker_passes_real_scenes_and_fails_other_prompts(side):
    pictures = primer.draw_batch(SPECS, side, np.random.default_rng(0))
    real = primer_checker.scores(pictures, SPECS)
    chance = primer_checker.scores(pictures, SPECS[1:] + SPECS[:1])
    assert real["pos"] >= 0.99 and real["shape"] >= 0.98
    assert chance["pos"] <= 0.15 and chance["shape"] <= 0.1


def test_the_checker_sees_one_wrong_colour_one_wrong_shape_and_nothing_on_an_empty_picture():
    ring, cross = primer.Thing("red", "ring", "centre"), primer.Thing("blue", "cross", "top-left")
    asked = primer.Spec("tiles", "dark", (ring, cross))
    drawn = primer.Spec("tiles", "dark", (replace(ring, colour="pink"), replace(cross, shape="square")))
    assert primer_checker.check(primer.draw(drawn, 64), asked) == primer_checker.Verdict((False, True), (True, False))
    empty = np.full((64, 64, 3), 200, np.uint8)
    assert primer_checker.check(empty, asked) == primer_checker.Verdict((False, False), (False, False))
