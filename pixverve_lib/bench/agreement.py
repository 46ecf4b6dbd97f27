"""Does a metric rank models as people do (Sec. F.4), and what could a study of this size have shown at all?

The paper reports a perfect match of four models' ranks. `of_scores` and `with_intervals` measure such a match; `power`
says how often a study would find the true order, and `luck` how often a metric matches that knows nothing.
"""
import itertools
import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from pixverve_lib.bench import bootstrap, preferences

CONFIDENCE = 0.95  # of Wilson intervals; not in paper: choice
UNIT = ("scale", "prompt", "comparison")  # columns that name one pair of pictures


def luck(models=4):
    """Chance that a random order of `models` is the right one: 1/24 for the four of Sec. F.4."""
    return 1 / math.factorial(models)


def wilson(hits, trials):
    """(low, high) of a share, by Wilson's interval; (NaN, NaN) without trials."""
    if not trials:
        return math.nan, math.nan
    return tuple(stats.binomtest(int(hits), int(trials)).proportion_ci(CONFIDENCE, "wilson"))


def of_scores(human, metric):
    """{"kendall", "spearman", "perfect"}: rank correlations in [-1, 1] and 1.0 where both rank alike, else 0.0.

    human, metric: {model: score}, higher is better in both. A correlation is NaN where one side ties all models.
    Raises ValueError when the models differ or a score is missing.
    """
    left, right = _side_by_side(human, metric)
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return {"kendall": math.nan, "spearman": math.nan, "perfect": 0.0}
    return {
        "kendall": float(stats.kendalltau(left, right).statistic),
        "spearman": float(stats.spearmanr(left, right).statistic),
        "perfect": float(np.array_equal(stats.rankdata(left), stats.rankdata(right))),
    }


def _side_by_side(human, metric):
    human, metric = dict(human), dict(metric)
    if odd := sorted(set(human) ^ set(metric)):
        raise ValueError(f"people and metric must score the same models; only one of them has: {', '.join(odd)}")
    if missing := [name for name in human if not (math.isfinite(human[name]) and math.isfinite(metric[name]))]:
        raise ValueError(f"no score of {', '.join(missing)}: leave these models out on both sides")
    if len(human) < 2:
        raise ValueError("ranks need at least two models")
    return np.array(list(human.values())), np.array([metric[name] for name in human])


def beside(human, metric):
    """A row a model, best first for people: model, human, human_rank, metric, metric_rank."""
    left, right = _side_by_side(human, metric)
    frame = pd.DataFrame({"model": list(dict(human)), "human": left, "human_rank": stats.rankdata(-left),
                          "metric": right, "metric_rank": stats.rankdata(-right)})
    return frame.sort_values("human_rank", ignore_index=True)


def with_intervals(votes, metric, seed=0, unit=UNIT):
    """Rows kendall, spearman, perfect: value, low, high (bootstrap), units (how many were resampled).

    votes: of one question, as for preferences.points; metric: {model: score}; unit: columns that name what is drawn
    again: single pairs by default. ("scale", "prompt") keeps the pairs that share pictures together.
    """
    return _resampled(votes, lambda human: of_scores(human, metric), seed, unit)


def score_intervals(votes, seed=0, unit=UNIT):
    """Rows of models: their human preference score (value, in [0, 1]), low, high, units.  As with_intervals."""
    return _resampled(votes, dict, seed, unit).rename(columns={"score": "model"})


def _resampled(votes, measure, seed, unit):
    """bootstrap of measure({model: human preference score}) over units."""
    long = preferences.points(votes).dropna(subset="points")
    table = long.pivot_table(index=list(unit), columns="model", values="points", aggfunc=["sum", "count"], fill_value=0)
    models, total, count = table["sum"].columns, table["sum"].to_numpy(float), table["count"].to_numpy(float)
    names = measure(dict(zip(models, total.sum(axis=0) / count.sum(axis=0), strict=True)))

    def scores(rows):
        seen = count[rows].sum(axis=0)
        if not seen.all():  # a resample that leaves a model out scores nobody
            return dict.fromkeys(names, math.nan)
        return measure(dict(zip(models, total[rows].sum(axis=0) / seen, strict=True)))
    return bootstrap.over_pictures(scores, len(table), seed).rename(columns={"pictures": "units"})


def between_annotators(votes):
    """How far annotators of the same pair agree, a row a question: votes, same, opposite (shares of pairs of votes),
    alpha: 1 - seen / expected squared difference of the points, where chance has no favourite (Krippendorff's, for
    interval data): 1 is perfect, 0 is chance; NaN where nobody prefers anything.
    """
    rows = [(question, *_agreement(each)) for question, each in votes.dropna(subset="choice").groupby("question")]
    return pd.DataFrame(rows, columns=["question", "votes", "same", "opposite", "alpha"])


