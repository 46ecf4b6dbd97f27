"""Claims P48-P60: the definitions of the eight metrics, against Tab. 3, A4 and the released code."""
import itertools
import math

import pandas as pd
from scipy.stats import spearmanr

from pixverve_lib.bench import ics, msfi
from pixverve_lib.bench.claims_evidence import CONTRADICTED, FOLLOWS, NOT_TESTABLE, PARTLY, check, printed
from pixverve_lib.imaging.cooccurrence import glcm_scores
from pixverve_lib.paper.published import table
from pixverve_lib.scenes import textures

VISUAL = ("fid", "fid_patch", "aesthetics", "glcm_score", "msfi")  # Sec. 3.3.1
SEMANTIC = ("clipscore", "fg_clip2_score", "ics")  # Sec. 3.3.2
LABELS = ("resolution", "height_width", "method")
RATINGS, COMPLIANCE = (1, 5), (1, 10)  # Sec. F.2, F.3
ROUNDING, PRODUCT_ROUNDING = 0.001, 0.002  # of three printed decimals: in a weighted mean, in S_g + S_g S_l / 5
FG_CLIP2_TOKENS = 196  # not in paper: released code


def rows(book, name, *labels, columns=()):
    """Numbers of Tab. 3 or A4 in rows with these labels, of all columns or these; indexed by method."""
    columns = list(columns) or _metrics(name)
    return pd.concat([book.column(name, column, *labels, by="method") for column in columns], axis=1, keys=columns)


def _metrics(name):
    return [column for column in table(name) if column not in LABELS]


def _by_scale(book, name, *columns):
    """Rows of Tab. 3 or A4 that did not fail completely; indexed by scale and method."""
    frames = {scale: rows(book, name, scale, columns=columns) for scale in book.constant("PROGRESSION")}
    return pd.concat(frames).dropna()


@check("P48")
def eight_metrics(book):
    columns = _metrics("tab_3")
    book.note(f"columns of Tab. 3: {', '.join(columns)}")
    holds = set(columns) == {*VISUAL, *SEMANTIC} and len(columns) == 8
    return printed(holds), f"{len(VISUAL)} visual and {len(SEMANTIC)} semantic columns"


def correlation(book, one, other):
    """Spearman's correlation of two metrics over the methods at 4K, and how many methods."""
    both = pd.concat([book.column("tab_3", metric, "4K", by="method") for metric in (one, other)], axis=1).dropna()
    return spearmanr(*both.to_numpy().T).statistic, len(both)


@check("P49")
def patches_see_detail(book):
    rho, methods = correlation(book, "fid", "fid_patch")
    text = f"Spearman(FID, FID_patch) = {rho:.2f} over {methods} methods of Tab. 3 at 4K"
    return book.decided_by(lambda: _sensitivity(book), text)


def _moved(book, metric):
    """How far the mildest damage moves a metric, in standard deviations of undamaged sets; indexed by damage."""
    found = book.artefact("bench_sensitivity")
    return found[(found.metric == metric) & (found.severity == 1)].set_index("damage").relative


def _sensitivity(book):
    book.note("rule: of the mild damages that one of the two sees (2 standard deviations of undamaged sets), all move "
              "FID_patch farther than FID")
    whole, patch = _moved(book, "fid"), _moved(book, "fid_patch")
    seen = (whole >= 2) | (patch >= 2)
    told = "mild damage moves whole and patches by so many standard deviations: "
    return seen.any() and (patch > whole)[seen].all(), told + ", ".join(
        f"{damage} {whole[damage]:.1f} and {patch[damage]:.1f}" for damage in whole.index)


@check("P50")
def glcm_means_detail(book):
    best = {}
    for scale in ("8K", "10K"):
        found = rows(book, "tab_3", scale, columns=("glcm_score", "msfi", "fid_patch")).dropna()
        first = found.glcm_score.idxmax()
        best[scale] = found.loc[first], found.msfi.idxmin() == found.fid_patch.idxmax() == first
    text = "; ".join(f"{scale}: the best GLCM Score ({row.glcm_score:.3f}, {row.name}) has MSFI {row.msfi:.3f} and "
                     f"FID_patch {row.fid_patch:.3f}, {'the worst of both' if worst else 'not the worst of both'}"
                     for scale, (row, worst) in best.items())
    against = any(worst for _, worst in best.values())
    return (CONTRADICTED if against else FOLLOWS), book.beside(text, lambda: _glcm_sweep(book))


def _glcm_sweep(book):
    book.note("rule: no mild damage raises the score")
    moved = _moved(book, "glcm_score")
    return moved.max() <= 0, "mild damage moves it by so many standard deviations: " + ", ".join(
        f"{damage} {each:+.1f}" for damage, each in moved.items())


@check("P51")
def entropy_of_matrices(book):
    largest = book.column("tab_3", "glcm_score").max()
    book.note(f"measured by this check: drawn {', '.join(textures.MATERIALS)} (scenes/textures.py)")
    found = [glcm_scores((tile.astype(int) + 128).astype("uint8")) for tile in textures.bank()]
    formula = min(each.formula_symmetric for each in found)
    released = min(each.published_symmetric for each in found)
    return printed(formula <= largest), (
        f"printed {book.column('tab_3', 'glcm_score').min()} to {largest}; of drawn materials the formula gives "
        f"{formula:.2f} bits and more, the released code's entropy of distinct values {released:.2f} and more")


@check("P52")
def range_of_msfi(book):
    book.note(f"ratings from {RATINGS[0]} to {RATINGS[1]} (Sec. F.2) in S_g + S_g S_l / 5")
    low, high = (msfi.index(rating, [rating]) for rating in RATINGS)
    return printed((low, high) == (1.2, 10)), f"1 + 1/5 = {low:g}, 5 + 5 = {high:g}"


