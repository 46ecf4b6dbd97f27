"""What Scheme I costs: measured rows, and the rows of Tab. A1 and A2 that they stand beside."""
import pandas as pd

from pixverve_lib.paper import published
from pixverve_lib.schemes.flow import F

METHODS = {"full": "Scheme I (Full)", "lora": "Scheme I (LoRA)"}


def latency(drawn, sides):
    """Seconds a picture at each scale: columns scale, side, tokens, seconds.

    drawn: {scale: frame of sampling.generate}; a scale whose pictures were all kept from an earlier run has no row
    """
    rows = [(scale, sides[scale], (sides[scale] // F) ** 2, frame.seconds.median()) for scale, frame in drawn.items()]
    return pd.DataFrame(rows, columns=["scale", "side", "tokens", "seconds"]).dropna().reset_index(drop=True)


def published_latency():
    """Tab. A2, the LoRA of Scheme I: columns scale, seconds (on eight GPUs)."""
    table = published.numbers("tab_a2")
    rows = table[table.method == METHODS["lora"]]
    return rows.rename(columns={"resolution": "scale", "inference_time_s": "seconds"})[["scale", "seconds"]]


def published_training():
    """Tab. A1, Scheme I: columns method ("full" | "lora"), scale, epochs, device_hours (H20)."""
    table = published.numbers("tab_a1")
    names = {printed: ours for ours, printed in METHODS.items()}
    rows = table[table.method.isin(names)].assign(method=table.method.map(names))
    return rows.rename(columns={"resolution": "scale", "number_of_epochs": "epochs",
                                "total_h20_gpu_hours": "device_hours"})
