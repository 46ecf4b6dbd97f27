"""report.html (one file, no script, light and dark) and report.md of a scored folder, for somebody new to all of it."""
import base64
import re
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup, escape

from pixverve_lib.bench import bootstrap, cards
from pixverve_lib.bench.metrics import METRICS
from pixverve_lib.kit.artefacts import write_bytes_atomically
from pixverve_lib.models import judging

SHOWN = 3  # pictures at each end of a metric; not in paper: choice
LINES = 20  # of one kind of note that the report lists, the others are in notes.csv; not in paper: choice
INTRO = (
    "PixVerve-Bench (Sec. 3.3 of the PixVerve paper) asks two things of a generated picture: is it good to look at, as "
    "a whole and in its details, and does it show what its caption asks for. Each metric below answers a part of "
    "that; none answers it alone.")
MEANINGS = {  # metric -> what it tells somebody who has never met it
    "fid": "How far the pictures as a whole, made small, are from the reference pictures in a network's eyes; 0 for "
           "equal sets, no upper end.",
    "fid_patch": "The same for small patches at full resolution: details count, composition does not.",
    "aesthetics": "How pleasing the picture is, from 1 to 10.",
    "glcm_score": "How rich the fine texture is, from how often gray levels stand side by side, in bits: smooth "
                  "pictures near 0, photographs of foliage above 2. Noise raises it, too.",
    "msfi": "How free the picture is of faults in structure (whole picture) and in detail (ten patches), rated by a "
            "judge, from 1.2 to 10.",
    "clipscore": "How well the picture fits its short caption in a network's eyes, from 0 to 100; good pictures reach "
                 "about 30.",
    "fg_clip2_score": "How well the picture fits its long caption in a network's eyes, from 0 to 100.",
    "ics": "Whether what the long caption asks for is there, looks as asked and stands where asked, rated by a judge, "
           "from 0.3 to 10.",
}
INTERVALS = (
    "An arrow says which way is better. The interval is where {percent} of the values fall when the pictures are drawn "
    "again at random from these (bootstrap, {draws} draws): it tells how far a score depends on which pictures "
    "happened to be here; one picture has none. Drawn again, FID and FID_patch come out too large, so theirs is the "
    "value plus and minus half the width of where these values fall.")
PARTS = {  # column of a row -> (words, metric)
    "glcm_formula": ("GLCM as the paper's formula reads (Shannon entropy; published numbers are of the other kind)",
                     "glcm_score"),
    "global": ("global fidelity, 1 to 5", "msfi"),
    **{key: (f"global: {name}", "msfi") for key, name in judging.GLOBAL.items()},
    "local": ("local fidelity, 1 to 5", "msfi"),
    **{key: (f"local: {name}", "msfi") for key, name in judging.LOCAL.items()},
    **{key: (f"{name}, 1 to 10", "ics") for key, name in judging.COMPLIANCE.items()},
}
FILES = (
    ("scores.csv, scores.parquet", "one row a picture with all its scores; an empty cell is a missing score, and the "
                                   "column `reasons` says why"),
    ("summary.csv", "every average with its interval"),
    ("cards.csv", "how each number was made"),
    ("notes.csv", "everything that was wrong with the input, and all that is missing"),
    ("folder.txt", "which folder of pictures these results are of"),
    (".cache/replies/ of the kit", "every raw reply of a judge at an endpoint; `make clean` leaves it alone"),
    ("kept/", "what a rerun goes on from; may be deleted"),
)


def write(out, scored, name, facts=()):
    """Write report.html and report.md into the folder `out`.

    scored: folder.Scored, whose rows' `thumbnail` is a JPEG file or ""; name: what the pictures are called; facts: a
    few words each, for the head.
    """
    told = _told(scored, name, facts)
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    for kind, escaped in (("html", True), ("md", False)):
        room = jinja2.Environment(loader=loader, autoescape=escaped, trim_blocks=True, lstrip_blocks=True,
                                  undefined=jinja2.StrictUndefined)
        room.filters |= {"md": _markdown, "code": _code}
        text = room.get_template(f"report.{kind}.jinja").render(told)
        write_bytes_atomically(Path(out) / f"report.{kind}", text.encode("utf-8", "replace"))


