"""Exhibits of URAE's adapters on training-free enlarging, and of the components they train (Tab. 1 and 3, Eq. 5)."""
import pandas as pd

from pixverve_lib.exhibits.related import LOWER, arrow, head
from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, KEPT, MUTED
from pixverve_lib.paper import published

ADAPTED = " w/ URAE"  # what follows a method's name in Tab. 1
VOTES = {"overall_quality": "quality votes % ↑", "prompt_alignment": "alignment votes % ↑",
         "visual_aesthetic": "aesthetic votes % ↑"}  # of URAE Tab. 3
_YES = {True: "yes", False: "no"}
PARTS = {"major": ACCENT, "rest": MUTED, "minor": KEPT}


def tab_1(measured: pd.DataFrame) -> pd.DataFrame:
    """URAE Tab. 1 as printed, its scores of the same rows at 1:16 beside it.

    The metrics differ (FID and nano-FID too), so there is no column of differences: those within each are `gains`.
    measured: of guided_enlarging.comparison
    """
    return _beside(measured, published.numbers("urae_tab_1"))


def tab_3(measured: pd.DataFrame) -> pd.DataFrame:
    """URAE Tab. 3 (4K, adapters of minor and of major components) beside the scores of its starred rows at 1:16.

    As in `tab_1`; the votes are people's. The paper's adapters saw real pictures, ours what they were given.
    """
    printed = published.numbers("urae_tab_3")
    return _beside(measured, printed[[name for name in printed if not name.endswith("_rank")]])


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


def _beside(measured, printed):
    """Printed rows in their order with the measured scores of the rows of the same name."""
    scores = printed.columns.drop("method_setting")
    theirs = printed.rename(columns={name: f"{VOTES.get(name, head(name))} published" for name in scores})
    ours = measured.drop(columns=["side", "seconds"], errors="ignore")
    ours = ours.rename(columns={name: f"{arrow(name)} measured" for name in ours.columns.drop("method")})
    return theirs.rename(columns={"method_setting": "method"}).merge(ours.round(4), on="method", how="left")


def _pairs(source, frame):
    numbers = frame.select_dtypes("number")
    for method in frame.index:
        if method + ADAPTED in frame.index:
            for score in numbers:
                before, after = (numbers.loc[name, score] for name in (method, method + ADAPTED))
                if pd.notna(before) and pd.notna(after):
                    yield method, source, score, before, after, after - before
