"""The claims ledger: what two texts about PixVerve, and three related papers, say that can be checked; what that gives.

    python -m pixverve_lib.bench.claims              every claim with its verdict
    python -m pixverve_lib.bench.claims P42 B1 U10   one by one: place, what was read, the number, the verdict

The claims are paper/claims.csv, in words of this kit. Each has a check in one of the modules claims_*.py, a function
under the claim's id; verdicts are what the checks return, none is written down.
"""
import argparse
import shlex
from collections.abc import Collection
from dataclasses import dataclass

import pandas as pd

from pixverve_lib.bench import (  # noqa: F401  importing them registers their checks
    claims_bench,
    claims_brief,
    claims_codecs,
    claims_cost,
    claims_curation,
    claims_data,
    claims_diffusion4k,
    claims_results,
    claims_schemes,
    claims_ultraflux,
    claims_urae,
)
from pixverve_lib.bench.claims_evidence import CHECKS, ERROR, VERDICTS, Evidence
from pixverve_lib.kit.run import BUDGETS, REFERENCE, Run, start
from pixverve_lib.paper.published import claims

NOTEBOOK = "08_pixverve_bench"
KINDS = "P01 to P84, B1 to B6: PixVerve; D01 to D14: Diffusion-4K; U01 to U13: UltraFlux; R01 to R16: URAE; none: all"
PIXVERVE = ("000", "001")  # the paper and a brief of it; notebook 08's


@dataclass(frozen=True)
class Finding:
    """verdict: one of VERDICTS; number: a short sentence; used: lines of what was read; notebooks: who measured it."""

    verdict: str
    number: str
    used: tuple[str, ...]
    notebooks: tuple[str, ...]


def find(claim: str, run: Run) -> Finding:
    """Check one claim. A check that fails, or is missing, is a finding with verdict ERROR, never an exception."""
    book = Evidence(run)
    try:
        verdict, number = CHECKS[claim](book)
    except Exception as error:  # whatever a check meets must show in the ledger and not stop the others
        verdict, number = ERROR, f"{type(error).__name__}: {error}"
    return Finding(verdict, number, tuple(book.used), tuple(book.notebooks))


def ledger(run: Run, papers: Collection[str] = PIXVERVE) -> pd.DataFrame:
    """Every claim of some papers checked: id, paper, place, claim, way, verdict, number, check (how to redo it).

    papers: "000" PixVerve, "001" a brief of it, "002" Diffusion-4K, "003" UltraFlux's supplement, "004" URAE
    """
    listed = claims()
    listed = listed[listed.paper.isin(papers)].reset_index(drop=True)
    found = [find(claim, run) for claim in listed.id]
    return listed.assign(
        verdict=[each.verdict for each in found], number=[each.number for each in found],
        check=[_redo(claim, each, run) for claim, each in zip(listed.id, found, strict=True)],
    )


def counts(checked: pd.DataFrame) -> pd.DataFrame:
    """How many claims have which verdict: verdict, claims, ids; verdicts that nothing has are left out.

    checked: from `ledger`
    """
    rows = [(verdict, len(ids), " ".join(ids)) for verdict in VERDICTS
            if len(ids := checked.id[checked.verdict == verdict])]
    return pd.DataFrame(rows, columns=["verdict", "claims", "ids"])


def _redo(claim, finding, run):
    options = "".join(f" --{name} {shlex.quote(str(value))}" for name, value, usual in (
        ("budget", run.budget, REFERENCE), ("images", run.images, ""), ("seed", run.seed, 0)) if value != usual)
    links = "".join(f"; [{name}](notebooks/{name}.ipynb)" for name in finding.notebooks)
    return f"python -m pixverve_lib.bench.claims {claim}{options}{links}"


def _shown(row, finding):
    lines = [f"{row.id}  {row.claim}", f"    place:   {row.place} (paper {row.paper})",
             *(f"    read:    {line}" for line in finding.used), f"    number:  {finding.number}",
             f"    verdict: {finding.verdict}"]
    return "\n".join(lines)


def main(arguments=None) -> None:
    """Print the claims of the command line in full, or all of them, one a line, and the counts."""
    parser = argparse.ArgumentParser(prog="python -m pixverve_lib.bench.claims", description="Check claims.")
    parser.add_argument("ids", nargs="*", metavar="ID", help=KINDS)
    parser.add_argument("--budget", default=REFERENCE, choices=BUDGETS)
    parser.add_argument("--images", default="", help="of the run whose measurements count")
    parser.add_argument("--seed", default=0, type=int)
    asked = parser.parse_args(arguments)
    run = start(NOTEBOOK, asked.budget, asked.images, asked.seed)
    known = claims().set_index("id", drop=False)
    unknown = [claim for claim in asked.ids if claim not in known.index]
    if unknown:
        parser.error(f"no claim {', '.join(unknown)}; known: {', '.join(known.index)}")
    for claim in asked.ids:
        print(_shown(known.loc[claim], find(claim, run)), end="\n\n")
    if not asked.ids:
        checked = ledger(run, known.paper.unique())
        print(*(f"{row.id:4} {row.verdict:35} {row.number}" for row in checked.itertuples()), sep="\n")
        print(counts(checked)[["verdict", "claims"]].to_string(index=False))


if __name__ == "__main__":
    main()
