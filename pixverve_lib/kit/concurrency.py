"""Several notebooks at a time: each in a process of its own, none before those whose artefacts it reads."""
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import psutil

from pixverve_lib.kit.isolation import ONE_THREAD
from pixverve_lib.kit.run import BadParameter

NOTEBOOK_GB = 3.0  # of memory that a notebook may take at smoke and laptop
UNKNOWN_SECONDS = 100  # of a notebook that the reference run does not know
GRACE_SECONDS = 30  # for a notebook to stop after Ctrl-C
POLL_SECONDS = 0.1


class Ended(NamedTuple):
    """How a process ended: its name, its exit status, and what it wrote to stderr."""

    name: str
    status: int
    errors: str


def most_at_once(budget: str) -> int:
    """How many notebooks this machine carries: as its cores and memory allow at smoke and laptop, else one.

    PIXVERVE_NOTEBOOKS sets another number. Raises BadParameter where it is none.
    """
    if asked := os.environ.get("PIXVERVE_NOTEBOOKS"):
        if not asked.isdecimal() or int(asked) < 1:
            raise BadParameter(f"PIXVERVE_NOTEBOOKS={asked!r} is no number of notebooks; give 1 or more, or unset it")
        return int(asked)
    if budget not in ("smoke", "laptop"):
        return 1
    memory = psutil.virtual_memory().available / 1e9
    return int(max(1, min(os.cpu_count() or 1, memory // NOTEBOOK_GB)))


def by_urgency(waits: Mapping[str, set[str]], usual: Mapping[str, float]) -> dict[str, set[str]]:
    """The paper's notebooks before the appendices, and first those for which others wait longest.

    waits: as in `run`; usual: seconds of a notebook.
    """
    def chain(name):
        after = (chain(other) for other in waits if name in waits[other])
        return usual.get(name, UNKNOWN_SECONDS) + max(after, default=0)

    return {name: waits[name] for name in sorted(waits, key=lambda name: (name[0].isalpha(), -chain(name)))}


def run(waits: Mapping[str, set[str]], command: Callable[[str], list[str] | None], most: int,
        show: Callable[[list[str]], None]) -> Iterator[Ended]:
    """Run the processes of `waits` (name -> names that must end well before), at most `most` at once, in its order.

    command(name) is asked when its turn has come: what to run, or None when there is nothing to do, which counts as a
    good end. show(names) is called again and again with what is running. Those that wait for one that failed are never
    started nor told of. Leaving the iteration, by Ctrl-C too, stops what runs and waits for it.
    """
    waiting, good, running = dict(waits), set(), {}
    try:
        while waiting or running:
            for name in _startable(waiting, good, most - len(running)):
                del waiting[name]
                if (line := command(name)) is None:
                    good.add(name)
                    yield Ended(name, 0, "")
                else:
                    running[name] = _Process(line, most)
            ended = [name for name, process in running.items() if process.has_ended()]
            for name in ended:
                status, errors = running.pop(name).result()
                good |= {name} if status == 0 else set()
                yield Ended(name, status, errors)
            if running and not ended:
                show(list(running))
                time.sleep(POLL_SECONDS)
            if not running and not _startable(waiting, good, most):
                return
    finally:
        _stop(running.values())


def end_with(parent: int) -> None:
    """Interrupt this process, as Ctrl-C does, when `parent` is no longer its parent: nobody waits for it any more."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what a script starts with `&` is born deaf to it

    def watch():
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=watch, daemon=True).start()


class _Process:
    """A child in a session of its own, so that Ctrl-C reaches it through us, once."""

    def __init__(self, line, most):
        threads = {name: os.environ.get(name, number) for name, number in ONE_THREAD.items()} if most > 1 else {}
        self.child = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                      start_new_session=True, env=os.environ | threads)
        self.errors = []
        self.reader = threading.Thread(target=lambda: self.errors.append(self.child.stderr.read()), daemon=True)
        self.reader.start()

    def has_ended(self):
        return self.child.poll() is not None

    def result(self):
        self.reader.join()
        return self.child.returncode, "".join(self.errors)


def _startable(waiting, good, room):
    return [name for name, before in waiting.items() if before <= good][:max(0, room)]


def _stop(processes):
    """Ctrl-C for each of them; what has not ended after a while is killed."""
    alive = [process.child for process in processes if not process.has_ended()]
    for child in alive:
        child.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    for child in alive:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            print(f"{child.args} did not stop within {GRACE_SECONDS} s and was killed", file=sys.stderr)
