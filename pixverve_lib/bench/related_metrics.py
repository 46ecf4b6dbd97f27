"""The metrics of UltraFlux's supplement and of URAE: through which package each runs, and what it needs to run here.

`register` looks for files, never for a network; `load` gives a function of paths. Weights are read as tensors only.
"""
import os
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import pandas as pd

from pixverve_lib.imaging import reading
from pixverve_lib.models import aesthetics, perceptual
from pixverve_lib.models.aesthetics import WeightsMissing, first_line

PYIQA = "with network, `python -c \"import pyiqa; pyiqa.create_metric('{}')\"` puts them there"
ARTIMUSE = "PIXVERVE_ARTIMUSE"  # names the folder of its checkpoint
HPS = ("xswu/HPSv2", "HPS_v2.1_compressed.pt")
HPS_CLIP = "ViT-H-14"  # of open_clip, not in paper: HPSv2's own code
TIMM = ("timm/vit_base_patch8_224.augreg2_in21k_ft_in1k", "model.safetensors")  # MANIQA's trunk, before its own weights
PICKSCORE = "yuvalkirstain/PickScore_v1"
PICTURE, TEXT, REFERENCE = "path", "path, text", "path, path of reference"


@dataclass(frozen=True)
class Metric:
    """One metric. used_by: place in a paper; takes: what `load`'s function takes; through: package, or nobody.

    torch: files below PyTorch's hub folder; hub: (repository, file) in the cache of huggingface_hub; package: a module
    beyond requirements.lock; folder: an environment variable that names one; get: where to find what is lacking.
    """

    used_by: str
    takes: str
    higher: bool
    through: str
    get: str
    torch: tuple[str, ...] = ()
    hub: tuple[tuple[str, str], ...] = ()
    package: str = ""
    folder: str = ""


METRICS = {
    "LPIPS": Metric("Diffusion-4K Tab. 4, UltraFlux Supp. Tab. 2, URAE Tab. 1", REFERENCE, False,
                    "models/perceptual.py", PYIQA.format("lpips"), (perceptual.TRUNK, perceptual.LAYERS)),
    "MUSIQ": Metric("Diffusion-4K Tab. 2", PICTURE, True, "pyiqa musiq", PYIQA.format("musiq"),
                    ("pyiqa/musiq_koniq_ckpt-e95806b9.pth",)),
    "MANIQA": Metric("Diffusion-4K Tab. 2, URAE Tab. 1 (MAN-IQA)", PICTURE, True, "pyiqa maniqa",
                     PYIQA.format("maniqa"), ("pyiqa/ckpt_koniq10k.pt",), (TIMM,)),
    "QualiCLIP": Metric("URAE Tab. 1", PICTURE, True, "pyiqa qualiclip", PYIQA.format("qualiclip"),
                        ("pyiqa/QualiCLIP.pth", "clip/RN50.pt")),
    "Q-Align": Metric("UltraFlux Supp. Sec. 2.1, Tab. 5", PICTURE, True, "nobody here",
                      "pyiqa's qalign needs package icecream, 16 GB of q-future/one-align, and runs code that comes "
                      "with them: call pyiqa.create_metric('qalign') apart"),
    "ArtiMuse": Metric("UltraFlux Supp. Sec. 2.1, Tab. 5", PICTURE, True, "models/aesthetics.py",
                       "its authors' code on PYTHONPATH, its checkpoint in a folder", package="artimuse",
                       folder=ARTIMUSE),
    "HPSv2.1": Metric("URAE Tab. 1", TEXT, True, "open_clip ViT-H-14", f"`hf download {' '.join(HPS)}`", hub=(HPS,)),
    "PickScore": Metric("URAE Tab. 1", TEXT, True, "transformers CLIPModel", f"`hf download {PICKSCORE}`",
                        hub=((PICKSCORE, "model.safetensors"), (PICKSCORE, "tokenizer_config.json"))),
    "HPSv3": Metric("UltraFlux Supp. Tab. 1, 5", TEXT, True, "nobody here",
                    "its authors' package hpsv3, 7 B parameters, pins older versions than this kit's: run it apart"),
    "DPG Bench": Metric("URAE Tab. 1", TEXT, True, "nobody here",
                        "its authors' script with mPLUG of modelscope and four pictures a prompt: run it apart"),
    "PIQE": Metric("none: runs without weights", PICTURE, False, "pyiqa piqe", "nothing"),
    "Entropy": Metric("none: runs without weights", PICTURE, True, "pyiqa entropy", "nothing"),
}


def register():
    """A row a metric: metric, used_by, takes, better ("higher", "lower"), through, runs_here, needs ("" or a line)."""
    rows = []
    for name, one in METRICS.items():
        why = lacking(name)
        rows.append((name, one.used_by, one.takes, "higher" if one.higher else "lower", one.through, not why, why))
    return pd.DataFrame(rows, columns=["metric", "used_by", "takes", "better", "through", "runs_here", "needs"])


