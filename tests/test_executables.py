"""Bring your own executable: small Python programs stand for the closed ones, good and bad."""

import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from pixverve_lib.codecs import codec, executables

PICTURE = np.random.default_rng(0).integers(0, 8, (31, 17, 3), dtype=np.uint8)
HEAD = """
import os, pathlib, sys, time, zlib
source, target = NAMES
encoding = source.endswith(".pnm")
data = pathlib.Path(source).read_bytes()
packed = zlib.compress(data) if encoding else zlib.decompress(data)
"""
STUBS = {  # name -> what the program does with `packed`
    "good": "pathlib.Path(target).write_bytes(packed)",
    "wrong pixels": "pathlib.Path(target).write_bytes(packed[:-1] + bytes([packed[-1] ^ (not encoding)]))",
    "hang": "time.sleep(600)",
    "crash": "print('working'); os.abort()",
    "refuse": "sys.exit('no licence\\nbuy one')",
    "no output": "pathlib.Path('elsewhere').write_bytes(packed)",
    "empty output": "pathlib.Path(target).touch()",
    "huge output": "pathlib.Path(target).write_bytes(bytes(1 << 24))",
    "link": "os.symlink(source, target)",
    "greedy": "bytearray(2 << 30)",
    "no picture": "pathlib.Path(target).write_bytes(packed if encoding else b'P6 3 5 255 too short')",
    "threads": "pathlib.Path(target).write_bytes(packed if os.environ['OMP_NUM_THREADS'] == '1' else b'')",
}


def program(path, body, names="sys.argv[1], sys.argv[-1]"):
    path.write_text(f"#!{sys.executable}\n{HEAD.replace('NAMES', names)}\n{body}\n")
    path.chmod(0o755)
    return path


def write_table(folder, text):
    table = folder / "executables.toml"
    table.write_text(textwrap.dedent(text))
    return table


@pytest.fixture
def stub(tmp_path):
    """name of a stub, limits -> LEA's codec with that stub as both of its programs."""

    def make(name, limits="seconds = 30"):
        program(tmp_path / "stub", STUBS[name])
        text = f'lea = {{ encode = "stub", decode = "stub" }}\n[limits]\n{limits}\n'
        (one,) = executables.executable_codecs(write_table(tmp_path, text))
        return one

    return make


def test_a_good_program_gives_the_picture_back_and_is_known_by_its_bytes(stub):
    one = stub("good")
    assert (one.id, one.row) == ("lea", "LEA")
    assert one.label.startswith("LEA (stub, sha256 ")
    data = one.encode(PICTURE)
    assert len(data) < PICTURE.nbytes / 2
    codec.verify(one, PICTURE, data)
    view = PICTURE[::2, ::-1]
    codec.verify(one, view, one.encode(view))


def test_the_program_runs_on_one_thread_and_leaves_no_files(stub, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(executables.tempfile, "tempdir", str(scratch))
    one = stub("threads")
    codec.verify(one, PICTURE, one.encode(PICTURE))
    assert list(scratch.iterdir()) == []


def test_gray_goes_through_as_gray_where_the_program_takes_it(tmp_path):
    program(tmp_path / "bmf", STUBS["good"], names="sys.argv[-1], sys.argv[-2].removeprefix('-O')")
    (one,) = executables.executable_codecs(write_table(tmp_path, 'bmf = "bmf"'))
    codec.check(one, PICTURE[..., 0])
    codec.verify(one, PICTURE[..., 0], one.encode(PICTURE[..., 0]))


def test_wrong_pixels_are_found_by_comparing(stub):
    one = stub("wrong pixels")
    with pytest.raises(codec.NotLossless, match="lea is not lossless: 1 of 1581 samples differ"):
        codec.verify(one, PICTURE, one.encode(PICTURE))


@pytest.mark.parametrize(
    ("name", "limits", "reason"),
    [
        ("hang", "seconds = 0.5", "LEA: no result after 0.5 s"),
        ("crash", "", r"LEA: killed by SIGABRT"),
        ("refuse", "", r"LEA: ended with exit code 1 \(buy one\)"),
        ("no output", "", "LEA: ended well, but wrote no packed.lea"),
        ("empty output", "", "LEA: its packed.lea has 0 bytes, not 1 to"),
        ("huge output", "", r"LEA: (killed by SIGXFSZ|ended with exit code 1 \(OSError: .*File too large\))"),
        ("link", "", "LEA: its packed.lea is no ordinary file"),
        ("greedy", "gigabytes = 1", r"LEA: ended with exit code 1 \(MemoryError\)"),
    ],
)
def test_a_bad_program_is_one_line(stub, name, limits, reason):
    with pytest.raises(codec.CodecFailed, match=reason) as caught:
        stub(name, limits).encode(PICTURE)
    assert "\n" not in str(caught.value)


def test_a_hanging_program_ends_with_all_that_it_started(stub, tmp_path):
    one = stub("hang", "seconds = 1")
    child = f"import subprocess; child = subprocess.Popen(['sleep', '600'])\n" \
            f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid)); child.wait()"
    program(tmp_path / "stub", child)
    with pytest.raises(codec.CodecFailed, match="no result"):
        one.encode(PICTURE)
    status = Path("/proc", (tmp_path / "pid").read_text(), "status")
    gone = (not status.exists() or "State:\tZ" in status.read_text() for _ in range(100) if not time.sleep(0.02))
    assert any(gone)  # a killed process is still there for a moment


