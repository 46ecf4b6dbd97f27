"""Scored pictures that show what a score means: from the lowest to the highest GLCM Score, and the worst rated ones."""
import numpy as np

from pixverve_lib.bench import msfi
from pixverve_lib.imaging import reading
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.judging import GLOBAL, LOCAL


def texture(rows, count=10):
    """Pictures at equal steps of rank of the GLCM Score, as Fig. A2: list of (whose, rgb, published kind, formula).

    rows: columns path, method, scale, glcm_score, glcm_formula
    """
    ranked = rows.dropna(subset="glcm_score").sort_values("glcm_score", kind="stable")
    chosen = ranked.iloc[np.linspace(0, len(ranked) - 1, min(count, len(ranked))).round().astype(int)]
    return [(f"{row.method}, {row.scale}", reading.read_rgb(row.path), row.glcm_score, row.glcm_formula)
            for row in chosen.itertuples()]


def lowest(rows, judge, lengths, seed=0):
    """For each sub-dimension of the MSFI the picture with the lowest score, as Fig. A3 shows them.

    rows: columns path, method, scale and the nine sub-dimensions. A list of (sub-dimension and whose picture it is,
    "global" | "local", rgb, score, box): box is (x0, y0, x1, y1) in px of the worst rated patch, None for the whole.
    """
    return [_lowest(rows.loc[rows[key].idxmin()], key, judge, lengths, seed)
            for key in (*GLOBAL, *LOCAL) if rows[key].notna().any()]


def _lowest(row, key, judge, lengths, seed):
    rgb, kind = reading.read_rgb(row.path), "global" if key in GLOBAL else "local"
    box = _worst_patch(rgb, key, judge, lengths, seed) if kind == "local" else None
    return f"{key.replace('_', '-')}: {row.method}, {row['scale']}", kind, rgb, row[key], box


def _worst_patch(rgb, key, judge, lengths, seed):
    rated = [(answer[key], region) for region, answer in msfi.rated(rgb, judge, lengths, seed)
             if not isinstance(answer, Failed)]
    height, width = rgb.shape[:2]
    left, top, right, bottom = min(rated)[1]
    return left * width, top * height, right * width, bottom * height
