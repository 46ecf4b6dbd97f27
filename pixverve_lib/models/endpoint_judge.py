"""The judge of MSFI and ICS played by a multimodal chat model at an endpoint (App. F.2, F.3, I).

Prompts are files in `prompts/`: the dimensions, levels and rules of App. I in our own words, so ratings need not equal
those that the paper's words bring out. PIXVERVE_PROMPTS names a folder whose files of the same names replace ours, with
{region} and {caption} where those belong.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.endpoint import EndpointError, services
from pixverve_lib.models.judging import (
    COMPLIANCE_LEVELS,
    FIDELITY_LEVELS,
    Judge,
    Ratings,
    Region,
    Spread,
    fingerprint,
    spread,
)
from pixverve_lib.models.multimodal import Multimodal, Prompt, Settings, load_prompt
from pixverve_lib.models.replies import Form, Replies

MODEL = "Qwen3.5-35B-A3B"  # Sec. 3.3.1
FIDELITY = Settings(long_side=2048, quality=98, temperature=0.1, tags=True)  # not in paper: released code
COMPLIANCE = replace(FIDELITY, long_side=3072)  # not in paper: released code
AT_ONCE = 8  # requests that wait together; not in paper: choice
PATIENCE = 11  # questions in a row without a connection, those of one MSFI, before no more are tried for a while
OUR_WORDS = "prompts in this kit's words (PIXVERVE_PROMPTS replaces them)"

Five = Annotated[int, Field(ge=1, le=FIDELITY_LEVELS)]
Ten = Annotated[int, Field(ge=1, le=COMPLIANCE_LEVELS)]


class _Global(Form):
    sc_global: Five = Field(alias="SC-global")
    pi: Five = Field(alias="PI")
    lc: Five = Field(alias="LC")
    ch: Five = Field(alias="CH")


class _Local(Form):
    nge: Five = Field(alias="NGE")
    ga: Five = Field(alias="GA")
    tf: Five = Field(alias="TF")
    mgc: Five = Field(alias="MGC")
    sc_local: Five = Field(alias="SC-local")


class _Compliance(Form):
    iev: Ten = Field(alias="IEV")
    aaa: Ten = Field(alias="AAA")
    sra: Ten = Field(alias="SRA")


def from_environment(cache_folder: str | os.PathLike, repeat: int = 0) -> Judge | None:
    """The judge of PIXVERVE_JUDGE_{URL,MODEL,KEY}, else the model of PIXVERVE_CHAT_*; None if neither has a URL.

    The judge's model is MODEL where it is not set; a key is needed only where the service wants one. cache_folder keeps
    every raw reply; repeat: see `judge`. Raises EndpointError for a key that is none, a chat URL without a model, or
    when PIXVERVE_PROMPTS is no folder with prompts.
    """
    kind = next((kind for kind in ("JUDGE", "CHAT") if os.environ.get(f"PIXVERVE_{kind}_URL", "").strip()), None)
    if kind is None:
        return None
    (service,) = services(kind, key="none", model=MODEL if kind == "JUDGE" else "")
    model = Multimodal(service, Replies(cache_folder), AT_ONCE, PATIENCE)
    return judge(model, os.environ.get("PIXVERVE_PROMPTS", ""), repeat)


def judge(model: Multimodal, prompts_folder: str = "", repeat: int = 0) -> Judge:
    """A chat model as judge. repeat: 0 for its first answer to each question, 1 for another one, and so on.

    Raises EndpointError for prompts that cannot be read.
    """
    names = ("fidelity_global", "fidelity_local", "instance_compliance")
    whole, local, compliance = prompts = [load_prompt(name, prompts_folder) for name in names]
    replaced = [prompt.name for prompt in prompts if prompt != load_prompt(prompt.name)]
    qwen = "qwen" in model.service.model.lower()  # others may refuse a request with a word that they don't know
    fidelity, complies = (replace(usual, no_thinking=qwen, repeat=repeat) for usual in (FIDELITY, COMPLIANCE))
    return Judge(
        f"{model.service.model} at endpoint",
        rate_global=partial(_rate_global, model, whole, fidelity),
        rate_local=partial(_rate_local, model, local, fidelity),
        rate_compliance=partial(_rate_compliance, model, compliance, complies),
        usage=model.usage.counts,
        at_once=AT_ONCE,
        version=f"prompts {_version(prompts, fidelity, complies)}",
        note=f"prompts of PIXVERVE_PROMPTS: {', '.join(replaced)}" if replaced else OUR_WORDS,
        genuine=model.service.model.rpartition("/")[2].lower() == MODEL.lower(),
    )


def repeated(
    times: int, question: Callable[[Judge], Ratings | Failed], cache_folder: str | os.PathLike
) -> dict[str, Spread]:
    """How far the judge of `from_environment` agrees with itself: it is asked the same several times.

    question: asks the judge that it is given, such as `lambda judge: judge.rate_global(rgb)`. Each time has replies of
    its own in cache_folder. Gives judging.spread. Raises EndpointError, for no endpoint as well.
    """
    judges = [from_environment(cache_folder, repeat=repeat) for repeat in range(times)]
    if None in judges:
        raise EndpointError("nobody to ask: set PIXVERVE_JUDGE_URL")
    return spread([question(one) for one in judges])


def _version(prompts: list[Prompt], *settings: Settings) -> str:
    words = [[prompt.name, prompt.version, prompt.text] for prompt in prompts]
    return fingerprint([words, [each.parameters() for each in settings]])


def _rate_global(model: Multimodal, prompt: Prompt, settings: Settings, rgb: np.ndarray) -> Ratings | Failed:
    return _ratings(model.ask(prompt, [rgb], _Global, settings))


def _rate_local(
    model: Multimodal, prompt: Prompt, settings: Settings, patch: np.ndarray, whole: np.ndarray, region: Region
) -> Ratings | Failed:
    """The patch goes first and as it is, up to 2048 px; the whole is reduced to that (Sec. F.2)."""
    corners = f"[{', '.join(f'{share:.4f}' for share in region)}]"
    return _ratings(model.ask(prompt.fill(region=corners), [patch, whole], _Local, settings))


def _rate_compliance(
    model: Multimodal, prompt: Prompt, settings: Settings, rgb: np.ndarray, caption: str
) -> Ratings | Failed:
    return _ratings(model.ask(prompt.fill(caption=" ".join(caption.split())), [rgb], _Compliance, settings))


def _ratings(answer: Form | Failed) -> Ratings | Failed:
    return answer if isinstance(answer, Failed) else answer.model_dump()
