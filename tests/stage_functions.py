"""What the worker processes of test_parallel.py and test_ray_cluster.py run; workers must be able to import it."""

import os
import time
from pathlib import Path

import numpy as np


class Refused(Exception):
    def __init__(self, reason: str):
        super().__init__("not the reason")
        self.reason = reason


def measure(path: str, log: str = "", seconds: float = 0.0, factor: float = 1.0) -> dict:
    """Does what the picture's name says, and notes in `log` that it began."""
    name = Path(path).name
    if log:
        with open(log, "a", encoding="utf-8") as file:
            file.write(f"{name} {os.environ.get('RAY_RAYLET_PID', '')}\n")
    act = ACTS.get(name.split("_")[0])
    if act:
        act()
    time.sleep(seconds)
    number = int(name.split("_")[-1])
    return {"score": np.float32(number * factor), "even": np.bool_(number % 2 == 0), "name": name}


def refuse() -> None:
    raise Refused("smaller than 9 MP")


def fail() -> None:
    raise KeyError("two\nlines")


def hang() -> None:
    time.sleep(600)


def crash() -> None:
    os._exit(3)


def eat() -> None:
    np.ones(2**30, np.uint8)


ACTS = {"refuse": refuse, "fail": fail, "hang": hang, "crash": crash, "eat": eat}


def threads(path: str) -> dict:
    import cv2

    return {"cv2": cv2.getNumThreads(), "omp": os.environ["OMP_NUM_THREADS"]}
def cveat(path: str) -> dict:
    import cv2
    a=np.ones((8000,8000,3),np.uint8)
    try:
        cv2.copyMakeBorder(a,100,100,8000,80000,cv2.BORDER_REFLECT)
    except BaseException as e: return {"e": repr(e), "t": str(type(e).__mro__)}
    return {}
