"""The Instance-centric Compliance Score (Sec. 3.3.2, App. F.3): whether a picture shows what its long caption says.

    ICS = sqrt(IEV / 10) * (0.6 AAA + 0.4 SRA)
"""
import numpy as np

from pixverve_lib.models.annotation import Failed
from pixverve_lib.models.judging import COMPLIANCE, COMPLIANCE_LEVELS

ALPHA, BETA = 0.6, 0.4  # Sec. F.3


def index(iev, aaa, sra):
    """ICS of ratings 1..10, numbers or arrays (Sec. F.3).  # 0.316..10"""
    return np.sqrt(iev / COMPLIANCE_LEVELS) * (ALPHA * aaa + BETA * sra)


def measure(rgb, caption, judge):
    """Scores of a picture by a judge: ics, iev, aaa, sra; missing (0 or 1) and why, in one line or "".

    rgb: H W 3 uint8; caption: the long one; judge: models/judging.py. What has no answer is NaN.
    """
    answer = judge.rate_compliance(rgb, caption) if _written(caption) else Failed("no long caption")
    if isinstance(answer, Failed):
        return dict.fromkeys(("ics", *COMPLIANCE), float("nan")) | {"missing": 1, "why": answer.reason}
    ratings = {key: float(answer[key]) for key in COMPLIANCE}
    return {"ics": float(index(**ratings)), **ratings, "missing": 0, "why": ""}


def _written(caption):
    return isinstance(caption, str) and bool(caption.strip())  # a missing cell of a table is NaN
