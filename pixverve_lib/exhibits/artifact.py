"""docs/ARTIFACT.md: what an artefact evaluation asks for, item by item.

    python -m pixverve_lib.exhibits.artifact      (make artifact, after make manifest)

Claims, verdicts, exhibits and seconds come from figures/manifest.json, which a reviewer's own run leaves as it is; the
rest from paper/, requirements and pyproject. What is written by hand is in artifact.md.jinja.
"""
import re
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import jinja2

from pixverve_lib.exhibits import manifest, tolerances
from pixverve_lib.exhibits.catalogue import EXHIBITS
from pixverve_lib.exhibits.claims import VERDICTS
from pixverve_lib.kit.artefacts import write_bytes_atomically
from pixverve_lib.kit.concurrency import NOTEBOOK_GB
from pixverve_lib.kit.run import home
from pixverve_lib.paper import constants, published

ROOM = Path(__file__).parent
PAPERS = {"000": "PixVerve", "001": "a brief of PixVerve", "002": "Diffusion-4K", "003": "UltraFlux (supplement)",
          "004": "URAE"}
MAIN = ("P03", "P07", "P10", "P13", "P16", "P27", "P42", "P44", "P49", "P59", "P61", "P65", "P67", "P70", "P71", "P73",
        "P79", "D05", "D10", "U13", "R07", "R11")  # shown in detail: what abstract, introduction and conclusion rest on
RUN_FIRST = {"P08": "01", "P10": "02", "P14": "02", "P49": "08", "P84": "09", "U11": "01"}  # no table decides these
UNDECIDED = "not testable here"  # what they say before
MEASURED = {  # by du and time on 2026-11-22, 2 cores of an AMD EPYC, Debian 12, Python 3.11
    "date": "2026-11-22", "clone": 130, "environment": 7000, "runs": 2500, "cache": 920, "figures": 60,  # MB
    "installation": "1-5 minutes", "claim_s": 4, "claim_mb": 270, "all_claims_s": 30,
    "slow_claims": "P11, D10, D13", "slow_claim_s": 12, "slow_claim_mb": 1200,
}
EXAMPLES = (  # what is compared, a place where such a number stands, such a number; the rule for it decides
    ("a score of pictures in 01-04, at 100", "ours_02_consistency>x", "100.00"),
    ("PSNR of a trained decoder, dB", "d4k_tab_04>PSNR>", "30.00"),
    ("SSIM of a trained decoder", "d4k_tab_04>SSIM>", "0.9000"),
    ("loss, at 1.00", "ours_06_untrained>loss>", "1.0000"),
    ("pos or shape, 24 prompts", "ours_05_scores>pos>", "0.500"),
    ("nano-FID of trained networks, at 100", "ours_05_scores>nano-FID>", "100.00"),
    ("a score of Tab. 3 or 4, at 100, without an interval", "tab_03_bench>FID measured>", "100.00"),
)
WORDS = {"five": 5, "ten": 10}


@dataclass(frozen=True)
class Claim:
    """A row of the ledger.  notebooks: stems of those that measure a part of it"""

    id: str
    paper: str
    place: str
    claim: str
    verdict: str
    number: str
    notebooks: tuple[str, ...]

    @property
    def tolerance(self):
        """What a rerun may change."""
        if not self.notebooks:
            return "exact"
        machine = tolerances.rule(tolerances.CELLS, f"claims>number>{self.id}").allowed == tolerances.MACHINE
        return "verdict; times differ" if machine else "verdict; measured numbers differ"


def main():
    """Write docs/ARTIFACT.md. Returns 0, or 1 when the manifest cannot be read."""
    try:
        text = page(manifest.read(manifest.path()))
    except manifest.BadManifest as error:
        print(error, file=sys.stderr)
        return 1
    write_bytes_atomically(home() / "docs" / "ARTIFACT.md", text.encode())
    print(f"docs/ARTIFACT.md: {len(text.splitlines())} lines")
    return 0


def page(run):
    """The page as text.  run: a manifest.Manifest"""
    room = jinja2.Environment(loader=jinja2.FileSystemLoader(ROOM), trim_blocks=True, lstrip_blocks=True,
                              undefined=jinja2.StrictUndefined, keep_trailing_newline=True)  # Markdown: no HTML escape
    room.filters |= {"cell": cell, "time": duration}
    listed = claims(run)
    return room.get_template("artifact.md.jinja").render(
        run=run, claims=listed, names=PAPERS, main=[each for name in MAIN for each in listed if each.id == name],
        papers=[(PAPERS[paper], *_by_verdict(listed, paper)) for paper in PAPERS], run_first=RUN_FIRST,
        counts=_counts(each.verdict for each in listed),
        fresh=_counts(UNDECIDED if each.id in RUN_FIRST else each.verdict for each in listed),
        notebooks=_notebooks(run), machines=_machines(run), packages=packages(), trained=_trained(),
        tolerances=_tolerances(), measured=MEASURED, notebook_gb=NOTEBOOK_GB, constants=constants, kit=_project(),
    )


