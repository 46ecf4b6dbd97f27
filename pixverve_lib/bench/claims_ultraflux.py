"""Claims U01-U13 of UltraFlux's supplement: co-design, rotary positions, wavelet statistics, comparisons."""
import re

from scipy.stats import norm, spearmanr

from pixverve_lib.bench.claims_cells import DRAWN, best, better, first_numbers, good_scenes_kept, measured_rows, row
from pixverve_lib.bench.claims_evidence import CONTRADICTED, FOLLOWS, PARTLY, NotMeasured, check, printed
from pixverve_lib.paper.published import table

NOTEBOOK = "A2_ultraflux"
RECONSTRUCTION = ("rfid", "nmse", "psnr", "ssim", "lpips")
RATED = ("hpsv3", "artimuse", "q_align")
METRICS = ("fid", *RATED)  # Tab. 5
# not in paper: choices, all of them
SEVERAL = 3  # times faster
SAME_SPEED = 0.05  # relative difference of two times that are alike
LOW_CYCLES = 0.5  # in the training window: a low-frequency band
UNCHANGED = 1.1  # factor of a frequency that is "almost unchanged"
SMALL_PHASE = 0.5  # of what two unrelated phases differ by on average, pi / 2
ALIKE = 0.25  # share of two patterns' size by which they differ: similar (models/rotary.py: `bands`)
CLOSED = 1e-12  # radians, in float64
SAME_SHARE = 0.1  # relative difference of two shares of energy that are alike
KINDS = ("stock", "yarn", "resonance+yarn")  # of exhibits of notebook A2


@check("U01")
def co_design(book):
    fid, score = ([book.cell("ultraflux_tab_1", metric, variant) for variant in "ABCD"] for metric in ("fid", "hpsv3"))
    gains = [b + c - a - d for a, b, c, d in (fid, [-each for each in score])]
    text = (f"FID {fid[3]:.2f} against {fid[1] + fid[2] - fid[0]:.2f} if gains added up ({gains[0]:.2f}), HPSv3 "
            f"{score[3]:.2f} against {score[1] + score[2] - score[0]:.2f} ({gains[1]:.2f}); no spread is given")
    return printed(min(gains) > 0), book.beside(text, lambda: _ablation(book))


def _ablation(book):
    book.note("rule: data and model together gain, and more than the sum of their gains, in every score")
    found = book.exhibit("uf_tab_01", NOTEBOOK)
    a, b, c, d = (measured_rows(found, DRAWN, arm=f"^{variant}$").mean() for variant in "ABCD")
    won = better(d, a) & better(d, b + c - a)
    return bool(won.all()), ", ".join(f"{metric} {d[metric]:g} from {a[metric]:g}, {(b + c - a)[metric]:.4g} if gains "
                                      "added up" for metric in d.index)


@check("U02")
def better_vae(book):
    ours, plain, tuned = (row(book, "ultraflux_tab_2", RECONSTRUCTION, name)
                          for name in ("UltraFlux-F16-VAE", "Flux-VAE-F16", "Flux-VAE-F16-SC"))
    won, also = better(ours, plain), better(ours, tuned)
    lost = ", ".join(f"{metric} {ours[metric]} against {tuned[metric]}" for metric in ours.index[~also])
    return printed(won.all()), (f"better than Flux-VAE-F16 in {won.sum()} of {len(won)}, than Flux-VAE-F16-SC in "
                                f"{also.sum()} of {len(also)} (not in {lost}, bold all the same: M29)")


def _axis(book):
    """Flux.1's spatial axis as rotary.py states it, and the table of its bands."""
    from pixverve_lib.models import rotary  # here, so that a notebook that does not check this starts without torch

    axis = rotary.FLUX1
    book.note(f"L = {axis['length']} tokens, {axis['dimension'] // 2} bands, base {axis['base']} (models/rotary.py)")
    return rotary, axis, rotary.bands(**axis)


@check("U03")
def phase_closure(book):
    _, _, bands = _axis(book)
    closed, before = bands["closure snapped"].max(), bands.closure.max()
    return printed(closed < CLOSED), f"error at most {closed:.1e} rad, of the stock bands up to {before:.2f} rad"


@check("U04")
def low_bands_unchanged(book):
    _, axis, bands = _axis(book)
    book.note(f"rule: a low band has less than {LOW_CYCLES} cycles in the window, almost unchanged is a factor of at "
              f"most {UNCHANGED} (not in paper: choice)")
    low, high = bands[bands.cycles < LOW_CYCLES], bands[bands.cycles >= 1]
    holds = low.factor.median() <= UNCHANGED
    return printed(holds), (
        f"max(1, round r) raises the {len(low)} of {len(bands)} bands with r < {LOW_CYCLES} to one cycle, by up to "
        f"{low.factor.max():.0f}x; the {len(high)} with r >= 1 change by at most {(high.factor - 1).abs().max():.0%} "
        f"(M34)")


