"""Run by torchrun on two CPU processes, from test_engine.py: the same training as DDP and in shards."""
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from tiny_network import TinyNetwork, batches, loss, validate

from pixverve_lib.schemes import engine

STEPS, SPOILT = 4, 3


def settings(**changes):
    return engine.Settings(steps=STEPS, rate=1e-2, average=0.9, every=2, **changes)


def spoilt(number):
    """One process of two meets a picture that is no number."""
    batch = batches(number)
    return batch._replace(latents=batch.latents * torch.nan) if number == SPOILT else batch


def main(folder):
    for name, shard in (("ddp", ""), ("zero2", "zero2"), ("shards", "full")):
        engine.train(TinyNetwork(), loss, batches, settings(shard=shard), folder / name, validate=validate)
    try:
        engine.train(TinyNetwork(), loss, spoilt, settings(), folder / "spoilt")
    except engine.NotFinite as error:
        (folder / f"error-{dist.get_rank()}.txt").write_text(str(error))
    dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
