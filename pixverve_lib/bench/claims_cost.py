"""Claims P31-P47: training hours of Tab. A1 and seconds of Tab. A2."""
import numpy as np
import pandas as pd

from pixverve_lib.bench.claims_evidence import CONTRADICTED, FOLLOWS, NOT_TESTABLE, PARTLY, check, printed

FULL, LORA, WINDOW, PIXEL = "Scheme I (Full)", "Scheme I (LoRA)", "Scheme II", "Scheme III"
SCALES = ("4K", "8K", "10K")
NEARLY = 0.02  # relative difference of two equal times; not in paper: choice
FLAT, STEEP = 0.5, 1.5  # exponents of time in pixels, below: nearly flat, above: rapid; not in paper: choice
AT_BASE = 0.05  # how far from the base model is "at base level", relative; not in paper: choice


def _hours(book, method, scale):
    return book.cell("tab_a1", "total_h20_gpu_hours", method, scale)


def _epochs(book, method, scale):
    return book.cell("tab_a1", "number_of_epochs", method, scale)


def _seconds(book, method, scale):
    return book.cell("tab_a2", "inference_time_s", method, scale)


def _exponents(seconds, pixels):
    """Slope of log time over log pixels between neighbours."""
    return np.diff(np.log(seconds)) / np.diff(np.log(pixels))


@check("P31")
def three_stages(book):
    scales = book.column("tab_a1", "resolution", by="method")
    have = {method: [*scales[scales.index == method]] for method in scales.index.unique()}
    book.note("App. E.1: every LoRA starts from the base model, not from a lower resolution")
    progressive = [method for method, found in have.items() if tuple(found) == SCALES and method != LORA]
    return printed(len(progressive) == len(have)), (
        f"only {', '.join(progressive)} goes {', '.join(SCALES)}; "
        + "; ".join(f"{method}: {' '.join(found)}" for method, found in have.items() if method != PIXEL)
        + "; LoRAs start from the base (M6)")


@check("P32")
def hours_of_full_tuning(book):
    first, second, epochs = _hours(book, FULL, "4K"), _hours(book, FULL, "8K"), _epochs(book, FULL, "8K")
    return printed(first > 20_000 and second > 10_000 and epochs == 0.25), f"{first:,.0f} and {second:,.0f} hours"


@check("P33")
def training_budget(book):
    hours = book.column("tab_a1", "total_h20_gpu_hours", by="method")
    parts = hours.groupby(level=0, sort=False).sum()
    return printed(len(hours) == 9), f"{hours.sum():,.0f} H20 hours: " + ", ".join(
        f"{method} {total:,.0f}" for method, total in parts.items())


@check("P34")
def lora_cheaper(book):
    per_epoch = {scale: [_hours(book, method, scale) / _epochs(book, method, scale) for method in (LORA, FULL)]
                 for scale in ("4K", "8K")}
    saved = [1 - lora / full for lora, full in per_epoch.values()]
    verdict = FOLLOWS if min(saved) > 0 else PARTLY if max(saved) > 0 else CONTRADICTED
    return verdict, "hours an epoch, LoRA against full: " + ", ".join(
        f"{lora:,.0f} against {full:,.0f} at {scale} ({lora / full - 1:+.1%})"
        for scale, (lora, full) in per_epoch.items())


@check("P35")
def windows_train_cheaper(book):
    window, full, lora = (_hours(book, method, "4K") / _epochs(book, method, "4K") for method in (WINDOW, FULL, LORA))
    return printed(window < min(full, lora)), (f"hours an epoch {window:,.0f} against {full:,.0f} "
                                               f"({window / full - 1:+.1%}) and {lora:,.0f} ({window / lora - 1:+.1%})")


