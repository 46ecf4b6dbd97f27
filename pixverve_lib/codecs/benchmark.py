"""The benchmark of App. H: which codec runs on which picture, and what a job costs beside the codec itself."""
import subprocess
import tempfile
import time
from pathlib import Path

import pandas as pd

from pixverve_lib.codecs import measure
from pixverve_lib.codecs.pictures import write_pnm
from pixverve_lib.codecs.ranking import per_pixel

CONTENT_SIDE = 512  # pixels of the user's large pictures that are measured for content
ESTIMATE_SIDE = 2048  # pixels of the square from which slow codecs are estimated
SMOKE_SIDE = 512  # the same at smoke
SIDES = (32, 128, 512, 2048)  # the middle of the large picture, cut to these
SCALING = ("qoi", "zpng", "png", "jxl-e1", "jpegls")
NOTHING = dict.fromkeys(("encode_s", "decode_s", "peak_mb"), float("nan"))  # of a codec that failed
BEYOND = 3_000_000  # pixels above which a slow codec is estimated, unless slow ones are asked for


def run_content(run, pictures, executables=""):
    """Every codec on every content picture.  One row each: measure's columns, `picture`, and those of per_pixel."""
    rows = pictures[pictures.role == "content"]
    side = CONTENT_SIDE if run.images else 0
    frames = []
    for slow in (False, True):  # slow codecs once, the others twice
        names = [name for name, codec in measure.known(executables).items() if codec.slow == slow]
        jobs = [measure.job(name, file, side) for file in rows.file for name in names]
        frames.append(measure.run_jobs(jobs, run.folder / "jobs", 1 if slow or run.budget == "smoke" else 2,
                                       executables=executables, label="slow codecs" if slow else "fast codecs"))
    return _named(pd.concat(frames, ignore_index=True), rows)


def run_large(run, pictures, slow=False, executables=""):
    """Every codec on the large picture; slow ones on its middle, unless `slow`.  Columns as run_content."""
    row = pictures[pictures.role == "large"].iloc[0]
    big = row.height * row.width > BEYOND
    square = SMOKE_SIDE if run.budget == "smoke" else ESTIMATE_SIDE
    sides = {name: square if codec.slow and big and not slow else 0
             for name, codec in measure.known(executables).items()}
    jobs = [measure.job(name, row.file, side) for name, side in sides.items()]
    return _named(measure.run_jobs(jobs, run.folder / "jobs", executables=executables, label="large"), pictures)


def run_scaling(run, pictures, large):
    """A few codecs on squares of growing side, and on the large picture.  Columns as run_content, and `megapixels`."""
    row = pictures[pictures.role == "large"].iloc[0]
    sides = [side for side in SIDES if side <= min(row.height, row.width) and (run.budget != "smoke" or side < 2048)]
    jobs = [measure.job(codec, row.file, side) for codec in SCALING for side in sides]
    squares = _named(measure.run_jobs(jobs, run.folder / "jobs", 3, label="growing squares"), pictures)
    frame = pd.concat([squares, large[large.codec.isin(SCALING) & (large.side == 0)]], ignore_index=True)
    return frame.assign(megapixels=frame.height * frame.width / 1e6)


def run_two_threads(run, pictures, codecs):
    """The codecs that can use two threads, with one and with two, on the first content picture: wall seconds."""
    file = pictures[pictures.role == "content"].file.iloc[0]
    rows = []
    for threads in (1, 2):
        jobs = [measure.job(codec, file) for codec in codecs]
        frame = measure.run_jobs(jobs, run.folder / "jobs", 3, threads, label=f"{threads} thread" + "s" * (threads > 1))
        rows.append(frame.reindex(columns=["codec", "encode_wall_s", "decode_wall_s"]).set_index("codec"))
    return pd.concat(rows, axis=1, keys=["one", "two"])


def compare(codecs, rgb, repeats=1):
    """Codecs of any origin, your own among them, on one picture.  Columns as run_large, and `picture` is "".

    codecs: {id: Codec}; rgb: H W 3 uint8. Each runs in a process of its own; one that fails, or gives other pixels
    back, has a row with the reason instead of numbers.
    """
    with tempfile.TemporaryDirectory(prefix="codecs-") as folder:
        file = Path(folder, "picture.ppm")
        write_pnm(file, *rgb.shape[:2], [rgb])
        rows = [{"codec": name, "side": 0, "file": ""} | _outcome(codec, file, repeats)
                for name, codec in codecs.items()]
    return per_pixel(pd.DataFrame(rows).assign(picture=""))


def _outcome(codec, file, repeats):
    try:
        found = measure.measured(codec, file, repeats=repeats)
    except Exception as error:  # of a codec that we do not know
        return {"status": "rejected", "reason": f"{type(error).__name__}: {error}"} | NOTHING
    if found["verified"]:
        return found | {"status": "ok", "reason": ""}
    return {"status": "rejected", "reason": "not lossless: other pixels came back"} | NOTHING


def start_up_seconds(repeats=20):
    """Wall seconds to start the smallest program: the least that a command-line codec adds to every file."""
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run(["true"], check=True)
        spent.append(time.perf_counter() - start)
    return sorted(spent)[repeats // 2]


def _named(frame, pictures):
    names = dict(zip(pictures.file, pictures.picture, strict=True))
    return per_pixel(frame.assign(picture=frame.file.map(names)))
