"""Claims D01-D14 of Diffusion-4K: its data, SC-VAE, wavelet loss and metrics of detail."""
from pixverve_lib.bench.claims_cells import DRAWN, better, changes, compared, first_numbers, measured_rows, row
from pixverve_lib.bench.claims_evidence import CONTRADICTED, FOLLOWS, PARTLY, check, printed

NOTEBOOK = "A1_diffusion4k"
RECONSTRUCTION = ("rfid", "nmse", "psnr", "ssim", "lpips")
HOLISTIC, LOCAL = ("fid", "clipscore", "aesthetics"), ("glcm_score", "compression_ratio")  # Sec. 5
QUALITY = (*HOLISTIC, *LOCAL)
FAMILIES = ("SD3", "Flux")
FAR_LARGER = 2  # times as long on both sides; not in paper: choice
SATURATED = 0.01  # relative change of a metric that has saturated; not in paper: choice
# of exhibits of notebook A1
VAE_METRICS = ("nano-rFID", "NMSE", "PSNR", "SSIM", "LPIPS")
OWN_CAPTION = "nano-CLIPScore"  # of Tab. 10: gives credit for obeying a poor caption


@check("D01")
def nine_times(book):
    new, old = book.constant("D4K_TRAIN_V2_PICTURES"), book.constant("D4K_TRAIN_PICTURES")
    return printed(8.5 <= new / old < 9), f"{new:,} / {old:,} = {new / old:.2f}"


@check("D02")
def few_of_laion(book):
    share = book.constant("D4K_EVAL_4K_PICTURES") / book.constant("D4K_LAION_PICTURES")
    return printed(round(share, 4) == 0.0003), f"195 of 625,000 are {share:.4%}"


@check("D03")
def larger_pictures(book):
    book.note(f"rule: far larger is {FAR_LARGER} times as long on both sides (not in paper: choice)")
    small, *ours = (row(book, "diffusion4k_tab_1", ("median_height", "median_width"), name)
                    for name in ("PixArt-30K", "Aesthetic-Train", "Aesthetic-Train-V2"))
    holds = all((each / small >= FAR_LARGER).all() for each in ours)
    return printed(holds), "medians " + " and ".join("{:.0f} x {:.0f}".format(*each) for each in ours) + (
        " against {:.0f} x {:.0f}".format(*small))


@check("D04")
def agree_with_people(book):
    metrics = ("glcm_score", "compression_ratio", "musiq", "maniqa")
    pairs = {metric: [book.cell("diffusion4k_tab_2", metric, name) for name in ("SRCC", "PLCC")] for metric in metrics}
    ours, others = ([pairs[metric] for metric in some] for some in (metrics[:2], metrics[2:]))
    holds = all(min(each[i] for each in ours) > max(each[i] for each in others) for i in (0, 1))
    return printed(holds), ", ".join("{} {:.2f}/{:.2f}".format(metric, *pair) for metric, pair in pairs.items()) + (
        "; the sign of a ratio whose low values are good is not stated (M25), and the ratings are not public")


def _vae(book, table, other):
    """Cells of one table in which SC is better than the other, and all cells."""
    won = [better(row(book, table, RECONSTRUCTION, f"{family}-VAE-F16-SC"),
                  row(book, table, RECONSTRUCTION, f"{family}-VAE-F16{other}")) for family in FAMILIES]
    return sum(each.sum() for each in won), sum(map(len, won))


def _nano_vae(book, stem, other):
    book.note("rule: the mean over seeds is better in every metric of the table")
    found = book.exhibit(stem, NOTEBOOK)
    return compared(*(measured_rows(found, VAE_METRICS, model=f"^F16{kind}$") for kind in ("-SC", other)))


@check("D05")
def consistency_reconstructs(book):
    won, cells = _vae(book, "diffusion4k_tab_4", "")
    return printed(won == cells), book.beside(f"better in {won} of {cells} cells",
                                              lambda: _nano_vae(book, "d4k_tab_04", ""))


