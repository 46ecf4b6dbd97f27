"""Train nano, the up-scaler, on built-in scenes: `python -m pixverve_lib.pretraining.upscaler [--real FOLDER]`.

Native pixels are windows of scenes, half of them seen through a camera; the input is their area average, mostly as a
JPEG. Two losses add up. The likely picture: log of the squared error, plus a little of the distance of its local power
spectra to the native ones, plus two measures of a visible grid. With the texture, learned on its own: the same two with
the spectra weighing more. Both weights are chosen so that PSNR stays above bicubic's, which texture can only lower.

A killed run goes on where it was. Scores on scenes that were not trained on (and on a folder of real pictures, whose
pixels play the native ones) are printed beside the expected ones.
"""
import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from safetensors.torch import save_file

from pixverve_lib.imaging import fidelity, reading, spectrum
from pixverve_lib.kit.artefacts import atomic
from pixverve_lib.kit.progress import progress
from pixverve_lib.models import nano_upscaler, upscalers
from pixverve_lib.models.nano_upscaler import MARGIN, NOISE, SCALES, Network
from pixverve_lib.pretraining.training import generator, train
from pixverve_lib.scenes import camera, layouts, render

SIDE = 512  # native pixels of a window
HEIGHTS = (1300, 2600, 5200, 10400)  # of the pictures that windows are cut from
HELD_OUT = 1_000_000  # seeds of scenes from here on are for measuring
LUMA = (0.299, 0.587, 0.114)
SHARP, JPEG = 0.7, 0.7  # share of crops that are in focus; of inputs that are compressed
EPSILON = 0.1  # squared levels; what rounding to 8 bits leaves in the spectrum
PATCH, RINGS, SECTORS = 32, 10, 6  # of local spectra: pixels a side, frequencies, directions


@dataclass(frozen=True)
class Preset:
    """Numbers of a training run; the published asset is NANO. All not in paper: choice."""

    steps: int
    windows: int
    crop: dict[int, int]  # scale: input pixels a side
    batch: dict[int, int]
    rate: float
    decay: float  # of the moving average
    spectra: float  # weight of the local spectra in the likely picture
    texture: float  # the same once texture is added
    grid: float  # weight of what makes the squares of the input visible
    seed: int


# About 8 minutes of one core.
NANO = Preset(steps=3000, windows=240, crop={2: 48, 4: 32}, batch={2: 12, 4: 16}, rate=2e-3, decay=0.998,
              spectra=0.08, texture=0.3, grid=0.4, seed=0)

EXPECTED = {  # (pictures, scale): PSNR of nano less that of bicubic in dB, its spectral distance and bicubic's in dB
    ("camera", 2): (0.716, 2.977, 5.659), ("camera", 4): (0.666, 4.919, 11.393),
    ("scene", 2): (0.994, 5.070, 9.092), ("scene", 4): (0.853, 8.292, 15.791),
}


def draw_windows(count, first):
    """Windows of scenes at native pixels, every other one recorded by a camera.  # count SIDE SIDE 3 uint8"""
    windows = np.empty((count, SIDE, SIDE, 3), np.uint8)
    with progress(count, "scenes", unit="windows") as done:
        for n in range(count):
            windows[n] = _window(first + n)
            done("ok")
    return windows


def _window(number):
    rng = np.random.default_rng(number)
    height = int(rng.choice(HEIGHTS))
    width = height * 4 // 3
    top, left = rng.integers(0, height - SIDE), rng.integers(0, width - SIDE)
    scene = layouts.compose(layouts.LAYOUTS[number % 5], number, width / height)
    rgb = render.window(scene, height, width, top, left, SIDE, SIDE)
    return np.concatenate(list(camera.record(rgb, number))) if number % 2 else rgb


def batch(windows, scale, preset, step):
    """Crops as they are and as the up-scaler gets them.  # N H W 3, N 3 H/scale W/scale, float32 in [0, 255]"""
    rng = np.random.default_rng((preset.seed, scale, step))
    side = preset.crop[scale] * scale
    native = [_crop(windows, side, rng) for _ in range(preset.batch[scale])]
    low = torch.from_numpy(np.stack([_shrunk(rgb, scale, rng) for rgb in native])).permute(0, 3, 1, 2)
    return torch.from_numpy(np.stack(native)).float(), low.float()


