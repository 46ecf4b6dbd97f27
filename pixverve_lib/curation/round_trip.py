"""The exported pool, read as its users will: by `datasets`."""
import json
import warnings
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from pixverve_lib.curation import export
from pixverve_lib.imaging import reading

LOOKED_AT = 3  # pictures of each part, at 2 s for 100 MP


def check(folder, rows):
    """What `datasets.load_dataset(folder)` reads: columns split, id, file, picture (size), pixels, record.

    rows: from `export.annotation_records`; the first LOOKED_AT of each part are looked at. pixels,
    record: "equal" when they are what went in, else "different". Raises ValueError when a part has another length.
    """
    with warnings.catch_warnings(action="ignore"):  # of widgets that a notebook on paper does not need
        import datasets  # seconds of imports

    datasets.disable_progress_bars()
    with TemporaryDirectory() as cache:  # a loader that remembers would hide what is in the folder now
        found = datasets.load_dataset(str(folder), cache_dir=cache)
        compared = []
        for part in found:
            here = [row for row in rows if row["split"] == part]
            if len(here) != len(found[part]):
                raise ValueError(f"{len(here)} records of {part!r} were written, {len(found[part])} are read")
            compared += [_compared(row, found[part][i]) for i, row in enumerate(here[:LOOKED_AT])]
    return pd.DataFrame(compared)


def _compared(row, read):
    pixels = np.asarray(read.pop("image"))
    (written,) = export.table([row]).to_pylist()
    del written["file_name"]  # `datasets` gives the picture in its place
    equal = {True: "equal", False: "different"}
    return {"split": row["split"], "id": row["id"], "file": row["file_name"],
            "picture": f"{pixels.shape[0]} x {pixels.shape[1]}",
            "pixels": equal[np.array_equal(pixels, reading.read_rgb(row["path"]))],
            "record": equal[_text(read) == _text(written)]}


def _text(record):
    return json.dumps(record, sort_keys=True)
