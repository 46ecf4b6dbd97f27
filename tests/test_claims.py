"""The claims ledger: every claim has a check, and what the checks find is what reading and arithmetic found before."""
import re
from pathlib import Path

import pandas as pd
import pytest

from pixverve_lib.bench import claims
from pixverve_lib.bench.claims_codecs import front
from pixverve_lib.bench.claims_evidence import CHECKS, ERROR, NOT_TESTABLE, VERDICTS, Evidence, check
from pixverve_lib.kit import artefacts, fingerprint
from pixverve_lib.kit.run import start
from pixverve_lib.paper import published

FOLLOWS, PARTLY, CONTRADICTED, NOT_HERE = ("follows", "partly", "contradicted", "not testable")
# What an audit by hand found in the printed tables: verdict, numbers that the sentence must hold
AUDIT = {
    "P01": (FOLLOWS, "5", "2"), "P02": (PARTLY, "5", "6"), "P03": (FOLLOWS, "95,935"),
    "P04": (FOLLOWS, "40.91", "78.08", "31.94"), "P05": (FOLLOWS, "300,316", "1.66"), "P06": (FOLLOWS, "40.9", "50.4"),
    "P09": (FOLLOWS, "100", "160"), "P12": (PARTLY, "26.4"), "P16": (FOLLOWS, "200.0", "24.9", "22.1", "18.8", "6.7"),
    "P17": (FOLLOWS, "234.1", "2.14", "3.28", "6.14", "9.67"), "P18": (PARTLY, "3", "1", "19.1", "2.62", "1.89"),
    "P19": (FOLLOWS, "6", "2"), "P20": (PARTLY, "131.5", "101.9"), "P21": (NOT_HERE,), "P22": (NOT_HERE,),
    "P23": (FOLLOWS, "576,000,000"), "P24": (CONTRADICTED, "0.1"),
    "P25": (CONTRADICTED, "65,536", "262,144", "409,600"), "P26": (FOLLOWS, "2", "0.25"), "P28": (FOLLOWS, "0.998"),
    "P31": (CONTRADICTED,), "P32": (FOLLOWS, "21,888", "10,752"),
    "P33": (FOLLOWS, "141,312", "32,640", "49,536", "9,216", "49,920"),
    "P34": (PARTLY, "3,456", "3,648", "-5.3", "43,008"), "P35": (FOLLOWS, "3,072", "-15.8", "-11.1"),
    "P36": (PARTLY, "32", "31.1", "1.45"), "P37": (FOLLOWS, "103", "1,234", "1,252", "2,977", "8"),
    "P38": (FOLLOWS, "1.5"), "P39": (FOLLOWS, "1.80", "1.94"), "P40": (FOLLOWS, "1.52", "6.25"),
    "P41": (CONTRADICTED, "73.9", "239.0", "509.6", "6.9"), "P42": (FOLLOWS, "16.29", "90.94", "155.56"),
    "P43": (FOLLOWS, "33.83", "270.6"), "P44": (CONTRADICTED, "58", "70", "88"), "P45": (NOT_HERE, "160"),
    "P46": (NOT_HERE, "8"), "P47": (PARTLY, "28,416", "2,977"),
    "P48": (FOLLOWS, "5", "3"), "P49": (NOT_HERE, "0.09", "13"),
    "P50": (CONTRADICTED, "1.122", "1.100", "5.310", "5.567", "133.453", "192.286"),
    "P51": (CONTRADICTED, "0.156", "1.122"), "P52": (FOLLOWS, "1.2", "10"), "P53": (PARTLY, "20", "21"),
    "P54": (FOLLOWS, "20", "21", "0.0009", "0.139"), "P55": (PARTLY, "11", "10", "0.004", "0.027"),
    "P56": (FOLLOWS, "4.730", "6.710", "3", "4"), "P57": (FOLLOWS, "0.316", "10", "0.318", "0.411"),
    "P58": (FOLLOWS, "360", "720"), "P59": (NOT_HERE, "4.2"), "P60": (NOT_HERE, "0.92", "234.1", "196"),
    "P61": (FOLLOWS, "422.737", "18.345"), "P62": (FOLLOWS, "58.480", "61.854"),
    "P63": (FOLLOWS, "3.619", "2.122", "2.671"),
    "P64": (FOLLOWS, "121.337", "8.530", "45.204", "40.433", "49.902"),
    "P65": (CONTRADICTED, "2.75", "3.62"), "P66": (FOLLOWS, "40.433", "8.533"),
    "P67": (FOLLOWS, "197.690", "277.410", "0.420", "0.411"),
    "P68": (FOLLOWS, "76.460", "76.794", "5.340", "5.376", "0.873", "0.593", "7.408", "8.125"),
    "P70": (FOLLOWS, "118.183", "134.635"), "P71": (PARTLY, "6", "8"),
    "P72": (PARTLY, "98.704", "133.453", "192.286", "6.990", "5.310", "5.567", "0.896", "1.122", "1.100"),
    "P73": (FOLLOWS, "12", "0.010", "0.100", "0.011"), "P74": (FOLLOWS, "12"),
    "P75": (CONTRADICTED, "57.7", "65.0", "1.068"), "P76": (FOLLOWS, "47", "48"), "P77": (NOT_HERE, "95,735"),
    "P78": (FOLLOWS, "20"), "P79": (FOLLOWS, "1,898,470,283", "16.154", "22.864"), "P80": (FOLLOWS,),
    "P81": (FOLLOWS, "7.12", "2.15"), "P82": (FOLLOWS, "-7.5", "3.02", "-9.5", "2.18"),
    "P83": (NOT_HERE, "11.25", "5.90"),
    "B1": (FOLLOWS, "95,735", "5", "2"), "B2": (CONTRADICTED, "5,000"),
    "B3": (CONTRADICTED, "5.567", "192.3", "7.525", "70.7", "6.71", "61.9"), "B4": (NOT_HERE,), "B5": (PARTLY,),
    "B6": (CONTRADICTED, "3"),
    "D01": (FOLLOWS, "8.76"), "D02": (FOLLOWS, "0.0312"),
    "D03": (FOLLOWS, "4128", "4640", "4605", "5120", "1615", "1801"),
    "D04": (FOLLOWS, "0.75", "0.77", "0.53", "0.56", "0.36", "0.41", "0.20", "0.26"), "D05": (FOLLOWS, "10"),
    "D06": (FOLLOWS, "10"), "D07": (FOLLOWS, "9", "1", "39.49", "38.46", "34.41", "34.38"),
    "D08": (FOLLOWS, "37.83", "38.38", "38.77", "39.01", "0.80", "0.79", "0.71", "0.75", "10.28", "9.95"),
    "D09": (FOLLOWS, "-0.07", "0.04", "-0.01", "0.06", "0.08", "-0.99", "-0.67"), "D10": (PARTLY, "4"),
    "D11": (FOLLOWS, "3.75", "4.55", "0.07", "0.09"),
    "D12": (FOLLOWS, "31.3", "50.4", "1.94", "1.87", "5.2", "30.6"), "D14": (FOLLOWS, "12"),
    "U01": (FOLLOWS, "145.81", "146.73", "0.92", "10.78", "10.63", "0.15"),
    "U02": (FOLLOWS, "5", "4", "0.102", "0.097"),
    "U03": (FOLLOWS, "2.97"), "U04": (CONTRADICTED, "18", "28", "707", "8", "29"),
    "U05": (CONTRADICTED, "1.32", "1.64", "18", "8"), "U06": (PARTLY, "2", "28"),
    "U07": (FOLLOWS, "12.6", "10.5", "14.1", "1.015"), "U08": (FOLLOWS, "3.2", "0.8", "2.2", "16", "19"),
    "U09": (FOLLOWS, "3.95", "4.37", "2.2"), "U10": (CONTRADICTED, "11", "16", "3", "4", "1"),
    "U12": (CONTRADICTED, "0", "5", "15"),
    "R01": (FOLLOWS, "3.19", "3.96"), "R02": (FOLLOWS, "29.44", "0.5965", "0.4730", "0.7191"),
    "R03": (FOLLOWS, "0.4730", "0.4129", "0.7191", "0.6424", "83.83", "84.76"), "R04": (FOLLOWS, "14"),
    "R05": (FOLLOWS, "12"), "R06": (FOLLOWS, "23", "24", "0.6076", "0.5978"), "R07": (PARTLY, "53.24", "2.06"),
    "R08": (FOLLOWS, "53.24", "54.12", "52.94", "181", "184", "180"),
    "R09": (FOLLOWS, "1,020", "340", "20", "17", "19"),
    "R10": (FOLLOWS, "89.71", "90.42", "93.64", "93.53", "91.47"),
    "R11": (CONTRADICTED, "0.25", "2.25", "1.25", "4", "2"), "R12": (FOLLOWS,),
    "R15": (FOLLOWS, "2,000", "10,000", "16,000", "5.3"), "R16": (FOLLOWS, "6"),
}
# nothing but a run decides these
MEASURED = ["P07", "P08", "P10", "P13", "P14", "P27", "P29", "P69", "P84", "U11", "U13", "R14"]
PAPERS = {"P": 84, "D": 14, "U": 13, "R": 16}  # letter of a paper's claims, and the last number
OTHERS = ["P11", "P15", "P30", "D13", "R13"]  # measured by the check itself, or by nobody yet


