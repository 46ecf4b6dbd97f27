"""Scheme III at full size: Z-Image's transformer over large token patches, with a detailer head as its last layer.

The released checkpoints load as they are: `load(scale="10K")` reads `l2p_10k_sft.safetensors`. What the paper does not
print (time, sign, shift, steps, guidance, text) is as released; there time is rounded to bfloat16, here it is not.

    network, texts = load(scale="10K"), load_text_encoder()
    prompt, empty = encode(texts, ["a harbour at dawn", ""])
    rgb = generate(network, prompt, empty, 10240, 10240)  # H W 3 uint8
"""
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import torch
from diffusers import ZImagePipeline, ZImageTransformer2DModel
from huggingface_hub import snapshot_download
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from pixverve_lib.models.noise_levels import visited
from pixverve_lib.models.pixel_head import TILE, PixelHead, check_size

HUB = "HaojunChen/PixVerve-L2P"
SOURCE = "Tongyi-MAI/Z-Image"  # the latent model whose blocks and text encoder it inherits
PATCHES = {"4K": 64, "8K": 128, "10K": 160}  # pixels a token; Sec. 4.1 prints 320 at 10K (M10)
TEXT_TOKENS = 512  # at most; not in paper: as released
SHIFT, STEPS, GUIDANCE, SEED = 3.0, 50, 4.0, 42  # static shift and sampling; not in paper: as released
FILE = "l2p_{}_sft"  # of a released checkpoint
ENTRANCE = "all_x_embedder."


class Carried(NamedTuple):
    """What `carry_over` did: tensors and numbers in them that were carried, of how many; names of those left random."""

    tensors: int
    of_tensors: int
    numbers: int
    of_numbers: int
    left: list[str]

    def __str__(self):
        return (f"carried {self.tensors} of {self.of_tensors} tensors, {self.numbers / 1e6:,.1f} of "
                f"{self.of_numbers / 1e6:,.1f} M parameters; the rest stays random: "
                + (", ".join(dict.fromkeys(name.split(".")[0] for name in self.left)) or "nothing"))


