"""Tab. 1 to its last row: who is in the final pool, and what is held out of it."""
import numpy as np
import pandas as pd
import pytest

from pixverve_lib.curation import final_pool


def judged(**pictures):
    """name=(kept by the automatic filters, region, instance)"""
    return pd.DataFrame([(name, *verdicts) for name, verdicts in pictures.items()],
                        columns=["id", "kept", "region", "instance"])


def captions(*names, **other):
    texts = dict.fromkeys(names, ("a long caption", "a short one")) | other
    rows = [(name, *both) for name, both in texts.items()]
    return pd.DataFrame(rows, columns=["id", "long_caption", "short_caption"])


def pictures(count, **columns):
    ids = [f"p{i:04d}" for i in range(count)]
    return pd.DataFrame({"id": ids, "height": 100, "width": 100, "source": "s", "source_path": "x.jpg"} | columns)


def test_final_is_what_every_filter_kept_and_has_both_captions():
    frame = judged(good=(True, "kept", "kept"), native=(True, "native", "native"), seam=(False, "kept", "kept"),
                   patch=(True, "rejected", "kept"), crop=(True, "kept", "rejected"),
                   both=(True, "rejected", "undecided"), open=(True, "kept", "undecided"),
                   silent=(True, "kept", "kept"), mute=(True, "kept", "kept"))
    texts = captions("good", "native", "seam", "patch", "crop", "both", "open", mute=("a long caption", None))
    decided = final_pool.decide(frame, texts).set_index("id")
    assert decided.status.to_dict() == {
        "good": "final", "native": "final", "seam": "rejected", "patch": "rejected", "crop": "rejected",
        "both": "rejected", "open": "undecided", "silent": "undecided", "mute": "undecided"}
    assert decided.reason[["good", "crop", "open", "silent", "mute"]].tolist() == [
        "", "instance-level assessment", "instance-level judgements are missing", "it has no annotations",
        "its short caption is missing"]


@pytest.mark.parametrize("budget, count, held_out", [("paper", 95_935, 200), ("laptop", 3, 1), ("laptop", 80, 10),
                                                     ("laptop", 1, 0), ("laptop", 0, 0), ("paper", 50, 49)])
def test_200_are_held_out_at_paper_one_in_eight_below_and_one_is_left_to_train_on(budget, count, held_out):
    assert final_pool.bench_size(budget, count) == held_out


def test_the_parts_have_the_sizes_asked_for_and_share_no_picture():
    for count, bench in ((3, 1), (17, 2), (95, 12), (8, 0), (2, 1)):
        parts = final_pool.split(pictures(count), bench)
        assert parts.value_counts().reindex(["train", "bench"], fill_value=0).tolist() == [count - bench, bench]


def test_every_kind_of_picture_gives_its_share():
    wide = np.repeat([100, 200], 80)
    names = np.tile(np.repeat(["street-0001-2400x4200-good.jpg", "foliage-0001-2400x4200-good.jpg"], 40), 2)
    final = pictures(160, width=wide, source_path=names)
    held_out = final[final_pool.split(final, 16) == "bench"]
    assert final_pool.strata(held_out).value_counts().to_dict() == dict.fromkeys(
        ["s street square", "s foliage square", "s street landscape", "s foliage landscape"], 4)


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_the_pictures():
    final = pictures(64)

    def drawn(frame, seed):
        return set(frame.id[final_pool.split(frame, 8, seed) == "bench"])

    assert drawn(final, 0) == drawn(final.sample(frac=1, random_state=1), 0) != drawn(final, 1)


def test_holding_out_everything_is_refused():
    with pytest.raises(ValueError, match="2 of 2 pictures held out"):
        final_pool.split(pictures(2), 2)


def test_tab_1_has_every_printed_count_and_both_survival_rates():
    table = final_pool.data_flow(raw=400, candidate=160, tried=8, final=6, synthesized=7, bench=1)
    assert table.published.tolist() == [300_316, 5_000, 122_866, pd.NA, 95_935, 95_735, 200]
    assert table.measured.tolist() == [400, 7, 160, 8, 6, 5, 1]
    rates = table.set_index("subset")[["published survival (%)", "measured survival (%)", "difference (points)"]]
    assert rates.loc["Candidate Data Pool"].tolist() == [40.91, 40.0, -0.91]  # Sec. 3.1: 40.9 %
    assert rates.loc["Final Data"].tolist() == [78.08, 75.0, -3.08]  # Sec. 3.1: 78.1 %


def test_a_pool_that_nothing_reached_has_no_survival_rate():
    table = final_pool.data_flow(raw=0, candidate=0, tried=0, final=0, synthesized=0, bench=0)
    assert table["measured survival (%)"].isna().all()
