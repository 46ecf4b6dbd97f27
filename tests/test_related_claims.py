"""The ledgers of the three related papers: what their notebooks measured stands beside, or decides, their claims."""
import pandas as pd
import pytest

from pixverve_lib.bench import claims
from pixverve_lib.bench.claims_cells import better, first_numbers, measured_rows
from pixverve_lib.bench.claims_evidence import NotMeasured
from pixverve_lib.exhibits import adaptation, guided, positions, texture_metrics, wavelets
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


RECONSTRUCTION = """model,source,seeds,rFID,nano-rFID,NMSE,PSNR,SSIM,LPIPS
SD3-VAE-F16-SC,"published, 2048 px",,0.65,–,0.08,29.90,0.80,0.09
F16,"measured, 128 px",1,–,"9.5 [9, 10]",0.09,25.1,0.70,needs weights
F16-FT,"measured, 128 px",3,–,"8.0 [7.9, 8.1]",0.08,26.5,0.75,needs weights
F16-SC,"measured, 128 px",3,–,"{rfid} [7.1, 7.3]",0.07,26.9,0.76,needs weights
"""


def test_measured_reconstruction_stands_beside_the_tables_and_does_not_change_their_verdict(emitted):
    found = emitted("D06", "d4k_tab_08", RECONSTRUCTION.format(rfid=7.2))
    assert found.verdict.startswith("follows") and found.notebooks == ("A1_diffusion4k",)
    assert found.number.endswith("smoke: better in 4 of 4: nano-rFID 8 to 7.2, NMSE 0.08 to 0.07, "
                                 "PSNR 26.5 to 26.9, SSIM 0.75 to 0.76: reproduced")
    found = emitted("D06", "d4k_tab_08", RECONSTRUCTION.format(rfid=8.2))
    assert "better in 3 of 4: nano-rFID 8 to 8.2" in found.number and found.number.endswith(": not reproduced")
    assert "9.5 to 7.2" in emitted("D05", "d4k_tab_04", RECONSTRUCTION.format(rfid=7.2)).number


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


def test_co_design_gains_only_if_both_together_are_better_than_neither_and_than_the_sum(emitted):
    def found(**scores):
        arms = pd.DataFrame({"arm": list("ABCD"), "loss": 1.0, **scores})
        return emitted("U01", "uf_tab_01", wavelets.ultraflux_tab_1(arms).to_csv(index=False)).number
    assert found(pos=[0.1, 0.2, 0.2, 0.5], **{"nano-FID": [100, 90, 95, 80]}).endswith(
        "pos 0.5 from 0.1, 0.3 if gains added up, nano-FID 80 from 100, 85 if gains added up: reproduced")
    assert found(pos=[0.1, 0.2, 0.2, 0.25]).endswith(": not reproduced")
    assert found(pos=[0.3, 0.1, 0.1, 0.0]).endswith("pos 0 from 0.3, -0.1 if gains added up: not reproduced")


def test_the_cells_of_urae_are_read_as_they_are_emitted(emitted):
    rows = published.numbers("urae_tab_2")
    measured = rows[["components", "method_setting"]].assign(pos=[0.8, 0.7, 0.6, 0.5] * 2)
    measured["nano-FID"] = [50, 60, 70, 80, 55, 65, 65, 85]
    first = pd.DataFrame({"components": ["–"], "method_setting": ["student"], "pos": [0.65], "nano-FID": [60]})
    table = adaptation.ablation(pd.concat([first, measured]), rows).to_csv(index=False)
    found = {claim: emitted(claim, "urae_tab_02", table) for claim in ("R05", "R06", "R07", "R14")}
    assert found["R05"].number.endswith("pos 0.6 to 0.8, nano-FID 67.5 to 52.5: reproduced")
    assert found["R06"].number.endswith("pos 0.6 to 0.7, nano-FID 72.5 to 60: reproduced")
    assert found["R07"].number.endswith("better in 1 of 2: pos 0.6 to 0.6, nano-FID 70 to 65: not reproduced")
    assert found["R14"].verdict == "reproduced at this budget"
    assert "against no adaptation, better in 2 of 2: pos 0.65 to 0.8, nano-FID 60 to 50" in found["R14"].number
    worse = table.replace("0.65", "0.95")
    assert emitted("R14", "urae_tab_02", worse).verdict == "not reproduced at this budget"


def test_an_adapter_helps_two_methods_only_if_both_are_better_in_every_score(emitted):
    rows = pd.DataFrame({"method": ["SDEdit", "SDEdit w/ URAE", "I-Max", "I-Max w/ URAE"], "side": 256,
                         "pos": [0.5, 0.6, 0.5, 0.7], "nano-FID": [90, 80, 90, 85]})
    assert emitted("R04", "urae_tab_01", guided.tab_1(rows).to_csv(index=False)).number.endswith(
        "SDEdit better in 2 of 2: pos 0.5 to 0.6, nano-FID 90 to 80; "
        "I-Max better in 2 of 2: pos 0.5 to 0.7, nano-FID 90 to 85: reproduced")
    tied = guided.tab_1(rows.assign(pos=0.5)).to_csv(index=False)
    assert emitted("R04", "urae_tab_01", tied).number.endswith("not reproduced")


def test_tables_of_losses_captions_energies_and_positions_are_read_as_they_are_emitted(emitted):
    equal = pd.DataFrame({"arm": ["base", "FT", "WLF"], "pos": [0.1, 0.5, 0.5], "CR": [9.0, 8, 8]})
    found = emitted("D10", "d4k_tab_09", wavelets.diffusion4k_tab_9(equal).to_csv(index=False))
    assert found.number.endswith("better in 0 of 2: pos 0.5 to 0.5, CR 8 to 8: not reproduced")
    drawn = pd.DataFrame({"captions": ["poor"] * 3 + ["full"] * 3, "score": ["pos", "nano-CLIPScore", "nano-FID"] * 2,
                          "value": [0.2, 80, 9, 1, 70, 5], "low": 0.0, "high": 1.0})
    found = emitted("D11", "d4k_tab_10", texture_metrics.table_10(drawn, "nano").to_csv(index=False))
    assert found.number.endswith("better in 2 of 2: pos 0.2 to 1, nano-FID 9 to 5: reproduced")
    bands = pd.DataFrame({"band": ["LL", "LH", "HL", "HH"], "energy": 1.0, "share": [0.87, 0.045, 0.045, 0.04],
                          "above_half": 0.1, "above_one": 0.05, "largest": 9.0, "kurtosis": 12.0,
                          "gaussian_half": 0.4, "gaussian_one": 0.1})
    table = wavelets.energies(bands).to_csv(index=False)
    assert "LL holds 87.0%, each other band 4.0% to 4.5%" in emitted("U07", "uf_energies", table).number
    assert emitted("U08", "uf_energies", table).number.endswith(
        "kurtosis of LH 12.0 (a Gaussian 3), largest 9.0; 5.0% beyond 1.0 (a Gaussian of its energy 10.0%): reproduced")
    scores = pd.DataFrame({"height": 256, "width": 128, "kind": ["stock", "yarn", "resonance+yarn"],
                           "pictures": 2, "seconds": 1.0, "pos": [0.1, 0.2, 0.3]})
    found = emitted("U13", "uf_fig_04_scores", positions.compared(scores).to_csv(index=False))
    assert found.number.endswith("256 x 128 0.10, 0.20, 0.30")


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
    with pytest.raises(NotMeasured, match="no row of arm like 'a'"):
        measured_rows(pd.DataFrame({"model": ["a"], "pos": [1]}), ("pos",), arm="a")
