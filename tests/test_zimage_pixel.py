"""Z-Image over pixels: the stock trunk, the released layout, its checkpoints, its sampler and its text."""
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from safetensors.torch import save_file
from transformers import Qwen3Config, Qwen3Model

from pixverve_lib.models import nano_klein, noise_levels, zimage_pixel

SMALL = {"dim": 48, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2, "cap_feat_dim": 16,
         "axes_dims": [8, 8, 8], "axes_lens": [1024, 32, 32]}
WORDS = ("red", "circle", "thinking", "plain", "go")
TEMPLATE = ("{{ messages[0]['content'] }}{% if enable_thinking %} thinking{% else %} plain{% endif %}"
            "{% if add_generation_prompt %} go{% endif %}")


def tiny(scale="4K", seed=0):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return zimage_pixel.build(scale, "cpu", torch.float32, SMALL).requires_grad_(False)


def given(height=128, width=192, lengths=(5,)):
    torch.manual_seed(1)
    pixels = torch.randn(len(lengths), 3, height, width)
    return pixels, torch.linspace(0.3, 0.9, len(lengths)), [torch.randn(length, 16) for length in lengths]


def texts():
    names = nano_klein.tokenizer(WORDS)
    names.chat_template = TEMPLATE
    torch.manual_seed(2)
    encoder = Qwen3Model(Qwen3Config(
        vocab_size=len(names), hidden_size=16, intermediate_size=32, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, pad_token_id=names.pad_token_id, bos_token_id=None, eos_token_id=None,
    )).eval()
    return ZImagePipeline(FlowMatchEulerDiscreteScheduler(shift=3.0), None, encoder, names, None)


@pytest.mark.parametrize(("scale", "patch"), zimage_pixel.PATCHES.items())
def test_the_full_size_has_every_name_of_the_released_checkpoint(scale, patch):
    network = zimage_pixel.build(scale)
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    with torch.device("meta"):
        stock = ZImageTransformer2DModel().state_dict()
    trunk = {name: tuple(tensor.shape) for name, tensor in stock.items()
             if not name.startswith(("all_x_embedder", "all_final_layer"))}
    entrance = {f"all_x_embedder.{patch}-1.weight": (3840, 3 * patch**2), f"all_x_embedder.{patch}-1.bias": (3840,)}
    head = {name for name in shapes if name.startswith("local_decoder.")}
    assert {name: shape for name, shape in shapes.items() if name not in head} == trunk | entrance
    assert len(head) == {"4K": 40, "8K": 46, "10K": 40}[scale]
    assert {name.split(".")[0] for name in trunk} == {"noise_refiner", "context_refiner", "layers", "cap_embedder",
                                                      "t_embedder", "x_pad_token", "cap_pad_token"}
    assert len({name.split(".")[1] for name in trunk if name.startswith("layers")}) == 30
    assert next(network.parameters()).dtype == torch.bfloat16


def test_features_are_the_stock_trunks_and_the_velocity_is_the_heads_negated():
    network, (pixels, sigma, text) = tiny(), given(lengths=(5, 33))
    stock = ZImageTransformer2DModel(all_patch_size=(64,), in_channels=3, **SMALL).requires_grad_(False)
    stock.load_state_dict(network.state_dict(), strict=False)
    seen = []
    stock.all_final_layer["64-1"].register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    stock([*pixels[:, :, None]], 1 - sigma, text, patch_size=64)
    features = network.features(pixels, sigma, text)
    assert features.shape == (2, 48, 2, 3)
    assert torch.equal(features.flatten(2).mT, seen[0][:, :6])
    assert torch.equal(network(pixels, sigma, text), -network.local_decoder(pixels, features))
    assert torch.allclose(network(pixels, sigma, text, tile=64), network(pixels, sigma, text), atol=1e-6)


def test_a_saved_model_is_the_released_file_and_comes_back_equal(tmp_path):
    network, known = tiny("10K"), given(320, 320)
    path = zimage_pixel.save(network, tmp_path, "10K")
    assert [file.name for file in tmp_path.iterdir()] == ["l2p_10k_sft.safetensors"]
    again = zimage_pixel.load(tmp_path, "10K", "cpu", torch.float32, SMALL)
    assert torch.allclose(again(*known), network(*known), atol=1e-6)
    assert all(torch.equal(tensor, network.state_dict()[name]) for name, tensor in again.state_dict().items())
    state, shards = zimage_pixel.read_state([path]), tmp_path / "shards"
    shards.mkdir()
    for number, part in enumerate((list(state)[::2], list(state)[1::2])):
        save_file({name: state[name] for name in part}, shards / f"model-{number}.safetensors")
    again = zimage_pixel.load(shards, "10K", "cpu", torch.float32, SMALL)
    assert all(torch.equal(tensor, state[name]) for name, tensor in again.state_dict().items())


def test_a_checkpoint_of_another_scale_or_width_is_refused_in_one_line(tmp_path):
    path = zimage_pixel.save(tiny("4K"), tmp_path, "4K")
    with pytest.raises(ValueError, match="token patches of 64 px, it is one of 4K: 10K needs 160 px"):
        zimage_pixel.load(path, "10K", "cpu", small=SMALL)
    with pytest.raises(ValueError, match="tensors do not fit, the first is all_x_embedder.64-1.bias") as caught:
        zimage_pixel.load(path, "4K", "cpu", small=SMALL | {"dim": 96, "n_heads": 4})
    assert "\n" not in str(caught.value)
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="is no pixel model"):
        zimage_pixel.load(tmp_path / "other.safetensors", "4K", "cpu", small=SMALL)


