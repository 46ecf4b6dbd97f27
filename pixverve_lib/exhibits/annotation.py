"""Exhibits of notebook 03: frames in, one figure or one table out."""
from html import escape

import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.patches import Rectangle

from pixverve_lib.kit import style
from pixverve_lib.kit.style import MUTED

COLOURS = ("#1d7f5f", "#c2412d", "#5b7fa6", "#d69a2d", "#7b5ea7", "#2b9aa8", "#b0567e", "#7c8a2e", "#a0622d", "#4d5a75")


def overlay(axis, view, title=""):
    """A picture with its boxes and masks, numbered by importance.  view: rgb, boxes (pixels), masks, found"""
    rgb = view.rgb.astype(np.float32)
    for i, mask in enumerate(view.masks):
        tint = np.array([int(COLOURS[i % len(COLOURS)][k:k + 2], 16) for k in (1, 3, 5)], np.float32)
        rgb[mask] = 0.55 * rgb[mask] + 0.45 * tint
    style.picture_axis(axis, rgb.astype(np.uint8), title)
    for i, (top, left, bottom, right) in enumerate(view.boxes):
        colour = COLOURS[i % len(COLOURS)]
        axis.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, ec=colour, lw=1.6))
        axis.text(left, top, f"{i + 1}", fontsize=6.5, color="white", va="top", fontweight="bold",
                  bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.2})


def instances(views, titles):
    """A row a picture: boxes and masks on it, and the visual pair of its most important instance (Sec. 3.1.5).

    views: rgb, boxes, masks, found, crops, highlighted; titles: one each
    """
    if not views:
        return nothing("No picture was annotated: the table above says why.")
    fig, axes = style.figure(sum(2.9 * min(1.3, len(v.rgb) / v.rgb.shape[1]) + 0.25 for v in views), rows=len(views),
                             columns=3, squeeze=False, width_ratios=(1, 0.62, 1),
                             height_ratios=[min(1.3, len(v.rgb) / v.rgb.shape[1]) for v in views])
    for row, view, title in zip(axes, views, titles, strict=True):
        overlay(row[0], view, title)
        if view.found:
            style.picture_axis(row[1], view.crops[0], "pair, i: crop of instance 1")
            style.picture_axis(row[2], view.highlighted, "pair, ii: instance 1 highlighted")
        else:
            row[1].set_axis_off()
            row[2].set_axis_off()
            row[1].text(0.5, 0.5, "no instance was found", ha="center", va="center", fontsize=8, color=MUTED)
    return fig


def nothing(line):
    """In place of a figure that has nothing to show."""
    fig, axis = style.figure(0.7)
    axis.text(0.5, 0.5, line, ha="center", va="center")
    axis.set_axis_off()
    return fig


def texts(record, found, title):
    """All texts of one picture with who made each.  record: a row of the annotations; found: its key instances"""
    makers = record.makers
    parts = [f"<h4>{escape(title)}</h4>"]
    for name, stage in (("Short caption", "short_caption"), ("Long caption", "long_caption")):
        parts.append(f"<p><b>{name}</b> {_by(makers[stage])}<br>{_told(getattr(record, stage))}</p>")
    parts.append(f"<p><b>Tags</b>, pruned {_by(makers['prune'])}: {escape(', '.join(record.pruned_tags or ['none']))}; "
                 f"<b>boxes</b> {_by(makers['find'])}, <b>masks</b> {_by(makers['segment'])}</p>")
    rows = [[str(i + 1), one["label"], "–" if one["importance"] is None else f"{one['importance']:.2f}",
             one["text"] or f"failed: {one['reason']}"] for i, one in enumerate(found)]
    parts += [f"<p><b>Instances</b> {_by(makers['describe'])}</p>", _grid(["", "label", "importance", "text"], rows)]
    analysis = [[name, text] for name, text in (record.aesthetics or {}).items()]
    parts += [f"<p><b>Aesthetic analysis</b> {_by(makers['analyse'])}</p>", _grid(["dimension", "text"], analysis)]
    return HTML("".join(parts))


