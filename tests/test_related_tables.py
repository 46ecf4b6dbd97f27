"""The tables, constants and exhibits of the three related papers: against their texts, each other and our exhibits."""
import ast
import hashlib
import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pixverve_lib.exhibits import catalogue
from pixverve_lib.exhibits import related as exhibits
from pixverve_lib.paper import related
from pixverve_lib.paper.published import marks, numbers, related_constants, related_exhibits, table, unmarked

TEXTS = Path(__file__).parents[2] / "shared" / "papers"
PAPERS = {"diffusion4k": "002", "ultraflux": "003", "urae": "004"}
PREFIXES = {"Diffusion-4K": "002", "UltraFlux": "003", "URAE": "004"}
# rows, start of the SHA-256 of all cells
TABLES = {
    "diffusion4k_tab_1": (3, "f62d00d89cec"),
    "diffusion4k_tab_2": (2, "893f165fae1b"),
    "diffusion4k_tab_3": (3, "12d4b745abf8"),
    "diffusion4k_tab_4": (4, "1abc945f455a"),
    "diffusion4k_tab_5": (10, "d2dc82a2e5e1"),
    "diffusion4k_tab_6": (6, "613718050f0f"),
    "diffusion4k_tab_7": (4, "70c9878c73e7"),
    "diffusion4k_tab_8": (6, "bef02cbf9a6b"),
    "diffusion4k_tab_9": (3, "d9d18333341e"),
    "diffusion4k_tab_10": (4, "f135d46d023f"),
    "ultraflux_tab_1": (4, "0c0b8ec34757"),
    "ultraflux_tab_2": (3, "1591a5e69bfc"),
    "ultraflux_tab_3": (17, "33d92e94649b"),
    "ultraflux_tab_4": (1, "e368f13063ef"),
    "ultraflux_tab_5": (16, "eadad7da0247"),
    "urae_tab_1": (12, "398fd364e903"),
    "urae_tab_2": (8, "90644fcd80e8"),
    "urae_tab_3": (5, "9e0afc5750cb"),
    "urae_tab_4": (10, "3be85fe849fd"),
}
SOURCE = r"  # ((Diffusion-4K|UltraFlux Supp\.|URAE) (Sec|Tab|Fig|App|Eq)\. [\dA-D][\d.]*|not in paper: \w)"
LOWER = ["rfid", "fid", "nmse", "lpips", "compression_ratio"]
NUMBER = re.compile(r"(\*\*)?\d[\d,]*(\.\d+)?(GB|%)?(\*\*)?")


def digest(name):
    cells = table(name).to_csv(index=False, lineterminator="\n")
    return hashlib.sha256(cells.encode()).hexdigest()[:12]


def text_of(paper):
    texts = sorted(TEXTS.glob(f"{paper}_*.txt"))
    if not texts:
        pytest.skip("the papers' texts are not beside this checkout (../shared/papers)")
    return texts[0].read_text(encoding="utf-8")


def printed(name):
    """The rows of a table in its paper's text: the first lines with tabs below its caption."""
    paper, number = name.split("_tab_")
    text = re.sub(r"</?(i|math)>|\$|\[\d+\]", "", text_of(PAPERS[paper])).replace(r"\times", "×")
    below = re.split(rf"^(?:TABLE|Table) {number}[:.]", re.sub("</?b>", "**", text), flags=re.MULTILINE)[1]
    return [line.split("\t") for line in re.search(r"(?:^.*\t.*\n)+", below, re.MULTILINE)[0].splitlines()]


def figures_in(cells):
    """The numbers of a row, cell after cell; where each cell holds several rows, row after row."""
    words = [[word.strip("(),.") for word in cell.split()] for cell in cells]
    found = [[word for word in cell if NUMBER.fullmatch(word)] for cell in words]
    return [number for row in zip(*filter(None, found), strict=True) for number in row]


def signed(values):
    """Values of metrics so that higher is better."""
    return values * [-1 if metric in LOWER else 1 for metric in values]


