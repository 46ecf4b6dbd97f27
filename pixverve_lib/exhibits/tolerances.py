"""How far a number of one run may be from the same number of the reference run, decided in this place alone.

The first rule whose pattern is found decides. For a cell it is looked for in "stem>column>labels of the row", with
">published" at the end where the row is a paper's; for a figure in its stem.
"""
import re
from dataclasses import dataclass
from math import sqrt

THINGS = 19  # asked for by the prompts at laptop, where no column counts pictures; in URAE's tables 9, so 19 is strict
NUMBER = r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
CELL = re.compile(rf"({NUMBER})\s*(?:±\s*({NUMBER})|\[({NUMBER}), ({NUMBER})\]|%|)")
SAID = re.compile(rf"(\d+ of \d+)|{NUMBER}")


@dataclass(frozen=True)
class Value:
    """A number as printed.  half: of the interval beside it, or 0; unit: of its last digit; count: without a point"""

    number: float
    half: float
    unit: float
    count: bool


def value(text):
    """The Value of a cell such as "0.94 [0.88, 0.98]", "351.0 ±76", "41%" or "12", or None for other text."""
    found = CELL.fullmatch(text)
    if not found:
        return None
    number, spread, low, high = (float(part.replace(",", "")) if part else 0.0 for part in found.groups())
    mantissa, _, exponent = found[1].lower().partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return Value(number, spread or (high - low) / 2, unit, not re.search(r"[.e]", found[1]))


# Each takes the Value of the reference and the pictures of its row; the result is the largest difference allowed.

def relative(limit, least=0.0):
    """A part of the number itself, but one unit of its last digit at least: that is rounding."""
    return lambda reference, pictures: max(limit * abs(reference.number), reference.unit, least)


def absolute(limit):
    """The unit of the score."""
    return lambda reference, pictures: max(limit, reference.half)


def within_interval(limit):
    """What the table itself says is chance, or a part of the number where it says nothing."""
    return lambda reference, pictures: max(limit * abs(reference.number), reference.half, reference.unit)


def share(reference, pictures):
    """Of two independent draws of n yes or no, 95 % differ by less than 1.96 sqrt(2 p (1 - p) / n) <= 1.4 / sqrt(n)."""
    return max(1.4 / sqrt(pictures or THINGS), reference.half)


def decimals(limit, least=0.0):
    """relative for a number with a decimal point; a count must be equal."""
    return lambda reference, pictures: 0.0 if reference.count else relative(limit, least)(reference, pictures)


# What is not decided by a difference: WORDS but not numbers must be equal, DERIVED is not compared at all.
EXACT, WORDS, DERIVED, MACHINE = "exact", "words", "derived", "machine"


@dataclass(frozen=True)
class Rule:
    """allowed: one of the four words, or a function as above; for a figure, gray levels."""

    where: str
    allowed: object
    why: str


CELLS = (
    Rule(r"published|>(pictures|prompts|patches|samples|seeds|verdict)(>|$)", EXACT, "as printed, counted or judged"),
    Rule(r"claims>check>", DERIVED, "a command that names the run"),
    Rule(r"claims>number>P(26|39|40|79|80|81|82|84)$", MACHINE, "what these claims say here rests on times"),
    Rule(r"claims>number>|^urae_gains>not better", WORDS, "its numbers are compared where they are cells of a table"),
    Rule(r"^ours_06_exactness>difference", absolute(1e-5), "rounding of float32; 1e-5 is what the table allows"),
    Rule(r"^urae_start>", absolute(1e-6), "rounding of float32; 1e-6 is what the table allows"),
    Rule(r"difference|>(error, %|gain|deviation|spread over seeds|[^>]* − stock)(>|$)|^uf_interactions>",
         DERIVED, "follows from cells that are compared"),
    Rule(r"(?i)^[^>]*>[^>]*(seconds|(en|de)code|device.hours,? m|peak mb|times scheme i .*, m)",
         MACHINE, "time and memory are of the machine"),
    Rule(r">(pos|shape|stray)( ↑ measured)?(>|$)", share, "trained networks, judged on few prompts"),
    Rule(r"^d4k_nmse>", within_interval(0.1), "a trained decoder"),
    Rule(r"^ours_0[1-4]_", decimals(1e-3), "nothing is trained in these notebooks"),
    Rule(r">PSNR[^>]*(>|$)", absolute(0.3), "dB of a trained decoder"),
    Rule(r">SSIM(>|$)", absolute(0.01), "of a trained decoder"),
    Rule(r">(nano-r?FID|r?NMSE|nano-CLIP|GLCM ↑ m|CR ↓ m)", within_interval(0.1), "trained networks"),
    Rule(r">loss( ↓ measured)?(>|$)", relative(0.02), "trained networks; their loss moves least"),
    Rule(r"^tab_0[34]_", within_interval(0.1), "pictures of trained networks, whose intervals are printed"),
    Rule(r"^tab_a4_", absolute(0.3), "ratings of 1 to 5 of pictures of trained networks"),
    Rule(r"^d4k_parseval>", relative(1e-3, least=1e-5), "rounding of float32 where the exact answer is 0 or 1"),
    Rule(r"^d4k_(fooled|chroma)>", relative(1e-3), "measured on pictures, rounded to whole percent"),
    Rule(r"", decimals(1e-3), "nothing is trained for it, and counts are equal"),
)
KINDS = {  # of exhibits that are not measured, but for rows that say so
    "transcribed": Rule(r"", EXACT, "as printed"),
    "drawn": Rule(r"", decimals(1e-3, least=1e-9), "by formula: only rounding differs"),
}
PARTS = (  # of a cell of three: published, measured, their difference
    Rule(r"", EXACT, "as printed"), None, Rule(r"", DERIVED, "follows from the two beside it"),
)
FIGURES = (  # gray levels of 255, mean over the fields of a thumbnail; another run's footer changes 0.06 at most
    Rule(r"^ours_(01_ded|05_lat|06_gro|07_patch_size|07_split|08_cost|09_(fronts|scaling))",
         MACHINE, "times on an axis"),
    Rule(r"^(fig_0[127]_|fig_a[234]|ours_05_(beyond|grid)|ours_06_grid|ours_07_(pict|fail)|d4k_fig_(04|05|06|12)"
         r"|uf_fig_04$|urae_fig_0[57])", 10, "pictures by networks; others in the same places differ by 16 to 70"),
    Rule(r"^(ours_05_cur|ours_06_learn|ours_07_prog|ours_08_(corr|parts|ranks|verd)|d4k_(learn|fig_10)"
         r"|uf_(learn|fig_04_)|urae_fig_0[23])", 3, "curves and bars of networks; another budget's differ by 5"),
    Rule(r"", 0.5, "drawn from equal numbers; another budget's differ by 0.8 or more"),
)


def rule(rules, place):
    """The first of the rules that is for this place."""
    return next(rule for rule in rules if re.search(rule.where, place))


def of_cell(kind, place, parts):
    """A Rule for each of so many parts of a cell."""
    whole = KINDS[kind] if kind in KINDS and "measured" not in place else rule(CELLS, place)
    return [part or whole for part in PARTS] if parts == len(PARTS) else [whole] * parts


def same_words(reference, now):
    """Whether two sentences differ in their numbers alone, "2 of 4" apart: that is a count."""
    return _words(reference) == _words(now)


def _words(text):
    printed, _, here = text.partition("laptop: ")
    return (printed, SAID.sub(_counts, here)) if here else SAID.sub(_counts, text)


def _counts(found):
    return found[1] or "#"
