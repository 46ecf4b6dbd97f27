"""What became of every exhibit: of the four papers, in the order of their contents, and of our own, by notebook."""
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from PIL import Image

from pixverve_lib.exhibits import index_tables
from pixverve_lib.exhibits.catalogue import EXHIBITS
from pixverve_lib.kit import artefacts, fingerprint
from pixverve_lib.paper import published

PAPERS = {"000": "PixVerve", "002": "Diffusion-4K", "003": "UltraFlux (supplement)", "004": "URAE"}
TABLES = {"000": "", "002": "diffusion4k_", "003": "ultraflux_", "004": "urae_"}  # how files of paper/tables/ begin
RELATED = {"A1": "002", "A2": "003", "A3": "004"}  # notebook -> the paper that it is about
PRINTED = re.compile(r"(?:^|.* )((?:Tab|Fig)\. A?\d+)")  # how the name of an exhibit of a paper ends
WRITTEN = {"notebook", "budget", "seed", "images", "git", "python", "packages", "machine", "time"}


@dataclass(frozen=True)
class Entry:
    """state: measured, transcribed, drawn, "needs" or "not made"; about: its provenance; picture: width, height."""

    paper: str
    name: str
    shows: str
    state: str
    note: str = ""
    stem: str = ""
    notebook: str = ""
    command: str = ""
    about: dict = field(default_factory=dict)
    picture: tuple = ()
    table: dict | None = None
    printed: dict | None = None

    @property
    def anchor(self):
        """Its id in the page."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.paper or 'own'} {self.name}".lower()).strip("-")

    @property
    def files(self):
        """What lies beside the page: (word, file name)."""
        kinds = [("PNG", "png")] * bool(self.picture) + [("CSV", "csv"), ("Markdown", "md")] * bool(self.table)
        return [(word, f"{self.stem}.{end}") for word, end in [*kinds, ("provenance", "json")]] if self.about else []


def papers(run):
    """The contents of each paper: [{"paper", "name", "sections": [{"number", "title", "level", "entries"}]}]."""
    rows = pd.read_csv(published.ROOM / "contents.csv", dtype=str, keep_default_na=False)
    emitted = {_place(name, exhibit): name for name, exhibit in EXHIBITS.items()}
    listed = {(row.paper, row.exhibit): row for row in published.related_exhibits().itertuples()}
    shows = pd.read_csv(published.ROOM / "exhibits.csv", dtype=str).set_index("exhibit").shows

    def entry(paper, name):
        row = listed.get((paper, name))
        return _entry(run, paper, name, row.shows if row else shows[name], emitted.get((paper, name)), row)

    def section(row):
        names = [name for name in row.exhibits.split("; ") if name]
        return {"number": row.section, "title": row.title, "level": row.section.count("."),
                "entries": [entry(row.paper, name) for name in names]}

    return [{"paper": paper, "name": PAPERS[paper], "sections": [section(row) for row in group.itertuples()]}
            for paper, group in rows.groupby("paper")]


def own(run, headings):
    """Notebook -> entries of the exhibits that no paper has.  headings: exhibit -> heading in its notebook"""
    found = {}
    for name, exhibit in EXHIBITS.items():
        if not _place(name, exhibit)[0]:
            shows = headings.get(name, "")
            shows = "" if shows.lower() == name.lower() else shows
            found.setdefault(exhibit.notebook, []).append(_entry(run, "", name, shows, name, None))
    return found


def notebooks():
    """[{"notebook", "title", "costs", "headings"}] read from notebooks/: headings are exhibit -> nearest heading."""
    from pixverve_lib.kit.runner import notebooks as paths

    return [_notebook(path) for path in paths()]


def provenance(file):
    """What kit.provenance wrote beside a result, {} where there is no such file or it is not whole."""
    try:
        found = json.loads(file.read_text("utf8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and set(found) >= WRITTEN else {}


def _place(name, exhibit):
    """(paper, "Tab. 4") of an exhibit of a paper, ("", name) of one of ours."""
    found = PRINTED.fullmatch(name)
    return (RELATED.get(exhibit.notebook[:2], "000"), found[1]) if found else ("", name)


def _entry(run, paper, name, shows, emitted, row):
    """row: of published.related_exhibits, None for PixVerve's and ours; emitted: its name in the registry, or None"""
    blank = Entry(paper, name, shows, "not made", note=row.sentence if row else "")
    if emitted:
        made = _made(run, blank, EXHIBITS[emitted])
        if made.about:
            return made
    printed = published.ROOM / "tables" / f"{TABLES.get(paper, '')}{name.lower().replace('. ', '_')}.csv"
    entry = replace(blank, printed=index_tables.table(printed) if paper and printed.exists() else None)
    if row and row.here.startswith("needs"):
        return replace(entry, state="needs", note=f"N{row.here[1:]}. {row.sentence}")
    if row and row.here == "transcribed" and entry.printed:
        return replace(entry, state="transcribed")
    return replace(entry, command=artefacts.command(run, _maker(paper, emitted)))


def _maker(paper, emitted):
    return EXHIBITS[emitted].notebook if emitted else next(n for n, about in RELATED.items() if about == paper)


def _made(run, blank, exhibit):
    """The entry with what `emit` left in figures/, unchanged when that is nothing, or cannot be read."""
    base = run.figures / exhibit.stem
    png, csv = Path(f"{base}.png"), Path(f"{base}.csv")
    about = provenance(Path(f"{base}.json"))
    if not about or not (png.exists() or csv.exists()):
        return blank
    try:
        picture = _size(png) if png.exists() else ()
        table = index_tables.table(csv) if csv.exists() else None
    except (OSError, ValueError):  # damaged: as good as not there
        return blank
    return replace(blank, state=exhibit.kind, stem=exhibit.stem, notebook=exhibit.notebook, about=about,
                   picture=picture, table=table)


def _size(png):
    with Image.open(png) as image:
        return image.size


def _notebook(path):
    try:
        cells = json.loads(path.read_text("utf8"))["cells"]
    except ValueError:  # being edited: its exhibits are shown all the same
        cells = []
    costs = re.search(r"\*\*Costs\*\* (.+)", fingerprint.source(cells[0])) if cells else None
    headings, last = {}, path.stem
    for cell in cells:
        text = fingerprint.source(cell)
        if cell["cell_type"] == "markdown":
            last = ([line.lstrip("# ") for line in text.splitlines() if line.startswith("#")] or [last])[-1]
        headings |= dict.fromkeys(re.findall(r'emit\(\s*run,\s*"([^"]+)"', text), last)
    title = fingerprint.source(cells[0]).partition("\n")[0].lstrip("# ") if cells else path.stem
    return {"notebook": path.stem, "title": title, "costs": costs[1] if costs else "", "headings": headings}
