"""Up-scalers behind one call: interpolation against references, a real diffusers pipeline, ODTSR against fakes."""
import base64
import contextlib
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
import torch

from pixverve_lib.models import odtsr, upscalers
from pixverve_lib.scenes import layouts, render

KEY = "sesame-0123"


@pytest.fixture(scope="module")
def tile():
    return render.draw(layouts.compose("street", 3), 48, 64)


# Interpolation

@pytest.mark.parametrize("scale", [2, 4])
def test_bicubic_is_that_of_torch(tile, scale):
    reference = torch.nn.functional.interpolate(torch.from_numpy(tile).permute(2, 0, 1)[None].float(),
                                                scale_factor=scale, mode="bicubic")
    larger = upscalers.load("bicubic")(tile, scale, "")
    assert np.abs(larger - reference[0].permute(1, 2, 0).numpy().clip(0, 255)).max() < 0.01


def test_lanczos_is_a_sum_of_windowed_sincs():
    row = np.random.default_rng(0).integers(60, 200, 24).astype(np.uint8)
    picture = np.broadcast_to(row[None, :, None], (16, 24, 3)).copy()
    larger = upscalers.load("lanczos")(picture, 4, "")[32, :, 0]
    for x in (40, 41, 50, 55):
        place = (x + 0.5) / 4 - 0.5
        taps = int(np.floor(place)) + np.arange(-3, 5)
        weights = np.sinc(place - taps) * np.sinc((place - taps) / 4)
        assert larger[x] == pytest.approx(row[taps] @ weights / weights.sum(), abs=0.05)


@pytest.mark.parametrize("name", ["bicubic", "lanczos"])
def test_with_its_margin_a_tile_is_the_same_as_in_the_whole_picture(tile, name):
    upscaler = upscalers.load(name)
    whole, m = upscaler(tile, 2, ""), upscaler.margin
    part = upscaler(tile[10 - m:30 + m, 20 - m:44 + m], 2, "")[2 * m:-2 * m, 2 * m:-2 * m]
    np.testing.assert_allclose(part, whole[20:60, 40:88], atol=1e-3)


def test_an_unknown_up_scaler_is_refused_with_the_known_ones():
    for name in ("real-esrgan", "diffusers:", ""):
        with pytest.raises(ValueError, match="bicubic, lanczos, nano, diffusers:MODEL, odtsr"):
            upscalers.load(name)


# Diffusers

@pytest.fixture(scope="module")
def pipeline_folder(tmp_path_factory):
    """Stable Diffusion's 4x up-scaler, of the real classes, tiny and untrained, as `save_pretrained` writes it."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        DDPMScheduler,
        StableDiffusionUpscalePipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
    folder = tmp_path_factory.mktemp("upscaler")
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2, "a": 3}
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=32, in_channels=7, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=8, attention_head_dim=8, norm_num_groups=4, num_class_embeds=1000)
    vae = AutoencoderKL(block_out_channels=(4, 4, 8), norm_num_groups=4, latent_channels=4,
                        down_block_types=("DownEncoderBlock2D",) * 3, up_block_types=("UpDecoderBlock2D",) * 3)
    text = CLIPTextModel(CLIPTextConfig(
        vocab_size=4, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=8, bos_token_id=0, eos_token_id=1))
    StableDiffusionUpscalePipeline(
        vae=vae, text_encoder=text, unet=unet, low_res_scheduler=DDPMScheduler(), scheduler=DDIMScheduler(),
        tokenizer=CLIPTokenizer(vocabulary, [], model_max_length=8),
        max_noise_level=350).save_pretrained(folder)
    return str(folder)


def test_a_diffusers_pipeline_enlarges_tiles_of_any_size_the_same_way_each_time(pipeline_folder, tile):
    upscaler = upscalers.load_diffusers(pipeline_folder, num_inference_steps=2)
    larger = upscaler(tile, 4, "a")
    assert larger.shape == (192, 256, 3) and larger.dtype == np.float32 and 0 <= larger.min() < larger.max() <= 255
    with ThreadPoolExecutor(2) as pool:
        first, other, again = pool.map(upscaler, [tile, tile[:, ::-1].copy(), tile], [4] * 3, ["a"] * 3)
    assert np.array_equal(first, larger) and np.array_equal(again, larger) and not np.array_equal(other, larger)
    shrunk = upscaler(tile, 2, "a")  # it makes 4x
    np.testing.assert_allclose(shrunk, cv2.resize(larger, (128, 96), interpolation=cv2.INTER_AREA), atol=1e-3)
    with pytest.raises(ValueError, match="makes 4x, not 8x"):
        upscaler(tile, 8, "a")


def test_a_model_that_is_not_here_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(upscalers.UpscalerMissing, match="no/such-model.*hf download") as missing:
        upscalers.load("diffusers:no/such-model")
    assert "\n" not in str(missing.value)


# ODTSR on a server

class FakeServer(ThreadingHTTPServer):
    """Answers each POST with the next of `answers`, functions request -> (status, body); the last one for ever."""

    daemon_threads = True

    def __init__(self, *answers):
        self.answers, self.requests = list(answers), []
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/upscale"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.headers, request))
        answer = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        status, body = answer(request)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

    def handle(self):
        with contextlib.suppress(ConnectionError):  # a client that has waited long enough
            super().handle()


def enlarged(request, extra=0):
    rgb = cv2.imdecode(np.frombuffer(base64.b64decode(request["image"]), np.uint8), cv2.IMREAD_COLOR)
    height, width = (n * request["scale"] + extra for n in rgb.shape[:2])
    png = cv2.imencode(".png", cv2.resize(rgb, (width, height), interpolation=cv2.INTER_NEAREST))[1]
    return 200, json.dumps({"image": base64.b64encode(png).decode()}).encode()


NEVER = threading.Event()
BAD = {
    "is 98 x 130, not 96 x 128": lambda request: enlarged(request, 2),
    "it answered 429 or 5xx": lambda request: (503, KEY.encode()),
    "it answers 401": lambda request: (401, KEY.encode()),
    "no JSON": lambda request: (200, b"<html>" + KEY.encode()),
    'no "image" in base64': lambda request: (200, b'{"image": "%%%"}'),
    "is no picture": lambda request: (200, b'{"image": "aGVsbG8="}'),
    "no answer in time": lambda request: NEVER.wait(3) or (200, b""),
}


def server(fake, **changes):
    return odtsr.Server(fake.url, KEY, **({"pause": 0.01, "retries": 2, "timeout": 5} | changes))


def test_a_server_gets_the_tile_scale_and_prompt_and_its_answer_is_the_tile(tile):
    fake = FakeServer(enlarged)
    larger = server(fake)(tile, 2, "a street")
    assert np.array_equal(larger, tile.repeat(2, 0).repeat(2, 1)) and larger.dtype == np.float32
    (headers, request), = fake.requests
    assert request["prompt"] == "a street" and headers["Authorization"] == f"Bearer {KEY}"


def test_a_server_that_is_busy_is_asked_again(tile):
    fake = FakeServer(lambda request: (503, b""), lambda request: (429, b""), enlarged)
    assert server(fake)(tile, 2, "").shape == (96, 128, 3) and len(fake.requests) == 3


@pytest.mark.parametrize("why", BAD)
def test_a_server_that_fails_is_named_in_one_line_without_the_key(tile, why):
    with pytest.raises(odtsr.UpscalingFailed, match=why) as failed:
        server(FakeServer(BAD[why]), timeout=0.2)(tile, 2, "")
    assert "127.0.0.1" in str(failed.value) and "\n" not in str(failed.value) and KEY not in str(failed.value)


def test_a_server_that_is_not_there_is_named_without_its_password(tile):
    with pytest.raises(odtsr.UpscalingFailed, match="localhost: no connection") as failed:
        odtsr.Server("http://user:secret@localhost:9/", retries=0)(tile, 2, "")
    assert "secret" not in str(failed.value) and KEY not in repr(odtsr.Server("http://a:secret@b", KEY))


def test_the_key_comes_from_the_environment_and_a_broken_one_is_refused_unseen(monkeypatch):
    monkeypatch.setenv("PIXVERVE_ODTSR_KEY", KEY)
    assert odtsr.load("https://localhost/").key == KEY
    monkeypatch.setenv("PIXVERVE_ODTSR_KEY", f"{KEY} {KEY}")
    with pytest.raises(upscalers.UpscalerMissing, match="PIXVERVE_ODTSR_KEY") as refused:
        odtsr.load("https://localhost/")
    assert KEY not in str(refused.value)


# ODTSR in a checkout

SCRIPT = """import argparse, os, pathlib, cv2
parser = argparse.ArgumentParser()
for name in ("input_path", "output_path", "trained_ckpt", "scale", "align_method"):
    parser.add_argument("--" + name, required=True)
