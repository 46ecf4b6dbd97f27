"""What of a finished run differs from the committed reference run, and by more than it may.

    python -m pixverve_lib.exhibits.compare [--budget laptop] [--images folder] [--seed 0]

tolerances.py says how far which number may be. Times and memory are of the machine: told, never blamed.
"""
import csv
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import zip_longest

from pixverve_lib.exhibits import index, manifest
from pixverve_lib.exhibits import tolerances as limits
from pixverve_lib.exhibits.catalogue import EXHIBITS, PARTS
from pixverve_lib.kit.run import REFERENCE, BadParameter

STATES = {
    "equal": "equal byte for byte", "within": "equal within tolerance", "machine": "of the machine",
    "beyond": "beyond tolerance", "missing": "missing", "new": "new",
}
SHOWN = {True: 12, False: 2}  # cells of one exhibit, of the same run and of another; how many more there are is told
LABELS = 3  # columns at most that name a row


@dataclass
class Result:
    """beyond: lines, one a cell; ratios: [(now / reference, cell)] of the machine.

    elsewhere: rows that only one side has; untouched: the files are those that were committed, not made again.
    """

    name: str
    state: str = "equal"
    beyond: list = field(default_factory=list)
    ratios: list = field(default_factory=list)
    elsewhere: int = 0
    untouched: bool = False


def main(arguments=None):
    """Command line. Returns 0, 1 (the reference budget differs beyond tolerance) or 2 (nothing to compare)."""
    try:
        run = index.named("compare", __doc__, arguments)
        reference = manifest.read(manifest.path())
    except (BadParameter, manifest.BadManifest) as error:
        print(error, file=sys.stderr)
        return 2
    results = compared(reference, run.figures, same_run=run.name == REFERENCE)
    if all(result.state == "missing" for result in results):
        from pixverve_lib.kit.artefacts import command  # pandas: not before it is needed

        print(f"no exhibits of this run; make them with: {command(run)}", file=sys.stderr)
        return 2
    print("\n".join([_head(reference, run), *report(results, SHOWN[run.name == REFERENCE])]))
    return int(run.name == REFERENCE and any(result.state in ("beyond", "missing") for result in results))


def compared(reference, figures, same_run):
    """A Result for every exhibit of the catalogue or of the manifest.

    same_run: of the same budget, pictures and seed; otherwise only rows that both tables have are compared.
    """
    names = [*EXHIBITS, *(name for name in reference.exhibits if name not in EXHIBITS)]
    return [_readable(name, reference.exhibits.get(name), figures, same_run) for name in names]


def report(results, shown):
    """Lines: a count of each state, then what is beyond tolerance, missing, new, and of the machine.

    shown: the most cells of one exhibit.
    """
    counts = Counter(result.state for result in results)
    yield f"{len(results)} exhibits: " + ", ".join(f"{counts[state]} {text}" for state, text in STATES.items())
    untouched, elsewhere = sum(result.untouched for result in results), sum(result.elsewhere for result in results)
    if untouched:
        yield f"{untouched} of them are the committed files themselves: no run on this machine has made them again"
    if elsewhere:
        yield f"{elsewhere} rows of tables are in one of the two runs only and were not compared"
    for result in results:
        if result.beyond:
            yield f"\n{result.name}: beyond tolerance"
            yield from (f"  {line}" for line in result.beyond[:shown])
            yield from [f"  and {len(result.beyond) - shown} more"] * (len(result.beyond) > shown)
    for state in ("missing", "new"):
        names = [result.name for result in results if result.state == state]
        if names:
            yield f"\n{STATES[state]}: {', '.join(names)}"
    yield from _machine([result for result in results if result.ratios])
    yield "\nhow far a number may be, and why: pixverve_lib/exhibits/tolerances.py"


def _machine(results):
    if not results:
        return
    yield "\nof the machine: the cell whose ratio, this run to the reference, is farthest from 1"
    for result in results:
        ratio, cell = max(result.ratios, key=lambda pair: max(pair[0], 1 / pair[0]))
        yield f"  {f'x {ratio:.3g}' if ratio != 1 else '':<9} {result.name}: {cell}"


def _head(reference, run):
    machine = max(reference.notebooks.values(), key=lambda notebook: notebook.time).machine
    line = (f"{run.name} against the reference run: {reference.budget}, {reference.images}, seed {reference.seed}, "
            f"{machine.get('cpu')}, {machine.get('cores')} cores")
    if run.name == REFERENCE:
        return line
    return (f"{line}\nAnother budget, seed or set of pictures gives other numbers: what follows shows by how much, and "
            f"says nothing about right or wrong (exit status 0).")


def _readable(name, *arguments):
    try:
        return _exhibit(name, *arguments)
    except (OSError, ValueError, csv.Error):  # what PIL, decoding and csv say of a damaged file
        return Result(name, "beyond", ["its file is damaged"])


