"""Emit an exhibit of the catalogue. `emit` alone writes figures/."""
import json
from pkgutil import resolve_name

import pandas as pd
from IPython.display import HTML, Image

from pixverve_lib.exhibits.catalogue import EXHIBITS, PARTS
from pixverve_lib.exhibits.files import png
from pixverve_lib.kit import provenance, style
from pixverve_lib.kit.artefacts import write_bytes_atomically


def emit(run, name, **frames):
    """Make one exhibit from frames, write it and its provenance, and return what the notebook shows.

    A figure becomes STEM.png, a table STEM.csv and STEM.md; STEM.json beside them says where it comes from.
    Raises KeyError for an unknown exhibit, ValueError when another notebook owns it.
    """
    exhibit = EXHIBITS[name]
    if exhibit.notebook != run.notebook:
        raise ValueError(f"{name} is emitted by {exhibit.notebook}, not by {run.notebook} (exhibits/catalogue.py)")
    made = resolve_name(f"pixverve_lib.exhibits.{exhibit.function}")(**frames)
    if isinstance(made, pd.DataFrame):
        files = _write_table(run, exhibit, name, made)
    else:
        files = [f"{exhibit.stem}.png"]
        write_bytes_atomically(run.figures / files[0], png(made, style.footer(run)))
    about = provenance.describe(run) | {"exhibit": name, "kind": exhibit.kind, "files": files}
    write_bytes_atomically(run.figures / f"{exhibit.stem}.json", json.dumps(about, indent=1).encode())
    return _looked_at(made) if isinstance(made, pd.DataFrame) else Image(run.figures / files[0], width=_width(made))


def _shown(table):
    """The table with a dash for what is missing."""
    return table.astype(object).where(table.notna(), "–")


def _looked_at(table):
    """The table as a notebook shows it: cells of several parts take a line for each."""
    shown = _shown(table)
    parts = shown.map(lambda cell: PARTS in str(cell)).any(axis=None)
    return HTML(shown.to_html(index=False).replace(PARTS, "<br>")) if parts else shown


def _write_table(run, exhibit, name, table):
    write_bytes_atomically(run.figures / f"{exhibit.stem}.csv", table.to_csv(index=False).encode())
    body = _shown(table).to_markdown(index=False)
    text = f"**{name}** ({style.footer(run) or 'budget paper'})\n\n{body}\n"
    write_bytes_atomically(run.figures / f"{exhibit.stem}.md", text.encode())
    return [f"{exhibit.stem}.csv", f"{exhibit.stem}.md"]


def show(figure):
    """A look that is no exhibit: the figure as the notebook shows it, written nowhere."""
    return Image(png(figure, most_bytes=3_000_000), width=_width(figure))


def _width(figure):
    """CSS pixels in a notebook: a figure as wide as the text fills its column."""
    return round(figure.get_figwidth() / style.WIDTH * 900)
