"""Our way beside the obvious way at 10240 x 10240: CPU seconds and peak memory, in one run (`make bench`).

To compare something else, append a Comparison; the obvious ways are in bench_obvious.py. Each contender runs in a
process of its own, once on a small picture for its imports and then twice on the large one; CPU seconds are of all
threads, the better of the two. Peak memory is what the process needed beyond its start, the picture (315 MB) and
reading it included.
"""

import itertools
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import bench_obvious as obvious
import cv2
import numpy as np
from tabulate import tabulate

from pixverve_lib.curation import super_resolution
from pixverve_lib.curation.deduplication import RADIUS
from pixverve_lib.imaging import cooccurrence, duplicates, fidelity, reading, seams, spectrum, statistics, tiling
from pixverve_lib.paper import constants as paper
from pixverve_lib.scenes import layouts, render

SIDE = 10240  # Sec. 4 (Baselines): the paper's 10K
TARGET = 1.5  # the four statistics may take this many times the CPU of decoding
MEMORY_TARGET_MB = 1000
SSIM_SIDE = 4096  # the obvious way needs 12 GB at SIDE
HASHES = 50_000


@dataclass(frozen=True)
class Comparison:
    name: str
    given: Callable[[Path], object]  # path of a JPEG -> what both are called with; not timed
    ours: Callable[[object], object]
    obvious: Callable[[object], object]
    obvious_name: str
    target: float = 0  # how many times the CPU seconds the obvious way should take


def measure(rgb: np.ndarray) -> statistics.Statistics:
    return statistics.measure(rgb, **obvious.DETECTORS)


def random_hashes(_: Path) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2**63, HASHES, dtype=np.uint64)


def near_pairs(hashes: np.ndarray) -> np.ndarray:
    return duplicates.near_pairs(hashes, hashes, RADIUS)


def read_gray(path: Path) -> np.ndarray:
    return cv2.cvtColor(reading.read_rgb(path), cv2.COLOR_RGB2GRAY)


def seam_ratios(rgb: np.ndarray) -> seams.Ratios:
    return seams.seam_ratios(rgb, paper.SEAM_STRIDE)


def read_pair(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rgb = reading.read_rgb(path)[:SSIM_SIDE, :SSIM_SIDE]
    return rgb, cv2.blur(rgb, (3, 3))


def ssim(pair: tuple[np.ndarray, np.ndarray]) -> float:
    return fidelity.ssim(*pair)


def some_tiles(path: Path) -> tuple[int, list[np.ndarray]]:
    """The side of a picture, and a few tiles to be used again and again."""
    rng = np.random.default_rng(0)
    shape = (super_resolution.TILE, super_resolution.TILE, 3)
    return reading.probe(path).width, [rng.uniform(0, 255, shape).astype(np.float32) for _ in range(4)]


def blend(given: tuple[int, list[np.ndarray]]) -> int:
    side, tiles = given
    bands = tiling.blend(itertools.cycle(tiles), side, side, super_resolution.TILE, super_resolution.STRIDE)
    return sum(len(band) for band in bands)


def draw_scene(layout: str) -> tuple[float, float]:
    """Megapixels a second of one core, after compiling, and the exponent of the power spectrum of the lower middle."""
    scene = layouts.compose(layout, 1)
    render.draw(scene, 64, 96)
    before = time.process_time()
    picture = render.draw(scene, 2600, 3900)
    speed = 2600 * 3900 / 1e6 / (time.process_time() - before)
    return speed, spectral_exponent(picture[-2048:, 900:2948].mean(axis=2))


def spectral_exponent(gray: np.ndarray) -> float:
    """Slope of the radially averaged power spectrum between 0.01 and 0.4 cycles a pixel, both axes logarithmic."""
    n = len(gray)
    power = np.abs(np.fft.rfft2((gray - gray.mean()) * np.hanning(n)[:, None] * np.hanning(n))) ** 2
    ring = (np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)) * 100).astype(int)
    mean = np.bincount(ring.ravel(), power.ravel()) / np.bincount(ring.ravel())
    return float(np.polyfit(np.log(np.arange(1, 40) + 0.5), np.log(mean[1:40]), 1)[0])