def claims(run):
    """Every claim of paper/claims.csv with what the reference run says of it. Raises LookupError for one without."""
    found = {}
    for name, entry in run.exhibits.items():
        if EXHIBITS[name].function == "claims:claims_table":
            rows = (dict(zip(entry.columns, row, strict=True)) for row in entry.rows)
            found |= {row["id"]: row for row in rows}
    listed = published.claims()
    if missing := sorted(set(listed.id) - set(found)):
        raise LookupError(f"no ledger has {', '.join(missing)}; run notebooks 08 and A1 to A3, then make manifest")
    return [Claim(row.id, row.paper, row.place, row.claim, found[row.id]["verdict"], found[row.id]["number"],
                  tuple(re.findall(r"\[(\w+)\]\(", found[row.id]["check"]))) for row in listed.itertuples()]


def packages():
    """What requirements.in names, in its order: dicts of name, version (as locked), licence (as it says), why."""
    locked = re.findall(r"^([\w.-]+)==(\S+)", (home() / "requirements.lock").read_text("utf8"), re.MULTILINE)
    versions = dict(reversed(locked))  # of two lines for one package the first is for Python 3.11
    asked = re.findall(r"^([\w.-]+)[^#\n]*(?:# *(.+))?$", (home() / "requirements.in").read_text("utf8"), re.MULTILINE)
    return [{"name": name, "version": versions[name.lower().replace("_", "-")], "licence": _licence(name), "why": why}
            for name, why in asked]


def cell(text):
    """Text that cannot break out of a cell of a Markdown table."""
    return re.sub(r"([|*\\])", r"\\\1", " ".join(text.split())).replace("<", "&lt;")


def duration(seconds):
    """12.3 -> "12 s"; 123 -> "2.1 min"; 12345 -> "3.4 h" """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _licence(name):
    about = metadata.metadata(name)
    classes = [line.rpartition(" :: ")[2] for line in about.get_all("Classifier", []) if line.startswith("License")]
    first = (about.get("License") or "").strip().partition("\n")[0]
    return about.get("License-Expression") or ", ".join(classes) or first[:60] or "not stated in the package"


def _by_verdict(listed, paper):
    """How many claims, and [(verdict, its claims)] without verdicts that nothing has."""
    here = [each for each in listed if each.paper == paper]
    groups = [(verdict, [each for each in here if each.verdict == verdict]) for verdict in VERDICTS]
    return len(here), [(verdict, members) for verdict, members in groups if members]


def _counts(verdicts):
    found = Counter(verdicts)
    return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def _notebooks(run):
    """[(stem, number, seconds, {exhibit: its entry})] in the order of the notebooks."""
    made = {stem: {} for stem in sorted(run.notebooks)}
    for name in EXHIBITS:
        if name in run.exhibits:
            made[run.exhibits[name].notebook][name] = run.exhibits[name]
    return [(stem, stem.partition("_")[0], run.notebooks[stem].seconds, entries) for stem, entries in made.items()]


def _machines(run):
    """One line for each machine of the reference run."""
    return sorted({f"{m['cores']} cores of {m['cpu']}, {m['memory_gb']} GB, {m['system']}, "
                   f"{', '.join(m['gpus']) or 'no GPU'}" for m in (each.machine for each in run.notebooks.values())})


def _trained():
    """[(module, minutes of one core)] of the modules that made the shipped weights, as their own text says."""
    said = re.compile(r"[Aa]bout (\w+) minutes of one core")
    texts = {file.stem: said.search(file.read_text("utf8")) for file in (ROOM.parent / "pretraining").glob("*.py")}
    return [(name, WORDS.get(found[1]) or int(found[1])) for name, found in sorted(texts.items()) if found]


def _tolerances():
    """[(what, how far it may be off, why)]"""
    rows = []
    for what, place, text in EXAMPLES:
        rule = tolerances.rule(tolerances.CELLS, place)
        rows.append((what, f"{rule.allowed(tolerances.value(text), 24):.3g}", rule.why))
    return rows


def _project():
    return tomllib.loads((home() / "pyproject.toml").read_text("utf8"))["project"]


if __name__ == "__main__":
    sys.exit(main())