def _gaps(book):
    """Weighted mean of the printed sub-scores minus the printed score  # global, local; indexed by scale and method"""
    book.note(f"weights of the released code, which the paper does not print: {msfi.GLOBAL}, {msfi.LOCAL}")
    book.note(f"rule: equal within {ROUNDING}, what rounding to three decimals allows")
    found = _by_scale(book, "tab_a4")
    return [msfi.dimension(found, weights) - found[name]
            for name, weights in (("global_fidelity", msfi.GLOBAL), ("local_fidelity", msfi.LOCAL))]


@check("P53")
def weights_are_ratings(book):
    weights = [*msfi.GLOBAL.values(), *msfi.LOCAL.values()]
    fit = [int((gap.abs() < ROUNDING).sum()) for gap in _gaps(book)]
    possible = all(RATINGS[0] <= weight <= RATINGS[1] for weight in weights)
    return PARTLY if possible and min(fit) >= 20 else CONTRADICTED, (
        f"the released weights are whole numbers from 1 to 5 and give {fit[0]} of 21 global and {fit[1]} of 21 local "
        "scores; neither weights nor ratings are printed (M18)")


@check("P54")
def weighted_means(book):
    whole, local = _gaps(book)
    off = pd.concat([whole, local]).loc[lambda gap: gap.abs() >= ROUNDING]
    wrong = "; ".join(f"{method} at {scale} is off by {gap:+.3f} (M1)" for (scale, method), gap in off.items())
    right = whole.abs() < ROUNDING
    close = local.abs() < ROUNDING
    return printed(len(off) <= 1), (
        f"{right.sum()} of {len(right)} global scores (within {whole[right].abs().max():.4f}) and {close.sum()} of "
        f"{len(close)} local ones (within {local[close].abs().max():.4f}); {wrong}")


@check("P55")
def msfi_formula(book):
    fidelity = _by_scale(book, "tab_a4", "global_fidelity", "local_fidelity")
    index = _by_scale(book, "tab_3", "msfi").msfi
    book.note(f"rule: equal within {PRODUCT_ROUNDING}, what rounding to three decimals allows")
    gap = index - [msfi.index(row.global_fidelity, [row.local_fidelity]) for row in fidelity.itertuples()]
    off = gap[gap.abs() > PRODUCT_ROUNDING]
    verdict = FOLLOWS if off.empty else PARTLY if len(off) < len(gap) else CONTRADICTED
    return verdict, (f"{len(gap) - len(off)} of {len(gap)} rows equal the product of the printed means; {len(off)} "
                     f"differ by {off.abs().min():.3f} to {off.abs().max():.3f} (M2)")


@check("P56")
def structure_cannot_hide(book):
    found = rows(book, "tab_a4", "10K", columns=["local_fidelity"]).join(rows(book, "tab_3", "10K", columns=["msfi"]))
    sharpest = found.local_fidelity.idxmax()
    place = int(found.msfi.rank(ascending=False)[sharpest])
    book.note("dMSFI/dS_g = 1 + S_l/5, from 1.2 to 2; dMSFI/dS_l = S_g/5, 1 at most")
    return printed(1 + RATINGS[0] / 5 > RATINGS[1] / 5 and place > 1), (
        f"a global point counts 1.2 to 2, a local one 1 at most; {sharpest} at 10K: best S_l "
        f"{found.local_fidelity[sharpest]:.3f}, MSFI {found.msfi[sharpest]:.3f}, place {place} of {len(found)}")


@check("P57")
def range_of_ics(book):
    low, high = (ics.index(rating, rating, rating) for rating in COMPLIANCE)
    floor = pd.concat([book.column("tab_3", "ics", "8K", method) for method in
                       ("FLUX.2-klein-base-4B", "FLUX.2-I (Full)", "FLUX.2-I (LoRA)")])
    everything = book.column("tab_3", "ics")
    return printed(everything.between(round(low, 3), high).all()), (
        f"range {low:.3f} to {high:g}; FLUX.2 at 8K ({', '.join(map(str, floor))}) is on the floor")


@check("P58")
def study_design(book):
    models, prompts, scales, people, each = 4, 30, 2, 8, 90  # Sec. F.4
    pairs = len([*itertools.combinations(range(models), 2)]) * prompts * scales
    book.note(f"Sec. F.4: {models} models, {prompts} prompts, {scales} scales, {people} people, {each} pairs each")
    answers = people * each
    text = f"6 x 60 = {pairs}; {people} x {each} = {answers}, {answers / pairs:g} a pair"
    return printed(answers == 2 * pairs and pairs == 360), text


@check("P59")
def ranks_of_people(book):
    chance = 1 / math.factorial(4)
    book.note("Sec. F.4: four models without names or scores, 4! = 24 orders")
    return NOT_TESTABLE, ("models and scores are not named, and it takes people; a random order of four matches with "
                          f"p = 1/24 = {chance:.1%} for each metric")


@check("P60")
def finer_alignment(book):
    rho, _ = correlation(book, "clipscore", "fg_clip2_score")
    words = book.cell("tab_2", "avg_caption_length", "PixVerve-95K (Ours)")
    book.note(f"released code: {FG_CLIP2_TOKENS} tokens of a long caption")
    return NOT_TESTABLE, ("needs the weights of FG-CLIP2 and pictures that differ in detail; at 4K Spearman(CLIPScore, "
                          f"FG-CLIP2) = {rho:.2f}; captions of {words} words on average against {FG_CLIP2_TOKENS} "
                          "tokens are cut")