COMPARISONS = [
    Comparison("decode JPEG", Path, reading.read_rgb, obvious.decode, "Pillow"),
    Comparison("four statistics", reading.read_rgb, measure, obvious.measure, "scikit-image, NumPy"),
    Comparison(f"near pairs of {HASHES} hashes", random_hashes, near_pairs, obvious.near_pairs, "every pair, NumPy"),
    Comparison("RAPS", read_gray, spectrum.raps, obvious.raps, "NumPy fft2", 10),
    Comparison("GLCM Score, all 4", reading.read_rgb, cooccurrence.glcm_scores, obvious.glcm, "scikit-image, one", 6),
    Comparison("seam ratios", reading.read_rgb, seam_ratios, obvious.seam_ratios, "NumPy, gray only", 20),
    Comparison(f"SSIM, {SSIM_SIDE} x {SSIM_SIDE}", read_pair, ssim, obvious.ssim, "scikit-image", 12),
    Comparison("blending tiles", some_tiles, blend, obvious.blend, "NumPy, full frame", 2.5),
]


def write_pictures(folder: Path) -> float:
    """Write small.jpg and large.jpg of 1/f noise with grain, about as costly as photographs; returns bits per pixel."""
    rng, side = np.random.default_rng(0), SIDE // 4
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = np.inf
    tile = np.empty((side, side, 3), np.float32)
    for channel in range(3):
        noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) / frequency)
        tile[..., channel] = 40 * noise / noise.std()
    tile = 0.3 * tile + 0.7 * tile[..., :1]  # channels of photographs are correlated
    tile += 120 + 5 * rng.standard_normal((side, side, 1))
    tile = tile.clip(0, 255).astype(np.uint8)
    reading.write_jpeg(folder / "small.jpg", tile[:480, :480], quality=95)
    reading.write_jpeg(folder / "large.jpg", np.tile(tile, (4, 4, 1)), quality=95)
    return (folder / "large.jpg").stat().st_size * 8 / SIDE**2


def run_contender(index: int, side: str, folder: Path) -> tuple[float, float]:
    """CPU seconds and peak MB of one contender, on the large picture."""
    comparison = COMPARISONS[index]
    run = getattr(comparison, side)
    run(comparison.given(folder / "small.jpg"))
    start = peak_mb()
    given = comparison.given(folder / "large.jpg")
    seconds = []
    for _ in range(2):
        before = time.process_time()
        run(given)
        seconds.append(time.process_time() - before)
    return min(seconds), peak_mb() - start


def peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def machine() -> str:
    packages = ("simplejpeg", "opencv-python-headless", "pillow", "scikit-image", "numpy")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    system = f"{platform.system()} {platform.machine()}, {cv2.getNumThreads()} threads"
    return f"{system}, Python {platform.python_version()}, {versions}"


def main() -> None:
    # A fresh interpreter for each: memory peaks are per process, and nobody profits from another's warm caches.
    with (
        tempfile.TemporaryDirectory() as name,
        ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool,
    ):
        folder = Path(name)
        bits = pool.submit(write_pictures, folder).result()
        results = [
            [pool.submit(run_contender, index, side, folder).result() for side in ("ours", "obvious")]
            for index in range(len(COMPARISONS))
        ]
        scenes = {layout: pool.submit(draw_scene, layout).result() for layout in layouts.LAYOUTS}
    print(machine())
    print(f"{SIDE} x {SIDE} px, JPEG of {bits:.1f} bits per pixel\n")
    rows = [
        (c.name, *ours, c.obvious_name, *obvious, obvious[0] / ours[0], c.target or None)
        for c, (ours, obvious) in zip(COMPARISONS, results, strict=True)
    ]
    header = ("", "ours: CPU s", "peak MB", "obvious way", "CPU s", "peak MB", "obvious / ours", "target")
    print(tabulate(rows, header, floatfmt=("", ".2f", ".0f", "", ".2f", ".0f", ".1f", ".0f")), end="\n\n")
    (decode, _), (detect, peak) = results[0][0], results[1][0]
    print(f"four statistics / decode: {verdict(detect / decode, TARGET, 'x')}")
    print(f"peak of reading and measuring, picture included: {verdict(peak, MEMORY_TARGET_MB, ' MB')}")
    for layout, (speed, exponent) in scenes.items():
        print(f"scene {layout:<11} {speed:5.1f} MP/s a core, power spectrum f^{exponent:.2f}")


def verdict(value: float, target: float, unit: str) -> str:
    return f"{value:.3g}{unit} (target: at most {target:g}{unit}, {'met' if value <= target else 'MISSED'})"


if __name__ == "__main__":
    main()
