"""A judge of pairs that measures instead of looking: for the preference protocols where no chat model is at hand.

It answers the questions of Diffusion-4K and URAE with the nano metrics of this kit, for pictures of built-in prompts.
What it prefers says which picture scores higher, not which one people would like: exhibits must name it.
"""
import math
from functools import cache

from pixverve_lib.bench import texture
from pixverve_lib.models import nano_clip
from pixverve_lib.models.annotation import Failed

NAME = "measured by nano metrics, nobody looked"
AESTHETICS, AGREEMENT, DETAIL = "aesthetics", "agreement", "detail"
MEASURED = {  # question -> what is measured
    "Visual Aesthetics": (AESTHETICS,), "Aesthetics": (AESTHETICS,), "Prompt Adherence": (AGREEMENT,),
    "Prompt Alignment": (AGREEMENT,), "Fine Details": (DETAIL,), "Overall Quality": (AGREEMENT, AESTHETICS),
}
TIE = {AESTHETICS: 0.05, AGREEMENT: 1.0, DETAIL: 0.02}  # smaller differences are a tie; not in paper: choice


@cache
def _clip():
    return nano_clip.load()


def judge(question, text, first, second):
    """"first", "second", "tie", or Failed for a text or picture that cannot be measured.

    Made for preference_judging.asked_twice. pictures: H W 3 uint8; text: a caption in the words of built-in scenes. A
    question of several measures is won by who loses none of them, else it is a tie.
    """
    try:
        signs = {_sign(kind, text, first, second) for kind in MEASURED[question]}
    except KeyError:
        return Failed(f"nothing measures {question!r}; take one of: {', '.join(MEASURED)}")
    except ValueError as error:
        return Failed(str(error))
    return "tie" if signs == {0} or {1, -1} <= signs else "first" if 1 in signs else "second"


def _sign(kind, text, *pair):
    first, second = (_value(kind, text, rgb) for rgb in pair)
    return 0 if abs(first - second) < TIE[kind] else 1 if first > second else -1


def _value(kind, text, rgb):
    if kind == DETAIL:  # not the GLCM Score: at 64 to 256 px it takes blurred edges of a flat drawing for texture
        return -math.log(texture.compression_ratio(rgb))
    return float(_clip().aesthetic([rgb])[0] if kind == AESTHETICS else _clip().score([rgb], [text])[0])
