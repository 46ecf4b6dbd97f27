"""Claims R01-R16 of URAE: Tab. 1-4, the theorem about synthetic data, minor components, guidance in training."""
from fractions import Fraction

import numpy as np

from pixverve_lib.bench import teacher_counterexamples, teacher_theorem
from pixverve_lib.bench.claims_cells import DRAWN, best, better, changes, compared, measured_rows, row
from pixverve_lib.bench.claims_evidence import CONTRADICTED, FOLLOWS, PARTLY, check, printed

NOTEBOOK = "A3_urae"
OURS, BASE, CLOSED = "FLUX-1.dev* w/ URAE", "FLUX-1.dev*", "FLUX1.1 [Pro] Ultra"
QUALITY = ("fid", "lpips", "man_iqa", "qualiclip")  # Sec. 3.2
ALL = (*QUALITY, "hpsv2_1", "pickscore", "dpg_bench")
SIX = ALL[:-1]  # Tab. 2
VOTED = ("overall_quality", "prompt_alignment", "visual_aesthetic")  # Tab. 3
JUDGED = (*VOTED[:2], "visual_aesthetics")  # Tab. 4
# not in paper: choices, all of them
MOST = 0.9  # share of cells with which a tendency "holds"
COMPARABLE = 2  # points of 100
FEW = 0.25  # of another method's iterations: far fewer
EXACT = 1e-6  # relative, of a weight in float32
WITHOUT, WITH = "w/o CFG", "w/ CFG"  # of settings of notebook A3, as printed


def _cells(book, one, other):
    """Cells of Tab. 2 in which the first row is better, over pairs of (components, setting); indexed by both."""
    return {pair: better(row(book, "urae_tab_2", SIX, *pair), row(book, "urae_tab_2", SIX, *against))
            for pair, against in zip(one, other, strict=True)}


def _pairs(parts, setting):
    return [(part, setting) for part in parts]


def _nano(book, one, other):
    """Cells of our Tab. 2 with these labels against those with the others, all else alike, in their mean."""
    book.note("rule: the mean of its rows is better in every metric of the table")
    found = book.exhibit("urae_tab_02", NOTEBOOK)
    return compared(measured_rows(found, DRAWN, **one), measured_rows(found, DRAWN, **other))


@check("R01")
def prompt_alignment(book):
    pairs = [(book.cell("urae_tab_1", "dpg_bench", new), book.cell("urae_tab_1", "dpg_bench", old))
             for new, old in ((OURS, "FLUX-1.dev"), ("I-Max w/ URAE", "I-Max"))]
    gains = [round(new - old, 2) for new, old in pairs]
    return printed(gains == [3.19, 3.96]), ", ".join(
        f"{new:.2f} - {old:.2f} = {gain:.2f}" for (new, old), gain in zip(pairs, gains, strict=True))


@check("R02")
def best_quality(book):
    leaders = {metric: best(book.column("urae_tab_1", metric, by="method_setting"), metric) for metric in ALL}
    values = ", ".join(f"{metric} {book.cell('urae_tab_1', metric, OURS):.{2 if metric == 'fid' else 4}f}"
                       for metric in QUALITY)
    others = ", ".join(f"{metric} {' and '.join(leaders[metric])}" for metric in ALL[len(QUALITY):])
    holds = all(leaders[metric] == [OURS] for metric in QUALITY)
    return printed(holds), f"{values}; best in the others: {others}"


@check("R03")
def above_the_closed_model(book):
    metrics = ("man_iqa", "qualiclip", "dpg_bench")
    ours, closed = (row(book, "urae_tab_1", metrics, name) for name in (OURS, CLOSED))
    won = better(ours, closed)
    return printed(won[["man_iqa", "qualiclip"]].all()), (
        f"MAN-IQA {ours.man_iqa:.4f} against {closed.man_iqa:.4f}, QualiCLIP {ours.qualiclip:.4f} against "
        f"{closed.qualiclip:.4f}; DPG {ours.dpg_bench:.2f} against {closed.dpg_bench:.2f}")


@check("R04")
def helps_pipelines(book):
    won = [better(row(book, "urae_tab_1", ALL, f"{name} w/ URAE"), row(book, "urae_tab_1", ALL, name))
           for name in ("SDEdit", "I-Max")]
    count, cells = sum(each.sum() for each in won), sum(map(len, won))
    return printed(count == cells), book.beside(f"better in {count} of {cells} cells", lambda: _enlarged(book))