def _crop(windows, side, rng):
    """The busier of two places, turned and mirrored at random, sometimes out of focus."""
    places = [(rng.integers(len(windows)), *rng.integers(0, SIDE - side + 1, 2)) for _ in range(2)]
    crops = [windows[n, top:top + side, left:left + side] for n, top, left in places]
    busier = max(crops, key=lambda rgb: cv2.Laplacian(rgb[..., 1], cv2.CV_32F).var())
    turned = np.rot90(busier, rng.integers(4))
    turned = np.ascontiguousarray(turned[:, ::-1] if rng.random() < 0.5 else turned)
    return turned if rng.random() < SHARP else cv2.GaussianBlur(turned, (0, 0), rng.uniform(0.5, 2))


def _shrunk(rgb, scale, rng):
    low = cv2.resize(rgb, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    if rng.random() > JPEG:
        return low
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(90, 99))]
    return cv2.imdecode(cv2.imencode(".jpg", low, quality)[1], cv2.IMREAD_COLOR)  # the order of channels is kept


def loss_at(network, windows, preset, step):
    """Loss of one step; see the top of this file."""
    native, low = batch(windows, network.scale, preset, step)
    noise = torch.rand((len(low), NOISE, *(side - 8 for side in low.shape[2:])), generator=generator(preset.seed, step))
    likely, texture = network(low, (noise - 0.5) * 12**0.5)
    edge = MARGIN * network.scale
    native = native[:, edge:-edge, edge:-edge]
    full = likely.detach() + texture
    spectra, wanted = local_spectra(torch.cat([likely, full])), local_spectra(native)
    apart = (spectra - wanted.repeat(2, 1, 1, 1)).abs().flatten(1).mean(1).view(2, -1).mean(1)
    visible = unevenness(likely, network.scale) + pattern(likely, network.scale)
    return (log_error(likely, native) + preset.spectra * apart[0] + preset.grid * visible
            + log_error(full, native) + preset.texture * apart[1])


def log_error(rgb, native):
    """Mean over pictures of the log of the mean squared error, i.e. of -PSNR.  # N H W 3"""
    return ((rgb - native).square().mean((1, 2, 3)) + EPSILON).log().mean()


