"""The preference protocols of the three related papers, for any judge: an endpoint, a person, a simulated rater.

A judge is a callable (question, text, first, second) -> "first", "second", "tie", or annotation.Failed; text is what
both pictures were made from, and pictures are whatever the judge understands. `scored` makes one of a judge that gives
two scores. `asked_twice` asks both ways round, because judges favour a place; `best_of` counts the votes of people who
pick one of N candidates.

Diffusion-4K  Sec. 6.2, Tab. 3, Fig. 10: pairs, three questions, 112 prompts, GPT-4o; ten people rate pairs as well
UltraFlux     Sec. 11: pairs, "A", "B" or "tie" and two scores 0-100, Gemini-2.5-Flash
URAE          App. C.1, Fig. 4: pairs, three questions, 300 prompts, GPT-4o; Sec. 3.3, Tab. 3: best of five by people
Asking twice is our addition to all of them: none of the papers says that it changed places.
"""
import math
import re
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from pixverve_lib.bench import agreement, bootstrap
from pixverve_lib.kit.progress import progress
from pixverve_lib.models import replies
from pixverve_lib.models.annotation import Failed

ANSWERS = ("first", "second", "tie")
QUESTIONS = {
    "Diffusion-4K": ("Visual Aesthetics", "Prompt Adherence", "Fine Details"),  # Diffusion-4K, Tab. 3
    "UltraFlux": ("Aesthetics", "Prompt Alignment"),  # UltraFlux, Sec. 11; only the first one's prompt is printed
    "URAE": ("Overall Quality", "Prompt Alignment", "Visual Aesthetics"),  # URAE, App. C.1
}
VOTERS = 17  # 1,020 votes / (3 questions x 20 prompts): URAE, Sec. 3.3, App. C.4; the number itself is not printed
SCORES = (0, 100)  # UltraFlux, Sec. 11; URAE, App. C.1


class Pair(NamedTuple):
    """Two pictures of one prompt: its id, its text, the two models, and their pictures as the judge takes them."""

    prompt: str
    text: str
    first: str
    second: str
    first_picture: object
    second_picture: object


def asked_twice(judge, pairs, questions):
    """A row a question and pair: question, prompt, first, second, forward, backward, verdict, failed.

    forward, backward: the place ("first", "second") that won, or "tie", as given and with the pictures changed round;
    verdict: "first" or "second", the model that won both times, "tie" where it took both or the place decided, NaN
    where an answer failed, with the reason in `failed`. Failures are counted in one line.
    """
    rows = []
    with progress(len(pairs) * len(questions), "preferences", unit="pairs") as count:
        for question in questions:
            for pair in pairs:
                first, second = pair.first_picture, pair.second_picture
                answers = [_checked(judge(question, pair.text, *order)) for order in ((first, second), (second, first))]
                reasons = [answer.reason for answer in answers if isinstance(answer, Failed)]
                forward, backward = (math.nan if isinstance(answer, Failed) else answer for answer in answers)
                rows.append((question, pair.prompt, pair.first, pair.second, forward, backward,
                             math.nan if reasons else verdict(forward, backward), "; ".join(reasons)))
                count("rejected" if reasons else "done")
    frame = pd.DataFrame(rows, columns=["question", "prompt", "first", "second", "forward", "backward", "verdict",
                                        "failed"])
    if lost := (frame.failed != "").sum():
        print(f"{lost} of {len(frame)} pairs have no verdict, first: {frame.failed[frame.failed != ''].iloc[0]}")
    return frame


def _checked(answer):
    return answer if isinstance(answer, Failed) or answer in ANSWERS else Failed(f"{answer!r} is no answer")


def verdict(forward, backward):
    """Who won: "first" or "second" only if the same picture won in both places, else "tie"."""
    changed = {"first": "second", "second": "first", "tie": "tie"}[backward]
    return forward if forward == changed else "tie"


def by_scores(first, second):
    """The answer that two scores in 0..100 give: the larger one wins. Failed for anything else."""
    for score in (first, second):
        if isinstance(score, bool) or not isinstance(score, (int, float)) or not SCORES[0] <= score <= SCORES[1]:
            return Failed(f"{score!r} is no score from {SCORES[0]} to {SCORES[1]}")
    return "tie" if first == second else "first" if first > second else "second"


def scored(judge):
    """A judge for `asked_twice` of one that gives (first score, second score), or Failed."""
    def answer(*asked):
        found = judge(*asked)
        return found if isinstance(found, Failed) else by_scores(*found)
    return answer


class _Preferred(replies.Form):
    preferred: Literal["A", "B", "tie"]
    a_score: float
    b_score: float


