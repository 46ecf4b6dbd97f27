"""URAE Theorem 2.4: the printed bound fails in closed form, the corrected one holds for every data matrix."""
from dataclasses import replace

import numpy as np
import pytest

from pixverve_lib.bench import teacher_counterexamples as counterexamples
from pixverve_lib.bench import teacher_theorem as theorem
from pixverve_lib.bench.teacher_theorem import Setting
from pixverve_lib.exhibits import theorem as exhibits

GRID = [Setting(data, parameters, eta, steps, sigma, distance, spread=spread, seed=3)
        for data, parameters, eta, spread in ((20, 60, 0.4, 0), (40, 10, 0.1, 0), (20, 20, 0.1, 0.5))
        for steps in (0, 4, 60) for sigma, distance in ((0.5, 0.5), (0.05, 2))]


def test_the_missing_factor_gives_sigma_squared_against_eta_squared_sigma_squared():
    assert counterexamples.missing_factor(eta=0.5, sigma=1) == pytest.approx((1, 0.25), abs=1e-12)
    assert counterexamples.missing_factor(eta=0.2, sigma=3) == pytest.approx((9, 0.04 * 9), abs=1e-12)


def test_the_dropped_cross_term_gives_the_numbers_of_the_counterexample():
    assert counterexamples.dropped_cross_term(steps=1) == (2.25, 1.25)
    assert counterexamples.dropped_cross_term(steps=0) == (4, 2)
    assert theorem.simulate(counterexamples.one_datum(reference=1, start=2), 1, repeats=3) == (2.25, 0)


def test_the_geometric_series_needs_one_over_eta():
    case = replace(GRID[3], steps=7).case()
    phi, eta = case.features, case.eta
    shrink = np.eye(phi.shape[1]) - eta * phi.T @ phi
    summed = sum(np.linalg.matrix_power(shrink, k) for k in range(case.steps)) @ phi.T
    assert eta * summed == pytest.approx(theorem.accumulated(case), abs=1e-12)
    as_printed = np.linalg.pinv(phi.T @ phi) @ (np.eye(len(shrink)) - np.linalg.matrix_power(shrink, 7)) @ phi.T
    assert summed == pytest.approx(as_printed / eta, abs=1e-10)


@pytest.mark.parametrize("setting", GRID, ids=theorem.described)
def test_training_ends_where_the_exact_expectation_says_and_below_the_corrected_bound(setting):
    case = setting.case()
    for share in (0, 0.3, 1):
        mean, error = theorem.simulate(case, share, repeats=300, seed=1)
        assert abs(mean - theorem.expected(case, share)) <= 4 * error + 1e-9
        assert theorem.expected(case, share) <= theorem.corrected_bound(case, share) * (1 + 1e-9)


def test_the_printed_bound_is_below_the_error_wherever_all_data_are_real_and_noisy():
    cases = [setting.case() for setting in GRID if setting.steps]
    assert all(theorem.printed_bound(case, 0) < theorem.expected(case, 0) for case in cases)
    mean, error = theorem.simulate(cases[0], 0, repeats=300)
    assert theorem.printed_bound(cases[0], 0) < mean - 4 * error


def test_noise_counts_as_independent_of_the_data_only_when_its_teacher_part_is_shuffled():
    setting = Setting(data=200, parameters=50, eta=0.1, steps=5, sigma=0.1, distance=2, spread=0.7)
    found = exhibits.independence(theorem.independence([setting])).set_index("labels").holds
    assert found.to_dict() == {"of Eq. 14": "no", "shuffled": "yes"}


def test_the_best_share_is_the_least_of_a_fine_grid_and_grows_with_noise_and_falls_with_the_teachers_distance():
    setting = Setting(40, 10, 0.1)
    for sigma in (0.05, 0.1, 0.3):
        case = replace(setting, sigma=sigma).case()
        shares = np.linspace(0, 1, 401)
        least = shares[np.argmin([theorem.expected(case, share) for share in shares])]
        assert theorem.best_share(case) == pytest.approx(least, abs=0.005)
    best = theorem.best_shares(setting, (0.05, 0.1, 0.3), (0.2, 0.5, 1)).pivot(
        index="sigma", columns="teacher", values="best p")
    assert (best.diff().dropna() >= 0).all(axis=None) and (best.diff(axis=1).iloc[:, 1:] <= 0).all(axis=None)
    assert best.nunique().max() > 1


def test_a_learning_rate_that_diverges_and_a_share_beyond_one_are_refused():
    with pytest.raises(ValueError, match=r"eta = 9 diverges: take at most"):
        Setting(eta=9).case()
    for number in (theorem.simulate, theorem.expected, theorem.printed_bound):
        with pytest.raises(ValueError, match="p = 1.5 is no share"):
            number(counterexamples.one_datum(), 1.5)


def test_batches_of_repeats_do_not_change_the_numbers_to_expect(monkeypatch):
    case = GRID[-2].case()
    monkeypatch.setattr(theorem, "BATCH", 200)
    mean, error = theorem.simulate(case, 0.5, repeats=101)
    assert abs(mean - theorem.expected(case, 0.5)) <= 4 * error


def test_the_exhibits_draw_one_panel_a_setting_and_say_which_bound_holds():
    measured = theorem.curves(GRID[2:4], (0, 1), repeats=2)
    assert len(exhibits.teacher_bounds(measured).axes) == 2
    found = exhibits.counterexamples(counterexamples.table())
    assert set(found["printed holds"]) == {"no"} and set(found["corrected holds"]) == {"yes"}
    assert exhibits.best_shares(theorem.best_shares(GRID[2], (0.1, 1), (1,))).axes