def local_spectra(rgb):
    """Log power of the gray picture in rings and sectors, in patches that overlap by half.  # N H W 3 -> N y x bin"""
    gray = (rgb @ rgb.new_tensor(LUMA)).unfold(1, PATCH, PATCH // 2).unfold(2, PATCH, PATCH // 2)
    hann = torch.hann_window(PATCH)
    hann = torch.outer(hann, hann) / hann.square().sum()
    power = torch.fft.rfft2((gray - gray.mean((-1, -2), keepdim=True)) * hann).abs().square()
    return (power.flatten(-2) @ _bins() + EPSILON).log()


def _bins():
    """Averages over the frequencies of a ring and a sector.  # frequency bin"""
    y, x = np.meshgrid(np.fft.fftfreq(PATCH), np.fft.rfftfreq(PATCH), indexing="ij")
    ring = np.minimum((np.hypot(y, x) * 2 * RINGS).astype(int), RINGS - 1)
    sector = np.minimum(((np.arctan2(y, x) / np.pi + 0.5) * SECTORS).astype(int), SECTORS - 1)
    belongs = (ring * SECTORS + sector).ravel()[:, None] == np.arange(RINGS * SECTORS)
    belongs = belongs[:, belongs[1:].any(0)] * (np.arange(PATCH * (PATCH // 2 + 1)) > 0)[:, None]
    return torch.from_numpy(belongs / belongs.sum(0)).float()


def unevenness(rgb, scale):
    """How much first and second differences depend on where in the square of an input pixel they are.  # >= 0"""
    gray, total = rgb @ rgb.new_tensor(LUMA), 0
    for rows in (gray, gray.transpose(1, 2)):
        for order in (1, 2):
            steps = torch.diff(rows, n=order, dim=2).abs()
            steps = steps[:, :, :steps.shape[2] // scale * scale].unflatten(2, (-1, scale)).mean((1, 2))
            share = (steps / (steps.mean(1, keepdim=True) + 0.01)).mean(0)
            total = total + (share - share.mean()).abs().mean()
    return total / 4


def pattern(rgb, scale):
    """Contrast of the average square of an input pixel, as a share of the contrast in such squares.  # [0, 1]"""
    squares = rgb.unflatten(1, (-1, scale)).unflatten(3, (-1, scale))  # N h s w s 3
    detail = squares - squares.mean((2, 4), keepdim=True)
    average = detail.mean((1, 3)).abs().mean((1, 2, 3))
    return (average / (detail.abs().mean((1, 2, 3, 4, 5)) + 0.01)).mean()


def trained(scale, windows, preset, folder):
    """The moving average of a network trained as `preset` says, from its checkpoint in `folder` if there is one."""
    torch.manual_seed(preset.seed)
    network = Network(scale).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), preset.rate, betas=(0.9, 0.99), weight_decay=0.0)
    return train(network, [optimizer], lambda step: loss_at(network, windows, preset, step), preset.steps,
                 cool_down=preset.steps, decay=preset.decay, checkpoint=folder / f"upscaler-x{scale}.pt")


def write(networks, asset):
    """Write the asset, in half precision."""
    with atomic(asset) as temporary:
        save_file(nano_upscaler.pack(networks), temporary)


def scores(upscaler, native, scale):
    """What an up-scaler makes of the area average of a picture, against the picture.  native: H W 3 uint8"""
    low = cv2.resize(native, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    made = np.rint(upscaler(low, scale, "")).astype(np.uint8)
    gray, truth = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (made, native))
    spectra = [spectrum.raps(picture, 128, hann=True) for picture in (gray, truth)]
    fine = [spectrum.energy_above(*found, above=0.5 / scale) for found in spectra]
    return {
        "PSNR (dB)": fidelity.psnr(made, native),
        "gradient": _gradient(gray).std() / _gradient(truth).std(),
        "Laplacian variance": cv2.Laplacian(gray, cv2.CV_64F).var() / cv2.Laplacian(truth, cv2.CV_64F).var(),
        "energy beyond the input": fine[0] / fine[1],
        "spectral distance (dB)": spectrum.log_spectral_distance(spectra[0][1], spectra[1][1]),
    }


def _gradient(gray):
    return np.hypot(cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1))


def measured(pictures):
    """Scores by kind of picture, scale and up-scaler, averaged over (kind, H W 3 uint8) pictures."""
    rows = [{"pictures": kind, "scale": scale, "up-scaler": name} | scores(upscalers.load(name), native, scale)
            for kind, native in pictures for scale in SCALES for name in ("bicubic", "nano")]
    return pd.DataFrame(rows).groupby(["pictures", "scale", "up-scaler"]).mean()


def beside_expected(found):
    """What nano gains over bicubic, measured and expected, of what `measured` gave."""
    psnr, distance = (found[name].unstack() for name in ("PSNR (dB)", "spectral distance (dB)"))
    table = pd.DataFrame({"PSNR gain": psnr.nano - psnr.bicubic, "distance": distance.nano,
                          "bicubic's": distance.bicubic}).round(3)
    expected = pd.DataFrame(EXPECTED, index=table.columns).T
    return table.join(expected.rename_axis(table.index.names), suffixes=("", ", expected"))


def real_pictures(folder):
    """The middles of the pictures in a folder, 1024 px a side or a little less."""
    for path in sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png")):
        rgb = reading.read_rgb(path)
        rows, columns = (slice((n - min(n, 1024)) // 2, (n - min(n, 1024)) // 2 + min(n, 1024) // 4 * 4)
                         for n in rgb.shape[:2])
        yield "real", np.ascontiguousarray(rgb[rows, columns])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/pretraining"), help="checkpoints")
    parser.add_argument("--real", type=Path, help="a folder of pictures to measure on, besides scenes")
    options = parser.parse_args()
    torch.set_num_threads(1)  # results depend on the number of threads
    windows = draw_windows(NANO.windows, 0)
    write({scale: trained(scale, windows, NANO, options.folder) for scale in SCALES}, nano_upscaler.ASSET)
    scenes = [("camera" if n % 2 else "scene", rgb) for n, rgb in enumerate(draw_windows(40, HELD_OUT))]
    found = measured(scenes + (list(real_pictures(options.real)) if options.real else []))
    print(found.round(3).to_string())
    print(beside_expected(found).to_string())


if __name__ == "__main__":
    main()