def test_an_output_that_is_no_picture_is_one_line(stub):
    one = stub("no picture")
    with pytest.raises(codec.CodecFailed, match="LEA: its output is no PNM picture"):
        one.decode(one.encode(PICTURE))


def test_a_program_that_is_not_there_or_does_not_start_is_missing_and_the_others_go_on(tmp_path):
    program(tmp_path / "bim", STUBS["good"])
    (tmp_path / "plain").write_text("no program")
    table = write_table(tmp_path, 'fnbli = "nowhere"\nbmf = "plain"\nbim = "bim"')
    codecs = {one.id: one for one in executables.executable_codecs(table)}
    assert list(codecs) == ["fnbli", "bmf", "bim"]
    assert codecs["fnbli"].label == "fNBLI (nowhere, not found)"
    with pytest.raises(codec.CodecMissing, match="fNBLI: .*nowhere does not start .* correct the path"):
        codecs["fnbli"].encode(PICTURE)
    with pytest.raises(codec.CodecMissing, match="BMF: .*plain does not start .*chmod"):
        codecs["bmf"].encode(PICTURE)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("fnbli = ", "is no TOML file"),
        ('flif = "flif"', "no codec is called flif; there are fnbli, nbli-g"),
        ("fnbli = 3", 'write fnbli = "path"'),
        ('halic = "HALIC072e"', "write halic = { encode = "),
        ('halic = { encode = "HALIC072e" }', "write halic = { encode = "),
        ("[limits]\nseconds = 0", r"\[limits\] takes seconds and gigabytes"),
        ("[limits]\nhours = 1", r"\[limits\] takes seconds and gigabytes"),
        ("limits = 7", r"\[limits\] takes seconds and gigabytes"),
    ],
)
def test_a_table_with_a_mistake_is_refused_in_one_line(tmp_path, text, reason):
    with pytest.raises(ValueError, match=reason) as caught:
        executables.executable_codecs(write_table(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_no_table_is_no_executable_and_a_table_that_is_not_there_says_so(tmp_path):
    assert executables.executable_codecs(None) == []
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        executables.executable_codecs(tmp_path / "absent.toml")


def test_a_shipped_template_can_name_no_file_but_its_input_and_output():
    assert len(executables.rows()) == 11
    good = {"suffix": ".x", "encode": ["{input}", "-o{output}"], "decode": ["d", "{input}", "{output}"]}
    executables._check_template("x", good)
    for bad in (
        {"suffix": "/../x"},
        {"encode": ["{input}", "/{output}"]},
        {"encode": ["{input}", "../{output}"]},
        {"decode": ["{input}", "{output}", "~"]},
        {"decode": ["{input}", "{output}", "{home}"]},
        {"decode": ["{input}", "{output}", "{output}"]},
        {"decode": ["{input}"]},
    ):
        with pytest.raises(ValueError, match="^x: "):
            executables._check_template("x", good | bad)