@pytest.fixture
def blank(tmp_path, monkeypatch):
    """A run of a checkout in which no notebook has run and no figure is shipped."""
    monkeypatch.setenv("PIXVERVE_HOME", str(tmp_path))
    return start(claims.NOTEBOOK, "smoke")


def wrote(run, name, **columns):
    """An artefact of this run, from the columns given; all others are empty."""
    declared = artefacts.ARTEFACTS[name]
    frame = pd.DataFrame(columns).reindex(columns=list(declared.columns))
    artefacts.write(start(declared.notebook, run.budget), name, frame)


def test_every_claim_has_one_check_and_every_check_a_claim():
    listed = published.claims()
    assert sorted(listed.id) == sorted(CHECKS) and listed.id.is_unique
    assert sorted([*AUDIT, *MEASURED, *OTHERS]) == sorted(listed.id)
    assert {f"B{number}" for number in range(1, 7)} | {
        f"{letter}{number:02}" for letter, last in PAPERS.items() for number in range(1, last + 1)} == set(listed.id)
    assert listed.map(bool).all(axis=None)
    papers = {"P": "000", "B": "001", "D": "002", "U": "003", "R": "004"}
    assert listed.paper.tolist() == [papers[claim[0]] for claim in listed.id]
    ways = {way for each in listed.way for way in each.split(" + ")}
    assert ways == {"tables", "arithmetic", "nano", "real weights", "judgement"}


