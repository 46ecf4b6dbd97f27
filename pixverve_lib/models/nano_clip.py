"""nano-clip: open_clip's own CLIP class, small enough to train on one core in minutes (pretraining/clip.py).

It knows the pictures and the words of the simplest built-in scenes, nothing else. What it measures is a stand-in that
says so: nano-CLIPScore, nano-FID, nano-aesthetic; none of them compares with CLIPScore, FID or LAION's aesthetics.
"""
import json
import re
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

ASSET = Path(__file__).parent / "assets" / "nano_clip.safetensors"  # its configuration lies beside it as .json
SIDE = 64  # pixels that the network sees
CHUNK = 128  # pictures or texts in memory at once
QUALITIES = ("appeal", "blur", "noise")  # what the linear head reads from a feature
MIDDLE = 5.5  # of the scale of appeal, 1 to 10


class NanoClip(nn.Module):
    """The network, its words and its linear head.

    config: `embed_dim`, `vision_cfg` and `text_cfg` as in open_clip's model files, and `words`.
    """

    def __init__(self, config):
        from open_clip.model import CLIPTextCfg, CLIPVisionCfg, CustomTextCLIP  # seconds, for who builds one only

        super().__init__()
        self.config = config
        self.token = {word: number for number, word in enumerate(config["words"], 1)}  # 0 is padding
        self.end = len(self.token) + 1  # the largest token: where open_clip reads a text's feature
        text = CLIPTextCfg(**config["text_cfg"], vocab_size=self.end + 1)
        self.clip = CustomTextCLIP(config["embed_dim"], CLIPVisionCfg(**config["vision_cfg"]), text)
        self.quality = nn.Linear(config["embed_dim"], len(QUALITIES))

    def tokens(self, texts):
        """Texts as numbers  # N L int64.  Case and punctuation do not count.

        Raises ValueError for an unknown word and for a text that is too long: a text half understood has no score.
        """
        table = torch.zeros(len(texts), self.clip.context_length, dtype=torch.long)
        for row, text in zip(table, texts, strict=True):
            numbers = [*self._numbers(text), self.end]
            if len(numbers) > len(row):
                raise ValueError(f"nano-clip reads at most {len(row) - 1} words, this text has more: {text!r}")
            row[:len(numbers)] = torch.tensor(numbers)
        return table

    def _numbers(self, text):
        words = re.findall(r"[\w-]+", text.lower())
        if unknown := [word for word in words if word not in self.token]:
            raise ValueError(f"nano-clip knows only the {len(self.token)} words of the built-in scenes, "
                             f"not {', '.join(unknown)}; use a real CLIP for: {text!r}")
        return [self.token[word] for word in words]

    @torch.inference_mode()
    def pooled_features(self, pictures):
        """Image features before they are scaled to unit length, for nano-FID  # N D float32.

        pictures: H W 3 uint8 each, of any size; they are averaged (not cropped) to 64 x 64. Raises ValueError.
        """
        chunks = [pictures[n:n + CHUNK] for n in range(0, max(1, len(pictures)), CHUNK)]
        return torch.cat([self.clip.encode_image(prepare(chunk)) for chunk in chunks]).numpy()

    def image_features(self, pictures):
        """Unit-length features of pictures  # N H W 3 uint8 -> N D float32"""
        return F.normalize(torch.from_numpy(self.pooled_features(pictures)), dim=-1).numpy()

    @torch.inference_mode()
    def text_features(self, texts):
        """Unit-length features of texts  # N D float32.  Raises ValueError as `tokens` does."""
        table = self.tokens(texts)
        return torch.cat([self.clip.encode_text(part, normalize=True) for part in table.split(CHUNK)]).numpy()

    def score(self, pictures, texts):
        """nano-CLIPScore of each picture with its text: 100 x cosine, not below 0  # N float32, [0, 100]"""
        return 100 * (self.image_features(pictures) * self.text_features(texts)).sum(1).clip(0)

    @torch.inference_mode()
    def aesthetic(self, pictures):
        """nano-aesthetic: the score `colour_and_light` of imaging/appeal.py as the linear head reads it  # N float32"""
        return MIDDLE + self.quality(torch.from_numpy(self.pooled_features(pictures)))[:, 0].numpy()


def prepare(pictures):
    """Pictures as the network wants them  # N H W 3 uint8 -> N 3 64 64 float32.  Raises ValueError."""
    if not len(pictures) or any(picture.dtype != np.uint8 or picture.shape[2:] != (3,) for picture in pictures):
        raise ValueError("nano-clip looks at one or more pictures H x W x 3 of uint8")
    small = np.stack([cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for picture in pictures])
    return torch.from_numpy(small).permute(0, 3, 1, 2).float() / 64 - 2


def load(asset=ASSET):
    """The shipped nano-clip, in float32, ready to measure with."""
    model = NanoClip(json.loads(asset.with_suffix(".json").read_text())).eval()
    model.load_state_dict(load_file(asset))
    return model
