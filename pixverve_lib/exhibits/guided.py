"""Exhibits of URAE's adapters on training-free enlarging, and of the components they train (Tab. 1 and 3, Eq. 5)."""
import pandas as pd

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, KEPT, MUTED
from pixverve_lib.paper import published

ADAPTED = " w/ URAE"  # what follows a method's name in Tab. 1
PRINTED_1 = {"fid": "FID ↓", "lpips": "LPIPS ↓", "man_iqa": "MAN-IQA ↑", "qualiclip": "QualiCLIP ↑",
             "hpsv2_1": "HPSv2.1 ↑", "pickscore": "PickScore ↑", "dpg_bench": "DPG Bench ↑"}
PRINTED_3 = {"man_iqa": "MAN-IQA ↑", "qualiclip": "QualiCLIP ↑", "overall_quality": "quality votes % ↑",
             "prompt_alignment": "alignment votes % ↑", "visual_aesthetic": "aesthetic votes % ↑"}
LOWER = ("fid", "lpips", "nano-FID", "stray")  # scores of which less is better
_YES = {True: "yes", False: "no"}
PARTS = {"major": ACCENT, "rest": MUTED, "minor": KEPT}


def tab_1(measured: pd.DataFrame) -> pd.DataFrame:
    """URAE Tab. 1 as printed, its scores of the same rows at 1:16 beside it.

    The metrics differ (FID and nano-FID too), so there is no column of differences: those within each are `gains`.
    measured: of guided_enlarging.comparison
    """
    return _beside(measured, published.numbers("urae_tab_1"), PRINTED_1)


def tab_3(measured: pd.DataFrame) -> pd.DataFrame:
    """URAE Tab. 3 (4K, adapters trained on real pictures) beside the scores of its starred rows at 1:16, as in `tab_1`.

    The votes are people's.
    """
    return _beside(measured, published.numbers("urae_tab_3"), PRINTED_3)


def gains(measured: pd.DataFrame) -> pd.DataFrame:
    """What the adapter adds to each method of URAE Tab. 1 that has a row with it: method, source, score, without, with,
    gain, better. measured: of guided_enlarging.comparison; gain: with - without; better: whether it is one.
    """
    sources = {"published": published.numbers("urae_tab_1").rename(columns={"method_setting": "method"}),
               "measured": measured.drop(columns=["side", "seconds"], errors="ignore")}
    rows = [row for source, frame in sources.items() for row in _pairs(source, frame.set_index("method"))]
    table = pd.DataFrame(rows, columns=["method", "source", "score", "without", "with", "gain"])
    table["better"] = (table["gain"] < 0) == table["score"].isin(LOWER)
    table.loc[table["gain"] == 0, "better"] = False
    return table.round(4)


def spectra(components: pd.DataFrame):
    """Singular values of every adapted layer, and the share of its energy that minor and major components hold.

    components: columns layer, component, value, share, part (models/components.spectra)
    """
    fig, (left, right) = style.figure(3.0, columns=2)
    for _, rows in components.groupby("layer", sort=False):
        for part, colour in PARTS.items():
            shown = rows[rows.part == part]
            left.semilogy(shown.component, shown.value / rows.value.max(), color=colour, lw=0.8, alpha=0.7)
    for part, colour in PARTS.items():
        left.plot([], [], color=colour, label=part)
    left.set(xlabel="component, from the largest", ylabel="singular value / largest", title="Singular values")
    left.legend(title="part", title_fontsize=8, loc="lower left")
    energy = components.pivot_table(index="layer", columns="part", values="share", aggfunc="sum", sort=False)
    order = energy.sort_values("minor").reset_index()
    for part in ("major", "minor"):
        right.semilogy(range(1, len(order) + 1), order[part], "o", ms=4, color=PARTS[part], label=part)
    right.set(xlabel="layers, by the share of the minor part", ylabel="share of the layer's energy", title="Energy",
              ylim=(None, 2.0), xticks=[])
    right.legend(loc="lower right")
    return fig