@check("P36")
def window_speed_up(book):
    full, window = _seconds(book, FULL, "4K"), _seconds(book, WINDOW, "4K")
    less, faster = 1 - window / full, full / window
    verdict = CONTRADICTED if round(full - window) != 32 else FOLLOWS if round(faster, 1) == 1.3 else PARTLY
    return verdict, f"{full:.0f} - {window:.0f} = {full - window:.0f} s: {less:.1%} less time, {faster:.2f}x speed (M5)"


@check("P37")
def seconds_of_scheme_i(book):
    rows = {(method, scale): _seconds(book, method, scale) for method in (FULL, LORA) for scale in ("4K", "8K")}
    last = _seconds(book, LORA, "10K")
    gpus = pd.concat([book.column("tab_a2", "number_of_gpus", method) for method in (FULL, LORA)])
    holds = all(seconds > {"4K": 100, "8K": 1200}[scale] for (_, scale), seconds in rows.items())
    return printed(holds and 2900 < last < 3000 and gpus.eq(8).all()), (
        ", ".join(f"{seconds:,.0f}" for seconds in rows.values()) + f" and {last:,.0f} s on {gpus.max():.0f} GPUs")


@check("P38")
def equal_latency(book):
    book.note(f"rule: nearly the same is within {NEARLY:.0%} (not in paper: choice)")
    pairs = {scale: [_seconds(book, method, scale) for method in (FULL, LORA)] for scale in ("4K", "8K")}
    apart = {scale: lora / full - 1 for scale, (full, lora) in pairs.items()}
    return printed(max(map(abs, apart.values())) <= NEARLY), ", ".join(
        f"{full:,.0f} and {lora:,.0f} s at {scale} ({apart[scale]:+.1%})" for scale, (full, lora) in pairs.items())


def _pixels(book, scales):
    sides = book.constant("SIDES")
    return [sides[scale] ** 2 for scale in scales]


@check("P39")
def latency_grows(book):
    book.note(f"rule: rapid is an exponent d log(time) / d log(pixels) of {STEEP} or more (not in paper: choice)")
    found = _exponents([_seconds(book, LORA, scale) for scale in SCALES], _pixels(book, SCALES))
    text = f"exponent in pixels {found[0]:.2f} (4K to 8K), {found[1]:.2f} (8K to 10K)"
    return printed(found.min() >= STEEP), book.beside(text, lambda: _measured_growth(book))


def _measured_growth(book):
    rows = book.artefact("scheme1_latency").set_index("scale").loc[list(SCALES)]
    found = _exponents(rows.seconds, rows.side**2)
    return found.min() >= STEEP, f"{', '.join(f'{each:.2f}' for each in found)} at {rows.tokens.max()} tokens at most"


@check("P40")
def latency_is_flat(book):
    seconds = [_seconds(book, PIXEL, scale) for scale in SCALES]
    pixels = _pixels(book, SCALES)
    book.note(f"rule: nearly flat is an exponent d log(time) / d log(pixels) of {FLAT} or less (not in paper: choice)")
    times, more = seconds[-1] / seconds[0], pixels[-1] / pixels[0]
    text = "/".join(f"{each:.0f}" for each in seconds) + f" s: {times:.2f}x time for {more:.2f}x pixels"
    return printed(np.log(times) / np.log(more) <= FLAT), book.beside(text, lambda: _measured_flatness(book, more))


def _measured_flatness(book, more):
    rows = book.artefact("scheme3_latency").set_index("scale")
    whole, trunk = (rows.loc["10K", part] / rows.loc["4K", part] for part in ("seconds", "trunk"))
    return np.log(whole) / np.log(more) <= FLAT, f"{whole:.2f}x time, the transformer alone {trunk:.2f}x"