def _told(scored, name, facts):
    low, high = bootstrap.INTERVAL
    return {
        "folder": name, "intro": INTRO, "facts": [*_facts(scored.rows), *facts],
        "intervals": INTERVALS.format(percent=f"{high - low:.0%}", draws=bootstrap.DRAWS),
        "percent": f"{high - low:.0%}",
        "metrics": [_metric(row, scored.cards[row.name]) for row in _measured(scored, METRICS)],
        "parts": [_part(row) for row in _measured(scored, PARTS)],
        "absent": [{"name": METRICS[key].name, "reason": reason} for key, reason in scored.absent.items()],
        "extremes": [one for key, metric in METRICS.items() if metric.per_picture
                     if key in scored.cards
                     and (one := _extremes(scored.rows, key, scored.cards[key]))],
        "cards": [card.line() for card in scored.cards.values()], "input": _input(scored.notes), "files": FILES,
    }


def _facts(rows):
    sizes = rows.dropna(subset=["height"]).groupby(["height", "width"]).size().sort_values(ascending=False)
    shown = ", ".join(f"{count} of {int(h)} x {int(w)} px" for (h, w), count in sizes.head(3).items())
    others = len(sizes) - 3
    more = f" and {others} other size{'s' if others > 1 else ''}" if others > 0 else ""
    unread, large = ((rows["status"] == status).sum() for status in ("unreadable", "too large"))
    scored = len(rows) - unread - large
    parts = (f"{scored} picture{'s' if scored != 1 else ''} scored", f"{unread} not readable" if unread else "",
             f"{large} too large for this machine" if large else "", f"{shown}{more}")
    return [part for part in parts if part]


def _measured(scored, keys):
    """Rows of the summary with a value, in the order of `keys`."""
    table = scored.summary.set_index("metric")
    return [table.loc[key] for key in keys if key in table.index and np.isfinite(table.loc[key, "value"])]


def _metric(row, card):
    metric = METRICS[row.name]
    own = cards.comparable(row.name, card)
    return {
        **_numbers(row), "name": card.backend, "instead": "" if own else metric.name, "arrow": metric.arrow,
        "meaning": MEANINGS[row.name], "bar": _bar(row, metric), "ends": f"{metric.low:.3g} to {metric.high:.3g}",
        "caution": "" if own else f"Never comparable with published {metric.name} values.",
    }


def _part(row):
    words, metric = PARTS[row.name]
    return {**_numbers(row), "name": words, "of": METRICS[metric].name}


def _numbers(row):
    return {"value": _number(row["value"]), "low": _number(row["low"]), "high": _number(row["high"]),
            "pictures": int(row["pictures"]), "missing": int(row["missing"])}


def _number(value):
    return "–" if not np.isfinite(value) else f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"


def _bar(row, metric):
    """Left edge and width of the interval and place of the value in percent of the metric's range, or None."""
    if not np.isfinite([metric.low, metric.high, row["low"], row["high"]]).all():
        return None
    low, high, value = (round(100 * float(np.clip((row[key] - metric.low) / (metric.high - metric.low), 0, 1)), 1)
                        for key in ("low", "high", "value"))
    return low, round(max(high - low, 1), 1), value


def _extremes(rows, key, card):
    """The SHOWN worst and best pictures by a metric, or None where nothing tells them apart."""
    ordered = rows.dropna(subset=[key]).sort_values(key, ascending=METRICS[key].higher_is_better, kind="stable")
    number = min(SHOWN, len(ordered) // 2) if ordered[key].nunique() > 1 else 0
    if not number:
        return None
    return {"name": card.backend,
            "worst": [_shot(row, key) for _, row in ordered.head(number).iterrows()],
            "best": [_shot(row, key) for _, row in ordered.tail(number)[::-1].iterrows()]}


def _shot(row, key):
    data = Path(row["thumbnail"]).read_bytes() if row["thumbnail"] else b""
    image = f"data:image/jpeg;base64,{base64.b64encode(data).decode()}" if data else ""
    return {"file": row["file"], "value": _number(row[key]), "image": image}


def _input(notes):
    """Notes by kind, the most frequent first."""
    kinds = {}
    for note in notes:
        kinds.setdefault(note.kind, []).append(f"{note.name}: {note.text}")
    return [{"summary": f"{kind}: {len(lines)}", "lines": lines[:LINES], "more": max(0, len(lines) - LINES)}
            for kind, lines in sorted(kinds.items(), key=lambda item: -len(item[1]))]


def _code(text):
    """Text for HTML, what stands between backticks as code."""
    return Markup(re.sub("`([^`]*)`", r"<code>\1</code>", str(escape(text))))


def _markdown(text):
    """Text that means itself in Markdown, in a table as well; line ends become blanks."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#" else letter for letter in " ".join(str(text).split()))
