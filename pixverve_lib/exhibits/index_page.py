"""What figures/index.html says, and how it is rendered: reads what lies in figures/ and runs/, and computes nothing."""
import json
from pathlib import Path

import jinja2
import pandas as pd

from pixverve_lib.exhibits import deep_zoom, index_entries
from pixverve_lib.exhibits.claims import VERDICTS
from pixverve_lib.kit import artefacts
from pixverve_lib.kit.run import home
from pixverve_lib.paper import published

SHOWN = ("measured", "transcribed", "drawn")
STATES = (*SHOWN, "needs", "not made")
SIGNS = dict(zip(VERDICTS, ("✓", "◐", "✓", "✗", "✗", "○", "!"), strict=True))
KINDS = dict(zip(VERDICTS, ("good", "part", "good", "bad", "bad", "none", "bad"), strict=True))
BRIEF = {"001": "a brief of PixVerve"}


def render(run, made_from):
    """The page as bytes, and how many exhibits are in each of STATES.

    made_from: a function that stamps what the page is made from, called when everything has been read.
    """
    room = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True,
                              lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    told = page(run)
    text = room.get_template("index.html.jinja").render(told, made_from=made_from())
    return text.encode("utf-8", "replace"), told["totals"]


def page(run):
    """Everything that the page says, ready for the template."""
    notebooks = index_entries.notebooks()
    headings = {name: heading for notebook in notebooks for name, heading in notebook["headings"].items()}
    papers, own = index_entries.papers(run), index_entries.own(run, headings)
    entries = [entry for paper in papers for section in paper["sections"] for entry in section["entries"]]
    everything = entries + [entry for found in own.values() for entry in found]
    known = {notebook["notebook"]: notebook for notebook in notebooks}
    return {
        "run": run, "states": STATES, "papers": papers, "own": _own(own, known),
        "totals": _counted(everything), "counts": {p["paper"]: _counted(_of(p)) for p in papers},
        "times": [_time(run, notebook, everything) for notebook in notebooks],
        "claims": _claims(run), "verdicts": VERDICTS, "signs": SIGNS, "kinds": KINDS,
        "names": index_entries.PAPERS | BRIEF, "picture": _picture(run), "provenance": _provenance(everything),
    }


def _of(paper):
    return [entry for section in paper["sections"] for entry in section["entries"]]


def _counted(entries):
    return {state: sum(entry.state == state for entry in entries) for state in STATES}


def _own(own, known):
    return [{"notebook": name, "title": known.get(name, {}).get("title", name), "entries": entries}
            for name, entries in sorted(own.items())]


def _time(run, notebook, entries):
    """What a notebook took: of its record in runs/, else of what lies beside its exhibits, which know no seconds."""
    record = home() / "runs" / run.name / notebook["notebook"] / f"{notebook['notebook']}.json"
    beside = [entry.about for entry in entries if entry.notebook == notebook["notebook"]]
    about = index_entries.provenance(record) or max(beside, key=lambda about: about["time"], default={})
    machine = about.get("machine", {})
    seconds = about.get("seconds")
    return {
        **notebook, "seconds": seconds, "time": about.get("time", ""), "machine": machine,
        "core_minutes": seconds * machine["cores"] / 60 if seconds is not None and machine else None,
        "command": artefacts.command(run, notebook["notebook"]),
    }


def _claims(run):
    """Every ledger of this run as one, with paper and way of checking; [] where there is none."""
    files = sorted(run.figures.glob("*_claims.csv"))
    if not files:
        return []
    ledger = pd.concat([pd.read_csv(file, dtype=str, keep_default_na=False) for file in files])
    listed = published.claims()[["id", "paper", "way"]]
    merged = ledger.drop_duplicates("id").merge(listed, on="id", how="left").fillna("")
    return merged.to_dict("records")


def _picture(run):
    """about: facts of the picture in the viewer, or None, and then why: the line that says what to run."""
    try:
        return {"about": deep_zoom.show(run), "why": ""}
    except deep_zoom.NoPicture as none:
        return {"about": None, "why": str(none)}


def _provenance(entries):
    """Facts of where the exhibits come from: each with every value that occurs, and how many exhibits have it."""
    facts = [_facts(entry.about) for entry in entries if entry.about]
    names = dict.fromkeys(name for fact in facts for name in fact)
    return {name: pd.Series([fact.get(name, "unknown") for fact in facts]).value_counts().to_dict() for name in names}


def _facts(about):
    git, machine, images = about["git"], about["machine"], about["images"]
    gpus = ", ".join(machine["gpus"]) or "no GPU"
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return {
        "budget": about["budget"], "seed": about["seed"],
        "pictures": images if isinstance(images, str) else json.dumps(images),
        "code": f"git {git['revision'][:12]}{' with changes' * git['dirty']}" if git else "not a git checkout",
        "machine": f"{machine['system']}, {machine['cores']} x {machine['cpu']}, {machine['memory_gb']} GB, {gpus}",
        "Python": about["python"], "packages": packages,
    }

