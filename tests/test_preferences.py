"""The human study of Sec. F.4 and the preference protocols of the related papers."""
import math

import numpy as np
import pandas as pd
import pytest

from pixverve_lib.bench import agreement, preferences
from pixverve_lib.bench import preference_judging as judging
from pixverve_lib.models.annotation import Failed

MODELS = ("A", "B", "C", "D")
PROMPTS = {f"{number:02d}": f"text {number}" for number in range(30)}
QUALITIES = dict(zip(MODELS, (3.0, 2.0, 1.0, 0.0), strict=True))


@pytest.fixture(scope="module")
def paper():
    return preferences.design(MODELS, PROMPTS)


def test_the_design_of_the_paper_has_360_pairs_eight_annotators_and_two_votes_a_pair(paper):
    assert paper.comparison.nunique() == 360 and len(paper) == 720
    assert (paper.groupby("annotator").size() == 90).all() and paper.annotator.nunique() == 8
    assert (paper.groupby("comparison").annotator.nunique() == 2).all()
    assert (paper.groupby(["scale", "left", "right"]).size() == 30).all(), "every pair of models on both sides alike"
    each = paper.groupby(["annotator", "left"]).size()
    assert each.between(18, 27).all(), "no annotator sees a model on one side only"


def test_a_design_is_shuffled_and_follows_its_seed(paper):
    assert paper.equals(preferences.design(MODELS, PROMPTS))
    assert not paper.equals(preferences.design(MODELS, PROMPTS, seed=1))
    first = paper[paper.annotator == "annotator-1"]
    assert list(first.order) == list(range(1, 91))
    assert abs(np.corrcoef(first.order, first.comparison)[0, 1]) < 0.4


@pytest.mark.parametrize("votes", [1, 2, 3])
def test_any_design_shares_out_work_and_sides_as_evenly_as_it_can(votes):
    frame = preferences.design("ABC", dict(list(PROMPTS.items())[:7]), ["4K"], list("uvwxy"), votes, seed=3)
    assert np.ptp(frame.annotator.value_counts()) <= 1
    assert (frame.groupby("comparison").annotator.nunique() == votes).all()
    sides = frame.groupby(["left", "right"]).size()
    assert all(abs(sides[a, b] - sides[b, a]) <= 1 for a, b in ("AB", "AC", "BC"))


def test_one_model_against_each_of_three_is_a_design_too():
    frame = preferences.design(MODELS, PROMPTS, ["4K"], pairs=[("A", "B"), ("A", "C"), ("A", "D")])
    assert len(frame) == 3 * 30 * 2 and ((frame.left == "A") != (frame.right == "A")).all()


@pytest.mark.parametrize("changed, line", [
    ({"votes": 9}, "9 different annotators a pair cannot be found among 8"),
    ({"votes": 0}, "ask for 1 to 8 votes"),
    ({"models": ("A",)}, "at least two models"),
    ({"models": ("A", "A")}, "models need different names"),
    ({"prompts": {}}, "one prompt"),
    ({"prompts": {"1": "x"}, "scales": ("4K",), "models": ("A", "B"), "votes": 1}, "not enough for 8 annotators"),
    ({"pairs": [("A", "Z")]}, "no pair of two of the models"),
])
def test_a_design_that_cannot_be_is_refused_in_one_line(changed, line):
    with pytest.raises(preferences.ImpossibleDesign, match=line) as caught:
        preferences.design(**({"models": MODELS, "prompts": PROMPTS} | changed))
    assert "\n" not in str(caught.value)


def test_a_preferred_model_gets_one_point_and_an_indistinguishable_pair_gives_halves():
    votes = pd.DataFrame([("fidelity", "A", "B", "left"), ("fidelity", "B", "A", "indistinguishable"),
                          ("fidelity", "C", "A", "left"), ("fidelity", "B", "C", np.nan)],
                         columns=["question", "left", "right", "choice"])
    scores = preferences.human_scores(votes).set_index("model")
    assert scores.score.round(4).to_dict() == {"A": 0.5, "B": 0.25, "C": 1.0}
    assert scores.comparisons.to_dict() == {"A": 3, "B": 2, "C": 1}
    assert scores.missing.to_dict() == {"A": 0, "B": 1, "C": 1}
    with pytest.raises(ValueError, match="not 'both'"):
        preferences.human_scores(votes.assign(choice="both"))


