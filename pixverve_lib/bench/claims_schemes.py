"""Claims P25-P30: what attention in windows and large patches do, by counting and from notebooks 05-07."""
import numpy as np

from pixverve_lib.bench.claims_evidence import CONTRADICTED, FOLLOWS, NOT_TESTABLE, check, printed

LATENT = 16  # not in paper: FLUX.2's VAE, pixels of a token's side
TEXT_TOKENS = 512  # not in paper: FLUX.2 klein's limit
GRID = 16  # not in paper: choice, side of the token grid that is counted out
PARTITIONS = ((1, 1), (2, 4), (4, 2), (1, 8), (8, 1))  # Sec. 4.1: aspects 1:1, 1:2, 2:1, 1:8, 8:1 on that grid
LIKE_FULL = 0.05  # relative loss that counts as an approximation of full attention; not in paper: choice


@check("P25")
def memory_growth(book):
    sides = np.array([*book.constant("SIDES").values()])
    tokens = (sides // LATENT) ** 2
    book.note(f"a token is {LATENT} x {LATENT} pixels; full attention in blocks keeps memory linear in tokens")
    slope = np.polyfit(np.log(sides.astype(float) ** 2), np.log(tokens), 1)[0]
    return (FOLLOWS if slope > 2 else CONTRADICTED), (
        f"tokens {', '.join(f'{each:,}' for each in tokens)}: pixels to the power {slope:.2f}; Sec. 3.2 II itself "
        "says O(N^2) for compute (M11)")


def _groups(a, b, remote):
    """Which group each token of the grid belongs to, for one branch of partition (a, b)  # GRID^2 integers"""
    y, x = np.divmod(np.arange(GRID**2), GRID)
    return (y % a) * b + x % b if remote else (y * a // GRID) * b + x * b // GRID


def _sees(a, b):
    """Which token sees which in either branch  # GRID^2 GRID^2 bool"""
    branches = [_groups(a, b, remote) for remote in (False, True)]
    return np.any([groups[:, None] == groups for groups in branches], axis=0)


@check("P26")
def cost_of_windows(book):
    book.note(f"query-key pairs of both branches counted on {GRID} x {GRID} tokens, partitions {PARTITIONS}")
    pairs = {(a, b): sum((np.bincount(_groups(a, b, remote)) ** 2).sum() for remote in (False, True))
             for a, b in PARTITIONS}
    holds = all(count == 2 * GRID**4 / (a * b) for (a, b), count in pairs.items())
    text = (f"counted {', '.join(f'{count / GRID**4:g} N^2 at {part}' for part, count in pairs.items())}: "
            "2 N^2 / (ab), at (1, 1) twice full attention")
    return printed(holds), book.beside(text, lambda: _window_seconds(book))


def _window_seconds(book):
    rows = book.artefact("scheme2_growth")
    last = rows[rows.tokens == rows.tokens.max()].set_index("attention").seconds
    full, window = last["full attention"], last["window grows"]
    return window < full, f"{window:.2f} s against {full:.2f} s of full attention at {rows.tokens.max():,} tokens"


@check("P27")
def approximates_full(book):
    return book.decided_by(lambda: _untrained(book))


def _untrained(book):
    book.note(f"rule: an approximation is within {LIKE_FULL:.0%} of full attention's loss (not in paper: choice)")
    rows = book.exhibit("ours_06_untrained", "06_scheme2_window_attention")
    full = rows[rows.schedule == "full attention"].loss.iloc[0]
    more = rows[rows.schedule != "full attention"].assign(more=lambda frame: frame.loss / full - 1)
    averaged, weighed = (more[more["merge"] == way].set_index("schedule").more for way in ("average", "lse"))
    return averaged.max() <= LIKE_FULL, (
        "loss before training against full attention: " + ", ".join(f"{name} {each:+.0%}" for name, each
                                                                    in averaged.items())
        + "; branches weighed by their softmax sums " + ", ".join(f"{each:+.0%}" for each in weighed))


@check("P28")
def text_is_linear(book):
    tokens = (np.array([*book.constant("SIDES").values()]) // LATENT) ** 2
    book.note(f"pairs between N image and T = {TEXT_TOKENS} text tokens: 2 N T + T^2 with text to text")
    pairs = 2 * tokens * TEXT_TOKENS + TEXT_TOKENS**2
    slope = np.polyfit(np.log(tokens), np.log(pairs), 1)[0]
    shares = ", ".join(f"{each:.2%}" for each in pairs / (pairs + tokens**2))
    return printed(slope <= 1.01), f"pairs grow with N to the power {slope:.3f}; {shares} of all pairs at 4K, 8K, 10K"


@check("P29")
def global_exchange(book):
    cycle, repeated = (_blocks_to_reach_all(schedule) for schedule in (PARTITIONS[1:], PARTITIONS[1:2]))
    book.note(f"reach counted on {GRID} x {GRID} tokens, partitions {PARTITIONS[1:]}")
    text = (f"every token has reached every other after {cycle} blocks of the cycle (after {repeated} of one partition "
            "repeated: the two branches do it, not the cycling)")
    return book.decided_by(lambda: _gradient(book), text)


def _blocks_to_reach_all(schedule):
    reached = np.eye(GRID**2, dtype=np.float32)
    for block in range(12):
        reached = (reached @ _sees(*schedule[block % len(schedule)])).clip(max=1)
        if reached.all():
            return block + 1
    return np.inf


def _gradient(book):
    facts = book.exhibit("ours_06_exactness", "06_scheme2_window_attention")
    row = facts[facts.fact.str.startswith("a gradient")].iloc[0]
    return row.holds == "yes", f"{row.fact}: differs by {row.difference:g} {row.unit}"


@check("P30")
def local_head(book):
    return NOT_TESTABLE, ("no notebook draws without the local head yet; 07 measures high frequencies against the "
                          "token patch: make notebook NB=07")
