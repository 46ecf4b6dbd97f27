"""Claims P01-P06, P09 and P16-P24: the data set, from its tables and constants."""
import numpy as np

from pixverve_lib.bench.claims_evidence import CONTRADICTED, FOLLOWS, NOT_TESTABLE, PARTLY, check, printed

OURS = "PixVerve-95K (Ours)"
RAW, CANDIDATE, FINAL = "Raw Data Pool", "Candidate Data Pool", "Final Data"  # Tab. 1
DETECTORS = ("exposure", "sharpness", "flatness", "content richness", "aesthetics")  # Sec. 3.1.2
DIFFUSION_4K_TAB_1 = {  # Tab. 1 of Diffusion-4K: average height and width in pixels
    "PixArt-30k": (2531, 2656), "Aesthetic-Train": (4578, 4838), "Aesthetic-Train-V2": (4861, 5127),
}
DIFFUSION_4K_COUNTS = {"Aesthetic-Train": 12_015, "Aesthetic-Train-V2": 105_288}  # Sec. 3.1 of Diffusion-4K
PRINTED_SIZES = {"Fig. A5": (15289, 8600), "Fig. A6": (11656, 8742)}  # captions of these figures: one picture each
SIGNIFICANT = 2  # times as many words; not in paper: choice
EYE_FIELD, EYE_PIXELS = 120, 576_000_000  # Sec. 1: degrees, pixels
EYE_ARCMIN = 0.3  # not in paper: choice, minutes of arc a pixel that this number of pixels needs


@check("P01")
def seven_dimensions(book):
    marked = [column for column in ("basic_visual_scores", "tags", "bboxes", "aesthetics_level_analysis",
                                    "instance_level_description", "variable_length_caption")
              if book.column("tab_2", column, OURS).str.startswith("✓").all()]
    captions = 2 * ("variable_length_caption" in marked)
    book.note("a variable-length caption is two captions, a long and a short one (Sec. 3.1.5)")
    metadata = len(marked) - (captions > 0)
    return printed(metadata + captions == 7), f"{metadata} kinds of metadata + {captions} captions"


@check("P02")
def six_scores(book):
    said = book.column("tab_2", "basic_visual_scores", OURS).str.extract(r"(\d+) Metrics")[0].astype(int).iloc[0]
    predictors = book.constant("AESTHETICS_SCORE_L"), book.constant("AESTHETICS_SCORE_A")
    book.note(f"detectors of Sec. 3.1.2: {', '.join(DETECTORS)}")
    scores = len(DETECTORS) - 1 + len(predictors)
    verdict = FOLLOWS if said == len(DETECTORS) else PARTLY if said == scores else CONTRADICTED
    return verdict, f"{len(DETECTORS)} detectors; {scores} scores if S_L and S_A count separately; none is listed (M19)"


@check("P03")
def final_sum(book):
    total, printed_as = book.cell("tab_1", "scale", FINAL), book.used[-1]
    train, bench = book.cell("tab_2", "number", OURS), 200  # Sec. 3.3
    holds = train + bench == total and "95,735+200" in printed_as
    return printed(holds), f"{train:,.0f} + {bench} = {train + bench:,.0f}, printed {total:,.0f}"


@check("P04")
def attrition(book):
    raw, candidate, final = (book.cell("tab_1", "scale", name) for name in (RAW, CANDIDATE, FINAL))
    kept = candidate / raw, final / candidate
    return printed(kept[0] < 0.5 < kept[1]), f"{kept[0]:.2%}, then {kept[1]:.2%}; over all {final / raw:.2%}"


@check("P05")
def raw_pool(book):
    raw, synthesized = book.cell("tab_1", "scale", RAW), book.constant("SYNTHESIZED_PICTURES")
    return printed(round(raw, -5) == 300_000), f"{raw:,.0f}; synthesized share {synthesized / raw:.2%}"


@check("P06")
def entropy_bound(book):
    keep, either = book.constant("ENTROPY_KEEP_FRACTION"), book.constant("AESTHETICS_KEEP_FRACTION")
    share = book.cell("tab_1", "scale", CANDIDATE) / book.cell("tab_1", "scale", RAW)
    independent = keep * (1 - (1 - either) ** 2)
    return printed(share <= keep), (f"{share:.1%} <= {keep:.0%}; were the two aesthetic rankings independent, entropy "
                                    f"and aesthetics alone would leave {independent:.1%}")


@check("P09")
def tiers(book):
    reached = {f"{limit / 1e6:.0f} MP x {scale}^2": limit * scale**2 / 1e6 for limit, scale in (
        (book.constant("LARGE_PIXELS"), book.constant("LARGE_SR_SCALE")),
        (book.constant("MEDIUM_PIXELS"), book.constant("MEDIUM_SR_SCALE")))}
    holds = min(reached.values()) * 1e6 >= book.constant("TARGET_PIXELS")
    return printed(holds), ", ".join(f"{what} = {megapixels:.0f} MP" for what, megapixels in reached.items())


