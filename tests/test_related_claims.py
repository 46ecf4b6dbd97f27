"""The ledgers of the three related papers: what their notebooks measured stands beside, or decides, their claims."""
import pandas as pd
import pytest

from pixverve_lib.bench import claims
from pixverve_lib.bench.claims_cells import better, first_numbers, measured_rows
from pixverve_lib.bench.claims_evidence import NotMeasured
from pixverve_lib.exhibits import adaptation, positions, reconstruction
from pixverve_lib.kit.run import start
from pixverve_lib.paper import published


@pytest.fixture
def emitted(tmp_path, monkeypatch):
    """Writes a table as a notebook of a run at smoke emits it, and checks a claim in that run."""
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    run = start("A1_diffusion4k", "smoke")

    def find(claim, stem, text):
        (run.figures / f"{stem}.csv").write_text(text)
        return claims.find(claim, run)
    return find


RECONSTRUCTION = """model,start,seeds,nano-rFID,NMSE,PSNR,SSIM,LPIPS
SD3-VAE-F16-SC,published,,0.65,0.08,29.90,0.80,0.09
nano-VAE-F16,partitioned,,"9.5 [9, 10]",0.09,25.1,0.70,-
nano-VAE-F16-FT,F16,3,"8.0 [7.9, 8.1]",0.08,26.5,0.75,-
nano-VAE-F16-SC,F16,3,"{rfid} [7.1, 7.3]",0.07,26.9,0.76,-
"""


def test_measured_reconstruction_stands_beside_the_tables_and_does_not_change_their_verdict(emitted):
    found = emitted("D06", "d4k_tab_08", RECONSTRUCTION.format(rfid=7.2))
    assert found.verdict.startswith("follows") and found.notebooks == ("A1_diffusion4k",)
    assert found.number.endswith("smoke: better in 4 of 4: nano-rFID 8 to 7.2, NMSE 0.08 to 0.07, "
                                 "PSNR 26.5 to 26.9, SSIM 0.75 to 0.76: reproduced")
    found = emitted("D06", "d4k_tab_08", RECONSTRUCTION.format(rfid=8.2))
    assert found.number.endswith("better in 3 of 4: nano-rFID 8 to 8.2, NMSE 0.08 to 0.07, PSNR 26.5 to 26.9, "
                                 "SSIM 0.75 to 0.76: not reproduced")
    assert "9.5 to 7.2" in emitted("D05", "d4k_tab_08", RECONSTRUCTION.format(rfid=7.2)).number


def test_a_table_that_lacks_the_rows_counts_as_not_measured(emitted):
    found = emitted("D06", "d4k_tab_08", "model,PSNR\nSD3-VAE-F16-SC,30\n")
    assert found.verdict.startswith("follows") and "run it again" in found.number


def test_positions_are_in_the_papers_order_only_if_every_scale_is(emitted):
    rows = "scale,kind,pos,stray\n4K,stock,0.40,1\n4K,yarn,0.50,1\n4K,resonance+yarn,{last},1\n8K,stock,0.1,2\n"
    found = emitted("U13", "uf_fig_04_scores", rows.format(last='"0.6 [0.5, 0.7]"'))
    assert found.verdict == "reproduced at this budget"
    found = emitted("U13", "uf_fig_04_scores", rows.format(last=0.45))
    assert found.verdict == "not reproduced at this budget" and "4K 0.40, 0.50, 0.45" in found.number
    assert "lacks one of" in emitted("U13", "uf_fig_04_scores", "scale,kind,pos\n4K,stock,0.4\n").number


def test_co_design_is_measured_as_more_than_the_sum(emitted):
    rows = "variant,data,model,pos,nano-FID\nA,x,y,0.1,100\nB,x,y,0.2,90\nC,x,y,0.2,95\nD,x,y,0.5,80\n"
    assert emitted("U01", "uf_tab_01", rows).number.endswith(
        "pos 0.5 against 0.3 if gains added up, nano-FID 80 against 85 if gains added up: reproduced")
    assert emitted("U01", "uf_tab_01", rows.replace("80\n", "86\n")).number.endswith(": not reproduced")


