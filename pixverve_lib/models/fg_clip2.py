"""FG-CLIP2 Score (Sec. 3.3.2): 100 x max(cos, 0) of a picture and its long caption, as the released code asks it.

transformers 5.23 has no class for FG-CLIP2 (its pull request 41886 is open): the published weights come with Python
code of their own, which would run with your rights. It runs only when asked for by name, as `trust:ID`; read it first.
The tokenizer and the image processor are transformers' own.
"""
from dataclasses import dataclass

import torch

from pixverve_lib.models.aesthetics import WeightsMissing, first_line
from pixverve_lib.models.clip_score import Agreement, agreement

NAME = "qihoo360/fg-clip2-base"  # Sec. 3.3.2 (which size is not in paper: choice)
TOKENS = 196  # of a long caption; not in paper: released code
PATCH = 16  # pixels; not in paper: released code
PATCHES = (128, 256, 576, 784, 1024)  # the steps a picture may have; not in paper: released code
TRUST = "trust:"


@dataclass(frozen=True)
class FgClip2:
    """A loaded FG-CLIP2; call it with (rgb, text)."""

    model: object
    tokenizer: object
    prepare: object

    @torch.inference_mode()
    def __call__(self, rgb, text):
        """Agreement of a picture  # H W 3 uint8, of any size  with a text, which is read in lower case."""
        settings = {"padding": "max_length", "max_length": TOKENS, "truncation": True, "return_tensors": "pt"}
        pixels = self.prepare(images=rgb, max_num_patches=patches(*rgb.shape[:2]), return_tensors="pt")
        words = self.tokenizer([text.lower()], **settings)
        image = self.model.get_image_features(**pixels.to(self.model.device))
        caption = self.model.get_text_features(**words.to(self.model.device), walk_type="long")
        return Agreement(agreement(_tensor(image), _tensor(caption)),
                         len(self.tokenizer(text.lower()).input_ids) > TOKENS)


def patches(height, width):
    """How many patches the network may see: the first step that holds the picture's own, 1024 at most."""
    own = (height // PATCH) * (width // PATCH)
    return next((step for step in PATCHES if own <= step), PATCHES[-1])


def _tensor(features):
    return getattr(features, "pooler_output", features)  # transformers 5 wraps them, code written for 4 does not


def load(name=NAME, offline=False):
    """An FgClip2 by id or folder; `trust:` before it runs the code that comes with the weights, see above.

    offline: only from this machine's cache. Raises WeightsMissing with one line that says what to get or to ask for.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoModelForCausalLM, AutoTokenizer  # here: 3 s

    name, trust = name.removeprefix(TRUST), name.startswith(TRUST)
    options = {"local_files_only": offline, "trust_remote_code": trust}
    try:
        config = AutoConfig.from_pretrained(name, **options)
        model = AutoModelForCausalLM.from_pretrained(name, config=config, **options)
        tokenizer, prepare = (kind.from_pretrained(name, local_files_only=offline, trust_remote_code=False)
                              for kind in (AutoTokenizer, AutoImageProcessor))
    except Exception as error:  # each hub client, and each model's own code, fails in its own way
        raise WeightsMissing(_why(name, trust, error)) from error
    return FgClip2(model.eval().to("cuda" if torch.cuda.is_available() else "cpu"), tokenizer, prepare)


def _why(name, trust, error):
    if not trust and "trust_remote_code" in str(error):
        return (f"{name} needs Python code that comes with its weights; read it, then ask for {TRUST}{name}, "
                "which runs it with your rights")
    return f"no FG-CLIP2 {name} to be had; with network, `hf download {name}` gets it ({first_line(error)})"
