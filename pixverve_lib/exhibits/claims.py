"""The ledger of claims: a frame in, one table or one figure out."""
import numpy as np
import pandas as pd

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, GRID, INK, KEPT, NEUTRAL

VERDICTS = ("follows from the printed tables", "partly", "reproduced at this budget", "not reproduced at this budget",
            "contradicted by the printed tables", "not testable here", "error")  # in the order of the ledger
COLOURS = (KEPT, "#9ccbb9", NEUTRAL, ACCENT, DROPPED, GRID, INK)  # of VERDICTS
DARK = (KEPT, NEUTRAL, DROPPED, INK)  # on which numbers are white


def claims_table(ledger):
    """The ledger, by verdict.  ledger: columns id, place, claim, verdict (one of VERDICTS), number, check"""
    order = {verdict: i for i, verdict in enumerate(VERDICTS)}
    strange = sorted(set(ledger.verdict) - set(order))
    if strange:
        raise ValueError(f"no verdict is called {', '.join(strange)}; take one of: {', '.join(VERDICTS)}")
    columns = ["verdict", "id", "place", "claim", "number", "check"]
    return ledger.sort_values("verdict", key=lambda v: v.map(order), kind="stable")[columns].reset_index(drop=True)


def claims_counts(ledger):
    """How the claims fared, a bar for each way of checking.  ledger: columns verdict (one of VERDICTS), way"""
    counts = pd.crosstab(ledger.way, ledger.verdict).reindex(columns=VERDICTS, fill_value=0)
    counts = counts.loc[counts.sum(axis=1).sort_values(kind="stable").index]
    fig, axis = style.figure(0.24 * len(counts) + 1.2)
    left, places = np.zeros(len(counts)), np.arange(len(counts))
    for verdict, colour in zip(VERDICTS, COLOURS, strict=True):
        here = counts[verdict].to_numpy()
        if not here.any():
            continue
        axis.barh(places, here, left=left, color=colour, height=0.72, label=f"{verdict} ({here.sum()})")
        for place, start, number in zip(places, left, here, strict=True):
            if number:
                axis.text(start + number / 2, place, number, ha="center", va="center", fontsize=7,
                          color="white" if colour in DARK else INK)
        left += here
    axis.set_yticks(places, counts.index)
    axis.set(xlabel=f"claims, {len(ledger)} in all")
    axis.grid(False, axis="y")
    fig.legend(loc="outside upper center", ncols=3, fontsize=7.5)
    return fig