@pytest.mark.parametrize("claim", AUDIT)
def test_a_claim_of_the_tables_gets_the_verdict_and_the_numbers_of_the_audit(claim, blank):
    verdict, *numbers = AUDIT[claim]
    found = claims.find(claim, blank)
    assert found.verdict.startswith(verdict), found.number
    missing = [number for number in numbers if not re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", found.number)]
    assert not missing, found.number
    assert found.used or claim == "B4"


@pytest.mark.parametrize("claim", MEASURED)
def test_what_no_run_has_measured_is_not_testable_and_names_the_command(claim, blank):
    found = claims.find(claim, blank)
    assert found.verdict == NOT_TESTABLE and re.search(r"make notebook NB=\w\d BUDGET=smoke", found.number)


def test_a_changed_table_changes_the_verdict(blank, monkeypatch):
    def altered(name):
        text, plain = published.table(name), published.numbers(name)
        row = plain.index[(plain == "DemoFusion").any(axis=1) & (plain == "10K").any(axis=1)]
        text.loc[row, "inference_time_s"], plain.loc[row, "inference_time_s"] = "13,000", 13_000
        return text, plain
    monkeypatch.setattr("pixverve_lib.bench.claims_evidence._read", altered)
    found = claims.find("P42", blank)
    assert found.verdict.startswith(CONTRADICTED) and "13000/88 = 147.73" in found.number
    assert "Tab. A2, DemoFusion, 10K, inference_time_s: 13,000" in found.used


def test_measurements_of_the_run_are_used_and_decide(blank):
    scale, seconds = ["4K", "8K", "10K"], [1.0, 4.0, 6.25]
    wrote(blank, "scheme1_latency", scale=scale, side=[256, 512, 640], tokens=[256, 1024, 1600], seconds=seconds)
    assert claims.find("P39", blank).number.endswith("smoke: 1.00, 1.00 at 1600 tokens at most: not reproduced")
    wrote(blank, "scheme1_latency", scale=scale, side=[256, 512, 640], tokens=[256, 1024, 1600],
          seconds=[each**2 for each in seconds])
    found = claims.find("P39", blank)
    assert found.number.endswith("2.00, 2.00 at 1600 tokens at most: reproduced")
    assert found.notebooks == ("05_scheme1_full_attention",)


def test_flatness_is_judged_on_the_labelled_good_scenes_only(blank):
    wrote(blank, "raw_pool", path=["a-good.jpg", "b-good.jpg", "c-flat.jpg"], flatness=[0.1, 0.96, 1.0],
          flatness_800=[0.2, 0.97, 1.0])
    found = claims.find("P08", blank)
    assert found.verdict == "reproduced at this budget"
    assert found.number == "smoke: of 2 good scenes 2 stay; with UltraFlux's 800 and 50 % only 1"


def test_the_reference_runs_figures_stand_for_scores_that_are_missing_and_say_so(blank):
    figures = blank.figures.parent
    text = 'scale,method,pos,nano-FID,pictures\n4K,base,"0.4 [0.3, 0.5]",250,12\n10K,III,"1 [1, 1]",,6\n10K,base,0,,4\n'
    (figures / "ours_07_scores.csv").write_text(text)
    book = Evidence(blank)
    scores = book.scores("scheme3_scores").set_index(["scale", "method", "score"])
    assert scores.loc[("4K", "base", "pos"), ["value", "low", "high"]].tolist() == [0.4, 0.3, 0.5]
    assert book.used == ["figures/ours_07_scores.csv (shipped reference run)"]
    assert "shipped run at laptop: things in place at 10K: III 1.00" in claims.find("P71", blank).number


@pytest.mark.parametrize("claim", ["P07", "P13", "P27", "P29", "P69"])
def test_the_figures_of_this_checkout_decide_what_only_a_run_can(claim):
    found = claims.find(claim, start(claims.NOTEBOOK))
    assert found.verdict.endswith("reproduced at this budget") and found.notebooks, found.number


def test_figures_of_the_reference_run_do_not_stand_for_own_pictures_or_larger_budgets(tmp_path, blank):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "ours_06_exactness.csv").write_text("fact,unit,difference,holds\na gradient,tokens,0,yes\n")
    assert claims.find("P29", blank).verdict == "reproduced at this budget"
    larger = claims.find("P29", start(claims.NOTEBOOK, "gpu"))
    assert larger.verdict == NOT_TESTABLE and "make notebook NB=06 BUDGET=gpu" in larger.number


