"""Exhibits of Diffusion-4K's local metrics and protocols: frames in, one table or one figure out."""
import numpy as np
import pandas as pd

from pixverve_lib.exhibits.annotation import nothing
from pixverve_lib.exhibits.bench import digits
from pixverve_lib.kit import style
from pixverve_lib.kit.style import DROPPED, GRID, INK, KEPT, MUTED
from pixverve_lib.paper import related
from pixverve_lib.paper.published import DASH, numbers

PRINTED = {"GLCM Score": "glcm_score", "Compression Ratio": "compression_ratio", "MUSIQ": "musiq", "MANIQA": "maniqa"}
INTERVAL = "[{:+.2f}, {:+.2f}]"
OUTCOMES = {"win": KEPT, "tie": GRID, "loss": DROPPED}
RECONSTRUCTION = {"diffusion4k_tab_4": "Diffusion-4K Tab. 4", "diffusion4k_tab_8": "Diffusion-4K Tab. 8",
                  "ultraflux_tab_2": "UltraFlux Supp. Tab. 2"}


def table_2(correlations, raters):
    """Diffusion-4K's Tab. 2: a row a metric, the published correlation beside the measured one and its interval.

    correlations: of patch_ratings.correlations, signs as computed; raters: who rated, for the headings, such as
    "simulated raters". The paper's raters saw other patches, so there is a difference only for raters "people"; it is
    of sizes, because the paper prints the sign of a lower-is-better metric away (M25).
    """
    published = numbers("diffusion4k_tab_2").set_index("metric")
    rows = []
    for line in correlations.to_dict("records"):
        row = {"metric": f"{line['metric']} {'↑' if line['better'] == 'higher' else '↓'}"}
        for name in ("SRCC", "PLCC"):
            value, printed = line[name.lower()], published.loc[name].get(PRINTED.get(line["metric"]), np.nan)
            low, high = line[f"{name.lower()}_low"], line[f"{name.lower()}_high"]
            row[f"{name}, published"] = _text(printed, "{:.2f}")
            row[f"{name}, {raters}"] = _text(value, "{:+.2f}")
            row[f"{name}, interval"] = _text(low, INTERVAL, high)
            if raters == "people":
                row[f"{name}, difference of sizes"] = _text(abs(value) - printed, "{:+.2f}")
        rows.append(row | {"patches": line["patches"], "needs": line["needs"]})
    return pd.DataFrame(rows)


def _text(value, form, *more):
    return DASH if pd.isna(value) else form.format(value, *more)


def figure_4(examples):
    """Diffusion-4K's Fig. 4: a row a place, a column a kind, the two indices under each patch.

    examples: of patch_ratings.examples. In red: an index that rates a patch richer than the one drawn at its own size.
    """
    if not len(examples):
        return nothing("No patch was drawn: give at least one layout.")
    kinds, places = examples.kind.unique(), examples.layout.unique()
    fig, axes = style.figure(1.95 * len(places) + 0.2, rows=len(places), columns=len(kinds), squeeze=False)
    for at, (line, (_, rows)) in enumerate(zip(axes, examples.groupby("layout", sort=False), strict=True)):
        best = rows.iloc[0]
        for axis, row in zip(line, rows.to_dict("records"), strict=True):
            style.picture_axis(axis, row["rgb"], row["kind"] if at == 0 else "")
            for place, name, short, richer in (
                    (0.26, "GLCM Score", "GLCM ↑", row["GLCM Score"] > best["GLCM Score"]),
                    (0.76, "Compression Ratio", "CR ↓", row["Compression Ratio"] < best["Compression Ratio"])):
                axis.text(place, -0.04, f"{short} {row[name]:#.3g}".rstrip("."), transform=axis.transAxes, fontsize=7.5,
                          va="top", ha="center", color=DROPPED if richer else INK)
        line[0].set_ylabel(best["layout"], fontsize=8)
    return fig


def fooled(frame):
    """How often, and by how much, damage makes a patch richer to each index.  frame: of patch_ratings.fooled"""
    table = frame[["damage", "severity", "patches"]].copy()
    for name, arrow in (("GLCM Score", "↑"), ("Compression Ratio", "↓")):
        table[f"{name} {arrow}: richer in"] = [f"{100 * share:.0f} %" for share in frame[f"{name} richer"]]
        changes = [f"{change:+.0f} %" for change in frame[f"{name} change"]]
        table[f"{name} {arrow}: median change"] = ["0 %" if change == "-0 %" else change for change in changes]
    return table


def chroma(frame):
    """What the unprinted chroma sub-sampling does to the Compression Ratio, a row a picture and their mean.

    frame: of texture.chroma
    """
    whole = pd.concat([frame, pd.DataFrame([{"picture": "mean", **frame.drop(columns="picture").mean()}])])
    table = pd.DataFrame({"picture": whole.picture})
    for kind in frame.columns[1:]:
        table[":".join(kind)] = whole[kind].map(digits)
    table["4:4:4 against 4:2:0"] = [f"{100 * change:+.0f} %" for change in whole["444"] / whole["420"] - 1]
    return table.reset_index(drop=True)