@check("D06")
def consistency_beats_tuning(book):
    won, cells = _vae(book, "diffusion4k_tab_8", "-FT")
    return printed(won == cells), book.beside(f"better in {won} of {cells} cells",
                                              lambda: _nano_vae(book, "d4k_tab_08", "-FT"))


@check("D07")
def beats_earlier_model(book):
    rows = {family: [row(book, "diffusion4k_tab_5", QUALITY, f"{family}-F16{kind}-WLF@2048") for kind in ("-SC", "")]
            for family in FAMILIES}
    won, lost = (sum(better(*(pair[::step])).sum() for pair in rows.values()) for step in (1, -1))
    same = [book.cell("diffusion4k_tab_7", metric, f"Flux-F16{kind}-WLF@2048", "Aesthetic-Train")
            for metric in ("fid", "clipscore") for kind in ("", "-SC")]
    cells = len(QUALITY) * len(rows)
    return printed(lost == 0), (
        f"better in {won} of {cells} cells, equal in {cells - won - lost}; but Flux's training set changed, too (M28): "
        "with the same set FID {:.2f} to {:.2f}, CLIPScore {:.2f} to {:.2f}".format(*same))


@check("D08")
def against_others(book):
    ours = {family: row(book, "diffusion4k_tab_5", QUALITY, f"{family}-F16-SC-WLF@2048") for family in FAMILIES}
    others = [row(book, "diffusion4k_tab_5", QUALITY, f"{name}@2048") for name in ("PixArt-Σ", "Sana")]
    wins = [metric for metric in QUALITY
            if all(better(one, other)[metric] for one in ours.values() for other in others)]
    losses = [metric for metric in QUALITY
              if all(better(other, one)[metric] for one in ours.values() for other in others)]
    shown = ", ".join(f"{metric} {' and '.join(f'{each[metric]:.2f}' for each in ours.values())} against "
                      f"{' and '.join(f'{each[metric]:.2f}' for each in others)}" for metric in QUALITY)
    holds = set(wins) == {"fid", *LOCAL} and set(losses) == {"clipscore", "aesthetics"}
    return printed(holds), f"better in {', '.join(wins)}, worse in {', '.join(losses)}: {shown}"


@check("D09")
def more_data(book):
    book.note(f"rule: CLIPScore and Aesthetics change by at most {SATURATED:.0%}, local metrics gain more "
              "(not in paper: choice)")
    pairs = [[row(book, "diffusion4k_tab_7", QUALITY[1:], f"Flux-F16{kind}-WLF@2048", f"Aesthetic-Train{version}")
              for version in ("-V2", "")] for kind in ("", "-SC")]
    steady = all(abs(new[metric] / old[metric] - 1) <= SATURATED for new, old in pairs for metric in HOLISTIC[1:])
    lifted = all(better(new, old)[metric] and abs(new[metric] / old[metric] - 1) > SATURATED
                 for new, old in pairs for metric in LOCAL)
    return printed(steady and lifted), ", ".join(
        f"{metric} {' and '.join(f'{new[metric] - old[metric]:+.2f}' for new, old in pairs)}" for metric in QUALITY[1:])


@check("D10")
def wavelet_loss(book):
    metrics = QUALITY[1:]
    won = better(row(book, "diffusion4k_tab_9", metrics, "SD3-F16-WLF@4096"),
                 row(book, "diffusion4k_tab_9", metrics, "SD3-F16-FT@4096"))
    identical = _parseval(book)
    verdict = CONTRADICTED if not won.all() else PARTLY if identical else FOLLOWS
    text = (f"better in {won.sum()} of {len(won)} cells of Tab. 9, but with an orthonormal Haar transform and equal "
            f"weights Eq. 10 {'is' if identical else 'is not'} the plain squared error, number for number")
    return verdict, book.beside(text, lambda: _losses(book))


