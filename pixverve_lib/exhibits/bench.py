"""Tables of notebook 08: frames in, one table out, what is printed beside what was measured.

A measured number that goes by another name than the printed one (nano-FID: another network's features) stands beside
it without a difference: there is none that means anything. The strokes between numbers are "│", for "|" would end a
cell of a Markdown table.
"""
import pandas as pd

from pixverve_lib.paper.published import DASH, numbers, table

HEADS = {  # metric: its printed name, and whether higher is better (Tab. 3)
    "fid": ("FID", False), "fid_patch": ("FID_patch", False), "aesthetics": ("Aesthetics", True),
    "glcm_score": ("GLCM Score", True), "msfi": ("MSFI", True), "clipscore": ("CLIPScore", True),
    "fg_clip2_score": ("FG-CLIP2 Score", True), "ics": ("ICS", True),
}
FIDELITY = ("global", "local", "sc_global", "pi", "lc", "ch", "nge", "ga", "tf", "mgc", "sc_local")  # columns of rows
PRINTED_FIDELITY = {"global": "global_fidelity", "local": "local_fidelity"}  # where Tab. A4's columns are named else
SCHEMES = {"FLUX.2-I (Full)": "Scheme I (Full)", "FLUX.2-I (LoRA)": "Scheme I (LoRA)", "FLUX.2-II": "Scheme II",
           "L2P-III": "Scheme III"}  # Tab. 3's names: those of Tabs. A1 and A2
JUDGE = "Qwen3.5-35B-A3B"  # Sec. F.2: who rated what is published


def directed(metric):
    """Printed name and arrow of a metric: "FID ↓"."""
    name, higher = HEADS[metric]
    return f"{name} {'↑' if higher else '↓'}"


def cell(published, measured, comparable=True, half=float("nan")):
    """"167.234 │ 253.1 ±40 │ +85.9"; a number that is not there is a dash.

    published, measured: floats, NaN: none; half: of the width of the interval, NaN: not told
    """
    there = pd.notna(published), pd.notna(measured)
    difference = f"{measured - published:+.3g}" if all(there) and comparable else DASH
    found = digits(measured) + (_width(half) if pd.notna(half) else "") if there[1] else DASH
    return " │ ".join((f"{published:.3f}" if there[0] else DASH, found, difference))


def _width(half):
    return f" ±{half:.0f}" if half >= 10 else f" ±{half:.2g}"