def evaluation_sets(frame):
    """Aesthetic-Eval and its 4K subset (Sec. 3.2): published beside this pool's.  frame: of texture.evaluation_sets"""
    counts = frame.short_side.map({related.D4K_EVAL_SIDE: related.D4K_EVAL_PICTURES,
                                   related.D4K_EVAL_4K_SIDE: related.D4K_EVAL_4K_PICTURES})
    return pd.DataFrame({
        "shorter side above": [f"{side} px" for side in frame.short_side],
        "published": counts, "published share": [f"{100 * n / related.D4K_LAION_PICTURES:.4f} %" for n in counts],
        "measured": frame.pictures, "measured share": [_text(100 * share, "{:.4f} %") for share in frame.share]})


def nmse_readings(measured=None):
    """What level the pictures of the published reconstruction tables would have, in both readings of NMSE (M27).

    Root mean squares of pictures in 0..1; photographs have 0.4 to 0.6, so the plausible column tells the reading.
    measured: columns table, model, nmse (as ratio), psnr of a run, or None
    """
    parts = [numbers(name).assign(table=place) for name, place in RECONSTRUCTION.items()]
    rows = pd.concat([*parts, *([] if measured is None else [measured])], ignore_index=True)
    rmse = 10 ** (-rows.psnr / 20)
    table = rows[["table", "model", "nmse", "psnr"]].copy()
    table["level if MSE / mean x²"] = (rmse / rows.nmse**0.5).round(3)
    table["level if RMSE / rms x"] = (rmse / rows.nmse).round(3)
    return table


def table_10(frame, generator):
    """Diffusion-4K's Tab. 10: captions of both qualities, published beside what this kit's generator draws.

    frame: of caption_quality.measure, captions "full" and "poor"; generator: its name. Other metrics and other captions
    than the paper's: no differences between the two, only the gain of each.
    """
    published, rows = numbers("diffusion4k_tab_10"), []
    for model, lines in published.groupby("model", sort=False):
        lines = lines.set_index("captions")
        for score, name in (("clipscore", "CLIPScore"), ("aesthetics", "Aesthetics")):
            good, bad = lines[score]["GPT-4o"], lines[score]["LAION-5B"]
            rows.append((f"{model}, published", name, f"{bad:.2f}", f"{good:.2f}", f"{good - bad:+.2f}"))
    for score, lines in frame.groupby("score", sort=False):
        lines = lines.set_index("captions")
        halves = ((lines.high - lines.low) / 2).map(lambda half: f"{half:.2g}" if half < 100 else f"{half:.0f}")
        cells = [f"{digits(lines.value[captions])} ± {halves[captions]}" for captions in ("poor", "full")]
        gain = lines.value["full"] - lines.value["poor"]
        rows.append((f"{generator}, measured", score, *cells, f"{gain:+.3g}"))
    return pd.DataFrame(rows, columns=["generator", "score", "web or poor captions", "full captions", "gain"])


def preferences(rates, judge):
    """Diffusion-4K's Fig. 10: share of pairs that the first model wins, ties and loses, a bar a question and pair.

    The line on a bar is the interval of its score, win + tie / 2. rates: of preference_judging.win_rates; judge: who
    judged, for the title. The paper prints its shares in the figure only, so none stand beside.
    """
    if not len(rates):
        return nothing("No pair was judged: the line above says why.")
    pairs = list(rates.groupby(["first", "second"], sort=False))
    most = max(len(rows) for _, rows in pairs)
    fig, axes = style.figure((0.3 * most + 0.55) * len(pairs) + 0.5, rows=len(pairs), squeeze=False, sharex=True)
    for axis, ((first, second), rows) in zip(axes[:, 0], pairs, strict=True):
        start = np.zeros(len(rows))
        for outcome, colour in OUTCOMES.items():
            shares = rows[outcome].fillna(0).to_numpy()
            axis.barh(rows.question, shares, left=start, color=colour, height=0.62, label=outcome)
            _label(axis, start, shares, INK if outcome == "tie" else "white")
            start = start + shares
        axis.hlines(np.arange(len(rows)) + 0.12, rows.low, rows.high, color=INK, lw=1.2)
        axis.axvline(0.5, color=MUTED, lw=0.8, ls=":", zorder=0)
        axis.invert_yaxis()
        axis.set(xlim=(0, 1))
        axis.set_title(f"{first} against {second}, {rows.pairs.max():.0f} pairs", loc="left", fontsize=8.5)
        axis.grid(False)
    axes[-1, 0].set_xlabel(f"share of pairs (line: interval of wins + ties / 2); judge: {judge}", fontsize=8)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper")
    return fig


def _label(axis, start, shares, colour):
    for at, (left, share) in enumerate(zip(start, shares, strict=True)):
        if share >= 0.09:
            axis.text(left + share / 2, at - 0.17, f"{100 * share:.0f} %", ha="center", va="center", fontsize=6.5,
                      color=colour)