def test_scores_of_the_bench_itself_decide_its_own_claims(blank, monkeypatch):
    scores = ("method", "scale", "caption", "metric", "name", "value", "low", "high", "pictures")
    moved = ("damage", "severity", "level", "metric", "value", "relative")
    for name, columns in (("bench_scores", scores), ("bench_sensitivity", moved)):
        monkeypatch.setitem(artefacts.ARTEFACTS, name, artefacts.Artefact(claims.NOTEBOOK, columns))
    assert "make notebook NB=08 BUDGET=smoke" in claims.find("P49", blank).number
    wrote(blank, "bench_sensitivity", damage=["blur", "noise"] * 3, severity=[1] * 6, relative=[0.5, 1, 3, 4, -2, 5],
          metric=["fid"] * 2 + ["fid_patch"] * 2 + ["glcm_score"] * 2)
    wrote(blank, "bench_scores", method=["III", "III", "base", "base"], scale=["4K", "10K", "4K", "4K"],
          caption=["short", "short", "short", "long"], metric=["fid_patch"] * 4, value=[50.0, 90.0, 60.0, 70.0])
    whole = claims.find("P49", blank)
    assert whole.verdict == "reproduced at this budget" and "blur 0.5 and 3.0, noise 1.0 and 4.0" in whole.number
    assert claims.find("P50", blank).number.endswith("blur -2.0, noise +5.0: not reproduced")
    assert claims.find("P72", blank).number.endswith("smoke: fid_patch 50 to 90: reproduced")
    assert claims.find("P73", blank).number.endswith("long captions are better in 0 of 1 cells: not reproduced")


