"""The published tables against each other: what follows from them, and which known misprints do not."""
import ast
import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixverve_lib.paper import constants
from pixverve_lib.paper.published import DASH, marks, misprints, numbers, table

TEXTS = Path(__file__).parents[2] / "shared" / "papers"

# rows, columns whose label is printed once for several rows, start of the SHA-256 of all cells
TABLES = {
    "tab_1": (3, 0, "b792e166243c"),
    "tab_2": (5, 0, "21c3f2f09063"),
    "tab_3": (24, 2, "39ade7ae7583"),
    "tab_4": (6, 1, "5800541ef56d"),
    "tab_a1": (9, 1, "1ab4e1bfd825"),
    "tab_a2": (12, 1, "8454d7abe1c7"),
    "tab_a3": (9, 1, "2bc1c1e6983c"),
    "tab_a4": (24, 2, "dc50ac5bc1ac"),
    "tab_a5": (20, 0, "579b917bc185"),
}
MISPRINTS = [f"M{number}" for number in range(1, 51)]
LOWER_IS_BETTER = {"fid", "fid_patch"}  # arrows of Tab. 3 and Tab. 4
MSFI_GAPS = {  # M2: MSFI printed in Tab. 3 minus S_g + S_g S_l / 5 of Tab. A4
    ("4K", "L2P"): 0.010,
    ("8K", "L2P"): 0.010,
    ("10K", "L2P"): 0.023,
    ("4K", "L2P-III"): 0.013,
    ("8K", "L2P-III"): 0.019,
    ("10K", "L2P-III"): 0.026,
    ("4K", "FLUX.2-I (Full)"): 0.006,
    ("4K", "FLUX.2-I (LoRA)"): 0.009,
    ("4K", "FLUX.2-II"): 0.004,
    ("4K", "HiFlow"): -0.027,
}
# not in paper: weights of the authors' released evaluation code
GLOBAL_WEIGHTS = {"sc_global": 5, "pi": 3, "lc": 2, "ch": 2}
LOCAL_WEIGHTS = {"nge": 2, "ga": 3, "tf": 5, "mgc": 2, "sc_local": 2}
SOURCE = r"  # (Sec\. \d\.\d\.\d|App\. [A-I]\b|Supp\. \d\.\d of UltraFlux|not in paper: \w)"


def digest(name):
    cells = table(name).to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(cells.encode()).hexdigest()[:12]


def by_row(name):
    """The rows of Tab. 3 or Tab. A4 that did not fail completely, by resolution and method."""
    return numbers(name).set_index(["resolution", "method"]).drop(columns="height_width").dropna()


def seconds():
    return numbers("tab_a2").set_index(["method", "resolution"])["inference_time_s"]


def ranked_marks(values, groups):
    signed = values * [1 if metric in LOWER_IS_BETTER else -1 for metric in values]
    return signed.groupby(groups).rank().map({1: "best", 2: "second"}.get).fillna("")


def paper_text(number):
    texts = sorted(TEXTS.glob(f"{number}_*.txt"))
    if not texts:
        pytest.skip("the papers' texts are not beside this checkout (../shared/papers)")
    return texts[0].read_text(encoding="utf-8")


def printed_rows():
    """The table rows of the paper's text in the notation of the CSVs, without white space and citations."""
    text = re.sub(r"</?(i|math)>|\$|\[\d+\]| ", "", paper_text("000"))
    for tag, sign in (("</?b>", "**"), ("</?u>", "_"), (r"\\times", "×"), (r"\\checkmark", "✓")):
        text = re.sub(tag, sign, text)
    return [line.rstrip("\t").split("\t") for line in text.split("\n") if "\t" in line]


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_all_its_rows_and_no_cell_has_changed(name):
    rows, _, cells = TABLES[name]
    assert (len(table(name)), digest(name)) == (rows, cells)


@pytest.mark.parametrize("name", TABLES)
def test_every_row_stands_in_the_text_of_the_paper_with_its_numbers_and_marks(name):
    _, labels, _ = TABLES[name]
    printed = [[row[0].strip("*"), *row[1:]] for tail in printed_rows() for row in (tail, tail[1:]) if row]
    for row in table(name).iloc[:, labels:].to_numpy():
        assert ["".join(cell.split()) for cell in row] in printed, list(row)


def test_an_unknown_table_is_refused_with_the_known_names():
    with pytest.raises(ValueError, match="tab_9.*tab_1, .*tab_a5"):
        table("tab_9")


def test_numbers_lose_marks_separators_and_remarks_and_text_stays_text():
    assert numbers("tab_1")["scale"].tolist() == [300316, 122866, 95935]
    assert numbers("tab_2").iloc[-1, :4].tolist() == ["PixVerve-95K (Ours)", "13031 × 15348", 95735, 234.1]
    assert np.array_equal(numbers("tab_3")["msfi"].isna(), table("tab_3")["msfi"] == DASH)
    assert numbers("tab_3").iloc[:, 3:].dtypes.eq(float).all()


def test_the_attrition_of_tab_1_and_its_final_split_add_up():
    raw, candidate, final = numbers("tab_1")["scale"]
    assert (round(100 * candidate / raw, 2), round(100 * final / candidate, 2)) == (40.91, 78.08)
    train, bench = re.search(r"\((.*)\+(.*)\)", table("tab_1")["scale"].iloc[2]).groups()
    assert int(train.replace(",", "")) + int(bench) == final
    assert float(train.replace(",", "")) == numbers("tab_2")["number"].iloc[-1]


def test_the_training_hours_of_tab_a1_add_up_to_141312():
    assert numbers("tab_a1")["total_h20_gpu_hours"].sum() == 141_312