def better(left, right):
    """(cells in which `left` is better, all cells)"""
    wins = signed(left.reset_index(drop=True)) > signed(right.reset_index(drop=True))
    return int(wins.to_numpy().sum()), wins.size


def by_method(name, *keys):
    return numbers(name).set_index(list(keys))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_all_its_rows_and_no_cell_has_changed(name):
    assert (len(table(name)), digest(name)) == TABLES[name]


@pytest.mark.parametrize("name", TABLES)
def test_the_numbers_of_a_table_and_their_marks_stand_in_the_text_in_this_order(name):
    ours = [figure for row in table(name).to_numpy() for figure in figures_in(row)]
    assert ours and ours == [figure for row in printed(name) for figure in figures_in(row)]


def test_the_prompts_of_diffusion_4k_are_the_printed_ones_but_for_their_brackets():
    text = text_of("002")
    pieces = [piece for prompt in table("diffusion4k_tab_3").prompt for piece in re.split("⟨.*?⟩", prompt)]
    assert len(pieces) > 12 and [piece for piece in pieces if piece not in text] == []


def test_units_dashes_and_bold_are_lost_in_numbers_and_the_star_of_a_name_is_not():
    memory = numbers("diffusion4k_tab_6")
    assert memory.memory.tolist()[1:3] == [31.3, 16.1] and memory.iloc[3, 1:].isna().all()
    assert numbers("urae_tab_1").iloc[0, 1:3].isna().all()
    assert numbers("urae_tab_3").overall_quality.iloc[-1] == 53.24
    assert numbers("ultraflux_tab_2").iloc[-1].tolist() == ["UltraFlux-F16-VAE", 0.547, 0.00657, 30.7, 0.852, 0.102]
    names = numbers("urae_tab_4").method_setting
    assert {"FLUX-1.dev", "FLUX-1.dev*", "FLUX-1.dev* w/ URAE"} <= set(names) and names.is_unique
    assert unmarked("_x_") == unmarked("**x**") == "x" and unmarked("s_a") == "s_a"


def test_rows_that_diffusion_4k_prints_twice_agree():
    five, seven = by_method("diffusion4k_tab_5", "model"), by_method("diffusion4k_tab_7", "model", "training_set")
    for row in (("Flux-F16-WLF@2048", "Aesthetic-Train"), ("Flux-F16-SC-WLF@2048", "Aesthetic-Train-V2")):
        assert seven.loc[row].to_dict() == five.loc[row[0]].drop("architecture").to_dict()
    nine, ten = by_method("diffusion4k_tab_9", "model"), by_method("diffusion4k_tab_10", "model", "captions")
    again = ten.loc[("SD3-F16@4096", "GPT-4o")]
    assert nine.loc["SD3-F16@4096", again.index].tolist() == again.tolist()


def test_scale_consistency_is_better_in_ten_of_ten_cells_of_both_tables():
    four, eight = by_method("diffusion4k_tab_4", "model"), by_method("diffusion4k_tab_8", "model")
    assert better(four.filter(regex="-SC$", axis=0), four.filter(regex="F16$", axis=0)) == (10, 10)
    assert better(eight.filter(regex="-SC$", axis=0), eight.filter(regex="-FT$", axis=0)) == (10, 10)


def test_the_training_sets_of_diffusion_4k_are_as_large_as_the_text_says():
    assert round(related.D4K_TRAIN_V2_PICTURES / related.D4K_TRAIN_PICTURES, 2) == 8.76  # "nearly 9-fold"
    share = related.D4K_EVAL_4K_PICTURES / related.D4K_LAION_PICTURES
    assert round(100 * share, 2) == 0.03  # Diffusion-4K Sec. 3.2
    sizes = by_method("diffusion4k_tab_1", "dataset")
    assert sizes.loc["PixArt-30K"].tolist() == [1615, 1801, 2531, 2656]
    assert (sizes.loc["PixArt-30K"] < sizes.drop("PixArt-30K")).all(axis=None)


