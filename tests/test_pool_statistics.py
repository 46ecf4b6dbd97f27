"""Tab. 2, the distributions of Fig. 6 and the spectrum of a pool, and the metadata of PixVerve-95K."""
import json

import numpy as np
import pandas as pd
import pytest

from pixverve_lib.curation import pool_statistics as statistics
from pixverve_lib.curation.export import SCORES
from pixverve_lib.imaging import large, reading
from pixverve_lib.models.annotation import DIMENSIONS
from pixverve_lib.paper import published


def described(count=4, **columns):
    assessed = dict.fromkeys(DIMENSIONS, "fine") | {DIMENSIONS[3]: "not assessed"}
    base = {"height": [100, 200] * (count // 2), "width": [300, 200] * (count // 2),
            "short_caption": "A red cup.", "long_caption": "A red cup stands on a wooden table.",
            "scores": [dict.fromkeys(SCORES, 0.5)] * count, "tags": [["cup"]] * count, "boxes": [[{}]] * count,
            "instances": [[]] * count, "aesthetics": [assessed] * count}
    return pd.DataFrame(base | columns)


def noise(exponent, side=256):
    """A picture whose power falls with the frequency to that exponent."""
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.fftfreq(side)))
    frequency[0, 0] = 1
    white = np.fft.fft2(np.random.default_rng(0).standard_normal((side, side)))
    values = np.fft.ifft2(white * frequency ** (exponent / 2)).real
    gray = np.clip(128 + 30 * (values - values.mean()) / values.std(), 0, 255).round().astype(np.uint8)
    return gray[..., None].repeat(3, 2)


def test_tab_2_has_the_printed_rows_and_ours_with_what_is_there():
    table = statistics.tab_2(described(), "ours")
    assert table.iloc[:-1].equals(published.table("tab_2"))
    assert table.iloc[-1].tolist() == ["ours", "150 × 250", "4", "8.0 words (Long)", "✓ (6 Metrics)", "✓", "✓",
                                       "✓ (5 Dimensions)", "✓", "✓"]


def test_tab_2_says_what_a_pool_lacks_and_how_much_of_it():
    pool = described(tags=[["cup"], None, None, ["cup"]], short_caption=None)
    row = statistics.tab_2(pool.drop(columns=["boxes", "scores", "height"]), "ours").iloc[-1]
    assert row.tolist() == ["ours", "?", "4", "8.0 words (Long)", "×", "2 of 4", "×", "✓ (5 Dimensions)", "✓", "×"]


def test_an_empty_pool_has_a_row_of_nothing():
    row = statistics.tab_2(described().head(0), "ours").iloc[-1]
    assert (row.number, row.avg_resolution, row.avg_caption_length, row.tags) == ("0", "?", "–", "×")


def test_every_picture_belongs_to_the_nearest_aspect():
    pool = described(4, height=[100, 100, 3000, 0.0 + 900], width=[100, 152, 4000, 1600])
    found = statistics.aspects(pool).set_index("aspect").pictures
    assert found[found > 0].to_dict() == {"1:1": 1, "3:2": 1, "4:3": 1, "16:9": 1} and list(found.index)[0] == "9:16"


@pytest.mark.parametrize("text, expected", [
    ("A street with tall buildings and a bridge over a river.", "city"), ("Petals of a violet flower", "plants"),
    ("Mountains above a lake", "landscape"), ("An abstract pattern", "other"), ("", "other")])
def test_a_scenario_is_what_most_words_speak_of(text, expected):
    assert statistics.scenario(text) == expected


def test_words_are_counted_once_a_caption_without_stop_words_and_plurals():
    pool = described(2, long_caption=["The cups and a cup", "a glass of cups"], short_caption=["red", None])
    assert statistics.word_counts(pool).values.tolist() == [["cup", 2], ["red", 1], ["glass", 1]]
    assert statistics.word_counts(pool, most=1).word.tolist() == ["cup"]


def test_caption_lengths_are_in_words_and_missing_captions_have_none():
    lengths = statistics.caption_lengths(described(2, short_caption=["A red cup.", None]))
    assert lengths.groupby("caption").words.apply(list).to_dict() == {"long": [8, 8], "short": [3]}


