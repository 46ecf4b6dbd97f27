"""The metric cards of a scored folder: what each number is called, and how it was made."""
from importlib.metadata import version

from pixverve_lib.bench import classical_judge, distribution, scoring
from pixverve_lib.bench.metrics import METRICS, Card
from pixverve_lib.imaging.cooccurrence import PATCH
from pixverve_lib.paper.constants import REGION_RANDOM_PATCHES, REGION_TEXTURED_PATCHES

SQUARE = "a picture that is not square to a square of equal area"


def card(key, backends, lengths, pictures, missing, truncated=0, note=""):
    """The Card of one metric. pictures, missing: how many have a value and how many have none; truncated: cut texts."""
    instrument = getattr(backends, scoring.BACKEND[key]) if key in scoring.BACKEND else None
    resize, patches = _seen(key, lengths, getattr(instrument, "resize", ""))
    notes = (METRICS[key].note, _kind(key, instrument), getattr(instrument, "note", ""), note)
    versions = (getattr(instrument, "version", ""), f"pixverve-repro {version('pixverve-repro')}")
    return Card(METRICS[key].name, name(key, backends), getattr(instrument, "weights", ""), resize, patches, pictures,
                truncated, missing, ", ".join(filter(None, versions)), "; ".join(filter(None, notes)),
                getattr(instrument, "genuine", False))


def name(key, backends):
    """What the metric is called with these backends: "FID", "nano-FID_patch", "MSFI (classical)"."""
    if key not in scoring.BACKEND:
        return METRICS[key].name
    found = getattr(backends, scoring.BACKEND[key])
    if hasattr(found, "maker"):
        return f"{METRICS[key].name} ({found.maker})"
    return found.name.replace("FID", "FID_patch", 1) if key == "fid_patch" else found.name


def comparable(key, card):
    """Whether the number may stand beside published ones."""
    return card.genuine or key not in scoring.BACKEND


def _seen(key, lengths, own):
    """(resize, patches) in words."""
    large = f"{lengths.local_small} px, {lengths.local_large} px from a long side of {lengths.large_from} px"
    textured, random = REGION_TEXTURED_PATCHES, REGION_RANDOM_PATCHES
    return {
        "fid": (f"{SQUARE}, reference to the same (bilinear), both to {own}", ""),
        "fid_patch": (f"{SQUARE}, reference to the same (Lanczos), patches to {own}",
                      f"{distribution.PATCHES} of {lengths.fid} px a picture, places by seed {distribution.SEED}"),
        "glcm_score": ("", f"all of {PATCH} px, no overlap, the rest dropped"),
        "msfi": (f"whole picture to {lengths.whole} px",
                 f"{textured} textured + {random} random of {large}; fewer where a picture holds fewer"),
        "ics": (f"to {lengths.compliance} px", ""),
    }.get(key, (own, ""))


def _kind(key, instrument):
    if key == "glcm_score":
        return "symmetric, as published (released code); published scores are of JPEG files, of unknown quality"
    if not hasattr(instrument, "maker"):
        return ""
    blind = "; it measures traces of damage and sees little of structure, perspective and light in photographs"
    return f"rated by {instrument.maker}" + blind * (key == "msfi" and instrument.maker == classical_judge.MAKER)