def test_ultraflux_is_best_in_11_of_16_cells_and_three_bold_values_are_not_the_best():
    rows = numbers("ultraflux_tab_5")
    ranks = signed(rows.iloc[:, 2:]).groupby(rows.aspect_ratio, sort=False).rank(ascending=False)
    first = (ranks == 1)[rows.method == "UltraFlux"]
    assert first.sum(axis=1).tolist() == [3, 3, 4, 1]  # M33
    wrong = [(rows.aspect_ratio[i], rows.method[i], rows.columns[2 + j])
             for i, j in np.argwhere((marks("ultraflux_tab_5").iloc[:, 2:] == "best").to_numpy() & (ranks != 1))]
    assert wrong == [("2:1", "UltraFlux", "artimuse"), ("1:2", "Sana", "artimuse")]  # M29
    vae = signed(numbers("ultraflux_tab_2").iloc[:, 1:])
    assert vae.columns[vae.iloc[-1] < vae.max()].tolist() == ["lpips"]  # M29


def test_none_of_the_five_example_sizes_is_among_the_fifteen_of_tab_3():
    rows = table("ultraflux_tab_3")
    pairs = re.findall(r"(\d{4}) × (\d{4})", " ".join(rows.value[rows.hyperparameter.str.contains("target sizes")]))
    sizes = {(int(height), int(width)) for width, height in pairs}
    examples = {*related.ULTRAFLUX_EXAMPLE_LANDSCAPE, *related.ULTRAFLUX_EXAMPLE_PORTRAIT,
                related.ULTRAFLUX_EXAMPLE_SQUARE}
    assert len(sizes) == len(pairs) == 15 and len(examples) == 5 and not sizes & examples  # M30
    assert {side % 64 for size in sizes for side in size} == {0}
    assert {round(height * width / 1e6, 1) for height, width in sizes} <= {16.6, 16.7, 16.8, 16.9}
    assert {height * width for height, width in examples} <= {14_745_600, 14_751_744}
    assert [sum(f(*size) for size in sizes) for f in (int.__lt__, int.__gt__, int.__eq__)] == [10, 4, 1]


def test_the_wavelet_shares_of_ultraflux_fit_together_and_into_latents_of_unit_variance():
    low, high = related.ULTRAFLUX_HIGH_SHARES
    assert 3 * low <= 1 - related.ULTRAFLUX_LL_SHARE <= 3 * high
    assert round(related.ULTRAFLUX_LL_ENERGY / related.ULTRAFLUX_LL_SHARE / 4, 3) == 1.015


def test_the_co_design_of_ultraflux_gives_little_more_than_the_sum_of_its_parts():
    base, data, model, both = numbers("ultraflux_tab_1")[["fid", "hpsv3"]].to_numpy()
    assert (both - (data + model - base)).round(2).tolist() == [-0.92, 0.15]


def test_one_row_of_urae_stands_in_two_tables_with_the_same_values():
    one, two = by_method("urae_tab_1", "method_setting"), by_method("urae_tab_2", "components", "method_setting")
    again = two.loc[("Major", "Syn w/o CFG")]
    assert one.loc["FLUX-1.dev* w/ URAE", again.index].tolist() == again.tolist() and len(again) == 6


def test_synthetic_data_wins_12_of_12_cells_and_training_without_guidance_23_of_24():
    rows = by_method("urae_tab_2", "components", "method_setting")
    data = [better(*(rows.loc[(part, f"{source} w/o CFG")].to_frame().T for source in ("Syn", "Real")))
            for part in ("Major", "Minor")]
    assert data == [(6, 6), (6, 6)]
    guided = {(part, source): better(*(rows.loc[(part, f"{source} {way} CFG")].to_frame().T for way in ("w/o", "w/")))
              for part, source in product(("Major", "Minor"), ("Syn", "Real"))}
    assert [cell for cell, counts in guided.items() if counts != (6, 6)] == [("Major", "Real")]  # M50
    assert guided["Major", "Real"] == (5, 6)


