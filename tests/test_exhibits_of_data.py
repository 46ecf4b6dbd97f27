"""Exhibits of notebooks 01-04 and 09: what a reader sees is whole, named and in its place."""
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.exhibits import compression, curation, sheet, super_resolution


class View:
    rgb, boxes, masks, found, crops = np.zeros((40, 60, 3), np.uint8), [], [], [], []


RECORD = {"short_caption": r"costs $5 and $\nothing$", "long_caption": r"a $\sum$ " * 30, "height": 40, "width": 60,
          "tags": ["a$b", "$"], "aesthetics": {"theme": r"$\theme"}, "scores": None, "source": "$", "licence": "$x$"}


def inside(artists, fig):
    """Whether all of them lie within the figure, half a pixel given."""
    boxes = [artist.get_window_extent() for artist in artists if artist.get_text()]
    width, height = fig.bbox.size
    return all(box.x0 > -0.5 and box.y0 > -0.5 and box.x1 < width + 0.5 and box.y1 < height + 0.5 for box in boxes)


def test_a_dollar_sign_in_a_caption_is_no_formula():
    fig = sheet.annotated(View, RECORD)
    fig.draw_without_rendering()
    assert r"costs $5 and $\nothing$" in " ".join(text.get_text() for text in fig.axes[0].texts)


def test_no_title_of_the_attrition_is_cut_off():
    names = ["exposure", "sharpness", "flatness", "content richness", "aesthetics"]
    waterfall = pd.DataFrame({"detector": names, "left": [90, 80, 70, 40, 30], "dropped here": [10, 10, 10, 30, 10]})
    fig = curation.attrition(waterfall, pd.DataFrame(7, names, names), 100)
    fig.draw_without_rendering()
    assert inside([axis.title for axis in fig.axes], fig)


def test_a_score_of_seven_keeps_its_decimals_beside_the_bound():
    one = {"dimension": "content richness", "verdict": "qualified", "score": 7.0, "column": "entropy",
           "thumb": np.zeros((4, 6, 3), np.uint8)}
    fig = curation.detector_examples(pd.DataFrame([one]), {"entropy": (">=", 6.683)}, ("a", "b"))
    assert "7.00 (min 6.68)" in [axis.get_title() for axis in fig.axes]


@pytest.mark.parametrize(("name", "expected"), [
    ("jxl-e3", "JXL e3"), ("JPEG XL effort 3 (libjxl 0.11.2)", "JXL e3"), ("JPEG-XL (-q 100 -e 3)", "JXL e3"),
    ("webp-m1", "WebP m1"), ("WEBP (lossless m1)", "WebP m1"), ("jpegls", "JPEG-LS"), ("fnbli", "fnbli"),
    ("jpegls-subtract-green", "JPEG-LS (−G)"), ("png-optimize", "PNG opt"), ("PNG (optimizing=False)", "PNG")])
def test_a_codec_has_one_short_name_wherever_it_stands(name, expected):
    assert compression.short(name) == expected


def test_names_of_codecs_do_not_hide_each_other():
    names = [f"codec {i}" for i in range(12)]
    spot = np.random.default_rng(0).uniform(0.3, 1.0, (12, 2))
    table = pd.DataFrame({"format": names, "measured_with": "a library"} | {
        f"{what}_to_qoi_{side}": spot[:, int(what == "size")] for what in ("size", "encode", "decode")
        for side in ("published", "measured")})
    best = {"encode": np.zeros(12, bool), "decode": np.zeros(12, bool)}
    fig = compression.fronts(table, best, best)
    fig.draw_without_rendering()
    boxes = [text.get_window_extent() for text in fig.axes[0].texts]
    assert len(boxes) == 12 and not [1 for i, one in enumerate(boxes) for other in boxes[:i] if one.overlaps(other)]


def test_a_native_picture_of_600_megapixels_stays_in_the_figure_of_tiers():
    pool = pd.DataFrame({"tier": ["native", "2x"], "height": [20_000, 8_000], "width": [30_000, 11_000]})
    fig = super_resolution.tiers(pool, {"native": 1, "2x": 2, "4x": 4}, 100e6, 10e6)
    axis = fig.axes[0]
    assert axis.get_xlim()[1] > 600 and axis.get_ylim()[1] > 600
    assert "native: 1 picture" in [text.get_text() for text in axis.get_legend().get_texts()]
