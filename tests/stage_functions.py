"""What the worker processes of test_parallel.py and test_ray_cluster.py run; workers must be able to import it."""

import os
import signal
import time
from pathlib import Path

import numpy as np


class Refused(Exception):
    def __init__(self, reason: str):
        super().__init__("not the reason")
        self.reason = reason


def measure(path: str, log: str, factor: float = 1.0, seconds: float = 0.0) -> dict:
    """Note in `log` that this picture was begun (and on which Ray node), then do what its name says: `hang_7`."""
    act, number = Path(path).name.split("_")
    with open(log, "a", encoding="utf-8") as file:
        file.write(f"{act}_{number} {os.environ.get('RAY_RAYLET_PID', 'here')}\n")
    time.sleep(seconds)
    ACTS[act](Path(log))
    return {"score": np.float32(int(number) * factor), "even": np.bool_(int(number) % 2 == 0)}


def begun(log: Path) -> list[str]:
    """Names of the pictures in the order in which they were begun."""
    return [line.split()[0] for line in log.read_text(encoding="utf-8").splitlines()] if log.exists() else []


def threads(path: str) -> dict:
    import cv2

    return {"opencv": cv2.getNumThreads(), "openmp": os.environ["OMP_NUM_THREADS"]}


def fine(log: Path) -> None:
    pass


def refuse(log: Path) -> None:
    raise Refused("smaller than 9 MP")


def fail(log: Path) -> None:
    raise RuntimeError("no pixels\nin there")


def hang(log: Path) -> None:
    time.sleep(600)


def crash(log: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave(log: Path) -> None:
    os._exit(3)


def eat(log: Path) -> None:
    np.ones(2**30, np.uint8)


def enlarge(log: Path) -> None:
    import cv2

    cv2.resize(np.zeros((64, 64), np.uint8), (2**15, 2**15))


def strike(log: Path) -> None:
    """Kill the worker that supervises this process, once."""
    if begun(log).count("strike_5") == 1:
        os.kill(os.getppid(), signal.SIGKILL)


def strike_again(log: Path) -> None:
    os.kill(os.getppid(), signal.SIGKILL)


ACTS = {"fine": fine, "refuse": refuse, "fail": fail, "hang": hang, "crash": crash, "leave": leave, "eat": eat,
        "enlarge": enlarge, "strike": strike, "strikeagain": strike_again}