def _agreement(votes):
    first = preferences.points(votes.assign(first=votes[["left", "right"]].min(axis=1))).query("model == first")
    twos = [two for _, each in first.groupby("comparison").points for two in itertools.combinations(each, 2)]
    if not twos:
        return len(votes), math.nan, math.nan, math.nan
    apart = np.abs(np.subtract(*np.transpose(twos)))
    expected = 2 * np.mean((np.array(twos) - 0.5) ** 2)  # which model comes first is arbitrary: the mean is 0.5
    alpha = 1 - np.mean(apart**2) / expected if expected else math.nan
    return len(votes), np.mean(apart == 0), np.mean(apart == 1), alpha


@dataclass(frozen=True)
class Rater:
    """A simulated annotator after Thurstone: sees the difference of two pictures through noise, and picks.

    qualities: {model: value}; noise: standard deviation of one look at a pair, in the unit of the qualities; picture:
    that of single pictures around their model, the same for everybody; tie: differences smaller than this are
    "indistinguishable"; side: added in favour of the picture on the left, or the first.
    """

    qualities: dict = field(hash=False)
    noise: float
    picture: float = 0.0
    tie: float = 0.0
    side: float = 0.0

    def choice(self, difference):
        """The vote on a perceived difference left - right."""
        return "indistinguishable" if abs(difference) < self.tie else "left" if difference > 0 else "right"

    def vote(self, design, seed=0):
        """Votes on every showing and question of a design: its rows with the columns question and choice."""
        rng = np.random.default_rng(seed)
        parts = [design.assign(question=question, choice=self._choices(design, rng))
                 for question in preferences.QUESTIONS]
        return pd.concat(parts, ignore_index=True)

    def _choices(self, design, rng):
        files = pd.unique(design[["left_file", "right_file"]].to_numpy().ravel())
        own = dict(zip(files, rng.normal(0, self.picture, len(files)), strict=True))
        value = {side: design[side].map(self.qualities) + design[f"{side}_file"].map(own) for side in ("left", "right")}
        seen = value["left"] - value["right"] + self.side + rng.normal(0, self.noise, len(design))
        return seen.map(self.choice)

    def judge(self, seed=0):
        """A preference judge (preference_judging) for pictures that are given as names of models."""
        rng = np.random.default_rng(seed)
        words = {"left": "first", "right": "second", "indistinguishable": "tie"}

        def answer(question, text, first, second):
            seen = self.qualities[first] - self.qualities[second] + self.side + rng.normal(0, self.noise)
            return words[self.choice(seen)]
        return answer


def power(noises, prompts, models=4, scales=2, votes=preferences.VOTES, picture=0.0, repeats=400, seed=0):
    """How often a study finds the true order of `models` whose qualities lie 1 apart, a row a noise and a size.

    noises: of Rater, in units of the gap between neighbours; prompts: numbers of prompts; picture: as in Rater.
    Columns: noise, right (chance that one vote that decides is right about neighbours), prompts, pairs, votes,
    probability of a perfect order, low, high (Wilson), kendall (mean), luck (a random order is perfect).
    """
    rng = np.random.default_rng(seed)
    rows = []
    for noise, number in itertools.product(noises, prompts):
        scores = _simulated(rng, noise, number * scales, models, votes, picture, repeats)
        perfect = (np.diff(scores, axis=1) > 0).all(axis=1).sum()
        signs = np.mean([np.sign(scores[:, b] - scores[:, a]) for a, b in itertools.combinations(range(models), 2)])
        right = stats.norm.cdf(1 / math.hypot(noise, math.sqrt(2) * picture)) if noise or picture else 1.0
        pairs = math.comb(models, 2) * number * scales
        rows.append((noise, right, number, pairs, pairs * votes, perfect / repeats, *wilson(perfect, repeats), signs,
                     luck(models)))
    return pd.DataFrame(rows, columns=["noise", "right", "prompts", "pairs", "votes", "probability", "low", "high",
                                       "kendall", "luck"])


def _simulated(rng, noise, prompts, models, votes, picture, repeats):
    """Human preference scores of `repeats` studies.  # repeats models, the worst model first"""
    values = np.arange(models)[:, None] + rng.normal(0, picture, (repeats, models, prompts))
    total = np.zeros((repeats, models))
    for a, b in itertools.combinations(range(models), 2):
        gap = (values[:, b] - values[:, a])[..., None] + rng.normal(0, noise, (repeats, prompts, votes))
        points = (gap > 0).sum(axis=(1, 2))
        total[:, b] += points
        total[:, a] += prompts * votes - points
    return total / (prompts * votes * (models - 1))
