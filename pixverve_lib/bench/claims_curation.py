"""Claims P07, P08, P10-P15: what the curation's detectors and filters do, from what notebooks 01-03 measured."""
import numpy as np
import pandas as pd
from scipy.stats import binom

from pixverve_lib.bench.claims_cells import good_scenes_kept
from pixverve_lib.bench.claims_evidence import FOLLOWS, NOT_TESTABLE, PARTLY, NotMeasured, check, measured
from pixverve_lib.imaging.seams import seam_map
from pixverve_lib.scenes import seam_damage

# not in paper: choices, all of them: where a measurement counts as reproduced
MIN_RECALL = 0.9  # of labelled bad pictures
CLEAR = {"brightness": 8, "shift": 3, "colour": 16}  # defects that a seam inspection has to find; seam_damage.UNITS
SIDE, SEAM_SAMPLES = 1200, 4  # pixels (three tiles), drawn photographs
MIN_PSNR = 40  # dB, of a picture scaled down again
FINE_ENERGY = (0.5, 2.0)  # of a native picture's energy at high frequencies
LOCAL = 0.1  # share of a picture that is bad: a local degradation


@check("P07")
def detectors(book):
    return book.decided_by(lambda: _detectors(book))


def _detectors(book):
    book.note(f"rule: each finds {MIN_RECALL:.0%} of what was planted for it (not in paper: choice)")
    planted = book.exhibit("ours_01_planted", "01_curation")
    caught = planted["caught by"].fillna("").str.extractall(r"(?:^|, )([a-z ]+) (\d+)")
    caught = caught.set_axis(["detector", "count"], axis=1).astype({"count": int}).droplevel(1)
    names, recalls = ("exposure", "sharpness", "flatness", "content richness"), {}
    for name in names:
        rows = planted[planted["meant for"] == name]
        hits = caught[caught.detector == name]["count"].reindex(rows.index).fillna(0)
        recalls[name] = hits.sum() / rows.pictures.sum()
    good = planted[planted.kind == "good"].iloc[0]
    return min(recalls.values()) >= MIN_RECALL, (
        ", ".join(f"{name} finds {recall:.0%}" for name, recall in recalls.items())
        + f" of what was planted for it; of {good.pictures} good scenes {good.dropped} go too ({good['caught by']}); "
        "nothing is planted for aesthetics")


@check("P08")
def conservative(book):
    return book.decided_by(lambda: _conservative(book))


def _conservative(book):
    good, here, there = good_scenes_kept(book)
    return here == good, f"of {good} good scenes {here} stay; with UltraFlux's 800 and 50 % only {there}"


@check("P10")
def smooth_transitions(book):
    return book.decided_by(lambda: _transitions(book))


def _transitions(book):
    made = book.artefact("uhr_pool").query("scale > 1")
    limit = book.constant("SEAM_MAX_RATIO")
    if made.empty:
        raise NotMeasured("no picture of that run was up-scaled")
    ratios = ", ".join(f"{ratio:.2f}" for ratio in made.seam_ratio)
    return (made.seam_ratio <= limit).all(), f"worst seam ratio of each up-scaled picture {ratios}, limit {limit}"


@check("P11")
def seams_found(book):
    limit, stride = book.constant("SEAM_MAX_RATIO"), book.constant("SEAM_STRIDE")
    book.note(f"measured by this check: {SEAM_SAMPLES} drawn photographs of {SIDE} px, one tile of each spoiled; ratio "
              "of imaging/seams.py, for the paper prints no formula (M18)")
    book.note(f"rule: {MIN_RECALL:.0%} of each kind rejected, of clean ones the rest at most (not in paper: choice)")
    pictures = list(seam_damage.photographs(SEAM_SAMPLES, SIDE, SIDE).values())
    false = np.mean([_worst(rgb, stride) > limit for rgb in pictures])
    found = {kind: np.mean([_worst(seam_damage.plant(rgb, kind, severity, stride, i).rgb, stride) > limit
                            for i, rgb in enumerate(pictures)]) for kind, severity in CLEAR.items()}
    shares = ", ".join(f"{kind} by {CLEAR[kind]} {seam_damage.UNITS[kind]} {found[kind]:.0%}" for kind in CLEAR)
    clear = [share >= MIN_RECALL and false <= 1 - MIN_RECALL for share in found.values()]
    verdict = PARTLY if any(clear) and not all(clear) else measured(all(clear))
    return verdict, f"rejected: {shares}; clean pictures {false:.0%}"


def _worst(rgb, stride):
    """The largest ratio of all seams of a picture  # H W 3 uint8"""
    return max(each.max() for each in seam_map(rgb, stride))


@check("P12")
def two_bad_patches(book):
    patches, most = book.constant("REGION_PATCHES"), book.constant("REGION_MAX_BAD")
    book.note("P(more than one of ten random patches is bad) = 1 - (1-q)^10 - 10 q (1-q)^9, q: bad share of a picture")
    book.note(f"rule: {MIN_RECALL:.0%} caught where {LOCAL:.0%} of a picture are bad (not in paper: choice)")
    shares = (0.02, 0.05, LOCAL, 0.2, 1 / 3)
    caught = {q: binom.sf(most, patches, q) for q in shares}
    verdict = FOLLOWS if caught[LOCAL] >= MIN_RECALL else PARTLY
    return verdict, "caught: " + ", ".join(f"{p:.1%} at {q:.0%} bad" for q, p in caught.items())


@check("P13")
def native_spectra(book):
    return book.decided_by(lambda: _spectra(book))


def _spectra(book):
    book.note("rule: a match has {} to {} times the native energy (not in paper: choice)".format(*FINE_ENERGY))
    rows = book.exhibit("ours_02_upscalers", "02_super_resolution").set_index("upscaler").astype(str)
    best = rows.index[-1]
    energy, distance = (float(rows.loc[best, column].split()[0])
                        for column in ("fine energy / native", "log-spectral distance (dB)"))
    plain = rows.loc["bicubic", "log-spectral distance (dB)"].split()[0]
    return FINE_ENERGY[0] <= energy <= FINE_ENERGY[1], (
        f"up-scaler {best}: {energy:.3g} of the native energy at high frequencies, {distance:.3g} dB from the native "
        f"spectrum (bicubic {plain}); ODTSR's weights are not here")


@check("P14")
def consistent_downwards(book):
    return book.decided_by(lambda: _downwards(book))


def _downwards(book):
    book.note(f"rule: a match has a PSNR of {MIN_PSNR} dB or more (not in paper: choice)")
    made = book.artefact("uhr_pool").query("scale > 1").dropna(subset=["psnr"])
    if made.empty:
        raise NotMeasured("no picture of that run was up-scaled")
    return made.psnr.min() >= MIN_PSNR, (f"scaled down again, {len(made)} pictures have PSNR {made.psnr.min():.1f} dB "
                                         f"and SSIM {made.ssim.min():.4f} or more")


@check("P15")
def staged_recall(book):
    try:
        roles = book.exhibit("ours_03_roles", "03_captioning").set_index("quality")
        recall = pd.to_numeric(roles.value)["box recall"]
        known = f"the staged stand-in finds {recall:.1%} of the things of a scene; "
    except NotMeasured:
        known = ""
    return NOT_TESTABLE, known + ("one pass against stages needs an MLLM: set an endpoint and run "
                                  "make notebook NB=03 BUDGET=paper")