def helped(measured: pd.DataFrame) -> pd.DataFrame:
    """`gains` counted: method, source, better (in how many scores), and which scores are not.  measured: as there"""
    rows = [(method, source, f"{lines.better.sum()} of {len(lines)}",
             ", ".join(f"{row.score} {row.gain:+.3g}" for row in lines[~lines.better].itertuples()) or "–")
            for (source, method), lines in gains(measured).groupby(["source", "method"], sort=False)]
    return pd.DataFrame(rows, columns=["method", "source", "better with the adapter", "not better"])


def start(measured: pd.DataFrame) -> pd.DataFrame:
    """Whether adapters start at their base.  measured: of models/components.at_start"""
    shown = measured.assign(**{"to 1e-6": (measured[["weight", "output"]].max(axis=1) < 1e-6).map(_YES)})
    return shown.assign(**{name: measured[name].map("{:.1e}".format) for name in ("weight", "output")})


def energy(components: pd.DataFrame) -> pd.DataFrame:
    """Of `spectra` as a table: kind of layer, layers, components, smallest value relative to the largest, and the mean
    share of the energy that each part holds.
    """
    ends = components["layer"].str.replace(r"^(\w+?)_?transformer_blocks\.\d+\.", "", regex=True)
    kinds = components.assign(kind=ends.str.replace(r"^transformer_blocks\.\d+\.", "", regex=True))
    parts = kinds.groupby(["kind", "layer", "part"]).share.sum().unstack(fill_value=0.0)
    table = parts.groupby("kind").mean().rename(columns="share of {}".format)
    values = kinds.groupby(["kind", "layer"]).value
    table.insert(0, "smallest / largest value", (values.min() / values.max()).groupby("kind").median())
    table.insert(0, "layers", parts.groupby("kind").size())
    return table.rename_axis(columns=None).reset_index().round(5)


def tab_1_figure(measured: pd.DataFrame, score: str = "nano-FID"):
    """One score of each method without and with the adapter, published and measured side by side.

    measured: of guided_enlarging.comparison; score: a column of it, drawn beside the published FID
    """
    fig, axes = style.figure(2.6, columns=2)
    for axis, (source, name) in zip(axes, {"published": "fid", "measured": score}.items(), strict=True):
        table = gains(measured)
        rows = table[(table.source == source) & (table.score == name)].sort_values("method", ignore_index=True)
        for column, colour, shift in (("without", DROPPED, -0.18), ("with", KEPT, 0.18)):
            axis.bar(rows.index + shift, rows[column], 0.34, color=colour, label=f"{column} adapter")
        axis.set(title=f"{name.upper() if name == 'fid' else name}, {source}", xticks=rows.index,
                 xticklabels=rows.method, ylim=(0, 1.35 * rows[["without", "with"]].to_numpy().max()))
        axis.legend(ncols=2, loc="upper center")
    return fig


def _beside(measured, printed, names):
    """Printed rows in their order with the measured scores of the rows of the same name."""
    theirs = printed.rename(columns={"method_setting": "method"})[["method", *names]]
    theirs = theirs.rename(columns={name: f"{shown} published" for name, shown in names.items()})
    ours = measured.drop(columns=["side", "seconds"], errors="ignore")
    ours = ours.rename(columns={name: f"{name} {'↓' if name in LOWER else '↑'} measured"
                                for name in ours.columns.drop("method")})
    return theirs.merge(ours, on="method", how="left").round(4)


def _pairs(source, frame):
    numbers = frame.select_dtypes("number")
    for method in frame.index:
        if method + ADAPTED in frame.index:
            for score in numbers:
                before, after = (numbers.loc[name, score] for name in (method, method + ADAPTED))
                if pd.notna(before) and pd.notna(after):
                    yield method, source, score, before, after, after - before