def lacking(name):
    """Why a metric cannot run on this machine, in one line; "" if all that it needs is there."""
    from torch.hub import get_dir  # here and below: torch takes seconds
    one = _known(name)
    if one.through == "nobody here":
        return f"{name}: {one.get}"
    missing = [file for file in one.torch if not Path(get_dir(), file).is_file()]
    missing += [f"{file} of {repository}" for repository, file in one.hub if not _cached(repository, file)]
    missing += [f"package {one.package}"] if one.package and find_spec(one.package) is None else []
    if one.folder and not os.path.isdir(os.environ.get(one.folder, "")):
        missing.append(f"folder in {one.folder}")
    return f"{name} needs weights: no {', no '.join(missing)} on this machine; get: {one.get}" if missing else ""


def load(name) -> Callable[..., float]:
    """The metric of that name, a function of what METRICS[name].takes -> one number.

    Raises WeightsMissing with one line that says what to get, ValueError for an unknown name.
    """
    if why := lacking(name):
        raise WeightsMissing(why)
    try:
        return _LOAD[name]()
    except WeightsMissing:
        raise
    except Exception as error:  # each network's constructor fails in its own way on damaged or foreign files
        raise WeightsMissing(f"{name} cannot be loaded: {first_line(error)}; get: {METRICS[name].get}") from error


def _known(name):
    if name not in METRICS:
        raise ValueError(f"no metric {name!r}; take one of: {', '.join(METRICS)}")
    return METRICS[name]


def _cached(repository, file):
    from huggingface_hub import try_to_load_from_cache
    found = try_to_load_from_cache(repository, file)
    return found if isinstance(found, str) else None


def by_pyiqa(name):
    """A metric of pyiqa as a function of a path. It would unpickle its weights: here they are read as tensors only."""
    import torch
    with _tensors_only():
        import pyiqa  # 5 s
        network = pyiqa.create_metric(name, device="cuda" if torch.cuda.is_available() else "cpu")

    def score(path):
        rgb = torch.from_numpy(reading.read_rgb(path)).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            return float(network(rgb))
    return score


@contextmanager
def _tensors_only():
    import torch
    safe = torch.load
    with patch.object(torch, "load", lambda file, *_, **options: safe(file, map_location="cpu", weights_only=True)):
        yield


def _lpips():
    measure = perceptual.load()
    return lambda path, reference: float(measure(reading.read_rgb(path), reading.read_rgb(reference)))


def _artimuse():
    score = aesthetics.load_artimuse(os.environ[ARTIMUSE])
    return lambda path: score(reading.thumbnail(reading.read_rgb(path), aesthetics.THUMBNAIL))


def pickscore(folder=PICKSCORE):
    """PickScore of (path, text): exp(logit scale) x cosine, about 20 to 24.  folder: or id, from this machine only"""
    import torch

    from pixverve_lib.models import clip_score
    clip = clip_score.load(folder, offline=True)
    scale = clip.model.logit_scale.exp().item()

    @torch.inference_mode()
    def score(path, text):
        length = clip.model.config.text_config.max_position_embeddings
        ids = clip.tokenizer(text, truncation=True, max_length=length, return_tensors="pt").to(clip.model.device)
        image = clip.model.get_image_features(clip.pixels(reading.read_rgb(path)).to(clip.model.device)).pooler_output
        words = clip.model.get_text_features(ids.input_ids, ids.attention_mask).pooler_output
        return scale * torch.nn.functional.cosine_similarity(image.float(), words.float()).item()
    return score


def hps(weights=None, clip=HPS_CLIP):
    """HPSv2.1 of (path, text): 100 x cosine of open_clip's `clip` with these weights, as URAE prints it."""
    import open_clip
    import torch
    from PIL import Image
    model, _, prepare = open_clip.create_model_and_transforms(clip)
    state = torch.load(weights or _cached(*HPS), map_location="cpu", weights_only=True)
    model.load_state_dict(state.get("state_dict", state))
    model, words = model.eval(), open_clip.get_tokenizer(clip)

    @torch.inference_mode()
    def score(path, text):
        image = model.encode_image(prepare(Image.fromarray(reading.read_rgb(path)))[None], normalize=True)
        return 100 * float((image * model.encode_text(words([text]), normalize=True)).sum())
    return score


_LOAD = {
    "LPIPS": _lpips, "ArtiMuse": _artimuse, "HPSv2.1": hps, "PickScore": pickscore,
    "MUSIQ": partial(by_pyiqa, "musiq"), "MANIQA": partial(by_pyiqa, "maniqa"),
    "QualiCLIP": partial(by_pyiqa, "qualiclip"),
    "PIQE": partial(by_pyiqa, "piqe"), "Entropy": partial(by_pyiqa, "entropy"),
}
