"""The judge that is always here: it measures pictures instead of looking at them. maker: `classical`.

Fidelity (Sec. F.2): each sub-dimension is 5 minus 4 times the worst of its measures (imaging/fidelity_measures.py),
each between LIMITS: at the first and below nothing is wrong, at the second and above nothing is right. How well that
follows damage of known severity is in bench/calibration.py; SC-global and PI only by traces, not by meaning.

Compliance (Sec. F.3) is known for the built-in prompts alone, by a checker that knows what they ask for:

    IEV = 1 + 9 (share of the things that are present), less HALLUCINATED points for what nobody asked for
    AAA = 1 + 9 (share right of the colours and shapes of the things that are present)
    SRA = 1 + 9 (share right of their places and of their sides of each other)

and where IEV is below 4, AAA and SRA are shares of all that was asked for (Sec. I: the gate of its prompt).
"""
from functools import cache

import numpy as np

from pixverve_lib.imaging import fidelity_measures, reading
from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.judging import COMPLIANCE_LEVELS, FIDELITY_LEVELS, Judge, fingerprint
from pixverve_lib.scenes import primer, primer_checker

MAKER = "classical"
WHOLE = 2048  # px, long side; larger pictures are reduced to it: released code
GATE = 4  # Sec. I: an IEV below it lowers the others
HALLUCINATED = (0.035, 0.07)  # Sec. I takes 1-2 points from IEV; not in paper: choice, one from a stray share of half
# the area of the smallest thing, two from a whole one
GLOBAL = {"sc_global": ("repetition",), "pi": ("dispersal",), "lc": ("slope", "jumps"), "ch": ("banding", "bleeding")}
LOCAL = {"nge": ("chroma noise",), "ga": ("checkerboard", "aliasing", "halos"),
         "tf": ("over-smoothing", "texture repetition"), "mgc": ("raggedness", "stairs"),
         "sc_local": ("uneven sharpness",)}
LIMITS = {  # measure -> (nothing is wrong, nothing is right); not in paper: calibration.limits() on seed FITTED, but
    # for halos, chosen by hand: the fitted (-0.53, -0.04) rate the crisp texture of real pictures 1
    "repetition": (0.394, 1.0), "dispersal": (8.763, 9.68), "slope": (0.005, 1.177), "jumps": (0.857, 3.695),
    "banding": (0.0, 4.469), "bleeding": (0.347, 1.358), "chroma noise": (0.242, 3.234),
    "checkerboard": (-2.787, 3.597), "aliasing": (0.266, 1.851), "halos": (0.5, 2.0),
    "over-smoothing": (0.219, 0.935), "texture repetition": (0.43, 0.742), "raggedness": (0.037, 0.219),
    "stairs": (0.162, 1.978), "uneven sharpness": (0.48, 0.708),
}


def judge():
    """The classical judge; needs no weights and no network."""
    version = f"limits {fingerprint([LIMITS, GLOBAL, LOCAL, WHOLE, GATE, HALLUCINATED])}"
    return Judge(MAKER, rate_global, rate_local, rate_compliance, version=version)


def rate_global(rgb):
    """{sub-dimension: 1..5} of a whole picture  # rgb: H W 3 uint8; Failed below 32 px a side"""
    return _rated(reading.thumbnail(rgb, WHOLE), fidelity_measures.whole, GLOBAL)


def rate_local(patch, whole, region):
    """{sub-dimension: 1..5} of a patch at 1:1; the whole picture and where the patch lies in it change nothing"""
    return _rated(patch, fidelity_measures.part, LOCAL)


def rate_compliance(rgb, caption):
    """{"iev", "aaa", "sra": 1..10} of a picture of a built-in prompt, short or long; Failed for another caption."""
    spec = _specs().get(" ".join(caption.split()))
    if spec is None:
        return Failed("the classical judge knows only the built-in prompts; for others set PIXVERVE_JUDGE_URL")
    found = primer_checker.compliance(rgb, spec)
    iev = _level(*found.present) - sum(found.stray >= area for area in HALLUCINATED)
    iev = max(1.0, iev)
    if iev >= GATE:
        return {"iev": iev, "aaa": _level(*found.attributes), "sra": _level(*found.relations)}
    things = len(spec.things)
    return {"iev": iev, "aaa": _level(found.attributes[0], 2 * things),
            "sra": _level(found.relations[0], things + things * (things - 1) // 2)}


def _rated(rgb, measure, dimensions):
    if min(rgb.shape[:2]) < fidelity_measures.SIDE:
        return Failed(f"less than {fidelity_measures.SIDE} px a side: the classical judge sees too little")
    found = measure(rgb)
    return {key: _rating(max(_badness(name, found[name]) for name in names)) for key, names in dimensions.items()}


def _badness(name, value):
    low, high = LIMITS[name]
    return float(np.clip((value - low) / (high - low), 0, 1))


def _rating(badness):
    return FIDELITY_LEVELS - (FIDELITY_LEVELS - 1) * badness


def _level(right, of):
    return 1 + (COMPLIANCE_LEVELS - 1) * right / of


@cache
def _specs():
    return {text: one.spec for one in primer.bench_prompts() for text in (one.short, one.long)}
