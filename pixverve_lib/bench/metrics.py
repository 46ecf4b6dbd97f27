"""The eight metrics of PixVerve-Bench (Sec. 3.3, App. F): what each is, in which direction it is better, what it needs.

Keys are the columns of Tab. 3's transcription. A number never goes without its `Card`: the protocol it was made with.
"""
from dataclasses import dataclass
from math import inf, sqrt
from typing import NamedTuple

GLCM_CONSTANT = 0.00328186  # bits: a share p = 16 / 65536 of ones, -p log2 p - (1 - p) log2 (1 - p)


class Golden(NamedTuple):
    """One known value; tests/test_metrics.py measures it again."""

    case: str
    value: float
    tolerance: float


@dataclass(frozen=True)
class Metric:
    """An entry of the register: `needs` is of reference, short, long, judge.

    low, high: its range as bars show it; it bounds the values, but for GLCM Score and Aesthetics, which may leave it.
    per_picture: whether one picture has a value; without it only a set of pictures has.
    paper, released: the definition in the paper and the one in the released evaluation code. A metric of
    bench/own_metrics.py has no golden value, and a note for its card.
    """

    name: str
    higher_is_better: bool
    low: float
    high: float
    needs: frozenset
    per_picture: bool
    paper: str
    released: str
    golden: Golden | None
    note: str = ""

    @property
    def arrow(self):
        return "↑" if self.higher_is_better else "↓"


@dataclass(frozen=True)
class Card:
    """How a number was made; what is empty or zero is left out of its line.

    metric, backend: names as in tables; weights, resize, patches, version, note: a few words each; pictures: how many
    have a value; truncated: texts that were cut; missing: pictures without a value; genuine: whether
    weights or judge are the paper's own, so that the number may stand beside published ones.
    """

    metric: str
    backend: str = ""
    weights: str = ""
    resize: str = ""
    patches: str = ""
    pictures: int = 0
    truncated: int = 0
    missing: int = 0
    version: str = ""
    note: str = ""
    genuine: bool = False

    def line(self):
        """`FID | inception 2015-12-05 | resize: ... | 200 pictures | 3 missing | torchmetrics 1.9.0`"""
        parts = (self.metric, self.backend if self.backend != self.metric else "", self.weights,
                 self.resize and f"resize: {self.resize}", self.patches and f"patches: {self.patches}",
                 _counted(self.pictures, "picture"), _counted(self.truncated, "text", "cut"),
                 self.missing and f"{self.missing} missing", self.version, self.note)
        return " | ".join(part for part in parts if part)


def _counted(number, thing, then=""):
    return f"{number} {thing}{'s' if number != 1 else ''} {then}".rstrip() if number else ""


METRICS = {
    "fid": Metric(
        "FID", False, 0, inf, frozenset({"reference"}), False,
        "Distance of the distributions of whole pictures, down-sampled to 299 x 299 (Sec. 3.3.1).",
        "Both pictures resized straight to the generated side, bilinear, then to 299 by torchmetrics; 2048 Inception "
        "features. 200 pictures a method, far below the 2,048 that a covariance of this size needs.",
        Golden("two sets of features that differ by the vector (3, 4)", 25, 1e-9)),
    "fid_patch": Metric(
        "FID_patch", False, 0, inf, frozenset({"reference"}), False,
        "FID of local patches (Sec. 3.3.1); their size, number and places are not printed.",
        "20 random patches of 299 px a picture, at the same places of real and generated, which are both "
        "Lanczos-resized to the generated side; one stream of Python's random, seed 42.",
        Golden("patches of a picture against themselves", 0, 1e-6)),
    "aesthetics": Metric(
        "Aesthetics", True, 1, 10, frozenset(), True,  # nominal: the head is linear and has no bounds
        "LAION Aesthetic Predictor (Sec. 3.3.1); which one is not said.",
        "Unit-length CLIP ViT-L/14 feature through the linear head sac+logos+ava1-l14-linearMSE.",
        Golden("nano-aesthetic of bench-000 drawn at 256 px", 6.456, 0.01)),
    "glcm_score": Metric(
        "GLCM Score", True, 0, 3, frozenset(), True,  # published kind: 0.4 to 2.8; heavy noise reaches 4
        "Mean Shannon entropy of the normalised 64-level co-occurrence matrices of 64-px patches (Sec. F.1): 4 to 9 "
        "bits on real pictures.",
        "scikit-image's shannon_entropy of the 4-D array of symmetric matrices: entropy of its distinct values, 0.4 to "
        "2.8. All published scores are of this kind, and so is ours (the formula's is beside it).",
        Golden("a constant picture: 16 ones among 65520 zeros", GLCM_CONSTANT, 1e-7)),
    "msfi": Metric(
        "MSFI", True, 1.2, 10, frozenset({"judge"}), True,  # Sec. F.2
        "S_global + S_global / 5 x the mean S_local of ten patches, from five-point ratings (Sec. F.2); the weights of "
        "the nine sub-dimensions are not printed.",
        "Weights global SC 5, PI 3, LC 2, CH 2; local NGE 2, GA 3, TF 5, MGC 2, SC 2. A malformed rating becomes 3 "
        "there and a failed call drops the patch; here both are missing and counted.",
        Golden("every rating 1", 1.2, 1e-9)),
    "clipscore": Metric(
        "CLIPScore", True, 0, 100, frozenset({"short"}), True,
        "Correlation of picture and short caption (Sec. 3.3.2).",
        "torchmetrics: 100 x max(cosine, 0) with clip-vit-base-patch16 and the short caption. It cuts a text of more "
        "than 77 tokens with its end mark; here the end mark stays and the cut is counted.",
        Golden("nano-CLIPScore of bench-000 drawn at 256 px with its short prompt", 93.55, 0.05)),
    "fg_clip2_score": Metric(
        "FG-CLIP2 Score", True, 0, 100, frozenset({"long"}), True,
        "The same with FG-CLIP2 and the long caption (Sec. 3.3.2).",
        "100 x max(cosine, 0), the text in lower case and 196 tokens, walk_type long, 128 to 1024 patches by the area "
        "of the picture: 1024 from 0.2 MP on.",
        Golden("nano-CLIPScore of bench-000 drawn at 256 px with its long prompt", 93.25, 0.05)),
    "ics": Metric(
        "ICS", True, sqrt(0.1), 10, frozenset({"long", "judge"}), True,  # all ratings 1, all 10
        "sqrt(IEV / 10) x (0.6 AAA + 0.4 SRA), from ten-point ratings (Sec. F.3).",
        "The same. The judge sees the whole picture at a long side of 3072 px, as JPEG of quality 98.",
        Golden("IEV 5, AAA 8, SRA 6", sqrt(0.5) * 7.2, 1e-9)),
}
