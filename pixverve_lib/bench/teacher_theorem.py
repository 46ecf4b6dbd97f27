"""URAE Theorem 2.4, in the linear case of its proof (App. B): where training on a share p of synthetic data ends.

Data are rows of Phi; a real label is Phi W* + xi with xi ~ N(0, sigma^2), a synthetic one Phi W_ref, chosen for each
row with probability p (Eq. 14). Training is gradient descent for T steps from W_0 (Eq. 21). With B = (I - eta M)^T,
M = Phi^T Phi, r = W_ref - W* and Delta_0 = W_0 - W* - p r,

    E |W_T - W*|^2  =  |B Delta_0 + p r|^2 + sum_i v_i |eta A_T Phi_i|^2,    v_i = p (1 - p) delta_i^2 + (1 - p) sigma^2

for every Phi (`expected`): noise has mean 0 given Phi, and labels of different rows are independent. Where xi' is
independent of Phi, as Eq. 26 takes it, v_i is its mean and the sum v sum_k g_k^2 / lambda_k with
g_k = 1 - (1 - eta lambda_k)^T (`independent`). Two things in the printed proof do not hold (misprints M36, M37): Eq. 28
lacks 1 / eta, so that the noise carries an eta^2 too much, and Eq. 36 drops 2 p <B Delta_0, r>.

eta is Eq. 21's, whose gradient is a sum over data: Assumption 2.3's learning rate, of a mean, is N times it (M45).
"""
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

SHARES = tuple(np.linspace(0, 1, 9))  # p in [0, 1], Assumption 2.2; not in paper: choice of steps
REPEATS = 400  # not in paper: choice
SIGMAS = tuple(np.geomspace(0.02, 1, 9))  # not in paper: choice
BATCH = 16_000_000  # numbers in one batch of repeats; not in paper: choice


@dataclass(frozen=True)
class Case:
    """features: Phi  # N D; start, optimum, reference: W_0, W*, W_ref  # D; eta, steps: of Eq. 21; sigma: of xi."""

    features: np.ndarray
    start: np.ndarray
    optimum: np.ndarray
    reference: np.ndarray
    eta: float
    steps: int
    sigma: float


@dataclass(frozen=True)
class Setting:
    """A random case. distance: |W_ref - W*|; start: |W_0 - W*|; spread: of the logarithm of a row's length.

    Rows of Phi have a mean squared length of about 1 (NTK scaling). All values are not in paper: choice.
    """

    data: int = 50  # N
    parameters: int = 200  # D
    eta: float = 0.5
    steps: int = 200  # T
    sigma: float = 0.5
    distance: float = 0.5
    start: float = 1.0
    spread: float = 0.0
    seed: int = 0

    def case(self) -> Case:
        """The case drawn from the seed: the same Phi whatever eta, T, sigma and the distances are.

        Raises ValueError where descent with this eta diverges.
        """
        random = np.random.default_rng(self.seed)
        lengths = np.exp(random.normal(size=(self.data, 1)) * self.spread - self.spread**2)
        features = random.normal(size=(self.data, self.parameters)) / np.sqrt(self.parameters) * lengths
        optimum, teacher, start = _directions(random, self.parameters)
        largest = np.linalg.norm(features, 2) ** 2
        if self.eta * largest > 2:
            raise ValueError(f"eta = {self.eta:g} diverges: take at most {2 / largest:.3g} = 2 / largest eigenvalue")
        return Case(features, optimum + self.start * start, optimum, optimum + self.distance * teacher,
                    self.eta, self.steps, self.sigma)


def _directions(random, parameters):
    found = random.normal(size=(3, parameters))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


SETTINGS = (  # not in paper: choice; the last one stops early, and its rows of Phi differ in length
    Setting(), Setting(data=200, parameters=50, eta=0.1, sigma=0.1, distance=0.5),
    Setting(data=200, parameters=50, eta=0.1, steps=5, sigma=0.1, distance=2, spread=0.7),
)


