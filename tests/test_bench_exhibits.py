"""Exhibits of notebook 08: what is printed stays in its place, and no number stands beside one of another kind."""
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.bench import claims_evidence
from pixverve_lib.exhibits import bench, bench_figures, bench_pictures, claims, preference
from pixverve_lib.kit import style
from pixverve_lib.paper.published import marks, numbers

COLUMNS = ["method", "scale", "caption", "metric", "name", "value", "low", "high", "pictures"]
OURS = ("FLUX.2-klein-base-4B", "FLUX.2-I (Full)", "FLUX.2-I (LoRA)")


def measured(methods=OURS, scales=("4K", "8K"), captions=("long",), metrics=tuple(bench.HEADS)):
    """Scores as of bench/methods.py; FID by other features than the paper's."""
    rows = [(method, scale, caption, metric, "nano-FID" if metric == "fid" else bench.HEADS[metric][0],
             1.0 + i + 0.1 * j, 0.5, 9.0, 12)
            for i, method in enumerate(methods) for j, scale in enumerate(scales) for caption in captions
            for metric in metrics]
    return pd.DataFrame(rows, columns=COLUMNS)


def rated(count=4):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame(rng.uniform(1, 5, (count, len(bench.FIDELITY))), columns=bench.FIDELITY)
    scores = {key: rng.normal(size=count) for key in ("aesthetics", "glcm_score", "msfi")}
    return rows.assign(method=OURS[1], scale="4K", caption="long", **scores)


def test_every_method_of_tab_3_has_a_colour_of_its_own_in_printed_order():
    assert list(style.METHODS) == list(dict.fromkeys(numbers("tab_3").method))
    assert len(set(style.METHOD_COLOURS.values())) == len(style.METHODS)


def test_measured_numbers_have_four_digits_or_more():
    assert [bench.digits(value) for value in (253.11, 0.7, 12345.6)] == ["253.1", "0.7000", "12346"]


def test_tab_3_keeps_all_printed_rows_and_measured_ones_stand_beside_them():
    shown, printed = bench.table_3(measured()), numbers("tab_3")
    assert shown.method.tolist() == printed.method.tolist() and shown.scale.tolist() == printed.resolution.tolist()
    assert shown["Aesthetics ↑"][0] == "5.498 │ 1.000 ±4.2 │ -4.5" and shown.pictures[0] == "12"
    assert shown["MSFI ↑"][13] == "– │ 1.100 ±4.2 │ –"  # the paper prints a dash for the base at 8K
    assert shown.loc[1, "FID_patch ↓":].str.endswith("│ – │ –").all() and shown.pictures[1] == "–"
    assert not shown.map(lambda text: "*" in text or "|" in text).any(axis=None)
    assert (marks("tab_3") == "best").any(axis=None)  # that is what the asterisks would have been


def test_prompts_other_than_the_papers_are_said_row_by_row():
    shown = bench.table_3(measured(captions=("short",)), caption="short")
    assert shown.prompts.tolist()[:2] == ["short", "–"] and shown["ICS ↑"][0].startswith("5.376 │ 1.000")
    assert (bench.table_3(measured(captions=("short",))).prompts == "–").all()


def test_a_metric_of_another_kind_has_no_difference_and_says_its_name():
    shown = bench.table_3(measured())
    assert shown["FID ↓ (measured: nano-FID)"][0] == "167.234 │ 1.000 ±4.2 │ –"
    judged = measured(metrics=["msfi"]).assign(name=f"MSFI ({bench.JUDGE})")
    assert bench.table_3(judged).filter(like="MSFI").iloc[0, 0] == "7.408 │ 1.000 ±4.2 │ -6.41"
    assert bench.table_3(judged.assign(name="MSFI (classical)")).filter(like="MSFI").iloc[0, 0].endswith("│ –")
    with pytest.raises(ValueError, match="several names"):
        bench.table_3(pd.concat([judged, measured(("L2P",), metrics=["msfi"])]))


def test_a_measured_row_that_the_paper_does_not_print_is_added_and_not_lost():
    shown = bench.table_3(measured(("FLUX.2-I (LoRA)",), ("10K",)))
    assert shown[["scale", "method"]].iloc[24].tolist() == ["10K", "FLUX.2-I (LoRA)"] and len(shown) == 25
    assert shown["ICS ↑"][24] == "– │ 1.000 ±4.2 │ –"
    seconds = pd.DataFrame({"method": ["FLUX.2-II"], "scale": ["8K"], "devices": [1], "seconds": [3.0]})
    assert bench.table_a2(seconds).iloc[-1, :2].tolist() == ["Scheme II", "8K"]


def test_nothing_measured_leaves_the_printed_tables_and_figures_that_say_so():
    nothing = measured()[:0]
    assert bench.table_3(nothing)["FID ↓"].tolist()[0] == "167.234 │ – │ –" and len(bench.table_4(nothing)) == 6
    assert len(bench.table_a1(pd.DataFrame(columns=["method", "scale", "epochs", "device_hours"]))) == 9
    assert "measured" in bench_figures.rank_flow(nothing).axes[0].texts[0].get_text()
    assert bench_figures.correlations(rated()[:0], {}).axes[0].texts[0].get_text().startswith("fewer than two")