@pytest.mark.parametrize(("resolution", "printed"), [("4K", 16.3), ("8K", 90.9), ("10K", 155.6)])  # App. E.2
def test_scheme_iii_is_as_much_faster_than_demofusion_as_printed(resolution, printed):
    assert round(seconds()["DemoFusion", resolution] / seconds()["Scheme III", resolution], 1) == printed


def test_the_other_speed_ups_of_sec_4_2_follow_and_m4_and_m5_do_not():
    time = seconds()
    assert int(time["Scheme I (LoRA)", "10K"] / time["Scheme III", "10K"]) == 33  # Sec. 4.2: "over 33x"
    full, window = time["Scheme I (Full)", "4K"], time["Scheme II", "4K"]
    assert full - window == 32  # Sec. 4.2: "approximately 32s"
    assert round(100 * (1 - window / full)) == 31  # M5: printed 30
    assert (time["Scheme III"] < 60).to_dict() == {"4K": True, "8K": False, "10K": False}  # M4: "sub-minute"


def test_msfi_of_tab_3_is_the_product_of_tab_a4_but_for_the_ten_rows_of_m2():
    fidelity, msfi = by_row("tab_a4"), by_row("tab_3")["msfi"]
    gap = msfi - fidelity["global_fidelity"] * (1 + fidelity["local_fidelity"] / 5)
    agreeing = gap.drop(list(MSFI_GAPS))
    assert len(agreeing) == 11 and agreeing.abs().max() < 0.0011
    assert gap[list(MSFI_GAPS)].to_dict() == pytest.approx(MSFI_GAPS, abs=0.0005)


@pytest.mark.parametrize(
    ("dimension", "weights", "known"),
    [("global_fidelity", GLOBAL_WEIGHTS, {("4K", "HiFlow"): 0.139}), ("local_fidelity", LOCAL_WEIGHTS, {})],
)
def test_fidelity_is_the_weighted_mean_of_its_sub_scores_but_for_m1(dimension, weights, known):
    rows = by_row("tab_a4")
    gap = rows[list(weights)].mul(pd.Series(weights)).sum(axis=1) / sum(weights.values()) - rows[dimension]
    assert gap[gap.abs() >= 0.001].to_dict() == pytest.approx(known, abs=0.0005)


def test_global_sub_scores_are_means_of_200_whole_ratings_but_for_the_three_of_m8():
    ratings = by_row("tab_a4")[list(GLOBAL_WEIGHTS)].stack() * 200
    odd = ratings[(ratings - ratings.round()).abs() > 1e-6]
    assert list(odd.index) == [("10K", "L2P-III", part) for part in ("sc_global", "pi", "lc")]


def test_equal_values_within_a_column_of_tab_3_are_the_two_of_m20():
    metrics = numbers("tab_3").iloc[:, 3:]
    twins = [(metric, value) for metric in metrics for value in metrics[metric][metrics[metric].duplicated()].dropna()]
    assert twins == [("aesthetics", 5.569), ("fg_clip2_score", 17.057)]


def test_the_48_marks_of_tab_3_are_right_but_one_is_missing_as_m3_says():
    values, printed = numbers("tab_3"), marks("tab_3").iloc[:, 3:]
    expected = ranked_marks(values.iloc[:, 3:], values["resolution"])
    assert (expected != "").sum().sum() == 48
    ((row, metric),) = np.argwhere((expected != printed).to_numpy())
    assert (*values.loc[row, ["resolution", "method"]], expected.columns[metric]) == ("10K", "DemoFusion", "glcm_score")
    assert (expected.iloc[row, metric], printed.iloc[row, metric]) == ("second", "")


def test_tab_4_marks_the_better_caption_and_its_long_rows_are_rows_of_tab_3():
    values = numbers("tab_4")
    expected = ranked_marks(values.iloc[:, 2:], values["method"]).replace("second", "")
    assert expected.equals(marks("tab_4").iloc[:, 2:])
    long = values[values["caption"] == "Long"].set_index("method").drop(columns="caption")
    assert long.equals(by_row("tab_3").loc["4K"].loc[long.index, long.columns])


def test_every_misprint_is_recorded_once_with_what_follows_and_the_gaps_of_m2():
    known = misprints().set_index("id")
    assert known.index.tolist() == MISPRINTS
    assert known.map(bool).all(axis=None)
    assert set(known["kind"]) == {"number", "mark", "text", "format", "proof", "release"}
    assert all(f"{gap:+.3f}" in known.loc["M2", "follows"] for gap in MSFI_GAPS.values())


def test_every_constant_is_one_literal_on_one_line_that_cites_its_source():
    source = Path(constants.__file__).read_text(encoding="utf-8")
    _docstring, *statements = ast.parse(source).body
    lines = [source.splitlines()[statement.lineno - 1] for statement in statements]
    assert [line for line in lines if not re.match(rf"[A-Z][A-Z0-9_]* = .+{SOURCE}", line)] == []
    assert all(statement.lineno == statement.end_lineno for statement in statements)
    assert all(ast.literal_eval(statement.value) is not None for statement in statements)


def test_the_words_quoted_beside_the_constants_stand_in_the_papers():
    text = paper_text("000") + paper_text("003")
    quotes = re.findall(r'# .*?"([^"]+)"', Path(constants.__file__).read_text(encoding="utf-8"))
    assert quotes and [quote for quote in quotes if quote not in text] == []


def test_the_tiers_reach_100_megapixels_and_the_ten_patches_are_six_and_four():
    assert constants.LARGE_PIXELS * constants.LARGE_SR_SCALE**2 >= constants.TARGET_PIXELS
    assert constants.MEDIUM_PIXELS * constants.MEDIUM_SR_SCALE**2 >= constants.TARGET_PIXELS
    assert constants.REGION_TEXTURED_PATCHES + constants.REGION_RANDOM_PATCHES == constants.REGION_PATCHES
