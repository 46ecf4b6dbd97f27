"""Score a folder of pictures with the eight metrics: `make bench-folder`, or `score` from a notebook.

One picture at a time is in memory, what is finished is kept on disk, and a metric that cannot run says in one line what
is missing while the others run.
"""
import argparse
import os
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from pixverve_lib.bench import cards, distribution, prompt_files, report, scoring, summary
from pixverve_lib.bench.kept_scores import Kept, code, digest, remembered, stamp
from pixverve_lib.bench.lengths import PAPER
from pixverve_lib.bench.metrics import METRICS, Card
from pixverve_lib.bench.prompt_files import Note, PromptsError
from pixverve_lib.imaging.reading import UnreadableImage, probe
from pixverve_lib.kit.artefacts import atomic
from pixverve_lib.kit.progress import progress


@dataclass(frozen=True)
class Scored:
    """rows: a row a picture: file, path, status (ok, unreadable), what scoring.Measured.row holds, thumbnail (a file).
    summary: metric, value, low, high, pictures, missing; of every score and part of one. cards: metric -> Card, of
    those that have a value. absent: metric -> why it has none. notes: of prompt_files.Note, what is wrong or missing.
    """

    rows: pd.DataFrame
    summary: pd.DataFrame
    cards: dict[str, Card]
    absent: dict[str, str]
    notes: list[Note]


@dataclass(frozen=True)
class _Job:
    """One picture and all that decides its numbers."""

    file: str
    path: str
    texts: dict
    reference: str | None
    places: tuple
    row_way: str
    features_way: str


def score(pictures, out, backends, lengths=PAPER, seed=0, reference=None, notes=()):
    """Score pictures and write scores.csv, scores.parquet, summary.csv, cards.csv and notes.csv into the folder `out`.

    pictures: frame with file, path, short, long ("" for no text), as prompt_files.pictures gives; backends: of
    bench/backends.py; lengths: PAPER for real pictures, NANO for those of nano models; reference: {file: path} of the
    real pictures, paired by name whatever the extension; notes: what is known already to be wrong with the input.
    Goes on where an earlier run into `out` ended. Returns Scored. Raises DiskFull.
    """
    out, notes = Path(out), list(notes)
    jobs = _jobs(pictures, _paired(pictures["file"], reference, notes), backends, lengths, seed)
    rows, features = _run(jobs, backends, lengths, seed, out / "kept", notes)
    notes += _about(rows, jobs, features)
    ways = [job.features_way for job in jobs]

    def recall(metric, make):
        return remembered(out / "kept", [metric, seed, ways], make)
    averages, absent, warnings = summary.of_rows(rows, features, backends, reference, seed, recall)
    notes += summary.missing(rows, absent)
    found = {key: _card(key, averages, rows, backends, lengths, warnings) for key in METRICS if key not in absent}
    scored = Scored(rows, averages, found, absent, notes)
    _write(out, scored)
    return scored


def _paired(files, reference, notes):
    """{file: path of its reference}; what has no partner becomes a note."""
    if reference is None:
        return {}
    by_stem = {prompt_files.stem(name): name for name in reference}
    partner = {file: by_stem[prompt_files.stem(file)] for file in files if prompt_files.stem(file) in by_stem}
    notes += [Note("picture without a reference", file, "counts for every metric but FID and FID_patch")
              for file in files if file not in partner]
    notes += [Note("reference without a picture", name, "not used")
              for name in reference if name not in set(partner.values())]
    return {file: reference[name] for file, name in partner.items()}


def _jobs(pictures, paired, backends, lengths, seed):
    sides = {row.file: distribution.side_of(*size) for row in pictures.itertuples()
             if row.file in paired and (size := _size(row.path))}
    places = dict(zip(sides, distribution.places(sides.values(), lengths), strict=True))
    settings = [asdict(lengths), seed, code()]
    who = {field: _who(getattr(backends, field)) for field in ("features", "aesthetics", "clip", "fg_clip", "judge")}
    jobs = []
    for row in pictures.itertuples():
        texts, corners = {"short": row.short, "long": row.long}, places.get(row.file, [])
        file, other = stamp(row.path), paired.get(row.file)
        jobs.append(_Job(row.file, row.path, texts, other, tuple(corners), digest([file, texts, who, settings]),
                         digest([file, other and stamp(other), who["features"], corners, settings])))
    return jobs


def _size(path):
    try:
        return probe(path)[:2]
    except UnreadableImage:
        return None


def _who(backend):
    return [getattr(backend, word, "") for word in ("name", "maker", "weights", "resize", "version", "reason")]


def _run(jobs, backends, lengths, seed, folder, notes):
    """(frame of rows, {file: features}) of all jobs, those kept and those done now."""
    rows, features = [], {}
    known = {job.file: (Kept(folder, job.file).row(job.row_way), Kept(folder, job.file).features(job.features_way))
             for job in jobs}
    finished = [file for file, (row, arrays) in known.items() if row is not None and arrays is not None]
    with progress(len(jobs), f"scores, {folder.parent.name}", kept=["ok"] * len(finished)) as count:
        for job in jobs:
            kept, (row, arrays) = Kept(folder, job.file), known[job.file]
            head, thumbnail = {"file": job.file, "path": job.path, "status": "ok"}, str(kept.jpg)
            try:
                if row is None or arrays is None:
                    row, arrays = _make(job, backends, lengths, seed, kept, row)
                    count("ok")
            except UnreadableImage as error:
                row, arrays, thumbnail, head["status"] = {"reasons": error.reason}, {}, "", "unreadable"
                notes.append(Note("picture that cannot be read", job.file, f"not scored: {error.reason}"))
                tqdm.write(str(notes[-1]), file=sys.stdout)
                count("rejected")
            rows.append(head | row | {"thumbnail": thumbnail})
            features[job.file] = arrays
    columns = ["file", "path", "status", "height", "width", *scoring.SCORES, *scoring.COUNTS, "reasons", "unfinished",
               "thumbnail"]
    return pd.DataFrame(rows, columns=columns), features


