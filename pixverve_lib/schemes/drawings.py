"""Pictures that a notebook drew, as the bench (notebook 08) takes them over: one row each, by the names of Tab. 3."""
import pandas as pd

from pixverve_lib.kit.artefacts import PICTURES
from pixverve_lib.kit.run import home

METHODS = {  # ours -> printed in Tab. 3
    "base": "FLUX.2-klein-base-4B", "full": "FLUX.2-I (Full)", "lora": "FLUX.2-I (LoRA)", "window": "FLUX.2-II",
    "pixel base": "L2P", "III": "L2P-III", "demofusion": "DemoFusion",
}


def table(drawn, scale, caption="long", times=1):
    """A frame of PICTURES: method, scale, caption, number (of the prompt), path (below the project), seconds.

    drawn: {our name of a method: frame of `generate`}; caption: what they were drawn
    from, "long" as in the paper or "short"; times: how many times as many steps a whole sampling has
    """
    parts = [pd.DataFrame({"method": METHODS[name], "scale": scale, "caption": caption, "number": range(len(frame)),
                           "path": [path.relative_to(home()).as_posix() for path in frame.path],
                           "seconds": times * frame.seconds.to_numpy()}) for name, frame in drawn.items()]
    return pd.concat(parts, ignore_index=True)[list(PICTURES)]