class PixelZImage(ZImageTransformer2DModel):
    """Z-Image over patches of the picture itself; names of its tensors are those of the released checkpoints.

    patch: pixels a token, each way; trunk: options of ZImageTransformer2DModel, for a smaller one.
    """

    def __init__(self, patch: int, **trunk):
        super().__init__(all_patch_size=(), all_f_patch_size=(), in_channels=3, **trunk)
        self.patch, self.all_patch_size, self.all_f_patch_size = patch, (patch,), (1,)
        self.all_x_embedder[f"{patch}-1"] = nn.Linear(3 * patch**2, self.dim)
        self.all_final_layer[f"{patch}-1"] = _NoFinalLayer()
        self.local_decoder = PixelHead(patch, self.dim)

    def forward(self, pixels: torch.Tensor, sigma: torch.Tensor, text: Sequence[torch.Tensor],
                tile: int | None = None) -> torch.Tensor:
        """Velocity (noise - picture) of noisy pixels  # N 3 H W, [-1, 1], at sigma  # N, in [0, 1]

        text: features of each prompt  # L D; tile: pixels, side of the head's tiles; None applies it to the whole
        picture. Raises ValueError, with the nearest valid sides, when tokens do not fill the picture.
        """
        pixels = pixels.to(self.local_decoder.out_conv.weight.dtype)
        features = self.features(pixels, sigma, text)
        head = self.local_decoder
        return -(head(pixels, features) if tile is None else head.tiled(pixels, features, tile))

    def features(self, pixels: torch.Tensor, sigma: torch.Tensor, text: Sequence[torch.Tensor]) -> torch.Tensor:
        """What the trunk makes of noisy pixels: a map of its tokens  # N dim H/patch W/patch"""
        check_size(*pixels.shape[2:], self.patch)
        dtype = self.local_decoder.out_conv.weight.dtype
        frames = list(pixels.to(dtype)[:, :, None])  # a picture is a film of one frame
        given = frames, 1 - sigma, [prompt.to(dtype) for prompt in text]
        return torch.stack(super().forward(*given, patch_size=self.patch, return_dict=False)[0])

    def unpatchify(self, x, size, patch_size, f_patch_size, x_pos_offsets=None):
        """Tokens as maps, text and padding dropped; the last thing that the trunk does."""
        shapes = [(height // patch_size, width // patch_size) for _, height, width in size]
        return [tokens[: h * w].T.unflatten(1, (h, w)) for tokens, (h, w) in zip(x, shapes, strict=True)]


class _NoFinalLayer(nn.Module):
    def forward(self, x, c):
        return x


def build(scale: str, device: str = "meta", dtype: torch.dtype = torch.bfloat16, small: Mapping | None = None,
          patch: int | None = None) -> PixelZImage:
    """The network in its real shapes with *random* weights: for cost and tests, or to train from.

    On the device "meta" it takes no memory. small: options of a smaller trunk; patch: another than the released one.
    """
    if scale not in PATCHES:
        raise ValueError(f"no scale {scale!r}; take one of: {', '.join(PATCHES)}")
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            return PixelZImage(patch or PATCHES[scale], **(small or {})).eval()
    finally:
        torch.set_default_dtype(before)


def load(name: str | Path = HUB, scale: str = "10K", device: str = "cuda", dtype: torch.dtype = torch.bfloat16,
         small: Mapping | None = None) -> PixelZImage:
    """A trained network from a folder or file, or by hub id from the cache of the hub; nothing is downloaded.

    Raises FileNotFoundError, whose line is the command that gets it; ValueError for a checkpoint of another scale.
    """
    network = build(scale, "meta", dtype, small)
    files = _files(name, scale)
    _check(files, network, scale)
    for file in files:
        state = {key: tensor.to(dtype) for key, tensor in load_file(file, device=str(device)).items()}
        network.load_state_dict(state, strict=False, assign=True)
    return network.eval()


def save(network: PixelZImage, folder: str | Path, scale: str) -> Path:
    """Write the weights as the released file of this scale, whole or not at all."""
    path = Path(folder) / f"{FILE.format(scale.lower())}.safetensors"
    temporary = path.with_suffix(".partial")
    try:
        save_file({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def read_state(files: Sequence[str | Path]) -> dict[str, torch.Tensor]:
    """All tensors of the shards of a checkpoint, for `carry_over`: Z-Image's own, or that of another scale."""
    return {key: tensor for file in files for key, tensor in load_file(file).items()}


def carry_over(source: Mapping[str, torch.Tensor], network: PixelZImage) -> Carried:
    """Give a network every tensor of equal name and shape; all others stay as they are. Prints what it did.

    So 4K inherits Z-Image's blocks, 8K all but entrance and outermost level, 10K the bottom of the head neither.
    """
    own = network.state_dict()
    fits = {key: tensor for key, tensor in source.items() if key in own and own[key].shape == tensor.shape}
    network.load_state_dict(fits, strict=False)
    left = [key for key in own if key not in fits]
    numbers, of_numbers = (sum(map(torch.numel, tensors.values())) for tensors in (fits, own))
    done = Carried(len(fits), len(own), numbers, of_numbers, left)
    print(done)
    return done


def load_text_encoder(name: str = SOURCE, dtype: torch.dtype = torch.bfloat16) -> ZImagePipeline:
    """Z-Image's tokenizer and Qwen3, and nothing else of it, from a folder or the cache of the hub.

    Raises FileNotFoundError, whose line is the command that gets them.
    """
    try:
        return ZImagePipeline.from_pretrained(name, transformer=None, vae=None, dtype=dtype, local_files_only=True)
    except (OSError, ValueError) as error:
        wanted = " ".join(f"--include '{part}*'" for part in ("text_", "token", "scheduler/", "model_index"))
        raise FileNotFoundError(f"no text encoder at {str(name)!r}: give its folder, or fetch it once with "
                                f"`hf download {SOURCE} {wanted}`") from error


@torch.inference_mode()
def encode(texts: ZImagePipeline, prompts: Sequence[str]) -> list[torch.Tensor]:
    """Features of prompts  # L D each, L <= 512: chat template with thinking enabled, Qwen3's last state but one."""
    found, _ = texts.encode_prompt(list(prompts), do_classifier_free_guidance=False, max_sequence_length=TEXT_TOKENS)
    return found


@torch.inference_mode()
def generate(network: PixelZImage, prompt: torch.Tensor, empty: torch.Tensor, height: int, width: int, seed: int = SEED,
             steps: int = STEPS, guidance: float = GUIDANCE, shift: float = SHIFT, tile: int = TILE,
             on_step: Callable[[], None] = lambda: None) -> torch.Tensor:
    """One picture  # H W 3 uint8, on the CPU; prompt, empty: features of the prompt and of "" (of `encode`)  # L D

    Beside weights it holds 30 bytes a pixel in bfloat16 (noisy picture and its patches) or 24 (two pictures) and one
    tile of the head, whichever is more: schemes.cost_model.pixel_memory has the sum. Noise is drawn on the network's
    device, as released: CPU and GPU draw differently. on_step: called after each step.
    """
    check_size(height, width, network.patch)
    device = network.local_decoder.out_conv.weight.device
    x = torch.randn(1, 3, height, width, generator=torch.Generator(device).manual_seed(seed), device=device)
    levels = visited(steps, shift).tolist()
    for sigma, below in zip(levels, levels[1:], strict=False):
        x = step(network, x, sigma, below, [prompt] if guidance == 1 else [prompt, empty], guidance, tile)
        on_step()
    return x.add_(1).mul_(127.5).clamp_(0, 255).round_().to(torch.uint8)[0].permute(1, 2, 0).cpu()


@torch.inference_mode()
def step(network: PixelZImage, x: torch.Tensor, sigma: float, below: float, texts: Sequence[torch.Tensor],
         guidance: float, tile: int = TILE) -> torch.Tensor:
    """x  # 1 3 H W float32, after one Euler step from sigma to below; texts: features of the prompt, then of ""

    The result is another tensor, because tiles of the head still read the old x beside them.
    """
    head, level = network.local_decoder, torch.tensor([sigma], device=x.device)
    features = [network.features(x, level, [text]) for text in texts]
    after = torch.empty_like(x)
    for rows, columns in head.tiles(*x.shape[2:], tile):
        found = [-head.tile(x, each, rows, columns).float() for each in features]
        velocity = found[-1] + guidance * (found[0] - found[-1]) if len(found) > 1 else found[0]
        after[:, :, rows, columns] = x[:, :, rows, columns] + (below - sigma) * velocity
    return after


def _files(name, scale):
    """The file of this scale, or the shards, at a place that `load` was given."""
    place, stem = Path(name), FILE.format(scale.lower())
    if place.is_file():
        return [place]
    if not place.is_dir():
        with suppress(OSError, ValueError):
            place = Path(snapshot_download(str(name), local_files_only=True))
    others = [] if list(place.glob("l2p_*.safetensors")) else sorted(place.glob("*.safetensors"))
    files = sorted(place.glob(f"{stem}*.safetensors")) or others
    if not files:
        raise FileNotFoundError(f"no pixel model of {scale} at {str(name)!r}: give its folder, or fetch it once with "
                                f"`hf download {HUB} {stem}.safetensors`")
    return files


def _check(files, network, scale):
    """Names and shapes, from the headers alone: before any weight is read."""
    shapes = {}
    for file in files:
        with safe_open(file, "pt") as opened:
            shapes |= {key: tuple(opened.get_slice(key).get_shape()) for key in opened.keys()}  # noqa: SIM118
    patches = [key.removeprefix(ENTRANCE).split("-")[0] for key in shapes if key.startswith(ENTRANCE)]
    if str(network.patch) not in patches:
        other = next((f" of {name}" for name, patch in PATCHES.items() if str(patch) in patches), "")
        found = f"has token patches of {patches[0]} px" if patches else "is no pixel model"
        raise ValueError(f"{files[0]} {found}{other and f', it is one{other}'}: {scale} needs {network.patch} px")
    own = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    if wrong := sorted(key for key in own.keys() | shapes.keys() if own.get(key) != shapes.get(key)):
        key = wrong[0]
        raise ValueError(f"{files[0]}: {len(wrong)} tensors do not fit, the first is {key}: "
                         f"{shapes.get(key, 'absent')} in the file, {own.get(key, 'absent')} in the network")