def test_rank_agreement_is_one_for_the_same_order_and_minus_one_for_the_reverse():
    same = agreement.of_scores(QUALITIES, {"D": 1, "C": 1.5, "B": 7, "A": 7.1})
    assert same == {"kendall": pytest.approx(1), "spearman": pytest.approx(1), "perfect": 1.0}
    swapped = agreement.of_scores(QUALITIES, {"A": 4, "B": 3, "C": 1, "D": 2})  # one of six pairs turned round
    assert swapped == {"kendall": pytest.approx(4 / 6), "spearman": pytest.approx(0.8), "perfect": 0.0}
    assert agreement.of_scores(QUALITIES, {name: -score for name, score in QUALITIES.items()})["kendall"] == -1
    assert math.isnan(agreement.of_scores(QUALITIES, dict.fromkeys(MODELS, 1))["kendall"])


def test_scores_of_other_models_or_missing_ones_are_refused():
    with pytest.raises(ValueError, match="only one of them has: Z"):
        agreement.of_scores(QUALITIES, QUALITIES | {"Z": 1})
    with pytest.raises(ValueError, match="no score of B"):
        agreement.of_scores(QUALITIES, QUALITIES | {"B": math.nan})


def test_a_simulated_annotator_votes_as_thurstone_says(paper):
    one_gap = paper[[{a, b} == {"A", "B"} for a, b in zip(paper.left, paper.right, strict=True)]]
    votes = pd.concat([agreement.Rater(QUALITIES, noise=2.0).vote(one_gap, seed) for seed in range(10)])
    won = preferences.points(votes).query("model == 'A'").points.mean()
    assert won == pytest.approx(0.6915, abs=0.03)  # Phi(1 / 2); 2400 votes: standard error 0.009


def test_a_study_finds_the_order_of_clear_models_and_says_how_sure_it_is(paper):
    votes = agreement.Rater(QUALITIES, noise=2.0, tie=0.5).vote(paper)
    votes = votes[votes.question == "fidelity"]
    found = agreement.with_intervals(votes, QUALITIES).set_index("score")
    assert found.loc["perfect"].tolist() == [1, 1, 1, 360]
    scores, exact = agreement.score_intervals(votes).set_index("model"), preferences.human_scores(votes)
    assert scores.value.to_dict() == pytest.approx(dict(zip(exact.model, exact.score, strict=True)))
    assert scores.low.A > scores.high.B, "intervals of clear models do not overlap"
    unsure = agreement.Rater(QUALITIES, noise=40.0).vote(paper).query("question == 'fidelity'")
    together = agreement.with_intervals(unsure, QUALITIES, unit=("scale", "prompt")).set_index("score")
    assert together.units.iloc[0] == 60 and together.high.kendall - together.low.kendall > 0.3


def test_annotators_agree_fully_without_noise_and_by_chance_in_pure_noise(paper):
    sure, random = (agreement.between_annotators(agreement.Rater(QUALITIES, noise).vote(paper)).alpha
                    for noise in (1e-6, 1e6))
    assert (sure == 1).all() and (random.abs() < 0.15).all()


def test_power_falls_from_certainty_to_luck_and_grows_with_pairs():
    frame = agreement.power([0.01, 10, 1e9], prompts=[5, 30], seed=1).set_index(["noise", "prompts"])
    assert frame.pairs.to_list() == [60, 360] * 3 and frame.votes.to_list() == [120, 720] * 3
    assert frame.probability[0.01].tolist() == [1, 1]
    assert frame.probability[10, 30] > frame.high[10, 5]
    assert frame.low[1e9, 30] < agreement.luck(4) < frame.high[1e9, 30] and agreement.luck(4) == pytest.approx(1 / 24)
    shared = agreement.power([10], prompts=[30], picture=10, seed=1).iloc[0]
    assert shared.probability < frame.probability[10, 30], "more votes on a pair do not help against odd pictures"


def pairs_of(first, second, number=40):
    return [judging.Pair(str(i), "text", first, second, first, second) for i in range(number)]