def test_scores_that_are_missing_have_no_row():
    pool = described(2, scores=[dict.fromkeys(SCORES, 1.0), {"entropy": 7.0, "exposure": None}])
    found = statistics.scores(pool)
    assert len(found) == 7 and found[found.score == "entropy"].value.tolist() == [1.0, 7.0]


@pytest.mark.parametrize("exponent", [0, -2])
def test_the_fitted_slope_is_that_of_the_noise(exponent, tmp_path):
    large.write_tiled(tmp_path / "a.tif", 768, 768, [noise(exponent, 768)])
    power = list(statistics.power_spectrum(tmp_path / "a.tif").values())
    middles = (statistics.EDGES[:-1] + statistics.EDGES[1:]) / 2
    values = np.array([np.nan if p is None else p for p in power])
    found, _, fit = statistics.slope(middles[middles > 0.02], values[middles > 0.02])
    assert found == pytest.approx(exponent, abs=0.05) and (exponent == 0 or fit > 0.98)
    assert power[0] is None  # no such low frequency in 768 px


def test_a_power_law_is_fitted_exactly_and_too_few_rings_give_no_slope():
    f = np.geomspace(0.001, 0.5, 30)
    assert statistics.slope(f, 3 * f**-1.7) == pytest.approx((-1.7, 3, 1))
    assert np.isnan(statistics.slope(f[:2], f[:2])).all()


def test_the_mean_spectrum_is_geometric():
    found = pd.DataFrame({"picture": ["a", "b"], "frequency": 0.1, "power": [1.0, 100.0]})
    assert statistics.mean_spectrum(found).power.tolist() == pytest.approx([10.0])


def test_spectra_of_a_pool_skip_what_cannot_be_read(tmp_path, monkeypatch):
    def one_by_one(measure, paths, folder, **_):  # without worker processes, which take seconds to start
        return pd.DataFrame([{"path": path, "status": "ok" if "a" in path else "rejected"}
                             | (measure(tmp_path / path) if "a" in path else {}) for path in paths])

    monkeypatch.setattr(statistics, "map_pictures", one_by_one)
    large.write_tiled(tmp_path / "a.tif", 256, 256, [noise(-2)], tile=64)
    found = statistics.spectra(["a.tif", "b.tif"], tmp_path / "work")
    assert set(found.picture) == {"a.tif"} and found.power.notna().all() and len(found) > 30
    assert found.frequency.is_monotonic_increasing and found.frequency.between(1 / 1024, 0.5).all()


def test_released_metadata_is_read_and_bad_lines_are_named(tmp_path):
    reading.write_jpeg(tmp_path / "a.jpg", np.zeros((40, 60, 3), np.uint8))
    good = {"file_name": "a.jpg", "short_caption": "short", "long_caption": "a long caption"}
    lines = [json.dumps(good), json.dumps(good | {"file_name": "b.jpg", "height": 7, "width": 9, "tags": ["cup"]}), "",
             '{"file_name": "c.jpg"', json.dumps({"file_name": "d.jpg", "short_caption": "x"}),
             json.dumps(good | {"file_name": "../e.jpg"}), json.dumps(good | {"file_name": "gone.jpg"})]
    (tmp_path / "benchmark.jsonl").write_text("\n".join(lines))
    pool, rejected = statistics.released(tmp_path)
    assert pool.file_name.tolist() == ["a.jpg", "b.jpg", "gone.jpg"]
    assert pool.height.tolist()[:2] == [40, 7] and pool.height.isna().tolist()[2]
    assert rejected.path.tolist() == [f"benchmark.jsonl:{line}" for line in (4, 5, 6)]
    assert "long_caption" in rejected.reason[1] and "leads out" in rejected.reason[2]
    row = statistics.tab_2(pool, "released").iloc[-1]
    assert (row.number, row.avg_caption_length, row.tags) == ("3", "3.0 words (Long)", "1 of 3")


def test_a_folder_without_metadata_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="download the metadata of PixVerve-95K there"):
        statistics.released(tmp_path)
