"""figures/index.html: one offline page for a finished run, in the order of the papers' contents.

    python -m pixverve_lib.exhibits.index [--budget laptop] [--images folder] [--seed 0]

The page links what lies beside it in figures/: that folder can be zipped and opened anywhere. Nothing is done again
when nothing has changed; to find that out takes no slow import.
"""
import argparse
import hashlib
import os
import re
import sys
from pathlib import Path

from pixverve_lib.kit.run import REFERENCE, BadParameter, home, start

ROOM = Path(__file__).parent


def main(arguments=None):
    """Command line. Returns 0, or 2 when a parameter is wrong."""
    try:
        run = named("index", __doc__, arguments)
    except BadParameter as error:
        print(error, file=sys.stderr)
        return 2
    file = run.figures / "index.html"
    print(f"{os.path.relpath(file)}: {'unchanged' if _is_current(file, run) else write(file, run)}")
    return 0


def named(command, about, arguments):
    """The run that options of a command line name.  Raises BadParameter."""
    parser = argparse.ArgumentParser(prog=f"python -m pixverve_lib.exhibits.{command}", description=about)
    for name, default in (("budget", REFERENCE), ("images", ""), ("seed", "0")):
        parser.add_argument(f"--{name}", default=default)
    given = vars(parser.parse_args(arguments))
    if given["images"]:
        from pixverve_lib.kit import runner

        given = runner.resolved(given)  # as the runs were named
    return start(command, **given)


def write(file, run):
    """Write the page atomically; returns one line that says what is in it."""
    from pixverve_lib.exhibits import index_page
    from pixverve_lib.kit.artefacts import write_bytes_atomically

    data, totals = index_page.render(run, lambda: stamp(run))
    write_bytes_atomically(file, data)
    shown = sum(totals[state] for state in index_page.SHOWN)
    return f"{shown} of {sum(totals.values())} exhibits are in it; open it in a browser"


def stamp(run):
    """Hash of the names, sizes and times of everything that the page is made from."""
    made = home() / "runs" / run.name
    files = [*run.figures.glob("*"), *run.figures.glob("tiles/picture.json"), *made.glob("*/*.json"),
             *made.glob("*/uhr_pool.parquet"), *(home() / "notebooks").glob("*.ipynb"), *ROOM.glob("*.*"),
             *(ROOM.parent / "paper").rglob("*.*")]
    known = sorted((str(file), state.st_size, state.st_mtime_ns) for file in files
                   if file.is_file() and file.name != "index.html" and (state := file.stat()))
    return hashlib.sha256(repr(known).encode()).hexdigest()


def _is_current(file, run):
    if not file.exists():
        return False
    with open(file, encoding="utf-8") as page:
        found = re.search(r'name="made-from" content="(\w+)"', page.read(1000))
    return found is not None and found[1] == stamp(run)


if __name__ == "__main__":
    sys.exit(main())