def test_the_exhibits_of_this_kit_are_read_as_they_are_emitted(emitted):
    published_rows = published.numbers("urae_tab_2")
    measured = published_rows[["components", "method_setting"]].assign(pos=[0.8, 0.7, 0.6, 0.5] * 2, shape=0.5)
    table = adaptation.ablation(measured, published_rows).to_csv(index=False)
    assert "pos 0.6 to 0.7, shape" in emitted("R14", "urae_tab_02", table).number
    assert "pos 0.6 to 0.8, shape" in emitted("R05", "urae_tab_02", table).number
    scores = pd.DataFrame({"model": ["F16", "F16-FT", "F16-SC"], "side": 128, "seed": 0, "PSNR": [1.0, 2, 3]})
    table = reconstruction.table(scores.reindex(columns=["model", "side", "seed", *reconstruction.SCORES]),
                                 published.table("diffusion4k_tab_8"), 128, 2048).to_csv(index=False)
    assert emitted("D06", "d4k_tab_08", table).number.endswith("better in 1 of 1: PSNR 2 to 3: reproduced")
    scores = pd.DataFrame({"height": 256, "width": 128, "kind": ["stock", "yarn", "resonance+yarn"],
                           "pictures": 2, "seconds": 1.0, "pos": [0.1, 0.2, 0.3]})
    found = emitted("U13", "uf_fig_04_scores", positions.compared(scores).to_csv(index=False))
    assert found.number.endswith("256 x 128 0.10, 0.20, 0.30")


@pytest.mark.parametrize("without, with_", [("1", "3"), ("w/o CFG", "w/ CFG"), ("g = 1", "g = 3"), ("off", "on")])
def test_the_eight_cells_are_told_apart_however_guidance_is_written(emitted, without, with_):
    rows = [(adapter, data, cfg, 0.9 - 0.2 * (cfg == with_) - 0.1 * (data == "Real") + 0.05 * (adapter == "minor"))
            for adapter in ("major", "minor") for data in ("Syn", "Real") for cfg in (without, with_)]
    text = pd.DataFrame(rows, columns=["adapter", "data", "cfg", "pos"]).to_csv(index=False)
    assert "pos 0.675 to 0.875" in emitted("R14", "urae_tab_02", text).number
    assert emitted("R05", "urae_tab_02", text).number.endswith("pos 0.825 to 0.925: reproduced")
    assert emitted("R06", "urae_tab_02", text).number.endswith("pos 0.675 to 0.875: reproduced")
    assert emitted("R07", "urae_tab_02", text).number.endswith("pos 0.8 to 0.85: reproduced")


@pytest.mark.parametrize("claim, number", [("D13", "latents differ by 0"), ("R13", "differs from W by")])
def test_what_holds_by_construction_holds_in_the_networks_of_this_kit(emitted, claim, number):
    found = emitted(claim, "unused", "")
    assert found.verdict.startswith("follows") and number in found.number


def test_a_changed_table_changes_the_verdict(emitted, monkeypatch):
    better_ones = {65.62: 60.0, 68.74: 60.0, 69.01: 60.0, 66.64: 60.0, 66.95: 66.0, 151.98: 150.0, 11.76: 11.99}

    def altered(name):
        return published.table(name), published.numbers(name).replace(better_ones)
    monkeypatch.setattr("pixverve_lib.bench.claims_evidence._read", altered)
    found = emitted("U10", "unused", "")
    assert found.verdict.startswith("follows") and found.number.startswith("best in 16 of 16 cells")


def test_each_notebooks_ledger_has_its_own_papers_claims_only(emitted, monkeypatch):
    monkeypatch.setattr(claims, "find", lambda claim, run: claims.Finding("partly", claim, (), ()))
    for paper, letter, count in (("002", "D", 14), ("003", "U", 13), ("004", "R", 16)):
        found = claims.ledger(start("A1_diffusion4k", "smoke"), (paper,))
        assert len(found) == count and set(found.id.str[0]) == {letter} and list(found.index) == list(range(count))
    assert len(claims.ledger(start("08_pixverve_bench", "smoke"))) == 90


def test_cells_give_their_first_number_and_a_tie_is_not_better():
    cells = pd.Series(["30.1 [29.8, 30.4]", "**0.547**", "-", "12,015", "-0.5", 3, "1e-3 x"])
    assert first_numbers(cells).tolist()[:2] == [30.1, 0.547] and first_numbers(cells).isna().tolist()[2]
    assert first_numbers(cells).tolist()[3:] == [12015, -0.5, 3, 0.001]
    one, other = pd.Series({"fid": 1, "psnr": 2, "ssim": 3}), pd.Series({"fid": 2, "psnr": 3, "ssim": 3})
    assert better(one, other).tolist() == [True, False, False]
    with pytest.raises(NotMeasured, match="no row of variant like 'a'"):
        measured_rows(pd.DataFrame({"model": ["a"], "pos": [1]}), ("pos",), variant="a")
