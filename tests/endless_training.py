"""Trains until it is killed, from test_engine.py; the settings are those of the run that is compared."""
import sys
import time
from pathlib import Path

from tiny_network import TinyNetwork, batches, loss, validate

from pixverve_lib.schemes import engine

SETTINGS = engine.Settings(steps=12, rate=1e-2, schedule="cosine", warmup=2, accumulate=2, average=0.9, every=5)


def slow(number):
    """Batches that keep the run from ending before it is killed."""
    time.sleep(0.2 if number > 12 else 0)
    return batches(number)


if __name__ == "__main__":
    engine.train(TinyNetwork(), loss, slow, SETTINGS, Path(sys.argv[1]), validate=validate)
