"""The detailer head: names and shapes of the released one, and tiles that make no difference."""
import pytest
import torch

from pixverve_lib.models import pixel_head
from pixverve_lib.models.pixel_head import PixelHead

WIDTH = 8  # channels of the tokens
RELEASED_4K = {  # the released checkpoints: channels out of and into each layer, side of its kernel
    "enc0.0": (16, 3, 3), "enc0b.0": (32, 16, 3), "enc1.0": (64, 32, 3), "enc2.0": (128, 64, 3),
    "enc3.0": (256, 128, 3), "enc4.0": (512, 256, 3), "bottleneck.0": (512, 512 + 3840, 1), "up4.1": (512, 512, 3),
    "dec4.0": (256, 1024, 3), "up3.1": (256, 256, 3), "dec3.0": (128, 512, 3), "up2.1": (128, 128, 3),
    "dec2.0": (64, 256, 3), "up1.1": (64, 64, 3), "dec1.0": (32, 128, 3), "up0b.1": (32, 32, 3), "dec0b.0": (16, 64, 3),
    "up0.1": (16, 16, 3), "dec0.0": (16, 32, 3), "out_conv": (3, 16, 1),
}
LEVEL_4 = {"enc4.0", "up4.1", "dec4.0"}
RELEASED = {
    64: RELEASED_4K,
    128: RELEASED_4K | {"enc_8k.0": (3, 3, 3), "up_8k.1": (16, 16, 3), "dec_8k.0": (16, 19, 3)},
    160: {name: shape for name, shape in RELEASED_4K.items() if name not in LEVEL_4} | {
        "enc_10k_a.0": (3, 3, 3), "up_10k_a.1": (16, 16, 3), "dec_10k_a.0": (16, 19, 3),
        "bottleneck.0": (512, 256 + 3840, 1), "up3.1": (256, 512, 3),
    },
}


def lively(patch):
    """A head in which every level counts: with torch's own first weights the bottom hardly reaches the result."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    head = PixelHead(patch, WIDTH).eval().requires_grad_(False)
    for weight in head.parameters():
        if weight.dim() == 4:
            weight.normal_(0, (3 / weight[0].numel()) ** 0.5)
    return head


def picture(patch, height, width):
    return torch.randn(1, 3, height, width), torch.randn(1, WIDTH, height // patch, width // patch)


@pytest.mark.parametrize("patch", RELEASED)
def test_names_and_shapes_are_those_of_the_released_checkpoints(patch):
    with torch.device("meta"):
        state = PixelHead(patch, 3840).state_dict()
    expected = {f"{name}.weight": (out, into, k, k) for name, (out, into, k) in RELEASED[patch].items()}
    expected |= {f"{name}.bias": (out,) for name, (out, _, _) in RELEASED[patch].items()}
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == expected


@pytest.mark.parametrize(("patch", "height", "width", "tile"), [(64, 704, 128, 128), (128, 1152, 128, 128),
                                                                 (160, 960, 320, 300), (320, 640, 320, 320)])
def test_tiles_make_the_picture_that_the_whole_makes(patch, height, width, tile):
    head, (pixels, features) = lively(patch), picture(patch, height, width)
    whole = head(pixels, features)
    assert whole.shape == pixels.shape
    assert (head.tiled(pixels, features, tile) - whole).abs().max() <= 1e-5 * whole.abs().max()


def test_a_halo_of_one_cell_would_not_be_enough(monkeypatch):
    head, (pixels, features) = lively(64), picture(64, 704, 64)
    whole = head(pixels, features)
    monkeypatch.setattr(pixel_head, "HALO", 1)
    assert (head.tiled(pixels, features, 64) - whole).abs().max() > 1e-3 * whole.abs().max()


def test_a_tile_depends_on_nothing_beyond_its_halo():
    head, (pixels, features) = lively(64), picture(64, 640, 64)
    rows = slice(256, 320)
    before = head.tile(pixels, features, rows, slice(0, 64))
    pixels[:, :, : rows.start - 3 * 64] = pixels[:, :, rows.stop + 3 * 64 :] = torch.nan
    assert torch.equal(head.tile(pixels, features, rows, slice(0, 64)), before)


def test_tokens_of_160_pixels_reach_the_cells_that_lie_in_them():
    head = lively(160)
    pixels, features = torch.zeros(1, 3, 320, 320), torch.zeros(1, WIDTH, 2, 2)
    base = head(pixels, features)
    features[..., 0, 0] = 5
    moved = (head(pixels, features) - base).abs().amax((0, 1))
    assert moved[:128, :128].max() > 100 * moved[-32:, -32:].max()


@pytest.mark.parametrize(("patch", "height", "said"), [(64, 4000, "multiple of 64 .*take 3968 or 4032"),
                                                       (128, 100, "multiple of 128 .*take 128"),
                                                       (160, 10400, "multiple of 320 .*take 10240 or 10560")])
def test_a_size_that_the_patch_does_not_divide_is_refused_with_the_nearest_valid_ones(patch, height, said):
    with pytest.raises(ValueError, match=said):
        list(PixelHead(patch, WIDTH).tiles(height, 320 * 4))


def test_a_patch_that_has_no_head_is_refused():
    with pytest.raises(ValueError, match="no head for token patches of 100 px; there are 64"):
        PixelHead(100, WIDTH)