def test_tab_4_adds_only_methods_measured_with_both_captions():
    both = measured(OURS[:2], ("4K",), ("short", "long"))
    shown = bench.table_4(pd.concat([both, measured(OURS[2:], ("4K",))]))
    assert shown.method.tolist()[6:] == [OURS[0]] * 2 and shown.caption.tolist()[4:] == ["short", "long"] * 2
    assert shown["Aesthetics ↑"][4] == "5.793 │ 2.000 ±4.2 │ -3.79"


def test_latency_is_compared_by_its_ratio_to_the_first_row_that_was_measured():
    ours = pd.DataFrame({"method": ["FLUX.2-II", "L2P-III"], "scale": ["4K", "8K"], "devices": 1, "seconds": [2., 4.]})
    row = bench.table_a2(ours).set_index(["method", "scale"]).loc[("Scheme III", "8K")]
    assert row["times Scheme II, 4K, published"] == pytest.approx(70 / 71, abs=1e-3)
    assert (row["times Scheme II, 4K, measured"], row["difference"]) == (2.0, pytest.approx(2 - 70 / 71, abs=5e-3))


def test_ratings_of_another_judge_stand_in_tab_a4_without_a_difference():
    rows = rated()
    rows.loc[0, "nge"] = np.nan
    printed = numbers("tab_a4").nge[9]
    classical, paper = (bench.table_a4(rows, judge)["nge"][9] for judge in ("classical", bench.JUDGE))
    assert classical == f"{printed:.3f} │ {rows.nge.mean():#.4g} │ –"
    assert paper.split(" │ ")[2] == f"{rows.nge.mean() - printed:+.3g}"


def test_tab_a3_pairs_each_sub_dimension_with_its_key():
    shown = bench.table_a3({"pi": "lines"}, {"pi": 3}).set_index("sub-dimension")
    assert shown.loc["Perspective Integrity"].iloc[1:4].tolist() == ["pi", 3, "lines"]
    assert shown.loc["Sharpness Consistency", "key"] == "sc_local" and shown["measured by"].tolist().count("–") == 8


def test_lists_of_metrics_cards_and_calibration_are_readable():
    metrics = pd.DataFrame({"name": ["FID"], "higher_is_better": [False], "low": [0], "high": [np.inf],
                            "needs": [frozenset({"reference"})], "paper": "p", "released": "r",
                            "golden": [("a case", 0, 1e-6)]})
    assert bench.metric_table(metrics).loc[0, ["better", "range", "needs", "golden value"]].tolist() == [
        "↓ lower", "from 0", "reference", "a case: 0 ± 1e-06"]
    line = {"scale": "4K", "caption": "long", "metric": "fid", "card": "FID | 12 pictures"}
    cards = bench.cards(pd.DataFrame([{"method": "A"} | line, {"method": "B"} | line]))
    assert cards.loc[0].tolist() == ["fid", "FID │ 12 pictures", "A 4K long; B 4K long"]
    calibrated = pd.DataFrame([["nge", "noise", "residue", -0.98765, 4.8, 1.2, 20]], columns=[
        "sub-dimension", "damage", "measured", "spearman", "clean rating", "strongest", "n"])
    shown = bench.calibration_table(calibrated)
    assert shown.loc[0, ["Spearman, held out", "pictures"]].tolist() == [-0.988, 20]


def test_the_ledger_is_sorted_by_verdict_and_its_counts_add_up():
    ledger = pd.DataFrame({"verdict": claims.VERDICTS[::-1], "way": ["tables"] * 3 + ["nano"] * 4}).assign(
        id=[f"P{i}" for i in range(7)], place="", claim="", number="", check="")
    assert claims.claims_table(ledger).verdict.tolist() == list(claims.VERDICTS) == list(claims_evidence.VERDICTS)
    axis = claims.claims_counts(ledger).axes[0]
    assert sum(bar.get_width() for bar in axis.patches) == len(ledger) and len(axis.texts) == len(ledger)
    with pytest.raises(ValueError, match="no verdict is called maybe"):
        claims.claims_table(ledger.assign(verdict="maybe"))


def test_ranks_put_the_lowest_fid_and_the_highest_score_first():
    axes = bench_figures.rank_flow(measured(metrics=("fid", "ics"))).axes
    starts = [{line.get_color(): line.get_ydata()[0] for line in axis.lines if line.get_linewidth() > 2}
              for axis in axes]
    first, last = style.METHOD_COLOURS[OURS[0]], style.METHOD_COLOURS[OURS[2]]
    assert (starts[0][first], starts[0][last], starts[1][first], starts[1][last]) == (1, 3, 3, 1)


