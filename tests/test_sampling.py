"""Sampling: the stock pipeline's pictures, made once, with what made them inside; tiles; several processes."""
import multiprocessing
import os
import socket

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from PIL import Image
from tiny_pipeline import TEXT, pipeline

from pixverve_lib.models import nano_klein, noise_levels
from pixverve_lib.paper import training
from pixverve_lib.schemes import bases, engine, planner, sampling

PROMPTS = ["red circle centre, dark tiles", "blue ring top-left, light paper", "green square centre, warm planks"]
SETTINGS = {"height": 64, "width": 96, "seed": 3, "steps": 2, "guidance": 3.0} | TEXT

pytestmark = pytest.mark.usefixtures("one_thread")


def generated(folder, prompts=PROMPTS, **changes):
    return sampling.generate(pipeline(), prompts, folder, **(SETTINGS | changes))


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


def test_a_picture_is_the_stock_pipeline_s_own(tmp_path):
    frame = generated(tmp_path, shift=2.0)
    stock = pipeline().__class__(**pipeline().components | {"scheduler": FlowMatchEulerDiscreteScheduler(shift=2.0)})
    stock.set_progress_bar_config(disable=True)
    for number, path in enumerate(frame["path"]):
        expected = stock(prompt=[PROMPTS[number]], height=64, width=96, num_inference_steps=2, guidance_scale=3.0,
                         generator=engine.generator(3, number), **TEXT).images[0]
        assert np.array_equal(pixels(path), np.asarray(expected))
    assert pipeline().scheduler.config.shift == nano_klein.shift(64, 64)  # the given pipeline stays as it is


def test_batches_change_nothing_but_rounding(tmp_path):
    one, three = generated(tmp_path / "one"), generated(tmp_path / "three", batch=3)
    for a, b in zip(one["path"], three["path"], strict=True):
        assert a.name == b.name and np.abs(pixels(a) - pixels(b)).max() <= 1
    assert not np.array_equal(*(pixels(path) for path in one["path"][:2]))


def test_a_picture_that_is_there_is_not_made_again_and_any_other_setting_makes_another(tmp_path):
    first = generated(tmp_path, PROMPTS[:2])
    stamps = [path.stat().st_mtime_ns for path in first["path"]]
    more = generated(tmp_path)
    assert more["path"][:2].tolist() == first["path"].tolist() and len(list(tmp_path.iterdir())) == 3
    assert [path.stat().st_mtime_ns for path in first["path"]] == stamps
    assert more["seconds"][:2].tolist() == first["seconds"].tolist()  # kept with the pictures
    changes = [{"seed": 4}, {"steps": 3}, {"guidance": 2.0}, {"shift": 3.0}, {"height": 96}]
    paths = {generated(tmp_path, PROMPTS[:1], **change)["path"][0] for change in changes}
    assert len(paths) == len(changes) and not paths & set(more["path"])
    pipeline().transformer.proj_out.weight.data.mul_(2)
    other = generated(tmp_path, PROMPTS[:1])["path"][0]
    pipeline().transformer.proj_out.weight.data.div_(2)
    assert other != first["path"][0]


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_file_says_what_made_it_and_a_stranger_s_does_not(tmp_path, suffix):
    path = generated(tmp_path, PROMPTS[:1], suffix=suffix)["path"][0]
    known = sampling.parameters(path)
    assert (known["prompt"], known["seed"], known["steps"], known["shift"]) == (
        PROMPTS[0], 3, 2, nano_klein.shift(64, 96))
    strange = tmp_path / f"strange{suffix}"
    Image.new("RGB", (8, 8)).save(strange)
    with pytest.raises(ValueError, match="strange.* says nothing about how it was made"):
        sampling.parameters(strange)


def test_the_vae_sees_tiles_only_and_they_fade_into_nearly_the_whole_picture(monkeypatch):
    vae, seen = pipeline().vae, []
    latents = torch.randn(1, vae.config.latent_channels, 40, 48, generator=torch.Generator().manual_seed(0)) / 2
    decode = vae.decode
    whole = sampling.decode(vae, latents).astype(int)
    monkeypatch.setattr(vae, "decode", lambda z, **options: seen.append(z.shape[2:]) or decode(z, **options))
    tiled = sampling.decode(vae, latents, tile=128)
    assert tiled.shape == (320, 384, 3) and set(seen) == {(16, 16)} and len(seen) == 3 * 4
    assert np.corrcoef(tiled.ravel(), whole.ravel())[0, 1] > 0.9


def test_the_dynamic_shift_collapses_at_4k_and_the_static_one_does_not():
    sides = (training.SCALE_1K, training.SIDES["4K"], training.SIDES["10K"])
    table = sampling.sigma_table(sides, 50, bases.static_shift)
    lowest = table.groupby(["side", "shift"])["sigma"].min()
    assert table.groupby(["side", "shift"]).size().eq(50).all()
    assert lowest[4096, "dynamic"] > 0.99 and lowest[10240, "dynamic"] > 0.9999 and lowest[1024, "dynamic"] < 0.2
    assert lowest[4096, "static"] < 0.1 and lowest[10240, "static"] < 0.2
    static = table.query("side == 4096 and shift == 'static'")["sigma"].to_numpy()
    assert static == pytest.approx(noise_levels.shifted(np.linspace(1, 0.02, 50), 4.0), abs=1e-5)


def test_a_size_that_does_not_fit_is_refused_before_the_first_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(planner, "_free", lambda *_: 3e7)
    with pytest.raises(planner.DoesNotFit, match=r"it fits with batch=1 \(0.0"):
        generated(tmp_path, batch=8, height=256, width=256)
    assert not list(tmp_path.iterdir())


def half_of_it(rank, port, folder):
    """One of two processes that draw one picture; diffusers counts GPUs only, so it is told of two."""
    torch.accelerator.device_count = lambda: 2
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
                   "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    engine.PartialState._reset_state()
    generated(folder, PROMPTS[:1])
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(torch.cuda.is_available(), reason="it forks, which CUDA does not survive")
def test_two_processes_draw_one_picture_together(tmp_path):
    alone = generated(tmp_path / "one", PROMPTS[:1])["path"][0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")  # a fresh interpreter would import for longer than it draws
    both = [context.Process(target=half_of_it, args=(rank, port, tmp_path / "two")) for rank in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
    assert [process.exitcode for process in both] == [0, 0]
    assert np.abs(pixels(alone) - pixels(tmp_path / "two" / alone.name)).max() <= 1