def _parseval(book):
    import torch  # here, so that a notebook that does not check this claim starts without it

    from pixverve_lib.models import haar
    error = torch.randn(2, 4, 9, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plain, bands = error.square().sum(), haar.split(error).square().sum()
    book.note(f"sum of squares of a drawn error: {plain:.12g}, of its Haar coefficients {bands:.12g} (models/haar.py)")
    return bool(abs(bands / plain - 1) < 1e-12)


def _losses(book):
    book.note("rule: the wavelet loss as printed is better in every score of the table")
    found = book.exhibit("d4k_tab_09", NOTEBOOK)
    return compared(*(measured_rows(found, (*DRAWN, "GLCM", "CR"), arm=f"^{arm}$") for arm in ("WLF", "FT")))


@check("D11")
def captions(book):
    pairs = [[row(book, "diffusion4k_tab_10", ("clipscore", "aesthetics"), f"{family}-F16@4096", source)
              for source in ("GPT-4o", "LAION-5B")] for family in FAMILIES]
    gains = ", ".join(f"{metric} {' and '.join(f'{new[metric] - old[metric]:+.2f}' for new, old in pairs)}"
                      for metric in ("clipscore", "aesthetics"))
    return printed(all(better(new, old).all() for new, old in pairs)), book.beside(gains, lambda: _captions(book))


def _captions(book):
    book.note(f"rule: full captions are better in every score of the table but {OWN_CAPTION}, the agreement with the "
              "own caption")
    found = book.exhibit("d4k_tab_10", NOTEBOOK)
    rows = found[found.generator.str.endswith("measured") & (found.score != OWN_CAPTION)].set_index("score")
    full, poor = (first_numbers(rows[f"{kind} captions"]) for kind in ("full", "web or poor"))
    won = better(full, poor)
    return bool(len(won) and won.all()), f"better in {won.sum()} of {len(won)}: {changes(full, poor)}"


@check("D12")
def memory(book):
    parts = []
    rooms = {family: [book.cell("diffusion4k_tab_6", "memory", f"{family}-F16-SC-WLF@4096{how}")
                      for how in ("", " (CPU offload)")] for family in FAMILIES}
    fails = [book.column("diffusion4k_tab_6", "memory", f"{family}-F8@4096").isna().all() for family in FAMILIES]
    for family, (whole, offloaded) in rooms.items():
        seconds = [book.cell("diffusion4k_tab_6", "time_s_per_step", f"{family}-F16-SC-WLF@4096{how}")
                   for how in ("", " (CPU offload)")]
        parts.append(f"{family} {whole} GB, offloaded {whole / offloaded:.2f}x less for "
                     f"{seconds[1] / seconds[0] - 1:+.1%} time")
    return printed(all(fails) and len(parts) == 2), f"F8 runs out of memory, F16 does not: {'; '.join(parts)}"


@check("D13")
def same_latents(book):
    import torch  # here, so that a notebook that does not check this claim starts without it

    from pixverve_lib.models import nano_vae, scale_consistent_vae
    vae = scale_consistent_vae.partitioned(nano_vae.load())
    pictures = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        before = vae.encode(pictures).latent_dist.mean
        for weight in vae.decoder.parameters():
            weight.add_(1)
        after = vae.encode(pictures).latent_dist.mean
    book.note("measured by this check: latents of nano-klein's VAE, F16 form, before and after all decoder weights "
              "changed (models/scale_consistent_vae.py)")
    same = torch.equal(before, after)
    return printed(same), f"Eq. 4 trains the decoder alone; latents differ by {(before - after).abs().max():g}"


@check("D14")
def repeated_rows(book):
    pairs = [(book.cell("diffusion4k_tab_5", metric, model), book.cell("diffusion4k_tab_7", metric, model, version))
             for model, version in (("Flux-F16-WLF@2048", "Aesthetic-Train"),
                                    ("Flux-F16-SC-WLF@2048", "Aesthetic-Train-V2")) for metric in QUALITY]
    pairs += [(book.cell("diffusion4k_tab_9", metric, "SD3-F16@4096"),
               book.cell("diffusion4k_tab_10", metric, "SD3-F16@4096", "GPT-4o")) for metric in HOLISTIC[1:]]
    equal = sum(one == other for one, other in pairs)
    return printed(equal == len(pairs)), f"{equal} of {len(pairs)} repeated cells are equal"
