"""Exhibits of notebook 07: frames in, one figure or one table out."""
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, GRID, INK, METHOD_COLOURS, MUTED, NEUTRAL
from pixverve_lib.paper import training

OURS = METHOD_COLOURS["L2P-III"]
SCHEMES = {"Scheme I (LoRA)": ("I", METHOD_COLOURS["FLUX.2-I (LoRA)"]),
           "Scheme II": ("II", METHOD_COLOURS["FLUX.2-II"]), "Scheme III": ("III", OURS)}
LINES = 16  # of a drawn grid, at most; not in paper: choice


def growth(predicted):
    """Seconds a picture of the three schemes: published points on the model's curves; beside it seconds of all GPUs.

    predicted: columns method, scale, gpus, published (NaN where Tab. A2 has none), predicted
    """
    fig, axes = style.figure(3.4, columns=2)
    for axis, name in zip(axes, ("seconds a picture", "GPU seconds a picture"), strict=True):
        for method in SCHEMES:
            rows = predicted[predicted.method == method]
            _curve(axis, rows, rows.gpus if "GPU" in name else 1, *SCHEMES[method])
        axis.set(xscale="log", yscale="log", xlabel="side (megapixels)", ylabel=name, xlim=(13, 150))
        axis.xaxis.set_minor_locator(NullLocator())
        places = {scale: _megapixels(scale) for scale in training.SIDES}
        axis.set_xticks(list(places.values()), [f"{scale}\n({size:.0f})" for scale, size in places.items()])
    axes[0].set_title("Latency: 8 GPUs (I, II), 1 GPU (III)")
    axes[1].set_title("GPU seconds")
    axes[0].plot([], [], "o", color=MUTED, ms=4, label="published (Tab. A2)")
    axes[0].plot([], [], "--", color=MUTED, lw=1.2, label="from FLOPs and bytes")
    axes[0].legend(loc="upper left")
    return fig


def _curve(axis, rows, times, name, colour):
    x, seconds = rows.scale.map(_megapixels), rows.predicted * times
    axis.plot(x, seconds, "--", color=colour, lw=1.2)
    axis.plot(x, rows.published * times, "o", color=colour, ms=5)
    axis.annotate(name, (x.iloc[-1], seconds.iloc[-1]), xytext=(9, 0), textcoords="offset points", color=colour,
                  va="center", fontweight="bold")


def _megapixels(scale):
    return training.SIDES[scale] ** 2 / 1e6