@check("U05")
def small_near_the_window(book):
    rotary, axis, bands = _axis(book)
    found, length = rotary.differences(**axis), axis["length"]
    book.note(f"rule: small is below {SMALL_PHASE} pi / 2, as unrelated phases differ by pi / 2 (not in paper: choice)")
    inside, outside = found[:, :length + 1].mean(), found[:, length:].mean()
    each = found[:, :length + 1].mean(axis=1)
    low, high = each[bands.cycles < LOW_CYCLES], each[bands.cycles >= 1]
    rises = spearmanr(bands.cycles, each).statistic > 0
    holds = inside <= SMALL_PHASE * 1.5708 and inside < outside and rises
    return printed(holds), (
        f"mean difference {inside:.2f} rad inside the window, {outside:.2f} in [L, 2L]: it grows with position, but is "
        f"not small, and {'grows' if rises else 'falls'} with frequency: {low.min():.1f}-{low.max():.1f} rad for the "
        f"{len(low)} low bands, {high.min():.2f}-{high.max():.1f} for the {len(high)} with r >= 1")


@check("U06")
def regular_stripes(book):
    rotary, axis, bands = _axis(book)
    book.note(f"rule: similar at 64 x 64 is a difference of at most {ALIKE} (0 the same, 0.71 unrelated), regular is "
              "a pattern that repeats one window further (not in paper: choice; Fig. 2's band is not named)")
    alike = (bands.unlike <= ALIKE).sum()
    found = rotary.regularity(**axis, band=rotary.representative(**axis), kinds=("stock", "resonance"))
    rough = found.groupby("kind").irregular.max()
    regular = rough["resonance"] < rough["stock"]
    turned = found.groupby("kind")[["direction", "spacing"]].std().max(axis=None)
    verdict = FOLLOWS if regular and alike > len(bands) / 2 else PARTLY if regular or alike else CONTRADICTED
    return verdict, (
        f"repeats one window further on all four grids ({rough['resonance']:.2f}; stock {rough['stock']:.2f}); at 64 x "
        f"64 similar in {alike} of {len(bands)} bands only; direction and spacing of stripes vary by {turned:.1g} "
        "between grids, for neither kind do they rotate")


@check("U07")
def energy_of_bands(book):
    share, (low, high) = book.constant("ULTRAFLUX_LL_SHARE"), book.constant("ULTRAFLUX_HIGH_SHARES")
    energy = book.constant("ULTRAFLUX_LL_ENERGY")
    left = 1 - share
    text = (f"{left:.1%} are left for three bands of {low:.1%} to {high:.1%}, {3 * low:.1%} to {3 * high:.1%}; mean "
            f"energy {energy} / {share} / 4 = {energy / share / 4:.3f}, latents of unit variance")
    return printed(3 * low <= left <= 3 * high), book.beside(text, lambda: _shares(book))


def _energies(book, *quantities):
    """Published, measured and Gaussian numbers of these rows of our table of energies."""
    found = book.exhibit("uf_energies", NOTEBOOK).set_index("quantity")
    if missing := [each for each in quantities if each not in found.index]:
        raise NotMeasured(f"the table of the notebook has no row of {missing[0]!r}: run it again")
    return found.loc[list(quantities)]


def _shares(book):
    book.note(f"rule: each share is within {SAME_SHARE:.0%} of the printed one (not in paper: choice)")
    found = _energies(book, "LL, share of the energy", "smallest share of LH, HL, HH", "largest share of LH, HL, HH")
    return bool(((found.measured / found.published - 1).abs() <= SAME_SHARE).all()), (
        "LL holds {:.1%}, each other band {:.1%} to {:.1%} in our latents".format(*found.measured))


@check("U08")
def heavy_tails(book):
    total = book.constant("ULTRAFLUX_LL_ENERGY") / book.constant("ULTRAFLUX_LL_SHARE")
    deviations = [(total * share) ** 0.5 for share in book.constant("ULTRAFLUX_HIGH_SHARES")]
    beyond, largest = book.constant("ULTRAFLUX_LH_ABOVE_ONE"), book.constant("ULTRAFLUX_LH_LARGEST")
    gauss = [2 * norm.sf(1 / deviation) for deviation in deviations]
    book.note("LH's energy is not printed: the range of the high bands stands for it")
    text = (f"{beyond:.1%} of LH beyond 1.0, where a Gaussian of its energy has {gauss[0]:.1%} to {gauss[1]:.1%}; the "
            f"largest, {largest}, is {largest / deviations[1]:.0f} to {largest / deviations[0]:.0f} sigma")
    return printed(beyond > max(gauss)), book.beside(text, lambda: _tails(book))


