"""Backends for tests of bench/folder.py: quick, exact, and able to fail."""
import time
from types import SimpleNamespace

import numpy as np

from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.judging import COMPLIANCE, GLOBAL, LOCAL, Judge


class Instrument(SimpleNamespace):
    """What bench/backends.py calls so; without its import, which costs seconds."""

    def __call__(self, *question):
        return self.measure(*question)


def fakes(aesthetics=5.0, judge="fake", asked=None, seconds=0, version="", worked=None):
    """aesthetics: None, it is missing; judge: "broken" fails always; asked: list that gets the captions rated; version:
    of the judge; worked: list that gets "features" and "clip" for each call of these.
    """
    worked = [] if worked is None else worked

    def compliance(rgb, caption):
        time.sleep(seconds)
        if asked is not None:
            asked.append(caption)
        return no if judge == "broken" else dict.fromkeys(COMPLIANCE, 8)

    def clip(rgb, text):
        worked.append("clip")
        return 7.0, False

    def thumbnail(pictures):
        worked.append("features")
        return np.stack([picture[::7, ::7].mean((0, 1)) for picture in pictures]).astype(np.float32)

    no = Failed("no judge today")
    rated = [no if judge == "broken" else dict.fromkeys(keys, level) for keys, level in ((GLOBAL, 4), (LOCAL, 3))]
    look = Instrument(name="fake aesthetics", weights="", resize="", version="", measure=lambda rgb: aesthetics)
    agree = Instrument(name="fake CLIPScore", weights="", resize="", version="", measure=clip)
    return SimpleNamespace(
        features=Instrument(name="fake FID", weights="", resize="64 px", version="", measure=thumbnail),
        aesthetics=SimpleNamespace(reason="get the head") if aesthetics is None else look, clip=agree, fg_clip=agree,
        judge=Judge("fake", lambda rgb: rated[0], lambda patch, whole, box: rated[1], compliance,
                    version=version))