def _enlarged(book):
    book.note("rule: both methods are better in every score with the adapter; a tie is not")
    found = book.exhibit("urae_tab_01", NOTEBOOK)
    rows = {name: [measured_rows(found, DRAWN, method=f"^{name}{kind}$").iloc[0] for kind in (" w/ URAE", "")]
            for name in ("SDEdit", "I-Max")}
    won = {name: better(*pair) for name, pair in rows.items()}
    return all(each.all() for each in won.values()), "; ".join(
        f"{name} better in {won[name].sum()} of {len(won[name])}: {changes(*pair)}" for name, pair in rows.items())


@check("R05")
def synthetic_beats_real(book):
    won = _cells(book, _pairs(("Major", "Minor"), "Syn w/o CFG"), _pairs(("Major", "Minor"), "Real w/o CFG"))
    count, cells = sum(each.sum() for each in won.values()), sum(map(len, won.values()))
    return printed(count == cells), book.beside(
        f"better in {count} of {cells} cells without CFG",
        lambda: _nano(book, {"setting": f"Syn {WITHOUT}"}, {"setting": f"Real {WITHOUT}"}))


@check("R06")
def guidance_hurts(book):
    sources = [(part, source) for part in ("Major", "Minor") for source in ("Syn", "Real")]
    won = _cells(book, [(part, f"{source} w/o CFG") for part, source in sources],
                 [(part, f"{source} w/ CFG") for part, source in sources])
    count, cells = sum(each.sum() for each in won.values()), sum(map(len, won.values()))
    against = [(part, setting, metric) for (part, setting), each in won.items() for metric in each.index[~each]]
    book.note(f"rule: holds with {MOST:.0%} of the cells (not in paper: choice)")
    shown = "; ".join(f"{metric}, {part} Real: {book.cell('urae_tab_2', metric, part, setting):.4f} without, "
                      f"{book.cell('urae_tab_2', metric, part, setting.replace('w/o', 'w/')):.4f} with"
                      for part, setting, metric in against)
    return printed(count >= MOST * cells), book.beside(
        f"better without CFG in {count} of {cells} cells; not in {shown} (M50)",
        lambda: _nano(book, {"setting": WITHOUT}, {"setting": WITH}))


@check("R07")
def minor_without_synthetic(book):
    won = _cells(book, [("Minor", "Real w/o CFG")], [("Major", "Real w/o CFG")])["Minor", "Real w/o CFG"]
    votes = [book.cell("urae_tab_3", "overall_quality", f"{OURS} ({kind}-4K)") for kind in ("Minor", "Major")]
    verdict = FOLLOWS if won.all() else PARTLY if won.any() or votes[0] > votes[1] else CONTRADICTED
    text = (f"at 2K better in {', '.join(won.index[won])}, worse in {', '.join(won.index[~won])}; at 4K "
            f"{votes[0]:g} % of votes against {votes[1]:g} %")
    return verdict, book.beside(text, lambda: _nano(
        book, *({"components": part, "setting": f"Real {WITHOUT}"} for part in ("Minor", "Major"))))


@check("R08")
def wins_the_vote(book):
    each = book.constant("URAE_VOTES") // len(VOTED)
    shares = {what: book.column("urae_tab_3", what, by="method_setting") for what in VOTED}
    minor = f"{OURS} (Minor-4K)"
    holds = all(best(share, what) == [minor] for what, share in shares.items())
    return printed(holds), ", ".join(f"{share[minor]:g} % = {round(share[minor] * each / 100)} of {each} votes"
                                     for share in shares.values())


@check("R09")
def number_of_votes(book):
    votes, prompts = book.constant("URAE_VOTES"), book.constant("URAE_USER_PROMPTS")
    each = votes // len(VOTED)
    shares = np.concatenate([book.column("urae_tab_3", what) for what in VOTED])
    whole = np.abs(shares - np.round(np.round(shares * each / 100) * 100 / each, 2)) < 0.0051
    people = Fraction(each, prompts)
    book.note(f"{len(VOTED)} questions of {prompts} prompts; prompts 5 and 6 of App. C.4 are the same (M46)")
    return printed(whole.all() and people.denominator == 1 and len(VOTED) * each == votes), (
        f"{votes:,} = {len(VOTED)} x {each} = {len(VOTED)} x {prompts} prompts x {people} people; {whole.sum()} of "
        f"{len(whole)} shares are whole votes of {each}; {prompts - 1} prompts are distinct")


@check("R10")
def comparable(book):
    pairs = [(book.cell("urae_tab_4", what, OURS), book.cell("urae_tab_4", what, CLOSED)) for what in JUDGED]
    book.note(f"rule: comparable is within {COMPARABLE} points of 100 (not in paper: choice)")
    return printed(all(abs(ours - closed) <= COMPARABLE for ours, closed in pairs)), ", ".join(
        f"{ours:.2f}/{closed:.2f}" for ours, closed in pairs)