given = parser.parse_args()
assert os.environ["qwen_path"] and "PIXVERVE_ODTSR_KEY" not in os.environ
pathlib.Path(given.output_path).mkdir()
for path in pathlib.Path(given.input_path).iterdir():
    rgb = cv2.imread(str(path))
    larger = cv2.resize(rgb, None, fx=float(given.scale), fy=float(given.scale), interpolation=cv2.INTER_NEAREST)
    cv2.imwrite(str(pathlib.Path(given.output_path, path.stem + ".png")), larger)
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    folder = tmp_path / "a checkout; of ODTSR"
    (folder / odtsr.SCRIPT).parent.mkdir(parents=True)
    (folder / odtsr.SCRIPT).write_text(SCRIPT)
    (folder / "weights.pth").touch()
    for name, value in {"qwen_path": tmp_path, "PIXVERVE_ODTSR_WEIGHTS": folder / "weights.pth",
                        "PIXVERVE_ODTSR_PYTHON": sys.executable, "PIXVERVE_ODTSR_KEY": KEY}.items():
        monkeypatch.setenv(name, str(value))
    return folder


def test_a_checkout_is_run_on_files(checkout, tile):
    larger = odtsr.load(str(checkout))(tile, 2, "a prompt")
    assert np.array_equal(larger, tile.repeat(2, 0).repeat(2, 1)) and larger.dtype == np.float32


@pytest.mark.parametrize("script, why", [
    ("raise SystemExit('CUDA out of memory')", "ended with 1: CUDA out of memory"),
    ("", "ended without a picture"),
    (SCRIPT.replace("fx=", "fx=1.5 * "), "is 96 x 192, not 96 x 128"),
])
def test_a_checkout_that_fails_is_named_with_its_last_words(checkout, tile, script, why):
    (checkout / odtsr.SCRIPT).write_text(script)
    with pytest.raises(odtsr.UpscalingFailed, match=why):
        odtsr.load(str(checkout))(tile, 2, "")


def test_without_odtsr_one_sentence_says_how_to_get_it(checkout, monkeypatch):
    for name in ("odtsr", "odtsr:", "odtsr:/no/such/folder"):
        with pytest.raises(upscalers.UpscalerMissing, match="RedMediaTech/ODTSR.*double8fun/ODTSR"):
            upscalers.load(name)
    monkeypatch.delenv("qwen_path")
    with pytest.raises(upscalers.UpscalerMissing, match="qwen_path"):
        upscalers.load(f"odtsr:{checkout}")
