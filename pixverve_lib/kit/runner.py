"""Run the notebooks: all that need it (`reproduce`), or one (`notebook`). The Makefile calls this."""

import argparse
import ast
import json
import os
import shlex
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from pixverve_lib.kit import artefacts, concurrency, execution, fingerprint, provenance
from pixverve_lib.kit.run import BUDGETS, REFERENCE, BadParameter, Run, home, is_source, start
from pixverve_lib.kit.status import Status, usual_seconds


def main(arguments: list[str] | None = None) -> int:
    """Command line. Returns 0, 1 (a notebook failed), 2 (a parameter is wrong) or 130 (Ctrl-C)."""
    given = _parser().parse_args(arguments)
    parameters = {"budget": given.budget, "images": given.images, "seed": given.seed}
    try:
        if given.command == "reproduce":
            reproduce(resolved(parameters))
        else:
            if given.parent:
                concurrency.end_with(given.parent)
            extra = {name: _value(text) for name, text in given.parameters}
            notebook(given.notebook, resolved(parameters | extra))
    except (BadParameter, execution.NotebookFailed, artefacts.DiskFull) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, BadParameter) else 1
    except KeyboardInterrupt:
        print("\nstopped; nothing half-written is left, the same command goes on from here", file=sys.stderr)
        return 130
    return 0


def reproduce(parameters: dict) -> None:
    """Run every notebook of notebooks/ that would not do the same again, and list the exhibits.

    Notebooks that do not read each other's artefacts run at the same time, as many as the machine carries. One that
    fails stops only those that read what it writes. Raises NotebookFailed with the reports of all that failed.
    """
    started, paths = time.monotonic(), {path.stem: path for path in notebooks()}
    runs, reasons, failed, records = {}, {}, {}, {}
    for stem, path in paths.items():
        execution.refuse_unknown(path, parameters)
        runs[stem] = _start(path, parameters)

    def command(stem):
        reasons[stem] = why(paths[stem], runs[stem], parameters)
        return _child(stem, parameters) if reasons[stem] else None

    most = concurrency.most_at_once(parameters["budget"])
    show = Status(list(paths), records, most)
    waits = _producers(paths)
    if most > 1:
        waits = concurrency.by_urgency(waits, usual_seconds())
    for ended in concurrency.run(waits, command, most, show):
        show.clear()
        if ended.status:
            failed[ended.name] = ended.errors.strip()
            print(f"{ended.name:<28}          failed", flush=True)
            continue
        records[ended.name] = _read_record(runs[ended.name])
        _told(paths[ended.name], records[ended.name], reasons[ended.name])
    _list_exhibits(paths, records, parameters["budget"], time.monotonic() - started)
    if failed:
        left = [stem for stem in paths if stem not in records and stem not in failed]
        raise execution.NotebookFailed("\n\n".join([*failed.values(), *_not_started(left)]))


def _producers(paths: dict[str, Path]) -> dict[str, set[str]]:
    """Notebook -> the notebooks that write what it reads."""
    declared = {stem: fingerprint.declared(path) for stem, path in paths.items()}
    writer = {name: stem for stem, (_, writes) in declared.items() for name in writes}
    return {stem: {writer[name] for name in reads if name in writer} - {stem}
            for stem, (reads, _) in declared.items()}


def _child(stem: str, parameters: dict) -> list[str]:
    """What a process that runs one notebook is started with; it ends when this one does."""
    options = [f"--{name}={value}" for name, value in parameters.items()]
    return [sys.executable, "-m", "pixverve_lib.kit.runner", "notebook", stem, *options, f"--parent={os.getpid()}"]


def _told(path: Path, record: dict, reasons: list[str]) -> None:
    if reasons:
        _line(path, _shortened(reasons), record["seconds"], record)
        return
    since = datetime.fromisoformat(record["time"]).astimezone()
    _line(path, f"skipped, unchanged since {since:%Y-%m-%d %H:%M}", 0, record)


def _list_exhibits(paths: dict[str, Path], records: dict[str, dict], budget: str, seconds: float) -> None:
    exhibits = {name: files for stem in paths if stem in records for name, files in records[stem]["exhibits"].items()}
    print(f"\nExhibits at budget {budget}, {seconds:.0f} s in all:")
    longest = max(map(len, exhibits), default=0)
    for exhibit, files in exhibits.items():
        print(f"  {exhibit:<{longest}}  {'  '.join(os.path.relpath(home() / file) for file in files)}")


def _not_started(stems: list[str]) -> list[str]:
    return [f"not started, because they read what these write: {', '.join(stems)}"] if stems else []


def notebook(name: str, parameters: dict) -> None:
    """Run one notebook, "01" or "01_curation", whether it needs it or not."""
    found = [path for path in notebooks() if name in (path.stem, path.stem.split("_")[0])]
    if not found:
        raise BadParameter(f"notebook {name!r} is unknown; there are: {', '.join(p.stem for p in notebooks())}")
    _execute(found[0], _start(found[0], parameters), parameters, ["asked for"])


def notebooks() -> list[Path]:
    """All notebooks, in the order in which they run."""
    return sorted((home() / "notebooks").glob("*.ipynb"))


def why(path: Path, run: Run, parameters: dict) -> list[str]:
    """The reasons to run a notebook; none when its record and its outputs are still what it would make."""
    record = _read_record(run)
    if record is None:
        return ["did not finish last time" if list(run.folder.glob("*.partial.ipynb")) else "first run"]
    gone = [f"{file} is gone" for file in record["outputs"] if not (home() / file).exists()]
    return fingerprint.differences(record["inputs"], _inputs(path, run, parameters)) + gone


