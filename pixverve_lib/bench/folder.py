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

from pixverve_lib.bench import cards, distribution, matching, own_metrics, report, scoring, summary
from pixverve_lib.bench.kept_scores import Column, Kept, code, digest, remembered, stamp
from pixverve_lib.bench.lengths import PAPER
from pixverve_lib.bench.metrics import METRICS, Card
from pixverve_lib.bench.prompt_files import Note, PromptsError
from pixverve_lib.imaging.reading import UnreadableImage, probe
from pixverve_lib.kit.artefacts import atomic, write_bytes_atomically
from pixverve_lib.kit.progress import progress


@dataclass(frozen=True)
class Scored:
    """rows: a row a picture: file, path, status (ok, unreadable, too large), what scoring.Measured.row holds, thumbnail
    (a file). summary: metric, value, low, high, pictures, missing; of every score and part of one. cards: metric ->
    Card, of those that have a value. absent: metric -> why it has none. notes: of prompt_files.Note.
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

    def finished(self, row, names):
        """Whether nothing of a kept row and of kept features, whose names these are, is to be made any more."""
        whole = names is not None and (self.reference is None or scoring.whole_of_both(names))
        return row is not None and not row["unfinished"] and whole


def score(pictures, out, backends, lengths=PAPER, seed=0, reference=None, notes=()):
    """Score pictures and write scores.csv, scores.parquet, summary.csv, cards.csv and notes.csv into the folder `out`.

    pictures: frame with file, path, short, long ("" for no text), as matching.pictures gives; backends: of
    bench/backends.py; lengths: PAPER for real pictures, NANO for those of nano models; reference: {file: path} of the
    real pictures, paired by name whatever the extension; notes: what is known already to be wrong with the input.
    Goes on where an earlier run into `out` ended. Returns Scored. Raises DiskFull.
    """
    out, notes = Path(out), list(notes)
    jobs = _jobs(pictures, matching.paired(pictures["file"], reference, notes), backends, lengths, seed)
    rows, names = _run(jobs, backends, lengths, seed, out / "kept", notes)
    ways = {job.file: job.features_way for job in jobs}

    def column(files, name):
        return Column([Kept(out / "kept", file).npz for file in files], name)

    def recall(metric, files, make):
        return remembered(out / "kept", [metric, seed, [ways[file] for file in files]], make)
    averages, absent, warnings = summary.of_rows(rows, names, column, backends, reference, seed, recall)
    notes += summary.about(rows, names, lengths) + summary.missing(rows, absent)
    found = {key: _card(key, averages, rows, backends, lengths, warnings) for key in METRICS if key not in absent}
    scored = Scored(rows, averages, found, absent, notes)
    _write(out, scored)
    return scored


def _jobs(pictures, paired, backends, lengths, seed):
    sides = {row.file: distribution.side_of(*size) for row in pictures.itertuples()
             if row.file in paired and (size := _size(row.path))}
    places = dict(zip(sides, distribution.places(sides.values(), lengths), strict=True))
    settings, network = [asdict(lengths), code()], _who(backends.features)
    who = {field: _who(getattr(backends, field)) for field in ("aesthetics", "clip", "fg_clip", "judge")}
    jobs = []
    for row in pictures.itertuples():
        texts, corners = {"short": row.short, "long": row.long}, places.get(row.file, [])
        file, other = stamp(row.path), None if scoring.missing_backend(backends, "fid") else paired.get(row.file)
        jobs.append(_Job(row.file, row.path, texts, other, tuple(corners), digest([file, texts, who, settings, seed]),
                         digest([file, other and stamp(other), network, corners, settings])))
    return jobs


def _size(path):
    try:
        return probe(path)[:2]
    except UnreadableImage:
        return None


def _who(backend):
    return [getattr(backend, word, "") for word in ("name", "maker", "weights", "resize", "version", "reason")]


def _run(jobs, backends, lengths, seed, folder, notes):
    """(frame of rows, {file: names of its features}) of all jobs, those kept and those done now."""
    rows, names, kept = [], {}, {job.file: Kept(folder, job.file) for job in jobs}
    known = {job.file: (own_metrics.to_be_measured(kept[job.file].row(job.row_way)),
                        (found := kept[job.file].features(job.features_way)) and set(found)) for job in jobs}
    finished = [job for job in jobs if job.finished(*known[job.file])]
    with progress(len(jobs), f"scores, {folder.parent.name}", kept=["ok"] * len(finished)) as count:
        for job in jobs:
            row, found = known[job.file]
            head = {"file": job.file, "path": job.path, "status": "ok", "thumbnail": str(kept[job.file].jpg)}
            try:
                if not job.finished(row, found):
                    row, found = _make(job, backends, lengths, seed, kept[job.file], row)
                    count("ok")
            except (UnreadableImage, MemoryError) as error:
                row, found = {"reasons": _spoilt(job.file, error, notes), "unfinished": ""}, None
                head |= {"status": "too large" if isinstance(error, MemoryError) else "unreadable", "thumbnail": ""}
                count("rejected")
            rows.append(head | row)
            names[job.file] = found or set()
    columns = ["file", "path", "status", "height", "width", *scoring.SCORES, *scoring.COUNTS, "reasons", "unfinished",
               "thumbnail"]
    return pd.DataFrame(rows, columns=columns), names


def _make(job, backends, lengths, seed, kept, row):
    """(row, names of features) of a picture, of which `row` and what is kept of its features are not made again."""
    measured = scoring.score_picture(job.path, job.texts, backends, lengths, seed, job.reference, job.places, row,
                                     kept.features(job.features_way))
    kept.keep(measured, job.row_way, job.features_way)
    reasons = "\n".join(filter(None, (measured.row["reasons"], measured.lost)))
    return measured.row | {"reasons": reasons}, measured.features and set(measured.features)


def _spoilt(file, error, notes):
    """Why a picture is not scored at all; it becomes a note, too."""
    large = isinstance(error, MemoryError)
    reason = "it does not fit into memory: score it on a larger machine" if large else error.reason
    kind = "picture that is too large" if large else "picture that cannot be read"
    notes.append(Note(kind, file, f"not scored: {reason}"))
    tqdm.write(str(notes[-1]), file=sys.stdout)
    return reason


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
    pictures, notes = matching.pictures(gen, prompts)
    reference, more = matching.listed(ref) if ref else (None, [])
    _claim(out, gen)
    from pixverve_lib.bench import backends  # seconds, for it brings the networks: a wrong path should not cost them
    who = backends.chosen(**chosen)
    scored = score(pictures, out, who, PAPER, seed, reference, notes + more)
    facts = [f"texts of {Path(prompts).name}" if prompts else "no texts",
             f"{len(reference)} reference pictures" if ref else "no reference", f"seed {seed}",
             datetime.now().strftime("%Y-%m-%d %H:%M"),
             *(f"{who.judge.maker}: {word} {count}" for word, count in who.judge.usage().items())]
    report.write(out, scored, gen.name, facts)
    return scored, out


def _claim(out, gen):
    """Write whose results `out` holds.  Raises PromptsError where they are another folder's."""
    mark, mine = out / "folder.txt", os.fsencode(gen)
    if mark.exists() and mark.read_bytes() != mine:
        other = os.fsdecode(mark.read_bytes())
        raise PromptsError(f"{str(out)!r} holds the results of {other!r}: name another folder as OUT=folder (or, if "
                           f"the pictures have only moved, delete {mark.name} there)")
    out.mkdir(parents=True, exist_ok=True)
    write_bytes_atomically(mark, mine)


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
    lines = [f"{card.backend}: {rows[key].value:.3f}" + f" [{rows[key].low:.3f}, {rows[key].high:.3f}]" * (
        pd.notna(rows[key].low)) for key, card in scored.cards.items()]
    lines += [f"{METRICS[key].name}: not measured: {reason}" for key, reason in scored.absent.items()]
    return lines + [f"{count} x {kind}" for kind, count in Counter(note.kind for note in scored.notes).items()]


if __name__ == "__main__":
    sys.exit(main())