def _by(maker):
    return f"<span style='color:{MUTED}'>[{escape(maker)}]</span>"


def _told(text):
    return escape(text) if text else "<i>missing</i>"


def _grid(head, rows):
    """Cells may come from a model or a file name: all are escaped."""
    if not rows:
        return "<p>none</p>"
    cell = "<td style='text-align:left;vertical-align:top'>"
    top = "".join(f"<th style='text-align:left'>{escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"{cell}{escape(str(value))}</td>" for value in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def quality(measured):
    """How good the roles are on scenes whose truth is known.  measured: quality, value, n, of, maker"""
    return measured.assign(value=measured.value.round(3)).rename(columns={"n": "samples", "of": "a sample is"})


def judge_roc(rates, curves):
    """What the artefact judge finds.  Left: share called bad at its own limits; right: every limit, mildest damage.

    rates: kind, severity, unit, auc, detected, false_alarms, n; curves: kind, severity, false_positives, detected.
    Below each share the severity: JPEG's quality, for ringing the share of the band that is left, else with its unit.
    """
    fig, (left, right) = style.figure(3.4, columns=2, width_ratios=(1, 1.05))
    kinds = list(rates.groupby("kind", sort=False))
    shares = np.array([[rows.false_alarms.iloc[0], *rows.detected] for _, rows in kinds])
    left.imshow(shares, cmap="OrRd", vmin=0, vmax=1.3, aspect="auto")
    for i, (_, rows) in enumerate(kinds):
        unit = {"JPEG quality": "", "of the band": ""}.get(rows.unit.iloc[0], f" {rows.unit.iloc[0]}")
        severities = ["", *(f"\n{value:g}{unit}" for value in rows.severity)]
        for k, severity in enumerate(severities):
            left.text(k, i, f"{shares[i, k]:.0%}{severity}", ha="center", va="center", fontsize=6.8)
    left.set(title=f"Called bad, of {rates.n.iloc[0]} patches each")
    left.set_xticks(range(4), ["clean", "mild", "middle", "strong"])
    left.set_yticks(range(len(kinds)), [kind for kind, _ in kinds])
    left.grid(False)
    for i, ((kind, rows), colour) in enumerate(zip(kinds, COLOURS, strict=False)):
        curve = curves[(curves.kind == kind) & (curves.severity == rows.severity.iloc[0])]
        apart = 0.007 * (i - 3)  # curves that lie on each other stay visible
        right.plot(np.array([0, *curve.false_positives]) + apart, np.array([0, *curve.detected]) - apart, color=colour,
                   drawstyle="steps-post", label=f"{kind}: {rows.auc.iloc[0]:.2f}")
    right.plot([0, 1], [0, 1], ":", color=MUTED, lw=1)
    right.set(xlabel="clean patches called bad", ylabel="damaged patches found", title="Mild damage, every limit")
    right.legend(loc="lower right", fontsize=7, title="area under the curve", title_fontsize=7)
    return fig


def filters(summary, judgements):
    """What the judged filters did: pictures by verdict, and how many patches or instances were judged and found bad.

    summary: filter, kept, rejected, undecided, native; judgements: kind, bad, maker
    """
    groups = judgements.assign(bad=judgements.bad.astype("boolean")).groupby("kind").bad
    asked = pd.DataFrame({"judged": groups.count(), "bad": groups.sum(), "no answer": groups.size() - groups.count()})
    table = summary.merge(asked.reset_index(names="filter"), on="filter", how="left")
    return table.fillna({"judged": 0, "bad": 0, "no answer": 0}).convert_dtypes()


def data_flow(flow):
    """Tab. 1 complete; counts are whole numbers, a dash where they are not known.  flow: from final_pool.data_flow"""
    return flow.astype({"published": "Int64", "measured": "Int64"})
