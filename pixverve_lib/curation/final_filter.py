"""The two automatic filters of Sec. 3.1.4 over a pool of 100 MP pictures, and the patches for the judged one."""
from functools import lru_cache

import pandas as pd

from pixverve_lib.curation import consistency, regions, seam_filter
from pixverve_lib.kit.artefacts import atomic
from pixverve_lib.kit.parallel import map_pictures
from pixverve_lib.paper.constants import SEAM_MAX_RATIO

VERSION = "1"  # change it when a number of `inspect` changes
SCORES = ("seam_ratio", "psnr", "ssim", "lpips")
MEMORY_LIMIT = 4 * 2**30  # bytes; the input of nearly 100 MP twice, and bands of the result


def measure(run, uhr):
    """Adds SCORES to rows of UHR pictures, sharded and resumable.  Returns (measured, failures: path, step, reason).

    A native picture has no seams and no input to agree with: its scores stay missing.
    """
    synthetic, native = uhr[uhr.scale > 1], uhr[uhr.scale == 1]
    folder, table = run.folder / "filters", run.folder / "filters" / "sources.parquet"
    with atomic(table) as temporary:
        synthetic[["path", "source_path"]].to_parquet(temporary, index=False)
    perceptual = len(synthetic) > 0 and consistency.lpips() is not None
    seen = map_pictures(inspect, synthetic.path.tolist(), folder, options={"table": str(table), "lpips": perceptual},
                        version=VERSION, memory_limit=None if perceptual else MEMORY_LIMIT, label="seams, consistency")
    seen = seen.reindex(columns=["path", "status", "reason", *SCORES]).astype(dict.fromkeys(SCORES, float))
    measured = pd.concat([native, synthetic.merge(seen[seen.status == "ok"][["path", *SCORES]], on="path")])
    bad = seen[seen.status != "ok"]
    failures = pd.DataFrame({"path": bad.path, "step": "final filters", "reason": bad.reason}, dtype=str)
    return measured.reindex(columns=[*uhr.columns, *SCORES]).reset_index(drop=True), failures


def inspect(path, table, lpips):
    """SCORES of one super-resolved picture.  table: parquet of path, source_path; lpips: whether its weights are here

    Raises UnreadableImage, and ValueError when the result is smaller than its input.
    """
    metric = consistency.lpips() if lpips else None
    found = consistency.inspect(path, _sources(table)[path], metric)
    return {"seam_ratio": seam_filter.inspect(path).ratio, **found._asdict()}


@lru_cache(1)
def _sources(table):
    frame = pd.read_parquet(table)
    return dict(zip(frame.path, frame.source_path, strict=True))


def decide(measured, thresholds, max_ratio=SEAM_MAX_RATIO):
    """Adds the verdicts seam and consistency ("kept" | "rejected" | "undecided" | "native"), and kept: bool."""
    verdicts = pd.DataFrame({"seam": seam_filter.decide(measured.seam_ratio, max_ratio),
                             "consistency": consistency.decide(measured[list(SCORES)], *thresholds).consistency})
    verdicts[measured.scale == 1] = "native"
    return measured.assign(**verdicts, kept=~(verdicts == "rejected").any(axis=1))


def rejected(decided, *failures):
    """Everything that is not kept: columns path (of the source, or of what could not be read), step, reason."""
    lost = decided[~decided.kept]
    steps = ["seam continuity" if row.seam == "rejected" else "consistency" for row in lost.itertuples()]
    reasons = [f"seam ratio {row.seam_ratio:.2f}, PSNR {row.psnr:.2f} dB, SSIM {row.ssim:.4f}"
               for row in lost.itertuples()]
    frame = pd.DataFrame({"path": lost.source_path, "step": steps, "reason": reasons}, dtype=str)
    return pd.concat([*failures, frame], ignore_index=True)


def region_patches(kept, seed):
    """The patches that the judge of Sec. 3.1.4 will see, of every synthetic picture: columns id, *regions.COLUMNS."""
    found = [regions.sample(p.path, p.id, seed).assign(id=p.id) for p in kept[kept.scale > 1].itertuples()]
    return pd.concat([pd.DataFrame(columns=["id", *regions.COLUMNS]), *found], ignore_index=True)