def _exhibit(name, entry, figures, same_run):
    if name not in EXHIBITS:
        return Result(name, "missing")  # files are found by the catalogue, never by what a manifest says
    stem = EXHIBITS[name].stem
    files = {file.name: file.read_bytes() for suffix in ("csv", "md", "png")
             if (file := figures / f"{stem}.{suffix}").is_file()}
    if entry is None or not files:
        return Result(name, "new" if files else "missing")
    if {file: manifest.described(data) for file, data in files.items()} == entry.model_dump()["files"]:
        return Result(name, untouched=_emitted(figures / f"{stem}.json") == entry.time)
    if entry.thumbnail is not None:
        return _figure(name, stem, entry, files.get(f"{stem}.png"))
    return _table(name, stem, entry, files.get(f"{stem}.csv"), same_run)


def _emitted(file):
    """When the exhibit beside this file was emitted, or None."""
    try:
        return json.loads(file.read_text("utf8"))["time"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _figure(name, stem, entry, data):
    if data is None:
        return Result(name, "missing")
    now = manifest.thumbnail(data)
    apart = sum(abs(a - b) for a, b in zip(entry.thumbnail, now, strict=True)) / len(now)
    rule = limits.rule(limits.FIGURES, stem)
    if rule.allowed == limits.MACHINE:
        return Result(name, "machine")
    if apart <= rule.allowed:
        return Result(name, "within")
    line = f"{apart:.2f} gray levels apart, {rule.allowed} allowed ({rule.why})"
    return Result(name, "beyond", [line])


def _table(name, stem, entry, data, same_run):
    if data is None:
        return Result(name, "missing")
    now, result = manifest.table(data), Result(name)
    before, after = _rows(entry.columns, entry.rows), _rows(now["columns"], now["rows"])
    both = [label for label in before if label in after]
    alone = [label for label in (*before, *after) if label not in before or label not in after]
    for label in both:
        _row(result, stem, entry.kind, label, before[label], after[label])
    if same_run:
        result.beyond += [f"{_told(label)}: row {'gone' if label in before else 'new'}" for label in alone]
    else:
        result.elsewhere = len(alone)
    result.state = "beyond" if result.beyond else "machine" if result.ratios else "within"
    return result


def _rows(columns, rows):
    """{(labels, which of those with the same): {column: cell}}; ids name a row, else the fewest columns that do."""
    labels = ["id"] if "id" in columns else columns[:_fewest(rows)]
    named, seen = {}, Counter()
    for row in rows:
        cells = dict(zip(columns, row, strict=False))
        label = tuple(cells.get(column, "") for column in labels)
        named[label, seen[label]] = cells
        seen[label] += 1
    return named


def _fewest(rows):
    return next((n for n in range(1, LABELS) if len({tuple(row[:n]) for row in rows}) == len(rows)), LABELS)


def _row(result, stem, kind, label, before, after):
    published = ["published"] if any(cell.startswith("published") for cell in before.values()) else []
    pictures = limits.value(before.get("pictures", ""))
    for column in dict.fromkeys((*before, *after)):
        parts = list(zip_longest(*(cells.get(column, "").split(PARTS) for cells in (before, after)), fillvalue=""))
        rules = limits.of_cell(kind, ">".join((stem, column, *label[0], *published)), len(parts))
        for rule, (reference, now) in zip(rules, parts, strict=True):
            where = f"{_told(label)}, {column}"
            _cell(result, where, rule, reference.strip(), now.strip(), pictures.number if pictures else 0)


def _cell(result, where, rule, reference, now, pictures):
    if reference == now:
        return
    one, two = limits.value(reference), limits.value(now)
    if rule.allowed == limits.MACHINE and bool(one) == bool(two):
        ratio = two.number / one.number if one and one.number > 0 and two.number > 0 else 1.0
        result.ratios.append((ratio, f"{where}: {reference} -> {now}" if one else f"{where}: other words"))
        return
    reason = _reason(rule, one, two, pictures, limits.same_words(reference, now))
    if reason is not None:
        result.beyond.append(f"{where}: {reference or 'nothing'} -> {now or 'nothing'} ({reason})")


def _reason(rule, one, two, pictures, same_words):
    """Why a cell that has changed is beyond tolerance, or None when it is not."""
    if rule.allowed == limits.WORDS:
        return None if same_words else f"other words; {rule.why}"
    if rule.allowed == limits.DERIVED:
        return None
    if rule.allowed in (limits.EXACT, limits.MACHINE) or one is None or two is None:
        return rule.why
    most = rule.allowed(one, pictures)
    return None if abs(one.number - two.number) <= most * (1 + 1e-9) else f"{most:.3g} allowed: {rule.why}"


def _told(label):
    return ", ".join(filter(None, label[0])) + (f" ({label[1] + 1})" if label[1] else "")


if __name__ == "__main__":
    sys.exit(main())
