"""Execute one notebook with papermill, so that its file appears only when all of it ran."""

import json
import logging
import os
import re
import sys
import time
from pathlib import Path

from pixverve_lib.kit import artefacts, fingerprint
from pixverve_lib.kit.run import BadParameter, Run

# jsonschema, below papermill, compiles its grammar of internationalized addresses for seconds; notebooks hold none.
sys.modules.setdefault("rfc3987_syntax", None)

# A cell that takes longer hangs. At `paper` nobody can know: hours are normal there.
CELL_SECONDS = {"smoke": 600, "laptop": 3600, "gpu": 7200, "paper": None}
START_SECONDS = 120
LINES = 12  # of the traceback in a failure report

QUIET = """import gc, sys, warnings
gc.set_threshold(50_000)  # imports make objects by the hundred thousand, all of them to stay
sys.modules["bitsandbytes"] = None  # comes with pyiqa, for models that we do not load; diffusers would import it
warnings.filterwarnings("ignore", "IProgress not found")  # nor are widgets, which papermill cannot show
"""


class NotebookFailed(RuntimeError):
    """A notebook that did not run to its end; the message is the report for the user."""


def execute(notebook: Path, run: Run, parameters: dict, rerun: str) -> Path:
    """Run `notebook` to runs/<name>/<notebook>/<notebook>.ipynb, with an HTML copy; return that path.

    Until it has succeeded the file is called .partial.ipynb. `rerun` is the command that does this again.
    Raises NotebookFailed with a report.
    """
    _prepare_kernels(run)
    partial = run.folder / f"{notebook.stem}.partial.ipynb"
    watch = _Watch(notebook)
    try:
        _run_with_one_retry(notebook, partial, run, parameters, watch)
    except Exception as error:
        raise NotebookFailed(_report(error, watch, partial, rerun)) from error
    finally:
        watch.clear()
    return _publish(partial, run.folder / notebook.name)


def refuse_unknown(notebook: Path, parameters: dict) -> None:
    """Raise BadParameter for a name the notebook does not know; papermill would only log it and use the default."""
    import papermill

    known = papermill.inspect_notebook(notebook)
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise BadParameter(f"{notebook.stem} has no parameter {', '.join(unknown)}; it knows: {', '.join(known)}")


class _Watch:
    """Follows the cells of a run: the heading above the current one, and a progress line on a terminal."""

    def __init__(self, notebook: Path):
        cells = json.loads(notebook.read_text("utf8"))["cells"]
        self.name, self.total = notebook.stem, len(cells) + 1  # papermill adds the parameters it was given
        self.cell, self.heading = 0, ""
        self.started, self.on_terminal = time.monotonic(), sys.stdout.isatty()

    def __call__(self, cell: dict, cell_index: int) -> None:
        self.cell = cell_index + 1
        if cell["cell_type"] == "markdown":
            headings = re.findall(r"^#+\s+(.+?)\s*$", fingerprint.source(cell), re.MULTILINE)
            self.heading = headings[-1] if headings else self.heading
        elif self.on_terminal:
            seconds = time.monotonic() - self.started
            line = f"{self.name}  cell {self.cell}/{self.total}  {self.heading[:50]} ...  {seconds:.0f} s"
            print(f"\r\033[K{line}", end="", flush=True)

    def clear(self) -> None:
        if self.on_terminal:
            print("\r\033[K", end="", flush=True)


def _prepare_kernels(run: Run) -> None:
    """What kernels inherit: this venv's kernel, no hub at small budgets, none of the warnings of QUIET."""
    profile = run.cache / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True, exist_ok=True)
    (profile / "startup" / "quiet.py").write_text(QUIET)
    (profile / "ipython_kernel_config.py").write_text('get_config().IPKernelApp.log_level = "CRITICAL"\n')
    os.environ["IPYTHONDIR"] = str(profile.parent)
    os.environ.pop("JUPYTER_PATH", None)  # it would shadow the kernel of this environment
    if run.budget in ("smoke", "laptop"):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a missing weight says so at once instead of retrying
    for name in ("papermill", "asyncio"):  # we report failures ourselves, once; Ctrl-C leaves a task without an end
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _run_with_one_retry(notebook: Path, partial: Path, run: Run, parameters: dict, watch: _Watch) -> None:
    """A busy machine can fail to start a kernel; a cell that failed once would only fail again."""
    try:
        _papermill(notebook, partial, run, parameters, watch)
    except RuntimeError:
        if watch.cell:
            raise
        _papermill(notebook, partial, run, parameters, watch)


def _papermill(notebook: Path, partial: Path, run: Run, parameters: dict, watch: _Watch) -> None:
    import papermill

    papermill.execute_notebook(
        notebook,
        partial,
        parameters,
        kernel_name="python3",
        progress_bar=False,
        cwd=run.folder,
        start_timeout=START_SECONDS,
        execution_timeout=CELL_SECONDS[run.budget],
        on_cell_start=watch,
    )


def _report(error: Exception, watch: _Watch, partial: Path, rerun: str) -> str:
    """Which notebook, where in it, the end of the traceback, and what to type next."""
    trace = "\n".join(getattr(error, "traceback", None) or [f"{type(error).__name__}: {error}"])
    plain = re.sub(r"\x1b\[[0-9;]*m", "", trace).rstrip().splitlines()[-LINES:]
    where = f'failed in cell {watch.cell}, under "{watch.heading}"' if watch.cell else "did not start, tried twice"
    return "\n".join(
        [
            f"{watch.name} {where}:",
            *(f"    {line}" for line in plain),
            f"as far as it got: {os.path.relpath(partial)}",
            f"run just this notebook again: {rerun}",
        ]
    )


def _publish(partial: Path, target: Path) -> Path:
    """Fold progress bars to their last state, write the HTML, and give the notebook its final name."""
    import nbformat
    from nbconvert import HTMLExporter
    from nbconvert.preprocessors import CoalesceStreamsPreprocessor

    notebook, _ = CoalesceStreamsPreprocessor().preprocess(nbformat.read(partial, as_version=4), {})
    html, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": target.stem}})
    artefacts.write_bytes_atomically(target.with_suffix(".html"), html.encode())
    artefacts.write_bytes_atomically(target, nbformat.writes(notebook).encode())
    partial.unlink()
    return target
