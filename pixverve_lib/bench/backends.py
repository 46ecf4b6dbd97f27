"""Who measures: the networks and judges behind the metrics, the real ones where they are at hand.

A stand-in never carries the name of what it stands for: nano-FID is no FID. What can stand for nothing is `Missing`,
with one line that says what to get.
"""
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

from pixverve_lib.bench import classical_judge
from pixverve_lib.imaging import reading
from pixverve_lib.kit import fingerprint, run
from pixverve_lib.models import aesthetics as predictors
from pixverve_lib.models import clip_score, endpoint_judge, fg_clip2, inception, nano_clip
from pixverve_lib.models.judging import Judge

LAION_HEAD = "sac+logos+ava1-l14-linearMSE.pth"  # not in paper: released code
STAND_IN = "classical-colour"  # for LAION's on real pictures


@dataclass(frozen=True)
class Missing:
    """Nobody can measure this here; `reason` is one line that says what to get."""

    reason: str


@dataclass(frozen=True)
class Instrument:
    """One measuring function and what its card says.

    name: of the metric as measured, such as `nano-FID`; weights, resize, version: a few words each; note: a line that
    says why a stand-in is one, or ""; genuine: whether these are the paper's weights; others bear their file in `name`.
    """

    name: str
    weights: str
    resize: str
    version: str
    measure: Callable
    note: str = ""
    genuine: bool = False

    def __call__(self, *question):
        return self.measure(*question)


@dataclass(frozen=True)
class Backends:
    """One for each kind of question; the comments are how each is called and what it gives. Pictures: H W 3 uint8."""

    features: Instrument | Missing  # (pictures) -> N D float32
    aesthetics: Instrument | Missing  # (rgb) -> float
    clip: Instrument | Missing  # (rgb, short) -> clip_score.Agreement; ValueError for a text it does not know
    fg_clip: Instrument | Missing  # (rgb, long) -> clip_score.Agreement; the same
    judge: Judge | Missing  # see models/judging.py


def nano():
    """The embedded ones, for built-in prompts and pictures drawn from them."""
    model = _nano_clip()
    agree = partial(_agree, model)
    return Backends(
        features=_nano_features(),
        aesthetics=_nano("nano-aesthetic", lambda rgb: float(model.aesthetic([rgb])[0])),
        clip=_nano("nano-CLIPScore", agree), fg_clip=_nano("nano-CLIPScore (long)", agree),
        judge=classical_judge.judge())


def chosen(features="", aesthetics="", clip="", fg_clip="", judge=""):
    """Those for real pictures, each by id or path; "" is what the paper uses, if it lies on this machine already.

    features: Inception weights (.pth, .safetensors). aesthetics: LAION's head, or `classical-colour`. clip: a CLIP.
    fg_clip: an FG-CLIP2; its code runs only as `trust:ID`. judge: `classical`; "" is the model of PIXVERVE_JUDGE_URL,
    where that is not set the one of PIXVERVE_CHAT_URL, and without both `classical`. Where the paper's is not at hand,
    nano-clip's features stand for Inception's and a classical score for LAION's, under their own names; the others are
    Missing. Raises ValueError for a judge that is none, EndpointError for an endpoint that is set up wrongly.
    """
    return Backends(_inception(features), _aesthetics(aesthetics), _clip(clip), _fg_clip(fg_clip), _judge(judge))


@cache
def _nano_clip():
    return nano_clip.load()


def _nano(name, measure, note=""):
    return Instrument(name, "nano-clip", f"{nano_clip.SIDE} x {nano_clip.SIDE}, area", "", measure, note)


def _nano_features(note=""):
    return _nano("nano-FID", _nano_clip().pooled_features, note)


def _agree(model, rgb, text):
    return clip_score.Agreement(float(model.score([rgb], [text])[0]), False)


def _inception(path):
    try:
        network = inception.load(path)
    except predictors.WeightsMissing as missing:
        return Missing(str(missing)) if path else _nano_features(f"{missing}; nano-clip's features stand in")
    side = f"{inception.SIDE} x {inception.SIDE}, bilinear, antialiased"
    return _of_file("FID", path or inception.default_path(), inception.SHA256, side,
                    f"torch-fidelity {version('torch-fidelity')}", network)


def _aesthetics(head):
    if head and head != STAND_IN:
        name, why = f"laion:{head.removeprefix('laion:')}", ""
    else:
        name, why = (STAND_IN, "") if head else predictors.available(f"laion:{_head()}", STAND_IN)
    try:
        look = predictors.load(name)
    except predictors.WeightsMissing as missing:
        return Missing(f"Aesthetics: {missing}")

    def measure(rgb):
        return look(reading.thumbnail(rgb, predictors.THUMBNAIL))
    small = f"{predictors.THUMBNAIL} px, area"
    if name == STAND_IN:
        return Instrument(name, "", small, "", measure, _below_home(why))
    return _of_file("Aesthetics", name.removeprefix("laion:"), predictors.LAION_SHA256,
                    f"{small}, then 224, bicubic", f"open_clip {version('open_clip_torch')}", measure)


def _of_file(metric, path, published, resize, made_with, measure):
    """The Instrument of a weights file, which is the paper's if its SHA-256 is `published`."""
    path = Path(path).expanduser()
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    weights = f"{path.name}, {path.stat().st_size:,} bytes, sha256 {digest[:8]}"
    genuine = digest == published
    return Instrument(_named(metric, path.stem, genuine), weights, resize, made_with, measure, genuine=genuine)


def _named(metric, weights, genuine):
    return metric if genuine else f"{metric} ({weights})"


def _head():
    return os.environ.get("PIXVERVE_LAION_HEAD") or run.home() / ".cache" / "weights" / LAION_HEAD


def _below_home(line):
    return line.replace(f"{run.home()}/", "")


def _clip(name):
    try:
        model = clip_score.load(name or clip_score.NAME, offline=not name)
    except predictors.WeightsMissing as missing:
        return Missing(f"CLIPScore: {missing}")
    return _hub("CLIPScore", name, clip_score.NAME, "short side 224, bicubic, middle", model)


def _fg_clip(name):
    try:
        model = fg_clip2.load(name or fg_clip2.NAME, offline=not name)
    except predictors.WeightsMissing as missing:
        return Missing(f"FG-CLIP2 Score: {missing}")
    return _hub("FG-CLIP2 Score", name.removeprefix(fg_clip2.TRUST), fg_clip2.NAME,
                f"at most {fg_clip2.PATCHES[-1]} patches of 16 px", model)


def _hub(metric, name, published, resize, model):
    """The Instrument of a model by id or folder, which is the paper's if its id is `published`."""
    folder = Path(name or published)
    genuine = name in ("", published) and not folder.exists()  # transformers prefers a folder of that name
    stamp = f", files {fingerprint.of_pictures(folder)[:8]}" if folder.exists() else ""  # of names, sizes, times
    return Instrument(_named(metric, folder.name, genuine), f"{folder.name if stamp else folder}{stamp}", resize,
                      f"transformers {version('transformers')}", model, genuine=genuine)


def _judge(name):
    if name not in ("", classical_judge.MAKER):
        raise ValueError(f"no judge {name!r}: it is `{classical_judge.MAKER}`, or none for that of PIXVERVE_JUDGE_URL")
    found = None if name else endpoint_judge.from_environment(run.home() / ".cache" / "replies")
    return found or classical_judge.judge()
