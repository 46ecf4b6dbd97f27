"""Multi-aspect buckets: the printed sizes sorted rightly, who goes where, and what the scale model rounds away."""
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.schemes import aspect_buckets as buckets


def test_tab_3_sorted_by_its_own_sides_has_ten_landscape_four_portrait_and_one_square():
    frame = buckets.printed()
    assert frame["shape"].value_counts().to_dict() == {"landscape": 10, "portrait": 4, "square": 1}
    assert (frame.group != frame["shape"]).sum() == 8  # M30
    assert len(set(buckets.table_sizes())) == 15
    assert not set(buckets.text_sizes()) & set(buckets.table_sizes())
    assert all(side % 64 == 0 for size in buckets.table_sizes() for side in size)


@pytest.mark.parametrize(("height", "width", "bucket"), [
    (1000, 1000, (4096, 4096)), (1080, 1920, (3072, 5440)), (1920, 1080, (5440, 3072)), (100, 900, (2624, 6336)),
    (900, 100, (5440, 3072)), (3000, 4500, (3328, 4992)),
])
def test_a_picture_goes_to_the_nearest_aspect_on_a_logarithmic_scale(height, width, bucket):
    assert buckets.nearest(height, width, buckets.table_sizes()) == bucket


def test_of_equal_aspects_the_nearest_area_wins_and_no_size_is_refused():
    assert buckets.nearest(300, 600, ((100, 200), (256, 512), (1000, 2000))) == (256, 512)
    with pytest.raises(ValueError, match="positive sides, not 0 x 5"):
        buckets.nearest(0, 5, buckets.text_sizes())


def test_rounding_to_tokens_moves_aspects_by_a_few_per_cent_and_merges_sizes():
    frame = buckets.scaled(buckets.table_sizes())
    assert (frame[["small_height", "small_width"]] % 16 == 0).all(axis=None)
    assert frame.moved.abs().max() < 5 and (frame.moved[frame.height == frame.width] == 0).all()
    assert 8 < len(frame[["small_height", "small_width"]].drop_duplicates()) < len(frame) == 15


def test_shares_add_up_and_say_how_much_a_crop_leaves():
    pictures = pd.DataFrame({"height": [2000, 4000, 9000, 4096], "width": [3000, 4000, 6000, 4096]})
    found = buckets.shares(pictures, buckets.text_sizes()).set_index(["height", "width"])
    assert found.pictures.sum() == 4 and found.share.sum() == pytest.approx(1)
    assert found.loc[(3136, 4704), "kept"] == pytest.approx(1, abs=1e-3) and found.loc[(3136, 4704), "enlarged"] == 1
    assert found.loc[(3840, 3840), "pictures"] == 2 and np.isnan(found.loc[(2880, 5120), "kept"])
    assert buckets.shares(pictures[:0], buckets.text_sizes()).pictures.sum() == 0