def test_a_verdict_that_flips_with_the_place_is_a_tie_and_the_bias_is_reported(capsys):
    always_first = judging.asked_twice(lambda *_: "first", pairs_of("A", "B"), ["quality"])
    rates, bias = judging.win_rates(always_first).iloc[0], judging.position_bias(always_first).iloc[0]
    assert rates.tie == 1 and rates.score == 0.5 and bias["first"] == 1 and bias.flipped == 1 and bias.low > 0.9
    fair = judging.asked_twice(agreement.Rater(QUALITIES, 0.3).judge(), pairs_of("A", "B"), ["quality"])
    rates, bias = judging.win_rates(fair).iloc[0], judging.position_bias(fair).iloc[0]
    assert rates.win > 0.95 and bias["first"] == pytest.approx(0.5, abs=0.05) and bias.flipped < 0.05
    assert "quality" not in capsys.readouterr().err


@pytest.mark.parametrize("forward, backward, winner", [
    ("first", "second", "first"), ("second", "first", "second"), ("first", "first", "tie"), ("tie", "tie", "tie"),
    ("first", "tie", "tie"), ("tie", "first", "tie")])
def test_only_a_picture_that_wins_in_both_places_wins(forward, backward, winner):
    assert judging.verdict(forward, backward) == winner


def test_a_judge_that_fails_is_counted_and_never_a_tie(capsys):
    answers = iter(["first", Failed("time out"), "both", "first", "first", "second"])
    frame = judging.asked_twice(lambda *_: next(answers), pairs_of("A", "B", 3), ["quality"])
    assert frame.verdict.isna().tolist() == [True, True, False]
    assert judging.win_rates(frame).iloc[0][["win", "pairs", "failed"]].tolist() == [1, 1, 2]
    assert "2 of 3 pairs have no verdict, first: time out" in capsys.readouterr().out


def test_of_two_scores_the_larger_one_wins():
    assert [judging.by_scores(*scores) for scores in ((80, 79.5), (0, 100), (50, 50))] == ["first", "second", "tie"]
    assert all(isinstance(judging.by_scores(bad, 50), Failed) for bad in (101, -1, math.nan, "80", None, True))
    judge = judging.scored(lambda question, text, first, second: (90 - 10 * (first == "B"), 90 - 10 * (second == "B")))
    assert (judging.asked_twice(judge, pairs_of("A", "B", 2), ["aesthetics"]).verdict == "first").all()


def test_replies_in_the_forms_of_the_three_papers_are_read_and_others_refused():
    assert judging.read_choice("I think [Image 2] is sharper.") == "second"
    assert judging.read_choice("1. Visual Aesthetics: the first image is better. The reason is ...") == "first"
    assert isinstance(judging.read_choice("[Image 1] or [Image 2]"), Failed)
    assert isinstance(judging.read_choice("Both are fine."), Failed)
    reply = '```{"preferred": "%s", "a_score": 80, "b_score": %s, "reasons": "sharp"}```'
    assert judging.read_scores(reply % ("A", 70)) == (80, 70)
    assert judging.read_scores(reply % ("tie", 80)) == (80, 80)
    assert all(isinstance(judging.read_scores(reply % bad), Failed) for bad in (("B", 70), ("A", 170), ("C", 70)))


def test_best_of_five_with_the_size_of_urae_gives_1020_votes_and_its_printed_shares():
    five, prompts = ("PixArt", "Sana", "FLUX", "Major", "Minor"), [str(number) for number in range(20)]
    design = judging.best_of_design(five, prompts)
    assert len(design) == 1020 and design.shown.map(lambda shown: sorted(shown) == sorted(five)).all()
    one = design[design.question == "Overall Quality"].sort_values("voter", ignore_index=True)
    counts = (106, 35, 11, 7, 181)  # URAE, Tab. 3: 31.18, 10.29, 3.24, 2.06 and 53.24 % of 340
    table = judging.best_of(one.assign(chosen=np.repeat(five, counts)), five)
    assert (100 * table.share).round(2).tolist() == [31.18, 10.29, 3.24, 2.06, 53.24]
    assert table["rank"].tolist() == [2, 3, 4, 5, 1]
    assert ((table.low <= table.share) & (table.share <= table.high)).all()
    one.loc[0, "chosen"] = np.nan
    gap = judging.best_of(one.assign(chosen=one.chosen.where(one.index == 0, "Minor")), five)
    assert gap.missing.eq(1).all() and gap.votes.tolist() == [0, 0, 0, 0, 339]
