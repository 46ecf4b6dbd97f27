"""URAE Theorem 2.4 as printed fails in closed form: two cases of one datum and one weight (misprints M36, M37)."""
import numpy as np
import pandas as pd

from pixverve_lib.bench.teacher_theorem import Case, corrected_bound, expected, printed_bound


def one_datum(reference=0.0, start=0.0, eta=0.5, steps=1, sigma=0.0) -> Case:
    """The case N = D = 1 with Phi = 1 and W* = 0."""
    return Case(np.ones((1, 1)), *(np.array([float(each)]) for each in (start, 0, reference)), eta, steps, sigma)


def missing_factor(eta: float = 0.5, sigma: float = 1.0) -> tuple[float, float]:
    """Error and printed bound with N = D = 1, p = 0, W_0 = W*, T -> inf: sigma^2 against eta^2 sigma^2 (M36).

    eta: in (0, 2)
    """
    settled = one_datum(eta=eta, sigma=sigma, steps=int(np.ceil(40 / -np.log(max(abs(1 - eta), 1e-9)))))
    return expected(settled, 0), printed_bound(settled, 0)


def dropped_cross_term(steps: int = 1) -> tuple[float, float]:
    """Error and printed bound with p = 1, W* = 0, W_ref = 1, W_0 = 2, Phi = 1, eta = 0.5 (M37): no noise at all."""
    case = one_datum(reference=1, start=2, eta=0.5, steps=steps)
    return expected(case, 1), printed_bound(case, 1)


def table() -> pd.DataFrame:
    """misprint, equation, case, error, printed bound, corrected bound: the theorem as printed fails in closed form."""
    rows = [("M36", "Eq. 28", "N = D = 1, p = 0, W_0 = W*, eta = 0.5, sigma = 1, T -> inf", *missing_factor(),
             corrected_bound(one_datum(eta=0.5, sigma=1, steps=200), 0))]
    rows += [("M37", "Eq. 36", f"p = 1, W* = 0, W_ref = 1, W_0 = 2, Phi = 1, eta = 0.5, T = {steps}",
              *dropped_cross_term(steps), corrected_bound(one_datum(reference=1, start=2, steps=steps), 1))
             for steps in (1, 0)]
    return pd.DataFrame(rows, columns=["misprint", "equation", "case", "error", "printed bound", "corrected bound"])