@pytest.mark.parametrize("name", [zimage_pixel.HUB, "a/folder/that/is/not/there"])
def test_weights_that_are_not_there_end_in_one_line_with_the_command_that_gets_them(name, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="hf download HaojunChen/PixVerve-L2P l2p_8k_sft.safetensors") as caught:
        zimage_pixel.load(name, "8K", "cpu")
    assert "\n" not in str(caught.value)
    with pytest.raises(FileNotFoundError, match="hf download Tongyi-MAI/Z-Image --include"):
        zimage_pixel.load_text_encoder(name)


def test_the_next_scale_inherits_what_has_the_same_name_and_shape(capsys):
    small, large = tiny("4K", 0), tiny("10K", 1)
    before = {name: tensor.clone() for name, tensor in large.state_dict().items()}
    done = zimage_pixel.carry_over(small.state_dict(), large)
    assert "carried" in capsys.readouterr().out
    after, source = large.state_dict(), small.state_dict()
    assert set(done.left) == {name for name in after if "160-1" in name or "10k_a" in name} | {
        "local_decoder.bottleneck.0.weight", "local_decoder.up3.1.weight"}
    assert done.tensors == len(after) - len(done.left) and done.of_numbers == sum(t.numel() for t in after.values())
    for name, tensor in after.items():
        assert torch.equal(tensor, before[name] if name in done.left else source[name])


def test_the_first_scale_inherits_the_blocks_of_the_latent_model():
    latent = ZImageTransformer2DModel(**SMALL)
    done = zimage_pixel.carry_over(latent.state_dict(), tiny())
    assert {name.split(".")[0] for name in done.left} == {"all_x_embedder", "local_decoder"}


def test_sampling_along_the_true_velocity_ends_in_the_picture_whatever_the_tiles(monkeypatch):
    network, calls = tiny(), []
    rgb = torch.randint(0, 256, (128, 192, 3), dtype=torch.uint8)
    target = rgb.permute(2, 0, 1)[None] / 127.5 - 1

    def tile(x, features, rows, columns):  # both are too large, so much that guidance cancels it: 1 + 4 (0.75 - 1) = 0
        level, error = features
        return -((x - target) / level + error)[:, :, rows, columns]
    monkeypatch.setattr(network, "features", lambda x, sigma, text: (sigma, float(text[0])))
    monkeypatch.setattr(network.local_decoder, "tile", tile)
    for size in (64, 2048):
        drawn = zimage_pixel.generate(network, torch.tensor(0.75), torch.tensor(1.0), 128, 192, steps=7, tile=size,
                                      on_step=lambda: calls.append(1))
        assert torch.equal(drawn, rgb)
    assert len(calls) == 14


def test_sampling_repeats_itself_and_takes_one_forward_a_step_without_guidance():
    network, (_, _, text) = tiny(), given()
    forwards = []
    network.layers[0].register_forward_hook(lambda *_: forwards.append(1))
    draw = [zimage_pixel.generate(network, text[0], text[0][:2], 64, 128, seed, 2, guidance=guidance)
            for seed, guidance in ((0, 4.0), (0, 4.0), (1, 4.0), (0, 1))]
    assert draw[0].shape == (64, 128, 3) and draw[0].dtype == torch.uint8
    assert torch.equal(draw[0], draw[1]) and not torch.equal(draw[0], draw[2]) and len(forwards) == 4 + 4 + 4 + 2


def test_noise_levels_are_those_of_the_stock_scheduler_with_a_static_shift():
    stock = FlowMatchEulerDiscreteScheduler(shift=3.0)
    stock.set_timesteps(sigmas=torch.linspace(1, 0, 51)[:-1].numpy())
    assert torch.allclose(noise_levels.visited(50, 3.0), stock.sigmas, atol=1e-6)


def test_text_is_the_last_state_but_one_of_the_chat_with_thinking_and_without_padding(tmp_path):
    made = texts()
    made.save_pretrained(tmp_path)
    made = zimage_pixel.load_text_encoder(tmp_path, torch.float32)
    found = zimage_pixel.encode(made, ["red circle", "", "red " * 600])
    ids = made.tokenizer("red circle thinking go", return_tensors="pt")["input_ids"]
    with torch.no_grad():
        states = made.text_encoder(input_ids=ids, output_hidden_states=True).hidden_states
    assert [tuple(each.shape) for each in found] == [(4, 16), (2, 16), (zimage_pixel.TEXT_TOKENS, 16)]
    assert torch.allclose(found[0], states[-2][0], atol=1e-5) and not torch.allclose(found[0], states[-1][0], atol=1e-2)


def test_a_size_that_the_patch_does_not_divide_is_refused_before_anything_runs():
    with pytest.raises(ValueError, match="a width of 100 px is no multiple of 64 .*take 64 or 128"):
        zimage_pixel.generate(tiny(), torch.zeros(1, 16), torch.zeros(1, 16), 64, 100)
    with pytest.raises(ValueError, match="no scale '5K'; take one of: 4K, 8K, 10K"):
        zimage_pixel.build("5K")
