"""Near pairs against the brute force, and which of a group stays."""
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.curation.deduplication import find_duplicates
from pixverve_lib.imaging import duplicates
from pixverve_lib.imaging.reading import thumbnail
from pixverve_lib.scenes import damage, layouts, render


@pytest.mark.parametrize("radius", [0, 3, 6, 7])
def test_the_index_finds_every_pair_that_brute_force_finds(radius):
    rng = np.random.default_rng(radius)
    centres = rng.integers(0, 2**64, 60, dtype=np.uint64)
    flips = np.bitwise_or.reduce(np.uint64(1) << rng.integers(0, 64, (60, 12, 8), dtype=np.uint64), axis=2)
    hashes = (centres[:, None] ^ (flips & rng.integers(0, 2**64, flips.shape, dtype=np.uint64))).ravel()
    distance = np.bitwise_count(hashes[:, None] ^ hashes)
    expected = np.argwhere(distance <= radius)
    assert len(expected) > len(hashes) or radius == 0
    assert np.array_equal(duplicates.near_pairs(hashes, hashes, radius), expected)


def test_all_bits_equal_does_not_exhaust_the_first_guess_of_room():
    same = np.zeros(300, np.uint64)
    assert len(duplicates.near_pairs(same, same, 6)) == 300 * 300


def test_a_radius_that_the_index_cannot_promise_is_refused():
    with pytest.raises(ValueError, match="0 to 7"):
        duplicates.near_pairs(np.zeros(1, np.uint64), np.zeros(1, np.uint64), 8)


def _row(path, rgb, size=1000, digest=None):
    hashes = duplicates.perceptual_hashes(thumbnail(rgb, 256))
    return {"path": path, "height": rgb.shape[0], "width": rgb.shape[1], "bytes": size, "sha256": digest or path,
            **{f"hash_{i}": f"{value:016x}" for i, value in enumerate(hashes)}}


def test_reencoded_resized_and_mildly_cropped_copies_are_found_and_other_scenes_are_not():
    rows = []
    for layout in layouts.LAYOUTS:
        rgb = render.draw(layouts.compose(layout, 1), 400, 600)
        rows += [_row(f"{layout} original", rgb), _row(f"{layout} resized", damage.resized(rgb, 0.5)),
                 _row(f"{layout} cropped", damage.cropped(rgb, 0.03))]
        rows.append(_row(f"{layout} other seed", render.draw(layouts.compose(layout, 2), 400, 600)))
    frame = pd.DataFrame(rows)
    found = find_duplicates(frame)
    kept = frame.path[found.kind == ""]
    assert set(kept) == {f"{layout} {what}" for layout in layouts.LAYOUTS for what in ("original", "other seed")}


def test_most_pixels_then_most_bytes_then_the_first_name_stays_in_any_order():
    rgb = render.draw(layouts.compose("landscape", 1), 400, 600)
    small = damage.resized(rgb, 0.5)
    frame = pd.DataFrame([_row("d", rgb, 900), _row("c", rgb, 1000), _row("b", rgb, 1000, "same"),
                          _row("a", small, 5000), _row("e", rgb, 1000, "same")])
    for order in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        shuffled = frame.iloc[order]
        found = find_duplicates(shuffled)
        assert list(shuffled.path[found.kind == ""]) == ["b"]
        kinds = dict(zip(shuffled.path, found.kind, strict=True))
        assert kinds == {"a": "near", "b": "", "c": "near", "d": "near", "e": "exact"}


def test_an_empty_pool_has_no_duplicates():
    assert find_duplicates(pd.DataFrame(columns=["path"])).empty