def _make(job, backends, lengths, seed, kept, row):
    measured = scoring.score_picture(job.path, job.texts, backends, lengths, seed, job.reference, job.places, row)
    kept.keep(measured, job.row_way, job.features_way)
    return measured.row, measured.features


def _about(rows, jobs, features):
    """Notes about sizes and references."""
    sizes = rows.groupby(["height", "width"]).size()
    mixed = Note("mixed sizes", f"{len(sizes)} sizes", "fine: each picture is scored at its own, averages mix them")
    lost = [job for job in jobs if "whole" in features[job.file] and "reference_whole" not in features[job.file]]
    unread = [Note("reference that cannot be read", job.file, "left out of FID and FID_patch") for job in lost]
    return [mixed] * (len(sizes) > 1) + unread


def _card(key, averages, rows, backends, lengths, warnings):
    row = averages.set_index("metric").loc[key]
    cut = int(rows[f"{key}_cut"].sum()) if f"{key}_cut" in rows else 0
    return cards.card(key, backends, lengths, int(row["pictures"]), int(row["missing"]), cut, warnings.get(key, ""))


def _write(out, scored):
    rows = scored.rows.drop(columns=["path", "thumbnail", "unfinished"])
    with atomic(out / "scores.parquet") as file:
        rows.to_parquet(file, index=False)
    tables = {"scores": rows, "summary": scored.summary, "notes": pd.DataFrame(map(asdict, scored.notes), columns=[
        "kind", "name", "text"]), "cards": pd.DataFrame(map(asdict, scored.cards.values()))}
    for name, table in tables.items():
        with atomic(out / f"{name}.csv") as file:
            table.to_csv(file, index=False)


def score_folder(gen, prompts=None, ref=None, out=None, seed=0, **chosen):
    """All of `make bench-folder`: score the pictures of a folder, write the tables and report.html, report.md.

    gen: folder of the pictures; prompts: file of bench/prompt_files.py, None: no texts; ref: folder of real pictures
    with the same names; out: folder for the results, by default runs/bench/NAME; chosen: of backends.chosen. Returns
    (Scored, out). Raises PromptsError with one line, and what backends.chosen and score raise.
    """
    if not gen:
        raise PromptsError("name the folder of your pictures: make bench-folder GEN=folder PROMPTS=file")
    gen = Path(gen).expanduser().resolve()
    out = Path(out or Path("runs") / "bench" / gen.name).expanduser().resolve()
    if out.is_relative_to(gen):
        raise PromptsError(f"{str(out)!r} lies in the folder that is scored: name another one as OUT=folder")
    pictures, notes = prompt_files.pictures(gen, prompts)
    reference, more = prompt_files.listed(ref) if ref else (None, [])
    from pixverve_lib.bench import backends  # seconds, for it brings the networks: a wrong path should not cost them
    who = backends.chosen(**chosen)
    scored = score(pictures, out, who, PAPER, seed, reference, notes + more)
    facts = [f"texts of {Path(prompts).name}" if prompts else "no texts",
             f"{len(reference)} reference pictures" if ref else "no reference", f"seed {seed}",
             datetime.now().strftime("%Y-%m-%d %H:%M"),
             *(f"{who.judge.maker}: {word} {count}" for word, count in who.judge.usage().items())]
    report.write(out, scored, gen.name, facts)
    return scored, out


def main(arguments=None):
    """`python -m pixverve_lib.bench.folder --gen FOLDER`: returns the exit status."""
    options = vars(_parser().parse_args(arguments))
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # an absent weight is said, not fetched
    try:
        scored, out = score_folder(options.pop("gen"), **{name: value for name, value in options.items() if value})
    except (ValueError, RuntimeError, OSError) as error:  # a mistake of the set-up; one picture never raises
        print(" ".join(str(error).split()) or repr(error), file=sys.stderr)
        return 1
    print("\n".join(_closing_lines(scored)))
    print(f"report: {out / 'report.html'}")
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="bench-folder", description="Score a folder of pictures with PixVerve-Bench.")
    parser.add_argument("--gen", required=True, help="folder of the pictures")
    parser.add_argument("--prompts", help="CSV, JSONL or Parquet with file, short, long")
    parser.add_argument("--ref", help="folder of real pictures with the same names, for FID and FID_patch")
    parser.add_argument("--out", help="folder for the results (default: runs/bench/NAME)")
    parser.add_argument("--features", help="Inception weights, .pth or .safetensors")
    parser.add_argument("--aesthetics", help="LAION's linear head, .pth or .safetensors")
    parser.add_argument("--clip", help="CLIP by id or folder")
    parser.add_argument("--fg-clip", help="FG-CLIP2 by id or folder; trust:ID also runs the code that comes with it")
    parser.add_argument("--judge", help="classical: do not ask the endpoint of PIXVERVE_JUDGE_URL")
    parser.add_argument("--seed", type=int, default=0, help="of MSFI's random patches and of the bootstrap")
    return parser


def _closing_lines(scored):
    rows = {row.metric: row for row in scored.summary.itertuples()}
    lines = [f"{card.backend}: {rows[key].value:.3f} [{rows[key].low:.3f}, {rows[key].high:.3f}]"
             for key, card in scored.cards.items()]
    lines += [f"{METRICS[key].name}: not measured: {reason}" for key, reason in scored.absent.items()]
    return lines + [f"{count} x {kind}" for kind, count in Counter(note.kind for note in scored.notes).items()]


if __name__ == "__main__":
    sys.exit(main())
