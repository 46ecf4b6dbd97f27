"""Aesthetic predictors of Sec. 3.1.2: LAION's (S_L), ArtiMuse (S_A), and the classical scores that stand in for them.

A predictor is loaded once a process from its name: `laion:HEAD`, `artimuse:FOLDER`, `classical-colour`,
`classical-composition`. It takes a picture shrunk to THUMBNAIL and returns one number.
"""
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from pixverve_lib.imaging import appeal

THUMBNAIL = 512  # pixels, long side; both predictors shrink further to 224 and 448
LAION_CLIP = ("ViT-L-14-quickgelu", "openai")  # OpenAI trained with QuickGELU; plain ViT-L-14 has another activation
LAION_WIDTHS = (1024, 128, 64, 16, 1)  # sac+logos+ava1-l14-linearMSE: linear layers without activations
LAION_SHA256 = "21dd590f3ccdc646f0d53120778b296013b096a035a2718c9cb0d511bff0f1e0"  # of its published file


class WeightsMissing(RuntimeError):
    """A predictor whose weights or package are not on this machine; the message says what to get."""


def first_line(error):
    """What an error says, short enough for one line of a report."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def unusable(path, error):
    """The WeightsMissing of a file that is there, but damaged or of something else."""
    where = str(path).replace(str(Path.home()), "~")
    return WeightsMissing(f"{where} cannot be used: {first_line(error)}; download it again")


def read_state(path):
    """{name: tensor} of a .pth or .safetensors file; code in it is refused, never run. Raises whatever its reader does.
    """
    import torch
    from safetensors.torch import load_file
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def laion_head(width):
    """LAION's regression head on unit-length CLIP features: its layers sit at 0, 2, 4, 6, 7, dropouts between."""
    from torch import nn
    a, b, c, d, e = LAION_WIDTHS
    return nn.Sequential(nn.Linear(width, a), nn.Dropout(0.2), nn.Linear(a, b), nn.Dropout(0.2), nn.Linear(b, c),
                         nn.Dropout(0.1), nn.Linear(c, d), nn.Linear(d, e))


def load_laion(head, clip=LAION_CLIP):
    """S_L: CLIP image feature, normalised, through the head read from a .pth or .safetensors file.

    clip: (open_clip architecture, pretrained tag or weight file). Raises WeightsMissing.
    """
    path = Path(head).expanduser()
    if not path.is_file():
        raise WeightsMissing(f"no head at {path}; put sac+logos+ava1-l14-linearMSE.pth there")
    import open_clip
    try:
        model, _, prepare = open_clip.create_model_and_transforms(clip[0], pretrained=clip[1])
    except Exception as error:  # each hub client fails in its own way when offline
        raise WeightsMissing(f"no CLIP {clip[0]} ({clip[1]}) in the cache, none to be had: {error}") from error
    regress = laion_head(model.visual.output_dim)
    try:
        regress.load_state_dict({key.removeprefix("layers."): value for key, value in read_state(path).items()})
    except Exception as error:  # each kind of file fails in its own way
        raise unusable(path, error) from error
    return partial(_laion_score, model.eval(), prepare, regress.eval())


def _laion_score(model, prepare, regress, thumbnail):
    import torch
    from PIL import Image
    with torch.inference_mode():
        feature = model.encode_image(prepare(Image.fromarray(thumbnail))[None], normalize=True)
        return float(regress(feature))


def load_artimuse(folder):
    """S_A: needs its authors' package `artimuse` on the path, its checkpoint in `folder`. Raises WeightsMissing."""
    try:
        from artimuse.internvl.model.internvl_chat.modeling_artimuse import InternVLChatModel
    except ImportError as error:
        raise WeightsMissing("its package is not importable; put its repository's src on PYTHONPATH") from error
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise WeightsMissing(f"no ArtiMuse checkpoint in {folder}; download it and name its folder there")
    import torch
    from transformers import AutoTokenizer
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = InternVLChatModel.from_pretrained(str(folder), torch_dtype=torch.bfloat16).eval().to(device)
    tokenizer = AutoTokenizer.from_pretrained(str(folder), use_fast=False)
    return partial(_artimuse_score, model, tokenizer, device)


def _artimuse_score(model, tokenizer, device, thumbnail):
    import torch
    from torchvision.transforms import functional as F
    pixels = F.resize(F.to_tensor(thumbnail), [448, 448], F.InterpolationMode.BICUBIC, antialias=True)
    pixels = F.normalize(pixels, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))[None].to(device, torch.bfloat16)
    settings = {"max_new_tokens": 8, "do_sample": False, "pad_token_id": tokenizer.eos_token_id}
    return float(model.score(device, tokenizer, pixels, settings))


@lru_cache
def load(name) -> Callable[[np.ndarray], float]:
    """The predictor of that name.  Raises WeightsMissing, and ValueError for an unknown name."""
    kind, _, where = name.partition(":")
    if name == "classical-colour":
        return appeal.colour_and_light
    if name == "classical-composition":
        return appeal.composition
    if kind == "laion":
        return load_laion(where)
    if kind == "artimuse":
        return load_artimuse(where)
    raise ValueError(f"{name!r} is none of laion:HEAD, artimuse:FOLDER, classical-colour, classical-composition")


def available(wanted, stand_in):
    """The wanted predictor if it loads, else the stand-in.  Returns (name, one line to print: "" or why)."""
    try:
        load(wanted)
    except WeightsMissing as missing:
        who = wanted.partition(":")[0]
        return stand_in, f"{who}: {missing}. Its place is taken by `{stand_in}`, which is not the same thing."
    return wanted, ""