def test_the_front_joins_what_nothing_beats_in_both():
    axes = bench_figures.cost_quality(measured(), pd.DataFrame(columns=["method", "scale", "seconds"])).axes
    published = axes[2].lines[0].get_xydata().tolist()  # Aesthetics at 4K
    assert published == [[58, 5.792], [103, 5.804], [945, 6.167]]
    assert axes[4].texts[0].get_text() == "not measured"  # below FID
    assert axes[0].yaxis_inverted() and not axes[2].yaxis_inverted()


def test_correlations_turn_metrics_so_that_higher_is_better_and_say_how_many():
    left, right = bench_figures.correlations(rated(5), {"aesthetics": "nano-aesthetic"}).axes
    assert left.get_yticklabels()[0].get_text() == "nano-aesthetic"
    assert left.get_title() == "measured: 5 pictures, 1 methods" and right.get_title() == "Tab. 3, 4K: 13 methods"
    printed = numbers("tab_3")[lambda t: t.resolution == "4K"]
    expected = printed.fid.corr(printed.clipscore, "spearman")
    assert right.images[0].get_array()[0, 5] == pytest.approx(-expected)


def test_sensitivity_and_sub_dimensions_draw_every_line_and_every_rating():
    frame = pd.DataFrame([(kind, step, metric, step) for kind in ("blur", "noise") for step in (1, 2)
                          for metric in ("fid", "msfi")], columns=["damage", "severity", "metric", "relative"])
    axes = bench_figures.sensitivity(frame).axes
    assert [line.get_ydata().tolist() for axis in axes for line in axis.lines] == [[0, -1, -2]] * 2 + [[0, 1, 2]] * 2
    axes = bench_figures.sub_dimensions(rated()).axes
    filled = axes[0].collections[2].get_offsets()
    assert len(axes) == 10 and np.isfinite(filled.data[:, 0]).sum() == 1


def test_power_marks_luck_and_the_size_of_the_papers_study():
    frame = pd.DataFrame({"noise": [1, 1, 2, 2], "right": 0.8, "pairs": [60, 360, 60, 360], "probability": 0.9,
                          "low": 0.8, "high": 1.0})
    axis = preference.power(frame).axes[0]
    assert axis.lines[2].get_ydata()[0] == pytest.approx(1 / 24) and axis.lines[3].get_xdata()[0] == 360


def picture(value=0, side=40):
    return np.full((side, side, 3), value, np.uint8)


def test_a_zoom_shows_the_same_place_of_every_method_and_is_framed_in_each():
    first, second = picture(), picture()
    first[10:20, 20:30] = second[10:20, 20:30] = 200
    axes = bench_pictures.comparison({"A": [first], "B": [second], "C": []}, ["a prompt"], [(0.25, 0.5, 0.25)]).axes
    assert all((axes[close].images[0].get_array() == 200).all() for close in (1, 3))
    assert [len(axis.patches) for axis in axes] == [1, 0, 1, 0, 0, 0]
    assert [axes[whole].texts[0].get_text() for whole in (0, 2, 4)] == ["A", "B", "C"]
    with pytest.raises(ValueError, match="no picture to compare"):
        bench_pictures.comparison({"A": []}, ["a prompt"], [(0, 0, 1)])


def test_a_caption_too_long_for_its_place_ends_in_an_ellipsis():
    pairs = [(picture(), picture(), "short", "a word and " * 100)] * 4
    labels = [axis.get_xlabel() for axis in bench_pictures.captions_grid(pairs).axes]
    assert labels[0] == "short" and labels[4].endswith("…") and labels[4].count("\n") == bench_pictures.LINES - 1


def test_cases_are_shown_from_low_to_high_and_with_the_place_of_the_damage():
    figure = bench_pictures.glcm_cases([("L2P", picture(9), 1.1, 7.0), ("L2P", picture(3), 0.2, 4.0)])
    assert [axis.get_title()[:5] for axis in figure.axes] == ["0.200", "1.100"]
    axis = bench_pictures.lowest_cases([("nge: L2P, 4K", "local", picture(), 1.5, (1, 2, 11, 22))]).axes[0]
    assert axis.get_title() == "Noise & Grain Existence\n1.50" and axis.patches[0].get_height() == 20
    assert axis.get_xlabel() == "L2P, 4K"
    assert "No picture was rated" in bench_pictures.lowest_cases([]).axes[0].texts[0].get_text()


def test_fig_1_shows_seven_annotations_and_eight_metrics():
    sample = {"rgb": picture(), "scores": {"entropy": 7.1}, "tags": ["sky"], "boxes": [("tree", 0, 0, 0.5, 0.5)],
              "analysis": {"light": "low"}, "instances": [], "short": "a tree", "long": "a tree below a sky"}
    left, right = bench_pictures.overview(sample, measured(OURS[:1], ("4K",))).axes[:2]
    assert sum(text.get_fontweight() == "bold" for text in left.texts) == 7
    words = [text.get_text() for text in right.texts]
    assert all(bench.directed(metric) in words for metric in bench.HEADS) and "   measured: nano-FID" in words