def simulate(case: Case, share: float, repeats: int = REPEATS, seed: int = 0, shuffled: bool = False):
    """Mean |W_T - W*|^2 of `repeats` trainings, each with labels of its own, and its standard error.

    share: p in [0, 1]; shuffled: xi' takes delta of other rows, so that it is independent of Phi as Eq. 26 takes it
    """
    _check(share)
    random = np.random.default_rng((seed, 1))  # another stream than Phi's
    most = max(1, BATCH // max(case.features.shape))
    sizes = [min(most, repeats - done) for done in range(0, repeats, most)]
    errors = np.concatenate([_trained(case, _labels(case, share, size, random, shuffled)) for size in sizes])
    spread = errors.std(ddof=1) if repeats > 1 else np.inf
    return float(errors.mean()), float(spread / np.sqrt(repeats))


def _labels(case, share, repeats, random, shuffled):
    """Targets x = f(u; W*') + xi' of Eq. 13 and 16  # N R"""
    gap = np.repeat(_gaps(case)[:, None], repeats, axis=1)
    mean = case.features @ case.optimum
    synthetic = random.random(gap.shape) < share
    noise = case.sigma * random.normal(size=gap.shape) * ~synthetic
    between = random.permuted(gap, axis=0) if shuffled else gap
    return mean[:, None] + share * gap + (synthetic - share) * between + noise


def _trained(case, labels):
    """|W_T - W*|^2 after Eq. 21 run step by step  # R"""
    weights = np.repeat(case.start[:, None], labels.shape[1], axis=1)
    for _ in range(case.steps):
        weights -= case.eta * case.features.T @ (case.features @ weights - labels)
    return ((weights - case.optimum[:, None]) ** 2).sum(axis=0)


def _gaps(case):
    """delta of every row  # N"""
    return case.features @ (case.reference - case.optimum)


def accumulated(case: Case) -> np.ndarray:
    """eta A_T Phi^T, by which labels' noise enters the weights (Eq. 23), from the geometric series  # D N"""
    left, scale, right = np.linalg.svd(case.features, full_matrices=False)
    learnt = 1 - (1 - case.eta * scale**2) ** case.steps
    gain = np.divide(learnt, scale, out=np.zeros_like(scale), where=scale > 1e-12)
    return right.T * gain @ left.T


def _decayed(case, vector):
    """B times a vector  # D"""
    return vector - accumulated(case) @ (case.features @ vector)


def _check(share):
    if not 0 <= share <= 1:
        raise ValueError(f"p = {share:g} is no share: take 0 to 1")


def _variances(case, share, squared_gaps):
    _check(share)
    return share * (1 - share) * squared_gaps + (1 - share) * case.sigma**2  # Eq. 18


def _parts(case, share):
    """B Delta_0  # D, p r  # D, and |eta A_T Phi_i|^2 of every row  # N"""
    shift = share * (case.reference - case.optimum)
    return _decayed(case, case.start - case.optimum - shift), shift, (accumulated(case) ** 2).sum(axis=0)


def expected(case: Case, share: float) -> float:
    """E |W_T - W*|^2, exact for every Phi with the labels of Eq. 14."""
    initial, shift, gains = _parts(case, share)
    return float(((initial + shift) ** 2).sum() + _variances(case, share, _gaps(case) ** 2) @ gains)


def independent(case: Case, share: float) -> float:
    """E |W_T - W*|^2, exact where xi' is independent of Phi: Eq. 26's reading, with the rest of the proof put right."""
    initial, shift, gains = _parts(case, share)
    return float(((initial + shift) ** 2).sum() + _variances(case, share, (_gaps(case) ** 2).mean()) * gains.sum())


def corrected_bound(case: Case, share: float) -> float:
    """A bound in the terms of Eq. 3 that holds for every Phi.

    No eta^2; |a + b|^2 <= 2 |a|^2 + 2 |b|^2 for Eq. 36; the largest delta^2, since delta belongs to its row of Phi.
    """
    initial, shift, gains = _parts(case, share)
    noise = _variances(case, share, (_gaps(case) ** 2).max()) * gains.sum()
    return float(2 * (initial**2).sum() + noise + 2 * (shift**2).sum())


def printed_bound(case: Case, share: float) -> float:
    """The right side of URAE Eq. 3 as printed, its E[delta^2] over the rows of Phi."""
    initial, shift, gains = _parts(case, share)
    noise = case.eta**2 * _variances(case, share, (_gaps(case) ** 2).mean()) * gains.sum()
    return float((initial**2).sum() + noise + (shift**2).sum())


def curves(settings, shares=SHARES, repeats: int = REPEATS) -> pd.DataFrame:
    """A row a setting and share: setting, p, simulated, standard error, and the four numbers of COLUMNS."""
    rows = []
    for setting in settings:
        case = setting.case()
        rows += [(described(setting), share, *simulate(case, share, repeats, setting.seed),
                  *(number(case, share) for number in COLUMNS.values())) for share in shares]
    return pd.DataFrame(rows, columns=["setting", "p", "simulated", "standard error", *COLUMNS])


COLUMNS = {"expected": expected, "independent": independent, "corrected bound": corrected_bound,
           "printed bound": printed_bound}


def described(setting: Setting) -> str:
    """The setting in a line; spread and start only where they are not those of the default one."""
    plain, text = Setting(), (f"η {setting.eta:g}, σ {setting.sigma:g}, teacher {setting.distance:g}, "
                              f"N {setting.data}, D {setting.parameters}, T {setting.steps}")
    return text + "".join(f", {name} {getattr(setting, name):g}" for name in ("spread", "start")
                          if getattr(setting, name) != getattr(plain, name))


def best_share(case: Case) -> float:
    """The p in [0, 1] of the least `expected` error; where several are best, the least of them.

    The error is a quadratic in p, so three values of it say all.
    """
    none, half, full = (expected(case, share) for share in (0, 0.5, 1))
    curvature, slope = 2 * (none - 2 * half + full), 4 * half - 3 * none - full
    inside = [float(np.clip(-slope / (2 * curvature), 0, 1))] if curvature > 0 else []
    return min((0.0, *inside, 1.0), key=lambda share: none + slope * share + curvature * share**2)


def best_shares(setting: Setting, sigmas=SIGMAS, distances=(0.25, 0.5, 1, 2)) -> pd.DataFrame:
    """The best p of every pair: sigma, teacher, best p, error, error at p = 0, error at p = 1."""
    rows = []
    for sigma in sigmas:
        for distance in distances:
            case = replace(setting, sigma=sigma, distance=distance).case()
            share = best_share(case)
            rows.append((sigma, distance, share, *(expected(case, each) for each in (share, 0, 1))))
    return pd.DataFrame(rows, columns=["sigma", "teacher", "best p", "error", "error at p = 0", "error at p = 1"])


def independence(settings, share: float = 0.5, repeats: int = REPEATS) -> pd.DataFrame:
    """Whether xi' may be taken as independent of Phi (Eq. 26): what it is in the theorem's own data, and if it were.

    Columns setting, p, labels ("of Eq. 14" | "shuffled"), simulated, standard error, expected, independent,
    deviation (of `independent` from the simulation, in standard errors).
    """
    rows = []
    for setting in settings:
        case = setting.case()
        for labels, shuffled in (("of Eq. 14", False), ("shuffled", True)):
            mean, error = simulate(case, share, repeats, setting.seed, shuffled)
            taken = independent(case, share)
            rows.append((described(setting), share, labels, mean, error, expected(case, share), taken,
                         (taken - mean) / error if error else 0.0))
    return pd.DataFrame(rows, columns=["setting", "p", "labels", "simulated", "standard error", "expected",
                                       "independent", "deviation"])