@check("P41")
def training_is_flat(book):
    pictures = book.constant("TRAINING_PICTURES")
    book.note("GPU seconds a sample = hours x 3600 / (epochs x pictures)")
    book.note(f"rule: cheap is an exponent d log(time) / d log(pixels) of {FLAT} or less (not in paper: choice)")
    spent = [_hours(book, PIXEL, scale) * 3600 / (_epochs(book, PIXEL, scale) * pictures) for scale in SCALES]
    sides = [book.constant("SIDES")[scale] // book.constant(f"TOKEN_PATCH_{scale}") for scale in SCALES]
    growth = np.log(spent[-1] / spent[0]) / np.log(_pixels(book, SCALES)[-1] / _pixels(book, SCALES)[0])
    return printed(growth <= FLAT), ("GPU seconds a sample " + ", ".join(f"{each:.1f}" for each in spent)
                                     + f" ({spent[-1] / spent[0]:.1f}x), tokens "
                                     + ", ".join(f"{side}^2" for side in sides) + " (M9)")


@check("P42")
def faster_than_demofusion(book):
    claimed = (16.3, 90.9, 155.6)  # App. E.2
    pairs = [(_seconds(book, "DemoFusion", scale), _seconds(book, PIXEL, scale)) for scale in SCALES]
    holds = [round(slow / fast, 1) for slow, fast in pairs] == [*claimed]
    return printed(holds), ", ".join(f"{slow:.0f}/{fast:.0f} = {slow / fast:.2f}" for slow, fast in pairs)


@check("P43")
def faster_than_lora(book):
    slow, fast = _seconds(book, LORA, "10K"), _seconds(book, PIXEL, "10K")
    many, one = (book.cell("tab_a2", "number_of_gpus", method, "10K") for method in (LORA, PIXEL))
    return printed(slow / fast > 33 and (many, one) == (8, 1)), (
        f"{slow:,.0f}/{fast:.0f} = {slow / fast:.2f}x wall-clock, {slow * many / (fast * one):.1f}x GPU seconds")


@check("P44")
def sub_minute(book):
    seconds = {scale: _seconds(book, PIXEL, scale) for scale in SCALES}
    shown = ", ".join(f"{each:.0f} s at {scale}" for scale, each in seconds.items())
    return printed(seconds["10K"] < 60), f"{shown} (M4)"


@check("P45")
def one_card(book):
    patches = {scale: book.constant(f"TOKEN_PATCH_{scale}") for scale in SCALES}
    released, card = book.constant("TOKEN_PATCH_10K_RELEASED"), book.constant("PIXEL_CARD_GB")
    shown = ", ".join(map(str, patches.values()))
    return NOT_TESTABLE, (f"needs the 6 B model in training on {card} GB: make notebook NB=07 BUDGET=paper; printed "
                          f"patches {shown}, the released code takes {released} at 10K (M10)")


@check("P46")
def model_parallelism(book):
    gpus = {scale: book.cell("tab_a2", "number_of_gpus", LORA, scale) for scale in SCALES}
    return NOT_TESTABLE, ("needs the real model on one large card (make notebook NB=05 BUDGET=gpu); Tab. A2 has "
                          + ", ".join(f"{each:.0f} GPUs at {scale}" for scale, each in gpus.items()))


@check("P47")
def stopped_early(book):
    base, window = (book.cell("tab_3", "fid_patch", "4K", method) for method in ("FLUX.2-klein-base-4B", "FLUX.2-II"))
    hours, seconds = _hours(book, LORA, "10K"), _seconds(book, LORA, "10K")
    shown = book.column("tab_3", "fid", "10K", "FLUX.2-I (LoRA)").size
    book.note(f"rule: at base level is within {AT_BASE:.0%} of its FID_patch (not in paper: choice)")
    at_base = abs(window / base - 1) <= AT_BASE
    verdict = FOLLOWS if at_base and shown else PARTLY if at_base else CONTRADICTED
    return verdict, (f"II ends at base level (FID_patch {window:.3f} against {base}); but LoRA at 10K was trained "
                     f"({hours:,.0f} h) and timed ({seconds:,.0f} s) and has {shown} rows in Tab. 3 (M7)")
