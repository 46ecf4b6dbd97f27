"""The classical judge: what it says about planted damage on scenes it was not fitted on, and about built-in prompts."""
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pixverve_lib.bench import calibration, classical_judge
from pixverve_lib.imaging import fidelity_measures, reading
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.judging import GLOBAL, LOCAL
from pixverve_lib.scenes import fidelity_damage, primer

JUDGE = classical_judge.judge()
REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "real"
BENCH = primer.bench_prompts()
WEAK = {"warp", "disjoint", "halos", "over-smoothing", "repetition", "blurred region"}  # only reported


@pytest.fixture(scope="module")
def held_out():
    table = calibration.table(calibration.wholes(9, 1), calibration.patches(9, 1))
    print("\n" + table.round(2).to_string(index=False))
    return table.set_index("damage")


def test_ratings_fall_with_planted_damage_on_scenes_that_the_limits_were_not_fitted_on(held_out):
    strong = held_out.drop(index=list(WEAK))
    assert (strong.spearman <= -0.7).all(), strong.spearman
    assert (held_out.spearman < 0).all() and (strong.strongest < 2.5).all()


def test_clean_scenes_are_rated_near_the_top(held_out):
    assert (held_out["clean rating"] >= 3.7).all() and held_out["clean rating"].mean() >= 4.5


def test_real_pictures_are_rated_and_planted_damage_in_them_is_seen():
    if not REAL.exists():
        pytest.skip("no real pictures here")
    pictures = [reading.read_rgb(path) for path in sorted(REAL.glob("*.jp*g"))[::3]]
    wholes = {i: reading.thumbnail(rgb, 256) for i, rgb in enumerate(pictures)}
    middles = {i: rgb[1000:1192, 1500:1692] for i, rgb in enumerate(pictures)}
    table = calibration.table(wholes, middles).set_index("damage")
    print("\n" + table.round(2).to_string())
    assert (table.loc[["lattice", "banding", "checkerboard", "aliasing", "staircase"], "spearman"] <= -0.75).all()


def test_every_kind_of_damage_changes_a_picture_more_the_severer_it_is():
    rgb = calibration.wholes(9, 1)["street 900"]
    for kinds in fidelity_damage.KINDS.values():
        for kind, severities in kinds.items():
            changes = [np.abs(fidelity_damage.spoil(rgb, kind, step, 1).astype(int) - rgb).mean()
                       for step in severities]
            assert 0 < changes[0] < changes[1] < changes[2], kind
    with pytest.raises(ValueError, match="none of lattice, warp"):
        fidelity_damage.spoil(rgb, "rust", 1)


@pytest.mark.parametrize("side", [32, 64, 100])
def test_patches_of_the_scale_model_are_rated_in_every_sub_dimension(side):
    patch = primer.draw(BENCH[0].spec, 256)[60:60 + side, 60:60 + side]
    ratings = JUDGE.rate_local(patch, patch, (0, 0, 1, 1))
    assert set(ratings) == set(LOCAL) and all(1 <= rating <= 5 for rating in ratings.values())


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_blank_picture_has_ratings_and_no_warnings(value):
    blank = np.full((64, 96, 3), value, np.uint8)
    assert set(JUDGE.rate_global(blank)) == set(GLOBAL) and set(JUDGE.rate_local(blank, blank, None)) == set(LOCAL)


def test_a_picture_too_small_to_judge_has_no_rating():
    small = np.zeros((31, 200, 3), np.uint8)
    assert isinstance(JUDGE.rate_global(small), Failed) and isinstance(JUDGE.rate_local(small, small, None), Failed)


def test_measures_of_pure_patterns_have_their_closed_form():
    flat = np.full((64, 64), 100.0, np.float32)
    board = flat + 4 * (np.indices(flat.shape).sum(axis=0) % 2 * 2 - 1)
    assert fidelity_measures.checkerboard(board.astype(np.float32)) == pytest.approx(np.log2(4.1))
    grain = np.random.default_rng(0).normal(100, 40, (32, 32)).astype(np.float32)
    fourfold = fidelity_measures.aliasing(grain.repeat(4, 0).repeat(4, 1))
    assert fidelity_measures.aliasing(grain) < 0.3 and fourfold == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("side", [64, 256])
def test_a_picture_that_shows_its_prompt_gets_ten_and_an_empty_one_gets_one(side):
    for number, prompt in enumerate(BENCH[:10]):
        picture = primer.draw(prompt.spec, side, np.random.default_rng(number))
        for caption in (prompt.short, prompt.long):
            assert JUDGE.rate_compliance(picture, caption) == {"iev": 10, "aaa": 10, "sra": 10}
    empty = np.full((side, side, 3), 200, np.uint8)
    assert JUDGE.rate_compliance(empty, BENCH[0].long) == {"iev": 1, "aaa": 1, "sra": 1}


def test_one_missing_thing_one_wrong_colour_and_one_wrong_place_cost_what_they_should():
    prompt = next(one for one in BENCH if len(one.spec.things) == 2)
    first, second = prompt.spec.things

    def rated(*things):
        return JUDGE.rate_compliance(primer.draw(replace(prompt.spec, things=things), 256), prompt.long)
    assert rated(first) == {"iev": 5.5, "aaa": 10, "sra": 10}
    colour = next(one for one in primer.COLOURS if one not in (first.colour, second.colour))
    assert rated(replace(first, colour=colour), second) == {"iev": 10, "aaa": 7.75, "sra": 10}
    assert rated(replace(first, place=second.place), replace(second, place=first.place))["sra"] == 1


def test_what_nobody_asked_for_costs_two_points_of_existence_and_opens_the_gate():
    prompt = next(one for one in BENCH if len(one.spec.things) == 1)
    thing = prompt.spec.things[0]
    place = next(one for one in primer.PLACES if one != thing.place)
    colour = next(one for one in primer.COLOURS if one != thing.colour)
    stray = primer.Thing(colour, next(one for one in primer.SHAPES if one != thing.shape), place)
    both, alone = (primer.draw(replace(prompt.spec, things=things), 128) for things in ((thing, stray), (stray,)))
    assert JUDGE.rate_compliance(both, prompt.short)["iev"] == 8
    assert JUDGE.rate_compliance(alone, prompt.short) == {"iev": 1, "aaa": 1, "sra": 1}


def test_pictures_of_other_prompts_score_low():
    pictures = [primer.draw(prompt.spec, 64) for prompt in BENCH[:60]]
    chance = [JUDGE.rate_compliance(picture, prompt.long)
              for picture, prompt in zip(pictures, BENCH[1:61], strict=True)]
    means = {key: np.mean([one[key] for one in chance]) for key in chance[0]}
    print("\nchance:", {key: round(float(value), 2) for key, value in means.items()})
    assert means["iev"] < 5 and means["aaa"] < 6 and means["sra"] < 6


def test_a_caption_from_elsewhere_is_not_rated():
    answer = JUDGE.rate_compliance(np.zeros((64, 64, 3), np.uint8), "a cat on a bench")
    assert isinstance(answer, Failed) and "built-in prompts" in answer.reason