@check("R11")
def printed_bound(book):
    book.note("measured by this check: URAE Eq. 3 against closed forms and training (bench/teacher_counterexamples.py)")
    found = teacher_counterexamples.table()
    pairs = found[["misprint", "error", "printed bound"]].itertuples(index=False)
    text = ", ".join(f"{error:g} > {bound:g} ({misprint})" for misprint, error, bound in pairs if error > bound)
    case = teacher_theorem.Setting().case()
    error, spread = teacher_theorem.simulate(case, 0.0, repeats=50)
    bound = teacher_theorem.printed_bound(case, 0.0)
    holds = (found.error <= found["printed bound"]).all() and error - 3 * spread <= bound
    right = error - 3 * spread <= teacher_theorem.corrected_bound(case, 0.0)
    return printed(holds), (f"{text}; trained with p = 0: {error:.1f} against a bound of {bound:.1f}, put right "
                            f"{teacher_theorem.corrected_bound(case, 0.0):.1f}{'' if right else ', which fails, too'}")


@check("R12")
def trade_off(book):
    setting = teacher_theorem.SETTINGS[1]
    book.note(f"measured by this check: best p for {teacher_theorem.described(setting)} and others of sigma and of the "
              "teacher's distance, from the exact expectation (bench/teacher_theorem.py)")
    found = teacher_theorem.best_shares(setting, (0.05, 0.1, 0.2), (0.25, 0.5, 1))
    best_p = found.pivot(index="sigma", columns="teacher", values="best p")
    moves = (best_p.diff().iloc[1:] >= 0).all(axis=None) and (best_p.diff(axis=1).iloc[:, 1:] <= 0).all(axis=None)
    return printed(moves and best_p.nunique().max() > 1), (
        "best p at sigma " + ", ".join(f"{sigma:g}" for sigma in best_p.index) + ": " + "; ".join(
            f"with a teacher {distance:g} off {', '.join(f'{share:.2f}' for share in column)}"
            for distance, column in best_p.items()))


@check("R13")
def starts_at_the_base(book):
    import torch  # here, so that a notebook that does not check this claim starts without it

    from pixverve_lib.models import components
    weight = torch.randn(48, 32, generator=torch.Generator().manual_seed(0))
    rank = 8
    book.note(f"measured by this check: a drawn 48 x 32 weight, rank {rank} (models/components.py)")
    a, b = components.factors(weight, rank, "minor")
    left, values, right = np.linalg.svd(weight.double().numpy(), full_matrices=False)
    small = left[:, -rank:] * values[-rank:] @ right[-rank:]  # Eq. 5
    rest = weight - (b @ a).float()
    error = float(((rest + b.float() @ a.float()) - weight).norm() / weight.norm())
    apart = float(np.abs(small - (b @ a).numpy()).max())
    return printed(error <= EXACT and apart <= EXACT), (
        f"W_res + AB differs from W by {error:.0e} (relative, float32), AB from Eq. 5's W_small by {apart:.0e}")


@check("R14")
def guidance_one_in_training(book):
    return book.decided_by(lambda: _works(book),
                           "adapters trained at guidance 1 and above, all drawn with guidance above 1")


def _works(book):
    book.note("rule: the cells trained at guidance 1 are better in every score than those above 1, in their mean, and "
              "their best, by nano-FID, better than the student before adaptation")
    found = book.exhibit("urae_tab_02", NOTEBOOK)
    before, without, above = (measured_rows(found, DRAWN, setting=kind) for kind in ("^student$", WITHOUT, WITH))
    order, text = compared(without, above)
    top = without.loc[[without["nano-FID"].idxmin()]]
    gains, more = compared(top, before)
    return order and gains, f"guidance 1 against above, {text}; the best cell against no adaptation, {more}"


@check("R15")
def few_iterations(book):
    ours, sana, batch, pictures = (book.constant(name) for name in (
        "URAE_STEPS", "URAE_SANA_STEPS", "URAE_BATCH", "URAE_PICTURES_2K"))
    book.note(f"rule: far fewer is at most {FEW:.0%} (not in paper: choice)")
    return printed(ours <= FEW * sana), (f"{ours:,} against {sana:,}; {ours:,} x {batch} = {ours * batch:,} samples = "
                                         f"{ours * batch / pictures:.1f} passes over {pictures:,}")


@check("R16")
def repeated_row(book):
    equal = row(book, "urae_tab_2", SIX, "Major", "Syn w/o CFG") == row(book, "urae_tab_1", SIX, OURS)
    return printed(equal.all()), f"{equal.sum()} of {len(equal)} cells are equal"