def digits(value):
    """A measured number in four digits or more: "253.1", "0.7000", "12345"."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:#.4g}"


def _beside(base, keys, measured, metrics):
    """`base` with a column of cells for each metric, named after both where the measured one is another.

    keys: (method, scale, caption) of each row of `base`
    """
    shown = base.drop(columns=list(metrics))
    for metric in metrics:
        rows = measured[measured.metric == metric].set_index(["method", "scale", "caption"])
        printed, name = HEADS[metric][0], _one(rows["name"], metric)
        same = name == printed or JUDGE in name
        half = (rows.high - rows.low) / 2
        cells = [cell(value, found, same, width) for value, found, width in
                 zip(base[metric], rows.value.reindex(keys), half.reindex(keys), strict=True)]
        shown[directed(metric) + ("" if name == printed else f" (measured: {name})")] = cells
    return shown


def _one(names, metric):
    """The name under which a metric was measured, the printed one if it was not; a column must not mix two."""
    found = set(names) or {HEADS[metric][0]}
    if len(found) > 1:
        raise ValueError(f"{metric} was measured under several names ({', '.join(sorted(found))}): give one of them")
    return found.pop()


def _extended(base, measured, keys):
    """The printed rows, then one for each measured row that has none: the paper prints no LoRA at 10K, for example."""
    more = measured[keys].drop_duplicates()
    return pd.concat([base, more[~more.apply(tuple, axis=1).isin(base[keys].apply(tuple, axis=1))]], ignore_index=True)


def table_3(scores, caption="long"):
    """Tab. 3: every printed row in its place, each metric as `published │ measured │ difference`.

    Measured rows that the paper does not print follow. scores: columns method, scale, caption, metric, name, value,
    pictures; caption: the prompts of the pictures, the paper's are "long". Raises ValueError when one metric goes by
    two names.
    """
    scores = scores[scores.caption == caption]
    base = numbers("tab_3").rename(columns={"resolution": "scale"}).drop(columns="height_width")
    base = _extended(base, scores, ["scale", "method"])
    keys = pd.MultiIndex.from_frame(base[["method", "scale"]].assign(caption=caption))
    shown = _beside(base, keys, scores, HEADS)
    counts = scores.groupby(["method", "scale"]).pictures.max()
    counts = counts.reindex(keys.droplevel(2))
    shown.insert(2, "pictures", [_count(n) for n in counts])
    shown.insert(3, "prompts", [DASH if pd.isna(n) else caption for n in counts])
    return shown


def _count(n):
    return DASH if pd.isna(n) else f"{n:.0f}"


def table_4(scores):
    """Tab. 4: short against long captions at 4K; the printed rows, then other methods that were measured with both.

    scores: as for table_3, caption "short" or "long"
    """
    metrics = list(HEADS)[:4]
    base = numbers("tab_4").assign(caption=lambda t: t.caption.str.lower())
    ours = scores[(scores.scale == "4K") & scores.metric.isin(metrics)]
    both = ours.groupby("method", sort=False).caption.transform("nunique") == 2
    more = ours[both].sort_values(["method", "caption"], ascending=[True, False])
    base = _extended(base, more, ["method", "caption"])
    keys = pd.MultiIndex.from_arrays([base.method, ["4K"] * len(base), base.caption])
    return _beside(base, keys, ours, metrics)


def table_a1(cost):
    """Tab. A1: what training costs.  cost: columns method, scale, epochs, device_hours (of the device at hand)"""
    base = numbers("tab_a1").set_axis(["method", "scale", "epochs, published", "H20 GPU hours, published"], axis=1)
    base, merged = _merged(base, cost)
    shown = base.assign(**{"epochs, measured": merged.epochs.round(3),
                           "device hours, measured": merged.device_hours.map(_short)})
    shown = shown[[*base.columns[:3], "epochs, measured", base.columns[3], "device hours, measured"]]
    return shown.assign(**_ratios(base, "H20 GPU hours, published", merged.device_hours)).convert_dtypes()


def table_a2(latency):
    """Tab. A2: seconds a picture.  latency: columns method, scale, devices, seconds"""
    base = numbers("tab_a2").set_axis(["method", "scale", "GPUs, published", "seconds, published"], axis=1)
    base, merged = _merged(base, latency)
    shown = base.assign(**{"devices, measured": merged.devices, "seconds, measured": merged.seconds.map(_short)})
    shown = shown[[*base.columns[:3], "devices, measured", base.columns[3], "seconds, measured"]]
    return shown.assign(**_ratios(base, "seconds, published", merged.seconds)).convert_dtypes()


def _merged(base, measured):
    """A printed table with the rows that only were measured, and what was measured of each; names as printed."""
    named, keys = measured.assign(method=measured.method.replace(SCHEMES)), ["method", "scale"]
    base = _extended(base, named, keys)
    return base, base[keys].merge(named, on=keys, how="left", validate="one_to_one")


def _short(value):
    return None if pd.isna(value) else float(f"{value:.3g}")


def _ratios(base, column, measured):
    """Ratios to the first printed row that was measured: what can be compared between a GPU and another machine."""
    first = (base[column].notna() & measured.notna()).idxmax()
    row = f"{base.method[first]}, {base.scale[first]}"
    published, ours = base[column] / base[column][first], measured / measured[first]
    return {f"times {row}, published": published.round(3), f"times {row}, measured": ours.map(_short),
            "difference": (ours - published).map(_short)}


def table_a3(measures, weights):
    """Tab. A3 with what the kit adds.

    measures: dict sub-dimension key -> words; weights: the same keys -> weight in the index. A key that is missing
    shows a dash.
    """
    base, keys = table("tab_a3"), FIDELITY[2:]
    return pd.DataFrame({
        "dimension": base.dimension, "sub-dimension": base.sub_dimension, "key": keys,
        "weight in the index (released code, not printed)": [weights.get(key, DASH) for key in keys],
        "measured by": [measures.get(key, DASH) for key in keys],
        "description (Tab. A3)": base.description_and_evaluation_criteria,
    })


def table_a4(rows, judge, caption="long"):
    """Tab. A4: fidelity at both scales and its nine sub-dimensions, means over the pictures of one kind of prompt.

    rows: a picture each: method, scale, caption, global, local, the nine sub-dimensions (1 to 5, NaN: no rating);
    judge: who rated them ("classical"); only the paper's own stands beside it with a difference
    """
    rows = rows[rows.caption == caption]
    base = numbers("tab_a4").rename(columns={"resolution": "scale"}).drop(columns="height_width")
    base = _extended(base, rows, ["scale", "method"])
    long, keys = rows.groupby(["method", "scale"]), pd.MultiIndex.from_frame(base[["method", "scale"]])
    means, counts = long[list(FIDELITY)].mean().reindex(keys), long["global"].count().reindex(keys)
    shown = base[["scale", "method"]].assign(pictures=[_count(n) for n in counts],
                                              judge=[judge if n > 0 else DASH for n in counts])
    for key in FIDELITY:
        printed = base[PRINTED_FIDELITY.get(key, key)]
        shown[key.replace("_", "-")] = [cell(*pair, JUDGE in judge) for pair in zip(printed, means[key], strict=True)]
    return shown


def metric_table(metrics):
    """The eight metrics.

    metrics: columns name, higher_is_better, low, high, needs (words), paper, released, golden (case, value, tolerance)
    """
    arrows = metrics.higher_is_better.map({True: "↑ higher", False: "↓ lower"})
    spans = [f"{row.low:.3g} to {row.high:g}" if pd.notna(row.high) and row.high < float("inf") else f"from {row.low:g}"
             for row in metrics.itertuples()]
    needs = [", ".join(sorted(each)) if len(each) else "pictures alone" for each in metrics.needs]
    return pd.DataFrame({"metric": metrics.name, "better": arrows, "range": spans, "needs": needs,
                         "the paper says": metrics.paper, "the released code does": metrics.released,
                         "golden value": [f"{case}: {value:.4g} ± {by:g}" for case, value, by in metrics.golden]})


def cards(cards):
    """Metric cards, each once, and what it belongs to.  cards: columns method, scale, caption, metric, card (a line)"""
    of = cards.method + " " + cards.scale + " " + cards.caption
    lines = cards.assign(of=of, card=cards.card.str.replace("|", "│"))
    kept = lines.groupby(["metric", "card"], sort=False).of.agg("; ".join).reset_index()
    return kept.sort_values("metric", key=lambda m: m.map(list(HEADS).index), kind="stable", ignore_index=True)


def calibration_table(frame):
    """How well the classical judge's ratings follow planted damage, on pictures that did not set its limits.

    frame: columns sub-dimension (key), damage, measured, spearman, clean rating, strongest, n (bench/calibration.py)
    """
    heads = {"damage": "planted damage", "measured": "what is measured", "spearman": "Spearman, held out",
             "strongest": "rating of the strongest", "n": "pictures"}
    return frame.round({"spearman": 3, "clean rating": 2, "strongest": 2}).rename(columns=heads)