def split(parts):
    """Seconds of trunk and head at each scale, one panel a model, with published totals where there are any.

    parts: columns model (title of its panel), scale, trunk, head (seconds), published (seconds, may be NaN)
    """
    models = dict.fromkeys(parts.model)
    fig, axes = style.figure(2.9, columns=len(models), squeeze=False)
    for axis, model in zip(axes[0], models, strict=True):
        _bars(axis, parts[parts.model == model])
        axis.set_title(model)
    axes[0, 0].set_ylabel("seconds a picture")
    named = {name: line for axis in axes[0] for line, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    fig.legend(named.values(), named, loc="outside upper center", ncols=len(named))
    return fig


def _bars(axis, rows):
    total, places = rows.trunk + rows["head"], range(len(rows))
    axis.bar(places, rows.trunk, 0.55, color=NEUTRAL, label="trunk")
    axis.bar(places, rows["head"], 0.55, rows.trunk, color=ACCENT, label="head")
    if rows.published.notna().any():
        axis.hlines(rows.published, [p - 0.33 for p in places], [p + 0.33 for p in places], color=INK,
                    label="published (Tab. A2)")
    tops = rows[["published"]].assign(total=total).max(axis=1)
    for place, share, top in zip(places, rows["head"] / total, tops, strict=True):
        axis.annotate(f"head {share:.0%}", (place, top), xytext=(0, 3), textcoords="offset points", ha="center",
                      fontsize=7.5, color=MUTED)
    axis.set(xticks=places, xticklabels=rows.scale, ylim=(0, 1.12 * tops.max()))
    axis.grid(axis="x", visible=False)


def trade_off(curves, reference):
    """Each score against the side of a token patch, at one picture size, with its interval.

    curves: columns patch (pixels), score, value, low, high; reference: columns score, value of drawn scenes, dotted
    """
    scores, reached = dict.fromkeys(curves.score), reference.set_index("score").value
    fig, axes = style.figure(2.9, columns=len(scores), squeeze=False)
    for axis, score in zip(axes[0], scores, strict=True):
        rows = curves[curves.score == score].sort_values("patch")
        axis.fill_between(rows.patch, rows.low, rows.high, color=OURS, alpha=0.15, lw=0, label="90 % interval")
        axis.plot(rows.patch, rows.value, "o-", color=OURS, ms=4, label="Scheme III")
        axis.axhline(reached[score], color=INK, lw=1.2, ls=":", label="drawn scenes")
        axis.set(title=score, xscale="log", xlabel="token patch, pixels")
        axis.xaxis.set_major_locator(FixedLocator(sorted(set(rows.patch))))
        axis.xaxis.set_major_formatter("{x:.0f}")
        axis.xaxis.set_minor_locator(NullLocator())
        axis.margins(x=0.1, y=0.12)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return fig


def failing(metrics, pictures):
    """The loss of a training beside what it samples.

    metrics: columns step, loss; pictures: four  # H W 3 uint8
    """
    fig, axes = style.figure(2.1, columns=1 + len(pictures), width_ratios=(1.7, *[1] * len(pictures)))
    axes[0].plot(metrics.step, metrics.loss, color=OURS)
    axes[0].set(xlabel="step", ylabel="training loss", title="The loss falls")
    _decades(axes[0])
    for axis, rgb in zip(axes[1:], pictures, strict=True):
        style.picture_axis(axis, rgb)
    axes[1].set_title("and these are its pictures", loc="left", fontsize=9, fontweight="bold")
    return fig


def progressive(metrics):
    """Training loss at each scale, a colour for each way to go on from the scale before.

    metrics: columns method, scale, step, loss
    """
    scales = dict.fromkeys(metrics.scale)
    fig, axes = style.figure(2.7, columns=len(scales), squeeze=False)
    for axis, scale in zip(axes[0], scales, strict=True):
        rows = metrics[metrics.scale == scale]
        for (name, line), colour in zip(rows.groupby("method", sort=False), (OURS, MUTED), strict=False):
            axis.plot(line.step, line.loss, color=colour, label=name)
        axis.set(title=scale, xlabel="step")
        _decades(axis)
    axes[0, 0].set_ylabel("training loss")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return fig


def _decades(axis):
    """A logarithmic axis of losses with readable numbers."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:.2g}")
    axis.yaxis.set_minor_locator(NullLocator())


def patches(rows):
    """Pictures to scale, cut into tokens, and under each one token patch to scale: the grid stays, the patch grows.

    rows: columns label, side, patch (pixels); every n-th line of the grids is drawn, 16 of the finest
    """
    fig, (above, below) = style.figure(3.6, rows=2, columns=len(rows), squeeze=False, height_ratios=(2, 1.1))
    every = -(-(rows.side // rows.patch).max() // LINES)
    for picture, token, row in zip(above, below, rows.itertuples(), strict=True):
        grid = row.side // row.patch
        _square(picture, row.side, rows.side.max(), "none")
        for place in range(every * row.patch, row.side, every * row.patch):
            picture.plot([place, place], [0, row.side], color=GRID, lw=0.7)
            picture.plot([0, row.side], [place, place], color=GRID, lw=0.7)
        picture.set_title(f"{row.label}\n{row.side} px, {grid} × {grid} tokens", fontsize=7.5)
        _square(token, row.patch, rows.patch.max(), OURS)
        token.set_title(f"patch {row.patch} px\n{3 * row.patch**2:,} numbers", fontsize=8, fontweight="normal")
    return fig


def _square(axis, side, largest, colour):
    """A square in the middle of an axis that the largest one fills."""
    axis.add_patch(Rectangle((0, 0), side, side, fc=colour, ec=MUTED, lw=1, zorder=3))
    room = (largest - side) / 2 + 0.01 * largest
    axis.set(xlim=(-room, side + room), ylim=(-room, side + room), aspect="equal")
    axis.set_axis_off()


def prediction(predicted, timed):
    """Tab. A2 beside what follows from FLOPs and bytes, and beside one GPU if there was one.

    predicted: of cost_model.predict; timed: of pixel_latency.measure, empty without a GPU
    """
    columns = {"method": "method", "scale": "scale", "gpus": "GPUs", "published": "published, s",
               "predicted": "predicted, s", "error": "error, %", "trunk": "trunk, s", "head": "head, s", "role": "role"}
    table = predicted[list(columns)].rename(columns=columns).round(1)
    if len(timed):
        ours = timed.assign(method="Scheme III").rename(columns={"picture": "measured here, s"})
        table = table.merge(ours[["method", "scale", "measured here, s"]], on=["method", "scale"], how="left")
    return table
