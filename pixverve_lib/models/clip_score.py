"""CLIPScore (Hessel et al. 2021) as torchmetrics computes it: 100 x max(cos, 0), with transformers' own CLIP classes.

The picture is resized (short side to 224, bicubic, antialiased, in float), cropped to its middle and normalised, all as
the model's own processor settings say: of a picture that is not square, the ends are never seen. A text beyond the
model's length is cut and counted. torchmetrics cuts its end mark away too, so that the score of a long text is one of
another position; here the end mark stays.
"""
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn import functional as F

from pixverve_lib.models.aesthetics import WeightsMissing, first_line
from pixverve_lib.models.shrinking import shrunk

NAME = "openai/clip-vit-base-patch16"  # not in paper: released code


class Agreement(NamedTuple):
    """score: 100 x max(cosine, 0)  # [0, 100]; cut: whether the text was longer than the model reads."""

    score: float
    cut: bool


@dataclass(frozen=True)
class ClipScore:
    """A loaded CLIP: model, tokenizer, and the settings of its image processor; call it with (rgb, text)."""

    model: object
    tokenizer: object
    prepare: object

    @torch.inference_mode()
    def __call__(self, rgb, text):
        """Agreement of a picture  # H W 3 uint8, of any size  with a text."""
        length = self.model.config.text_config.max_position_embeddings
        whole = self.tokenizer(text).input_ids
        ids = self.tokenizer(text, truncation=True, max_length=length, return_tensors="pt").to(self.model.device)
        image = self.model.get_image_features(self.pixels(rgb).to(self.model.device)).pooler_output
        words = self.model.get_text_features(ids.input_ids, ids.attention_mask).pooler_output
        return Agreement(agreement(image, words), len(whole) > length)

    def pixels(self, rgb):
        """What the network sees  # H W 3 uint8 -> 1 3 crop crop float32"""
        short, (height, width) = self.prepare.size["shortest_edge"], rgb.shape[:2]
        least = min(height, width)
        small = shrunk(rgb, int(short * height / least), int(short * width / least), "bicubic")
        height, width = (self.prepare.crop_size[key] for key in ("height", "width"))
        top, left = ((size - part) // 2 for size, part in zip(small.shape[1:], (height, width), strict=True))
        middle = small[:, top:top + height, left:left + width]  # torchvision's center_crop rounds, the processor cuts
        mean, std = (torch.tensor(each)[:, None, None] for each in (self.prepare.image_mean, self.prepare.image_std))
        return ((middle / 255 - mean) / std)[None]


def agreement(image, words):
    """100 x cosine of two features  # 1 D each, not below 0"""
    return 100 * max(0.0, F.cosine_similarity(image.float(), words.float()).item())


def load(name=NAME, offline=False):
    """A ClipScore of a CLIP by id or folder, in transformers' format; offline: only from this machine's cache.

    Raises WeightsMissing.
    """
    from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel  # here: 3 s, and mostly for nothing

    try:
        parts = [kind.from_pretrained(name, local_files_only=offline)
                 for kind in (CLIPModel, AutoTokenizer, CLIPImageProcessor)]
    except Exception as error:  # each hub client fails in its own way when offline
        raise WeightsMissing(f"no CLIP {name} to be had; with network, `hf download {name}` gets it "
                             f"({first_line(error)})") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return ClipScore(parts[0].eval().to(device), *parts[1:])
