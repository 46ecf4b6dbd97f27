"""How far a score may be off because there were only so many pictures: a bootstrap over them."""
import numpy as np
import pandas as pd

DRAWS = 200  # resamples; not in paper: choice
INTERVAL = (0.05, 0.95)  # quantiles of the interval; not in paper: choice


def over_pictures(scores, pictures, seed=0):
    """A frame with a row a score: score, value, low, high, pictures.

    scores: a function of row numbers (which may repeat) -> {score: value}; pictures: how many rows there are
    """
    everything, rng = np.arange(pictures), np.random.default_rng(seed)
    drawn = pd.DataFrame([scores(rng.choice(everything, pictures)) for _ in range(DRAWS)])
    low, high = (drawn.quantile(q) for q in INTERVAL)
    rows = [(score, value, low[score], high[score], pictures) for score, value in scores(everything).items()]
    return pd.DataFrame(rows, columns=["score", "value", "low", "high", "pictures"])