def _megapixels(book):
    """Product of the average sides of the sets of Tab. 2, in MP; indexed by the set."""
    sides = book.column("tab_2", "avg_resolution", by="dataset").str.strip("*").str.extract(r"(\d+) × (\d+)")
    return sides.astype(int).prod(axis=1) / 1e6


@check("P16")
def first_at_10k(book):
    sizes = _megapixels(book).sort_values(ascending=False)
    others = sizes.drop(OURS)
    return printed(sizes[OURS] >= 100 > others.max()), (f"{sizes[OURS]:.1f} MP against " + ", ".join(
        f"{size:.1f} ({name})" for name, size in others.items()) + "; within Tab. 2")


@check("P17")
def longer_captions(book):
    words = book.column("tab_2", "avg_caption_length", by="dataset")
    book.note(f"rule: {SIGNIFICANT} times as long is significantly longer (not in paper: choice)")
    ratios = (words[OURS] / words.drop(OURS)).sort_values()
    return printed(ratios.min() >= SIGNIFICANT), f"{words[OURS]} words = " + ", ".join(
        f"{ratio:.2f}x {name}" for name, ratio in ratios.items())


@check("P18")
def large_scale(book):
    pictures, pixels = book.column("tab_2", "number", by="dataset"), _megapixels(book)
    total = pictures * pixels / 1e6
    by_count, by_pixels = (int(each.rank(ascending=False)[OURS]) for each in (pictures, total))
    verdict = FOLLOWS if by_count == by_pixels == 1 else PARTLY if 1 in (by_count, by_pixels) else CONTRADICTED
    others = ", ".join(f"{size:.2f}" for size in total.drop(OURS).nlargest(2))
    return verdict, (f"rank {by_count} by pictures ({pictures[OURS]:,.0f}), {by_pixels} by pixels ({total[OURS]:.1f} "
                     f"against {others} terapixels, products of means)")


@check("P19")
def quoted_sizes(book):
    sides = book.column("tab_2", "avg_resolution", by="dataset").str.extract(r"(\d+) × (\d+)").astype(int)
    pictures = book.column("tab_2", "number", by="dataset")
    book.note(f"Diffusion-4K, Tab. 1 and Sec. 3.1: {DIFFUSION_4K_TAB_1}, {DIFFUSION_4K_COUNTS}")
    right = sum(int((sides.loc[name] == pair).sum()) for name, pair in DIFFUSION_4K_TAB_1.items())
    counts = sum(pictures[name] == count for name, count in DIFFUSION_4K_COUNTS.items())
    return printed((right, counts) == (6, 2)), f"{right} of 6 averages and {counts} of 2 counts are equal"


@check("P20")
def all_of_100_megapixels(book):
    least = book.constant("TARGET_PIXELS")
    for figure, (height, width) in PRINTED_SIZES.items():
        book.note(f"{figure}: {height} x {width}")
    sizes = {figure: height * width for figure, (height, width) in PRINTED_SIZES.items()}
    shown = ", ".join(f"{pixels / 1e6:.1f} MP ({figure})" for figure, pixels in sizes.items())
    verdict = PARTLY if min(sizes.values()) >= least else CONTRADICTED
    return verdict, f"holds for the pictures whose size is printed: {shown}; the rest needs the data"


@check("P21")
def diverse(book):
    book.note("Fig. 6 is a drawing; its counts are not printed")
    return NOT_TESTABLE, ("needs the released metadata: make notebook NB=04 with its parameter `released` set to the "
                          "folder that holds them")


@check("P22")
def licences(book):
    terms = {book.constant(name) for name in ("AESTHETIC_TRAIN_V2_LICENSE", "ULTRAHR_100K_LICENSE", "PIXVERVE_LICENSE")}
    return NOT_TESTABLE, f"a question of law ({', '.join(sorted(terms))}); the kit keeps source and licence a picture"


@check("P23")
def eye(book):
    book.note(f"Sec. 1: {EYE_PIXELS:,} pixels, {EYE_FIELD} degrees; not in paper: {EYE_ARCMIN} arcmin a pixel")
    side = EYE_FIELD * 60 / EYE_ARCMIN
    return printed(np.isclose(side**2, EYE_PIXELS)), f"at {EYE_ARCMIN} arcmin a pixel, {side:,.0f}^2 = {side**2:,.0f}"


@check("P24")
def gigapixel(book):
    share = book.constant("TARGET_PIXELS") / 1e9
    return printed(share >= 1), f"100 MP = {share:.1f} gigapixel (M12)"
