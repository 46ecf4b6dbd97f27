"""What the schemes cost: measured rows, and the rows of Tab. A1 and A2 that they stand beside."""
import pandas as pd

from pixverve_lib.models import nano_klein
from pixverve_lib.paper import published
from pixverve_lib.paper import training as paper
from pixverve_lib.schemes import full_attention, planner
from pixverve_lib.schemes.flow import F

METHODS = {"full": "Scheme I (Full)", "lora": "Scheme I (LoRA)"}


def latency(drawn, sides, times=1):
    """Seconds a picture at each scale: columns scale, side, tokens, seconds.

    drawn: {scale: frame of sampling.generate}; times: how many times as many steps a whole sampling has
    """
    rows = [(scale, sides[scale], (sides[scale] // F) ** 2, times * frame.seconds.median())
            for scale, frame in drawn.items()]
    return pd.DataFrame(rows, columns=["scale", "side", "tokens", "seconds"])


def training(tuned):
    """What trainings cost: columns method, scale, epochs, device_hours.  tuned: {variant: {scale: Tuned}}"""
    rows = [(variant, scale, each.epochs, each.device_hours)
            for variant, stages in tuned.items() for scale, each in stages.items()]
    return pd.DataFrame(rows, columns=["method", "scale", "epochs", "device_hours"])


def memory(transformer, sides, card=1e9 * paper.PIXEL_CARD_GB):
    """GB of one card, by purpose, to sample and to train one picture with each variant: a row each, not measured.

    transformer: of bases.paper_size; sides: {scale: pixels}; card: bytes of a card. Training recomputes activations.
    """
    networks = {"sampling": transformer.requires_grad_(False)}
    networks |= {f"training, {variant}": full_attention.adapted(transformer, variant, paper.LORA_RANK, paper.LORA_RANK,
                                                                full_attention.preset(variant, "paper", 1))
                 for variant in full_attention.VARIANTS}
    rows = []
    for name, network in networks.items():
        for scale, side in sides.items():
            load = planner.Load(side, side, nano_klein.FULL_TOKENS, 1, "bfloat16", True, training=name != "sampling")
            plan = planner.plan(network, load, card)
            rows.append({"what": name, "scale": scale, "fits": plan.fits, **plan.row()})
    return pd.DataFrame(rows).fillna(0.0)


def published_latency():
    """Tab. A2, the LoRA of Scheme I: columns scale, seconds (on eight GPUs)."""
    table = published.numbers("tab_a2")
    rows = table[table.method == METHODS["lora"]]
    return rows.rename(columns={"resolution": "scale", "inference_time_s": "seconds"})[["scale", "seconds"]]


def published_training(methods=None):
    """Rows of Tab. A1: columns method (our name), scale, epochs, device_hours (H20).

    methods: {our name: printed name}, by default the variants of Scheme I
    """
    names = {printed: ours for ours, printed in (methods or METHODS).items()}
    table = published.numbers("tab_a1")
    rows = table[table.method.isin(names)].assign(method=table.method.map(names))
    return rows.rename(columns={"resolution": "scale", "number_of_epochs": "epochs",
                                "total_h20_gpu_hours": "device_hours"})


def split(drawn):
    """Median seconds a picture of Scheme III: columns scale, seconds, trunk, head.

    drawn: {scale: frame of pixel_sampling.generate}
    """
    rows = [(scale, *frame[["seconds", "seconds_trunk", "seconds_head"]].median()) for scale, frame in drawn.items()]
    return pd.DataFrame(rows, columns=["scale", "seconds", "trunk", "head"])