def _tails(book):
    book.note("rule: heavy tails are a kurtosis above a Gaussian's; 1.0 is not far out where a band has more energy")
    found = _energies(book, "LH, kurtosis", "LH, largest", "LH, share beyond 1.0")
    (kurtosis, largest, beyond), (normal, _, gauss) = found.measured, found.gaussian
    return bool(kurtosis > normal), (f"kurtosis of LH {kurtosis:.1f} (a Gaussian {normal:g}), largest {largest:.1f}; "
                                     f"{beyond:.1%} beyond 1.0 (a Gaussian of its energy {gauss:.1%})")


@check("U09")
def speed(book):
    seconds = {name: book.cell("ultraflux_tab_4", name, "Time (s)")
               for name in ("scalecrafter", "fouriscale", "sana", "ultraflux")}
    book.note(f"rules: several times is {SEVERAL}, no extra cost within {SAME_SPEED:.0%} (not in paper: choice)")
    slow = [seconds[name] / seconds["ultraflux"] for name in ("scalecrafter", "fouriscale")]
    sana = 1 - seconds["sana"] / seconds["ultraflux"]
    return printed(min(slow) >= SEVERAL and sana <= SAME_SPEED), (
        f"{slow[0]:.2f}x faster than ScaleCrafter, {slow[1]:.2f}x than FouriScale; Sana is {sana:.1%} faster")


@check("U10")
def best_everywhere(book):
    ratios = table("ultraflux_tab_5").aspect_ratio.unique()
    won = {ratio: [metric for metric in METRICS if "UltraFlux" in
                   best(book.column("ultraflux_tab_5", metric, ratio, by="method"), metric)] for ratio in ratios}
    count, cells = sum(map(len, won.values())), len(METRICS) * len(won)
    return printed(count == cells), f"best in {count} of {cells} cells: " + ", ".join(
        f"{len(metrics)} at {ratio}" for ratio, metrics in won.items())


@check("U11")
def sky_and_water_stay(book):
    return book.decided_by(lambda: _flat_filter(book))


def _flat_filter(book):
    good, theirs, stay = good_scenes_kept(book)
    return stay == good, f"{stay} of {good} good scenes stay, {theirs} with PixVerve's 750 and 97.5 %"


@check("U12")
def buckets(book):
    printed_sizes = _bucket_sizes(book)
    examples = [*book.constant("ULTRAFLUX_EXAMPLE_LANDSCAPE"), *book.constant("ULTRAFLUX_EXAMPLE_PORTRAIT"),
                book.constant("ULTRAFLUX_EXAMPLE_SQUARE")]
    everything = [size for sizes in printed_sizes.values() for size in sizes]
    found = sum(size in everything for size in examples)
    fits = {"Landscape": lambda h, w: w > h, "Portrait": lambda h, w: h > w, "Square": lambda h, w: h == w}
    right = {name: sum(fits[name](*size) for size in sizes) for name, sizes in printed_sizes.items()}
    few, all_of = (sorted(height * width / 1e6 for height, width in sizes) for sizes in (examples, everything))
    return printed(found == len(examples)), (
        f"{found} of the {len(few)} sizes of Sec. 2.2 ({few[0]:.2f}-{few[-1]:.2f} MP) are among the {len(all_of)} of "
        f"Tab. 3 ({all_of[0]:.1f}-{all_of[-1]:.1f} MP), whose rows hold " + ", ".join(
            f"{right[name]} of {len(sizes)} {name.lower()}" for name, sizes in printed_sizes.items()) + " (M30)")


def _bucket_sizes(book):
    """(height, width) of Tab. 3's buckets, by the row they are printed in."""
    cells = book.column("ultraflux_tab_3", "value", by="hyperparameter").filter(like="target sizes")
    sizes = {}
    for label, cell in cells.items():
        pairs = [(int(height), int(width)) for width, height in re.findall(r"(\d+) × (\d+)", cell)]
        sizes.setdefault(label.split()[0], []).extend(pairs)
    return sizes


@check("U13")
def three_positions(book):
    book.note("rule: at every scale more things are in place with each step (not in paper: choice)")
    return book.decided_by(lambda: _positions(book), "the paper shows pictures only")


def _positions(book):
    found = book.exhibit("uf_fig_04_scores", NOTEBOOK)
    scale = found.columns.intersection(["scale", "height", "width"], sort=False).tolist()
    found = found.assign(pos=first_numbers(found.pos)).pivot_table("pos", scale, "kind", sort=False)
    if set(KINDS) - set(found.columns):
        raise NotMeasured(f"the table of the notebook lacks one of {', '.join(KINDS)}: run it again")
    ordered = found[list(KINDS)].dropna()
    rises = ordered.diff(axis=1).iloc[:, 1:] > 0
    return bool(rises.all(axis=None)), "things in place with " + ", ".join(KINDS) + ": " + "; ".join(
        f"{_named(scale)} {', '.join(f'{each:.2f}' for each in values)}" for scale, values in ordered.iterrows())


def _named(scale):
    return " x ".join(map(str, scale)) if isinstance(scale, tuple) else scale