def _execute(path: Path, run: Run, parameters: dict, reasons: list[str]) -> dict:
    """Run a notebook and leave a record beside it: its provenance, what it depended on, and what it made."""
    execution.refuse_unknown(path, parameters)
    _record(run).unlink(missing_ok=True)  # from here until the end there is no finished run
    began, clock = time.time(), time.monotonic()
    inputs = _inputs(path, run, parameters)  # before it runs: what is edited meanwhile counts as changed
    executed = execution.execute(path, run, parameters, _command(run, parameters))
    exhibits = _exhibits(run, since=began)
    made = [executed, executed.with_suffix(".html"), *_artefacts(path, run, fingerprint.declared(path)[1]).values()]
    record = provenance.describe(run) | {
        "seconds": round(time.monotonic() - clock, 1),
        "parameters": parameters,
        "exhibits": exhibits,
        "outputs": [_relative(file) for file in made if file.exists()] + sum(exhibits.values(), []),
        "inputs": inputs,
    }
    artefacts.write_bytes_atomically(_record(run), json.dumps(record, indent=1).encode())
    _line(path, _shortened(reasons), record["seconds"], record)
    return record


def _line(path: Path, what: str, seconds: float, record: dict) -> None:
    exhibits = ", ".join(record["exhibits"]) or "no exhibits"
    print(f"{path.stem:<28} {seconds:6.1f} s  {exhibits}  [{what}]", flush=True)


def _shortened(reasons: list[str]) -> str:
    return ", ".join(reasons[:3]) + (f" and {len(reasons) - 3} more" if len(reasons) > 3 else "")


def _inputs(path: Path, run: Run, parameters: dict) -> dict[str, str]:
    reads, _ = fingerprint.declared(path)
    return fingerprint.of_notebook(path, parameters, _artefacts(path, run, reads))


def _artefacts(path: Path, run: Run, names: list[str]) -> dict[str, Path]:
    """Where artefacts lie, by the notebook whose header says that it writes them."""
    producers = {name: other.stem for other in notebooks() for name in fingerprint.declared(other)[1]}
    folders = {name: replace(run, notebook=producers.get(name, path.stem)).folder for name in names}
    return {name: folder / f"{name}.parquet" for name, folder in folders.items()}


def _exhibits(run: Run, since: float) -> dict[str, list[str]]:
    """The exhibits this notebook has emitted since then, by the provenance files that `emit` puts beside them."""
    found = {}
    for file in sorted(run.figures.glob("*.json")):
        about = json.loads(file.read_text("utf8")) if file.stat().st_mtime >= since - 1 else {}
        if about.get("notebook") == run.notebook and "exhibit" in about:
            found[about["exhibit"]] = [_relative(file.parent / name) for name in about["files"]]
    return found


def _start(path: Path, parameters: dict) -> Run:
    return start(path.stem, parameters["budget"], parameters["images"], parameters["seed"])


def _record(run: Run) -> Path:
    return run.folder / f"{run.notebook}.json"


def _read_record(run: Run) -> dict | None:
    return json.loads(_record(run).read_text("utf8")) if _record(run).exists() else None


def _relative(file: Path) -> str:
    return Path(os.path.relpath(file, home())).as_posix()


def _command(run: Run, parameters: dict) -> str:
    """What to type to run this again; parameters of one notebook only have no variable in the Makefile."""
    extra = {name: value for name, value in parameters.items() if name not in ("budget", "images", "seed")}
    if not extra:
        return artefacts.command(run, run.notebook)
    words = ["notebook", run.notebook, "--budget", run.budget, "--seed", str(run.seed)]
    words += ["--images", run.images] if run.images else []
    words += [word for name, value in extra.items() for word in ("-p", name, str(value))]
    return shlex.join([os.path.relpath(sys.executable), "-m", "pixverve_lib.kit.runner", *words])


def resolved(parameters: dict) -> dict:
    """Kernels start in another folder, so a relative path is made a full one here, where the user typed it."""
    images = parameters["images"]
    if images and is_source(images):
        parts = [part.strip().rpartition(":") for part in images.split(",")]
        return parameters | {"images": ",".join(prefix + colon + _full(where) for prefix, colon, where in parts)}
    return parameters | {"images": str(Path(images).expanduser().resolve()) if images else ""}


def _full(where: str) -> str:
    """A folder's full path; what is no folder (a search, a number) as it is."""
    path = Path(where).expanduser()
    return str(path.resolve()) if path.is_dir() else where


def _value(text: str) -> object:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--budget", default=REFERENCE, help=" | ".join(BUDGETS))
    common.add_argument("--images", default="", help="instead of the built-in scenes: a folder, or pexels:QUERY")
    common.add_argument("--seed", default=0, type=int)
    parser = argparse.ArgumentParser(prog="python -m pixverve_lib.kit.runner", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("reproduce", parents=[common], help="run all notebooks that need it")
    one = commands.add_parser("notebook", parents=[common], help="run one notebook")
    one.add_argument("notebook", help='"01" or "01_curation"')
    one.add_argument("--parent", type=int, help=argparse.SUPPRESS)  # process id of the run that this is a part of
    one.add_argument("-p", dest="parameters", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
