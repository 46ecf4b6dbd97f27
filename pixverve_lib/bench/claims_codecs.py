"""Claims P78-P84: lossless codecs, from Tab. A5 and from notebook 09."""
import numpy as np
import pandas as pd

from pixverve_lib.bench.claims_evidence import NOT_TESTABLE, PARTLY, NotMeasured, check, measured, printed

SIZE, ENCODE, DECODE = "compressed_size_bytes", "compression_time_s", "decompression_time_s"
PICTURES = 25  # App. H
ASSUMED_PIXELS = {"10240^2": 10240**2, "the mean picture of Tab. 2": 13031 * 15348}  # not in paper: M38
FEW = 1 / 3  # of all formats; not in paper: choice
MUCH_TIME, FEW_BYTES = 5, 0.05  # times longer for at most so much less; not in paper: choice
TINY = 32  # pixels, side of the smallest square that notebook 09 measures


def _a5(book):
    columns = (SIZE, ENCODE, DECODE)
    found = [book.column("tab_a5", column, by="compressed_format") for column in columns]
    return pd.concat(found, axis=1, keys=columns)


def _large(book):
    """Verified rows of the large picture: bits a pixel and seconds a megapixel; indexed by codec."""
    jobs = book.artefact("codec_jobs").query("part == 'large' and status == 'ok' and verified == True")
    megapixels = jobs.height * jobs.width / 1e6
    return pd.DataFrame({"bits": jobs.bytes * 8e-6 / megapixels, "encode": jobs.encode_s / megapixels,
                         "decode": jobs.decode_s / megapixels}).set_axis(jobs.codec)


@check("P78")
def twenty_formats(book):
    count = len(book.column("tab_a5", "compressed_format"))
    return printed(count == 20), f"{count} rows"


@check("P79")
def winners(book):
    table = _a5(book)
    first = [table[column].idxmin() for column in table]
    text = (f"{first[0]} smallest ({table[SIZE].min():,.0f}), {first[1]} fastest to compress ({table[ENCODE].min()} "
            f"s), {first[2]} to decompress ({table[DECODE].min()} s)")
    return printed(first == ["LEA", "HALICfast", "QOI"]), book.beside(text, lambda: _winners(book))


def _winners(book):
    rows = _large(book)
    small, fast, back = rows.bits.idxmin(), rows.encode.idxmin(), rows.decode.idxmin()
    return back == "qoi", (f"of {len(rows)} codecs that run here {small} is smallest, {fast} fastest to encode, {back} "
                           "to decode (LEA and HALICfast are not among them; slow ones on a square)")


def front(size, seconds):
    """Names of the rows that no other one beats in both, ties beating nobody.  size, seconds: of the same index"""
    return [name for name in size.index
            if not ((size <= size[name]) & (seconds <= seconds[name])
                    & ((size < size[name]) | (seconds < seconds[name]))).any()]


@check("P80")
def fronts(book):
    table = _a5(book).sort_values(ENCODE)
    book.note(f"rule: few is at most {FEW:.0%} of all formats (not in paper: choice)")
    there, back = front(table[SIZE], table[ENCODE]), front(table[SIZE], table[DECODE])
    extra = [name for name in back if name not in there]
    same = "the same" if set(there) <= set(back) else "without " + ", ".join(set(there) - set(back))
    text = f"size/compress: {', '.join(there)}; size/decompress: {same} + {', '.join(extra) or 'none'}"
    return printed(max(len(there), len(back)) <= FEW * len(table)), book.beside(text, lambda: _fronts(book))


def _fronts(book):
    rows = _large(book)
    there, back = front(rows.bits, rows.encode), front(rows.bits, rows.decode)
    few = max(len(there), len(back)) <= FEW * len(rows)
    return few, f"encode {', '.join(there)}; decode {', '.join(back)}, of {len(rows)}"


def _bought(rows, before, after, size, seconds):
    """How many times longer, and which share of bytes less."""
    return rows.loc[after, seconds] / rows.loc[before, seconds], 1 - rows.loc[after, size] / rows.loc[before, size]


@check("P81")
def optimised_png(book):
    book.note(f"rule: {MUCH_TIME} times longer or more for {FEW_BYTES:.0%} less or fewer (not in paper: choice)")
    longer, less = _bought(_a5(book), "PNG (optimizing=False)", "PNG (optimizing=True)", SIZE, ENCODE)
    return printed(longer >= MUCH_TIME and less <= FEW_BYTES), book.beside(
        f"{longer:.2f}x time for {less:.2%} fewer bytes", lambda: _optimised(book))


def _optimised(book):
    longer, less = _bought(_large(book), "png", "png-optimize", "bits", "encode")
    return longer >= MUCH_TIME and less <= FEW_BYTES, f"{longer:.2f}x for {less:.2%}"


@check("P82")
def efforts(book):
    table = _a5(book)
    names = [f"JPEG-XL (-q 100 -e {effort})" for effort in (1, 2, 3)]
    steps = [_bought(table, *pair, SIZE, ENCODE) for pair in zip(names, names[1:], strict=False)]
    return printed(all(less > 0 for _, less in steps)), book.beside(_steps(steps), lambda: _efforts(book))


def _efforts(book):
    names = ["jxl-e1", "jxl-e2", "jxl-e3"]
    steps = [_bought(_large(book), *pair, "bits", "encode") for pair in zip(names, names[1:], strict=False)]
    return all(less > 0 for _, less in steps), _steps(steps)


def _steps(steps):
    return ", ".join(f"e{i} to e{i + 1}: {-less:.1%} bytes for {longer:.2f}x time"
                     for i, (longer, less) in enumerate(steps, 1))


@check("P83")
def bits_per_pixel(book):
    size = book.cell("tab_a5", SIZE, "QOI")
    bits = {name: size * 8 / (PICTURES * pixels) for name, pixels in ASSUMED_PIXELS.items()}
    return NOT_TESTABLE, f"sizes of the {PICTURES} pictures are not printed (M38); QOI would have " + " and ".join(
        f"{each:.2f} with {name}" for name, each in bits.items())


@check("P84")
def start_up(book):
    try:
        shares = _start_up_shares(book.artefact("codec_jobs").query("part == 'growing' and verified == True"))
    except NotMeasured as missing:
        return NOT_TESTABLE, f"not measured yet, {missing}"
    book.note("rule: start-up dominates a codec's time when it is more than half of it, and should for every codec")
    most = shares > 0.5
    return (measured(most.all()) if most.all() or not most.any() else PARTLY), (
        f"{book.measured_at}: of a square of {TINY} px, beyond what its pixels take in a large one: " + ", ".join(
            f"{codec} {share:.0%}" for codec, share in shares.items()) + "; starting a program comes on top")


def _start_up_shares(jobs):
    """Share of the time of a tiny square that its pixels do not explain; indexed by codec  # [0, 1]"""
    jobs = jobs.assign(each=jobs.encode_s / (jobs.height * jobs.width))
    squares = jobs[jobs.height == jobs.width]
    tiny = squares[squares.height == TINY].set_index("codec").each
    large = squares.sort_values("height").groupby("codec").each.last()
    return (1 - large.reindex(tiny.index) / tiny).clip(0, 1).replace(-np.inf, np.nan).dropna()
