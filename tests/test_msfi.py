"""The Multi-scale Fidelity Index: the formula, which patches are looked at, and what a missing answer does."""
import math

import numpy as np
import pytest

from pixverve_lib.bench import msfi
from pixverve_lib.bench.lengths import NANO, PAPER
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.judging import GLOBAL, LOCAL, Judge, spread
from pixverve_lib.paper import published


def judge(rating=5, seen=None, local=lambda number, region: None):
    """Everything is rated alike, but where `local` says otherwise; `seen` collects what was looked at."""
    seen = [] if seen is None else seen

    def rate_local(patch, whole, region):
        seen.append((patch, whole, region))
        return local(len(seen), region) or dict.fromkeys(LOCAL, rating)
    return Judge("test", lambda rgb: dict.fromkeys(GLOBAL, rating), rate_local, lambda rgb, caption: None)


def half_textured(height=320, width=480):
    """Noise in the left 128 px, weaker towards the bottom; the rest is gray."""
    rgb = np.full((height, width, 3), 128, np.uint8)
    noise = np.random.default_rng(0).normal(0, 1, (height, 128, 3)) * np.linspace(40, 5, height)[:, None, None]
    rgb[:, :128] = np.clip(128 + noise, 0, 255)
    return rgb


@pytest.mark.parametrize(("rating", "expected"), [(1, 1.2), (5, 10), (3, 4.8)])
def test_equal_ratings_give_the_range_that_the_paper_states(rating, expected):
    scores = msfi.measure(half_textured(), judge(rating), NANO)
    assert scores["msfi"] == pytest.approx(expected)
    assert scores["global"] == scores["local"] == scores["tf"] == rating
    assert scores["missing"] == 0 and scores["why"] == ""


def test_the_released_weights_give_the_columns_of_table_a4_from_its_sub_scores():
    table = published.numbers("tab_a4").dropna(subset="sc_global")
    off = {name: (msfi.dimension(table, weights) - table[name]).abs()
           for name, weights in (("global_fidelity", msfi.GLOBAL), ("local_fidelity", msfi.LOCAL))}
    misprint = (table.method == "HiFlow") & (table.resolution == "4K")  # misprints.csv: M1
    assert len(table) == 21 and off["local_fidelity"].max() < 1e-3
    assert off["global_fidelity"][~misprint].max() < 1e-3 and off["global_fidelity"][misprint].item() > 0.1


def test_the_index_is_that_of_table_3_where_table_a4_gives_both_of_its_parts():
    parts, printed = (published.numbers(name) for name in ("tab_a4", "tab_3"))
    for method in ("Qwen-Image", "UltraPixel", "Diffusion-4K"):
        row = parts[(parts.method == method) & (parts.resolution == "4K")].iloc[0]
        score = printed[(printed.method == method) & (printed.resolution == "4K")].msfi.item()
        assert msfi.index(row.global_fidelity, [row.local_fidelity]) == pytest.approx(score, abs=2e-3)


def test_six_patches_are_the_most_textured_ones_and_four_are_drawn_from_the_rest():
    rgb = half_textured()
    one, other = (msfi.regions(rgb, NANO, seed).tolist() for seed in (0, 1))
    side = NANO.local(*rgb.shape[:2])
    assert side == 64 and len(one) == 10 and len(set(map(tuple, one))) == 10
    assert [top for top, _ in one[:6]] == [0, 0, 64, 64, 128, 128], "the noise fades towards the bottom"
    assert all(left < 128 for _, left in one[:6]), "the gray patches have no texture"
    assert one[:6] == other[:6] and one[6:] != other[6:]
    assert all(top % side == left % side == 0 and top + side <= 320 and left + side <= 480 for top, left in one)


def test_a_patch_is_shown_at_full_size_with_the_reduced_whole_and_its_place():
    rgb, seen = half_textured(), []
    msfi.measure(rgb, judge(seen=seen), NANO)
    assert len(seen) == 10
    for patch, whole, (left, top, right, bottom) in seen:
        y, x = round(top * 320), round(left * 480)
        assert whole.shape == (85, 128, 3) and np.array_equal(patch, rgb[y:y + 64, x:x + 64])
        assert (round(right * 480) - x, round(bottom * 320) - y) == (64, 64)


def test_the_picture_is_reduced_once_for_all_rounds(monkeypatch):
    reduced, thumbnail = [], msfi.reading.thumbnail
    monkeypatch.setattr(msfi.reading, "thumbnail", lambda *question: reduced.append(1) or thumbnail(*question))
    msfi.measure(half_textured(), judge(), NANO)
    assert len(reduced) == 1


def test_a_patch_without_an_answer_is_missing_and_counted_and_never_an_average_rating():
    def local(number, region):
        if number <= 3:
            return dict.fromkeys(LOCAL, 5) | {"tf": math.nan} if number == 2 else Failed("no answer")
        return dict.fromkeys(LOCAL, 5 if number % 2 else 3)
    scores = msfi.measure(half_textured(), judge(4, local=local), NANO)
    answered = [3, 5, 3, 5, 3, 5, 3]
    assert scores["local"] == pytest.approx(np.mean(answered)) and scores["nge"] == pytest.approx(np.mean(answered))
    assert scores["msfi"] == pytest.approx(4 + 4 / 5 * np.mean(answered))
    assert (scores["missing"], scores["why"]) == (3, "no answer; no rating of tf")


def test_without_a_global_or_any_local_answer_there_is_no_index():
    mute = Judge("mute", lambda rgb: Failed("gone"), judge().rate_local, lambda rgb, caption: None)
    scores = msfi.measure(half_textured(), mute, NANO)
    assert math.isnan(scores["msfi"]) and math.isnan(scores["pi"]) and scores["local"] == 5 and scores["missing"] == 1
    scores = msfi.measure(half_textured(), judge(local=lambda number, region: Failed("busy")), NANO)
    assert math.isnan(scores["msfi"]) and scores["global"] == 5 and (scores["missing"], scores["why"]) == (10, "busy")


def test_a_picture_with_few_patches_gives_those_it_has_and_one_without_says_so():
    seen = []
    assert msfi.measure(np.zeros((1100, 1000, 3), np.uint8), judge(seen=seen), PAPER)["msfi"] == 10
    assert [patch.shape for patch, *_ in seen] == [(512, 512, 3)] * 2
    scores = msfi.measure(np.zeros((500, 900, 3), np.uint8), judge(), PAPER)
    assert math.isnan(scores["msfi"]) and scores["why"] == "500 x 900 px hold no patch of 512 px"


def test_the_spread_of_repeated_answers_counts_the_failed_ones_apart():
    answers = [{"tf": 4}, Failed("busy"), {"tf": 2}, {"tf": 3}]
    assert spread(answers) == {"tf": (3.0, 1.0, 3, 1)}
    assert math.isnan(spread(answers[:2])["tf"].deviation) and spread(answers[1:2]) == {}
