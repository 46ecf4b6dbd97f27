"""What a training run shows and writes down: CSV files and TensorBoard, cut back to the checkpoint it goes on from."""
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from pixverve_lib.kit.artefacts import write_bytes_atomically

STEP = ("step", "loss", "rate", "norm", "seconds", "memory_gb")
VALIDATION = ("step", "level", "loss")


class Records:
    """metrics.csv (one row a step), validation.csv (one row a step and noise level), and tensorboard/."""

    def __init__(self, folder, begin: int, accelerator):
        """begin: the step of the checkpoint that the run goes on from; what was written later is forgotten."""
        self.accelerator = accelerator
        self.files = {columns: Path(folder) / name for columns, name in (
            (STEP, "metrics.csv"), (VALIDATION, "validation.csv"))}
        self.rows = {columns: _until(begin, file, columns) for columns, file in self.files.items()}
        if accelerator.is_main_process:
            for columns, rows in self.rows.items():
                lines = [",".join(columns), *(_line(row) for row in rows)]
                write_bytes_atomically(self.files[columns], "".join(f"{line}\n" for line in lines).encode())
        accelerator.init_trackers("tensorboard", init_kwargs={"tensorboard": {"purge_step": begin + 1}})

    def trained(self, step, loss, rate, norm, seconds, memory_gb) -> None:
        self._append(STEP, (step, loss, rate, norm, seconds, memory_gb))
        self.accelerator.log({"loss": loss, "rate": rate, "norm": norm, "seconds": seconds}, step)

    def validated(self, step, losses) -> None:
        """losses: {level: loss}"""
        for level, loss in losses.items():
            self._append(VALIDATION, (step, level, loss))
        self.accelerator.log({f"validation/{level}": loss for level, loss in losses.items()}, step)

    def is_best(self, step) -> bool:
        """Whether no validation before had a lower mean than that of `step`."""
        means = self._frame(VALIDATION).groupby("step")["loss"].mean()
        return means.idxmin() == step

    def close(self) -> None:
        for tracker in self.accelerator.trackers:  # its own end_training() would end the other processes, too
            tracker.finish()

    def outcome(self):
        return self._frame(STEP), self._frame(VALIDATION)

    def _append(self, columns, row):
        self.rows[columns].append(row)
        if self.accelerator.is_main_process:
            with open(self.files[columns], "a") as file:
                file.write(_line(row) + "\n")

    def _frame(self, columns):
        return pd.DataFrame(self.rows[columns], columns=list(columns)).astype({"step": int})


@contextmanager
def bar_of(label, begin, steps, is_main):
    """A progress bar for a run from step `begin`, which leaves one plain line behind."""
    clock, done = time.monotonic(), max(steps - begin, 0)
    with tqdm(total=steps, initial=begin, desc=label, unit=" steps", mininterval=1, delay=1, leave=False,
              file=sys.stdout, disable=not is_main) as bar:
        yield bar
    if is_main:
        seconds = time.monotonic() - clock
        pace = f" in {seconds:.1f} s, {seconds / done:.2f} s/step" if done else ""
        print(f"{label}: {steps} steps{pace}" + (f", {begin} of an earlier run" if begin else ""))


def _until(begin, file, columns):
    if not begin or not file.exists():
        return []
    frame = pd.read_csv(file, on_bad_lines="skip").dropna()
    return list(frame[frame["step"] <= begin][list(columns)].itertuples(index=False, name=None))


def _line(row):
    return ",".join([str(int(row[0])), *(repr(float(value)) for value in row[1:])])