def test_the_votes_of_urae_are_whole_votes_of_340_and_add_up_to_1020():
    shares = numbers("urae_tab_3")[["overall_quality", "prompt_alignment", "visual_aesthetic"]]
    votes = (shares * 3.4).round()
    assert (votes / 3.4).round(2).equals(shares)
    assert votes.sum().tolist() == [340, 340, 340] and votes.to_numpy().sum() == related.URAE_VOTES
    assert 340 % related.URAE_USER_PROMPTS == 0


@pytest.mark.parametrize(("name", "groups"), [("urae_tab_3", [0] * 5), ("urae_tab_4", [0, 0, 1, 1, *[2] * 6])])
def test_the_printed_ranks_of_urae_follow_from_the_printed_values(name, groups):
    rows = numbers(name)
    ranked = [column.removesuffix("_rank") for column in rows if column.endswith("_rank")]
    follows = rows[ranked].groupby(groups).rank(ascending=False)
    assert np.array_equal(follows, rows[[f"{column}_rank" for column in ranked]])


def test_every_constant_is_one_literal_on_one_line_that_cites_its_place():
    source = Path(related.__file__).read_text(encoding="utf-8")
    _docstring, *statements = ast.parse(source).body
    lines = [source.splitlines()[statement.lineno - 1] for statement in statements]
    assert [line for line in lines if not re.match(rf"[A-Z][A-Z0-9_]* = .+{SOURCE}", line)] == []
    assert all(statement.lineno == statement.end_lineno for statement in statements)
    assert all(ast.literal_eval(statement.value) is not None for statement in statements)


def test_the_words_quoted_beside_the_constants_stand_in_their_paper():
    source = Path(related.__file__).read_text(encoding="utf-8")
    quotes = [(PREFIXES[paper], quote) for paper, line in re.findall(r"  # ([\w-]+)(.*)", source) if paper in PREFIXES
              for quote in re.findall(r'"([^"]+)"', line)]
    assert len(quotes) > 30
    assert [quote for paper, quote in quotes if quote not in text_of(paper)] == []


def test_the_accounting_names_every_table_and_figure_of_the_three_papers_once():
    printed_in = {"002": (10, 12), "003": (5, 11), "004": (4, 9)}
    listed = related_exhibits()
    expected = [(paper, f"{kind} {number}") for paper, counts in printed_in.items()
                for kind, last in zip(("Tab.", "Fig."), counts, strict=True) for number in range(1, last + 1)]
    assert list(zip(listed.paper, listed.exhibit, strict=True)) == expected
    assert listed.here.str.fullmatch(r"measured|transcribed|drawn|needs .+").all()
    assert listed.sentence.str.fullmatch(r"[A-Z\"].+\.").all() and listed.map(bool).all(axis=None)
    assert len(exhibits.accounting(listed, "003")) == 16
    with pytest.raises(ValueError, match="002, 003, 004"):
        exhibits.accounting(listed, "001")


def test_what_is_listed_as_made_here_is_an_exhibit_of_its_kind_and_what_needs_something_is_none():
    names = {paper: name for name, paper in PREFIXES.items()}
    listed = {f"{names[row.paper]} {row.exhibit}": row.here for row in related_exhibits().itertuples()}
    made = {name: catalogue.EXHIBITS[name].kind for name in listed if name in catalogue.EXHIBITS}
    assert made == {name: here for name, here in listed.items() if not here.startswith("needs ")}