def test_a_check_that_fails_is_an_error_in_the_ledger_and_the_others_go_on(blank, monkeypatch):
    monkeypatch.setitem(CHECKS, "P42", lambda book: book.cell("tab_a2", "inference_time_s", "Scheme IV"))
    monkeypatch.delitem(CHECKS, "P43")
    monkeypatch.setitem(CHECKS, "P11", lambda book: (NOT_TESTABLE, "left out of this test, it draws pictures"))
    found = claims.ledger(blank).set_index("id")
    assert found.verdict[found.verdict == ERROR].index.tolist() == ["P42", "P43"]
    assert "0 rows ('Scheme IV',)" in found.number["P42"]
    assert list(found.columns) == ["paper", "place", "claim", "way", "verdict", "number", "check"]
    assert found.check["P01"] == "python -m pixverve_lib.bench.claims P01 --budget smoke"
    assert set(found.paper) == {"000", "001"}
    table = claims.counts(found.reset_index())
    assert table.claims.sum() == len(found) and set(table.verdict) <= set(VERDICTS)
    assert table.ids[table.verdict == ERROR].item() == "P42 P43"


def test_two_checks_of_one_claim_are_refused():
    with pytest.raises(ValueError, match="P42 has two checks"):
        check("P42")(print)


def test_the_command_prints_cells_number_and_verdict_and_knows_its_claims(blank, capsys):
    claims.main(["P44", "--budget", "smoke"])
    printed = capsys.readouterr().out
    assert "Tab. A2, Scheme III, 10K, inference_time_s: 88" in printed
    assert "88 s at 10K" in printed and "verdict: contradicted by the printed tables" in printed
    with pytest.raises(SystemExit):
        claims.main(["P99"])
    assert "no claim P99" in capsys.readouterr().err


def test_a_front_keeps_ties_and_drops_what_is_beaten_in_both():
    size, seconds = (pd.Series(each, ["a", "b", "c", "d"]) for each in ([1, 2, 2, 3], [9, 4, 4, 5]))
    assert front(size, seconds) == ["a", "b", "c"]


def test_notebook_08_waits_for_every_artefact_that_a_claim_of_its_ledger_reads():
    room = Path(claims.__file__).parent
    code = "".join(file.read_text("utf8") for file in room.glob("claims_*.py"))
    wanted = set(re.findall(r'book\.(?:artefact|scores)\("(\w+)"\)', code))
    reads, writes = fingerprint.declared(room.parents[1] / "notebooks" / f"{claims.NOTEBOOK}.ipynb")
    assert wanted and wanted <= {*reads, *writes}
