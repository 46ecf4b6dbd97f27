"""Exhibits of URAE Theorem 2.4 (Fig. 2): frames of bench/teacher_*.py in, one figure or one table out."""
from pixverve_lib.kit import style
from pixverve_lib.kit.style import ACCENT, DROPPED, INK, KEPT, NEUTRAL

LINES = {  # column -> label, colour, line
    "printed bound": ("bound as printed (Eq. 3)", DROPPED, "--"),
    "expected": ("exact expectation", KEPT, "-"),
    "independent": ("if noise were independent of Φ (Eq. 26)", NEUTRAL, ":"),
    "corrected bound": ("corrected bound", ACCENT, "-."),
}
TOLERANCE = 3  # standard errors within which a simulation is met; not in paper: choice


def teacher_bounds(measured):
    """URAE Fig. 2: error after training against the share of synthetic data, with the printed and the corrected bound.

    measured: of teacher_theorem.curves; a panel a setting
    """
    groups = list(measured.groupby("setting", sort=False))
    fig, axes = style.figure(3.1, columns=len(groups), squeeze=False)
    for axis, (name, rows) in zip(axes[0], groups, strict=True):
        for column, (label, colour, line) in LINES.items():
            axis.plot(rows.p, rows[column], line, color=colour, label=label)
        axis.errorbar(rows.p, rows.simulated, 2 * rows["standard error"], fmt="o", ms=3.5, color=INK, capsize=2,
                      label="simulated, ± 2 standard errors")
        axis.set_title(_wrapped(name), fontsize=8)
        axis.set(xlabel="share of synthetic data p", yscale="log")
    axes[0][0].set_ylabel("squared distance\nto the optimum")
    handles, labels = axes[0][0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper center", ncols=3)
    return fig


def _wrapped(name):
    parts = name.split(", ")
    return "\n".join(", ".join(parts[start:start + 3]) for start in range(0, len(parts), 3))


def best_shares(measured):
    """The share of synthetic data with the least error against label noise, a line a distance of the teacher.

    measured: of teacher_theorem.best_shares
    """
    fig, axis = style.figure(2.7, width=style.WIDTH * 0.6)
    colours = (KEPT, NEUTRAL, ACCENT, DROPPED, INK)
    for (distance, rows), colour in zip(measured.groupby("teacher"), colours, strict=False):
        axis.plot(rows.sigma, rows["best p"], "o-", color=colour, ms=3.5, label=f"{distance:g}")
    axis.set(xlabel="label noise σ of real data", ylabel="best share of synthetic data p", xscale="log",
             ylim=(-0.04, 1.04))
    fig.legend(title="teacher's distance", loc="outside right center")
    return fig


def counterexamples(found):
    """Where the theorem as printed fails in closed form: error, printed and corrected bound, and whether each holds.

    found: of teacher_counterexamples.table
    """
    slack = 1 + 1e-9
    return found.assign(**{
        "printed holds": _yes(found.error <= found["printed bound"] * slack),
        "corrected holds": _yes(found.error <= found["corrected bound"] * slack),
    }).round(6)


def independence(found):
    """Whether noise may be taken as independent of Phi.  found: of teacher_theorem.independence"""
    return found.assign(holds=_yes(found.deviation.abs() <= TOLERANCE)).round(4)


def _yes(holds):
    return holds.map({True: "yes", False: "no"})