def test_numbers_that_lower_rooms_repeat_because_they_know_no_paper_are_the_printed_ones():
    from pixverve_lib.imaging import cooccurrence
    from pixverve_lib.models import criteria, prompt_refiner, rotary, scale_consistent_vae

    huber = criteria.HuberWavelet()
    assert (huber.c_min, huber.c_max) == (related.ULTRAFLUX_HUBER_MIN, related.ULTRAFLUX_HUBER_MAX)
    assert rotary.FLUX1["base"] == related.ULTRAFLUX_ROPE_BASE and rotary.GRIDS == related.ULTRAFLUX_GRIDS
    assert rotary.FLUX1["length"] == related.ULTRAFLUX_TRAINED_GRID
    assert sorted(rotary.RAMP) == sorted(related.ULTRAFLUX_YARN_RAMP)  # M43
    assert prompt_refiner.WORDS == related.ULTRAFLUX_REFINED_WORDS
    assert related.D4K_TEACHER_FACTOR * scale_consistent_vae.SCALE == related.D4K_VAE_FACTOR
    assert (cooccurrence.PATCH, cooccurrence.LEVELS) == (related.D4K_GLCM_PATCH, related.D4K_GLCM_LEVELS)
    assert cooccurrence.DISTANCES == related.D4K_GLCM_DISTANCES
    assert np.rad2deg(cooccurrence.ANGLES) == pytest.approx(related.D4K_GLCM_DEGREES)


def test_the_settings_as_printed_are_all_constants_with_their_places():
    constants = related_constants()
    assert dict(zip(constants.name, map(ast.literal_eval, constants.value), strict=True)) == {
        name: value for name, value in vars(related).items() if name.isupper()}
    shown = exhibits.settings(constants, ["D4K_WLF", "URAE"]).set_index("setting")
    assert shown.loc["wlf steps"].tolist() == ["50000", "Diffusion-4K Sec. 6.1", "on Aesthetic-Train-V2"]
    assert shown.loc["steps", "value"] == "2000" and "vae rate" not in shown.index
    with pytest.raises(ValueError, match="starts with D5K_"):
        exhibits.settings(constants, ["D4K", "D5K"])


def test_a_transcribed_table_says_bold_in_words_and_has_the_printed_heads():
    shown = exhibits.as_printed(table("ultraflux_tab_5"))
    assert shown.columns.tolist() == ["aspect ratio", "method", "FID ↓", "HPSv3 ↑", "ArtiMuse ↑", "Q-Align ↑"]
    assert shown.iloc[3].tolist() == ["2:1", "UltraFlux", *(f"{n} (bold)" for n in ("147.54", "9.91", "64.81", "4.86"))]
    assert exhibits.as_printed(table("urae_tab_1")).iloc[10, 0] == "FLUX-1.dev*"


def test_an_f16_model_has_a_quarter_of_the_tokens_of_an_f8_one():
    tokens = exhibits.with_tokens(table("diffusion4k_tab_6"))["picture tokens (ours)"]
    assert tokens.tolist() == ["65,536", "16,384", "16,384"] * 2
    with pytest.raises(ValueError, match="no factor and side in nano"):
        exhibits.with_tokens(pd.DataFrame({"model": ["nano"]}))


def test_our_pools_stand_below_and_in_front_of_the_printed_sizes():
    pools = pd.DataFrame({"pool": ["ours"] * 3 + ["small"] * 2, "height": [10, 20, 60, 5, np.nan],
                          "width": [30, 40, 51, 5, np.nan]})
    shown = exhibits.size_table(pools, table("diffusion4k_tab_1")).set_index("dataset")
    assert shown.loc["ours"].tolist() == ["measured", "3", "20", "40", "30", "40"]
    assert shown.pictures.tolist() == ["–", "12,015", "105,288", "3", "1"]
    figure = exhibits.pool_sizes(pools, numbers("diffusion4k_tab_1"))
    height, width = figure.axes
    assert [line.get_xdata()[0] for line in width.lines] == [1801, 4640, 5120]
    assert sum(bar.get_height() for bar in height.patches) == pytest.approx(2)  # a whole for each pool
    with pytest.raises(ValueError, match="no pictures"):
        exhibits.pool_sizes(pools.iloc[:0], numbers("diffusion4k_tab_1"))