def read_scores(reply):
    """(score of A, score of B) of a reply in UltraFlux's form (Sec. 11), Failed where it contradicts itself."""
    try:
        found = replies.parse(reply, _Preferred)
    except ValueError as error:
        return Failed(f"reply: {error}")
    answer = by_scores(found.a_score, found.b_score)
    if isinstance(answer, Failed):
        return answer
    if (found.preferred, answer) in (("A", "second"), ("B", "first")):
        return Failed(f"reply prefers {found.preferred} but scores {found.a_score:g} to {found.b_score:g}")
    return found.a_score, found.b_score


def read_choice(reply):
    """"first" or "second" of a reply in the forms of Diffusion-4K ("the first image is better") and URAE ("[Image 1]").

    Failed unless the reply names exactly one of them.
    """
    named = re.findall(r"\[image ([12])\]|the (first|second) image is better", reply.lower())
    found = {{"1": "first", "2": "second"}.get(number, word) for number, word in named}
    return found.pop() if len(found) == 1 else Failed("reply names " + ("both pictures" if found else "no picture"))


def win_rates(asked, seed=0):
    """A row a question and pair of models: win, tie, loss (shares, of `first`), score = win + tie / 2, its low and high
    (bootstrap over prompts), pairs, failed.  asked: from asked_twice
    """
    rows = []
    for names, each in asked.groupby(["question", "first", "second"], sort=False):
        found = each.verdict.dropna().map({"first": 1.0, "tie": 0.5, "second": 0.0}).to_numpy(float)
        shares = [float(np.mean(found == points)) if len(found) else math.nan for points in (1.0, 0.5, 0.0)]
        rows.append((*names, *shares, *_mean(found, seed), len(found), len(each) - len(found)))
    return pd.DataFrame(rows, columns=["question", "first", "second", "win", "tie", "loss", "score", "low", "high",
                                       "pairs", "failed"])


def _mean(values, seed):
    if not len(values):
        return math.nan, math.nan, math.nan
    row = bootstrap.over_pictures(lambda rows: {"mean": values[rows].mean()}, len(values), seed).iloc[0]
    return row.value, row.low, row.high


def position_bias(asked):
    """A row a question: answers that name a picture, share of them that name the one shown first, low, high (Wilson);
    without bias 0.5, for every pair was shown both ways. flipped: share of pairs that the place decided.
    """
    rows = []
    for question, each in asked.dropna(subset="verdict").groupby("question", sort=False):
        answers = pd.concat([each.forward, each.backward])
        first, named = (answers == "first").sum(), (answers != "tie").sum()
        flipped = ((each.forward == each.backward) & (each.forward != "tie")).mean()
        rows.append((question, named, first / named if named else math.nan, *agreement.wilson(first, named), flipped))
    return pd.DataFrame(rows, columns=["question", "answers", "first", "low", "high", "flipped"])


def best_of_design(candidates, prompts, questions=QUESTIONS["URAE"], voters=VOTERS, seed=0):
    """A row a vote to be given: voter, prompt, question, shown (candidates in the order of this voter and prompt).

    URAE: 5 candidates, 20 prompts, 17 voters and 3 questions make 1,020 votes.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for voter in range(1, voters + 1):
        for prompt in rng.permutation(np.array(prompts, object)):
            shown = tuple(rng.permutation(np.array(candidates, object)))
            rows += [(voter, prompt, question, shown) for question in questions]
    return pd.DataFrame(rows, columns=["voter", "prompt", "question", "shown"])


def best_of(votes, candidates):
    """A row a question and candidate: votes, share, low, high, rank, missing (votes of the question that are NaN).

    votes: frame with question, prompt and chosen. Votes on one prompt are about the same pictures, so the interval is a
    bootstrap over prompts. Raises ValueError for a vote for somebody else, and for a question without votes.
    """
    if strange := sorted(set(votes.chosen.dropna()) - set(candidates)):
        raise ValueError(f"a vote is for one of {', '.join(candidates)}, not {strange[0]!r}")
    return pd.concat([_shares(question, each, candidates)
                      for question, each in votes.groupby("question", sort=False)], ignore_index=True)


def _shares(question, votes, candidates):
    given = votes.dropna(subset="chosen")
    table = pd.crosstab(given.prompt, given.chosen).reindex(columns=list(candidates), fill_value=0)
    counts = table.to_numpy(float)

    def shares(rows):
        return dict(zip(candidates, counts[rows].sum(axis=0) / counts[rows].sum(), strict=True))
    if not len(counts):
        raise ValueError(f"nobody has answered {question!r}: leave the question out")
    frame = bootstrap.over_pictures(shares, len(counts))
    return pd.DataFrame({
        "question": question, "candidate": list(candidates), "votes": counts.sum(axis=0).astype(int),
        "share": frame.value, "low": frame.low, "high": frame.high,
        "rank": frame.value.rank(ascending=False, method="min").astype(int), "missing": len(votes) - len(given),
    })
