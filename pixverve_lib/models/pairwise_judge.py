"""A multimodal chat model that says which of two pictures is better, for the questions of the three related papers.

The words are ours (`prompts/prefer_*.txt`; PIXVERVE_PROMPTS replaces them), the form of the answer UltraFlux's (Supp.
Sec. 11): preferred, a_score, b_score, reasons. Diffusion-4K (Tab. 3) and URAE (App. C.1) allow no tie; here a tie may
be said to any question, because a forced choice between equals is only noise. Answers need not equal those that the
papers' words bring out.
"""

import os
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.endpoint import EndpointError, services
from pixverve_lib.models.multimodal import Multimodal, Settings, load_prompt
from pixverve_lib.models.replies import Form, Replies

PROMPT_OF = {  # question, as the papers name it -> prompt file
    "Visual Aesthetics": "prefer_aesthetics",  # Diffusion-4K Tab. 3; URAE App. C.1
    "Aesthetics": "prefer_aesthetics",  # UltraFlux Supp. Sec. 11
    "Prompt Adherence": "prefer_alignment",  # Diffusion-4K Tab. 3
    "Prompt Alignment": "prefer_alignment",  # UltraFlux Supp. Sec. 11; URAE App. C.1
    "Fine Details": "prefer_details",  # Diffusion-4K Tab. 3
    "Overall Quality": "prefer_overall",  # URAE App. C.1
}
SETTINGS = Settings(long_side=2048, quality=98, temperature=0.1)  # not in paper: choice, those of MSFI's judge
ANSWER = {"A": "first", "B": "second", "tie": "tie"}

Score = Annotated[float, Field(ge=0, le=100)]  # UltraFlux Supp. Sec. 11
Judge = Callable[[str, str, np.ndarray, np.ndarray], str | Failed]


class _Preference(Form):
    preferred: Literal["A", "B", "tie"]
    a_score: Score
    b_score: Score
    reasons: str

    @model_validator(mode="after")
    def _agrees_with_itself(self):
        worse = {"A": self.a_score < self.b_score, "B": self.b_score < self.a_score, "tie": False}
        if worse[self.preferred]:
            raise ValueError(f"it prefers {self.preferred} but scores {self.a_score:g} to {self.b_score:g}")
        return self


def from_environment(cache_folder: str | os.PathLike) -> Judge | None:
    """The judge of PIXVERVE_JUDGE_{URL,MODEL,KEY}; None without a URL. Needs the model's name: the papers have three.

    cache_folder keeps every raw reply. Raises EndpointError.
    """
    if not os.environ.get("PIXVERVE_JUDGE_URL", "").strip():
        return None
    (service,) = services("JUDGE", key="none")
    return judge(Multimodal(service, Replies(cache_folder)), os.environ.get("PIXVERVE_PROMPTS", ""))


def judge(model: Multimodal, prompts_folder: str = "") -> Judge:
    """(question, text, first, second) -> "first", "second", "tie" or Failed, as bench/preference_judging.py wants it.

    question: one of PROMPT_OF, else EndpointError; text: the caption of both; pictures: H W 3 uint8.
    """
    prompts = {name: load_prompt(name, prompts_folder) for name in set(PROMPT_OF.values())}

    def ask(question: str, text: str, first: np.ndarray, second: np.ndarray) -> str | Failed:
        if question not in PROMPT_OF:
            raise EndpointError(f"no prompt for {question!r}; take one of: {', '.join(PROMPT_OF)}")
        prompt = prompts[PROMPT_OF[question]]
        if "{caption}" in prompt.text:
            prompt = prompt.fill(caption=" ".join(text.split()))
        answer = model.ask(prompt, [first, second], _Preference, SETTINGS)
        return answer if isinstance(answer, Failed) else ANSWER[answer.preferred]
    return ask
