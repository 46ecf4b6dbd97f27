"""The votes of one study (Sec. F.4): a file of JSON lines, what it says, and what its annotator is asked next.

Every vote is one line, on disk before the next pair is shown. What comes next follows from those lines alone, so a
study goes on where it was after anything. The last line of a pair and question counts; one with `choice` null takes the
vote back.
"""
import json
import os
import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pixverve_lib.bench import preferences
from pixverve_lib.imaging import reading

SHOWN = {"JPEG", "PNG", "WEBP", "GIF", "MPO"}  # formats, in Pillow's words, that every browser shows


class CannotVote(Exception):
    """Something that keeps the page from starting; one line that says what to do."""


def recorded(path):
    """(lines, damaged): the JSON objects of a votes file, and how many of its lines are none; ([], 0) without a file.

    A server that was killed while writing leaves half a line: it counts as damaged, its vote is asked again.
    """
    lines, damaged, path = [], 0, Path(path)
    for text in path.read_bytes().splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
            lines.append({name: line[name] for name in ("design", "annotator", "comparison", "question", "choice")})
        except (ValueError, TypeError, KeyError):
            damaged += 1
    return lines, damaged


def votes(design, *paths):
    """The votes of files of this page, or of several: a row a showing and question, choice NaN where nobody voted.

    design: from preferences.read_design. Prints one line when votes are missing. Raises CannotVote for other designs'
    votes, and for a file that is not there.
    """
    keys, found = ["annotator", "comparison", "question"], {}
    for path in paths:
        if not Path(path).exists():
            raise CannotVote(f"no votes at {path}: name the file that the page was started with")
        for line in _of_design(design, path):
            found[tuple(line[key] for key in keys)] = line["choice"]
    rows = pd.concat([design.assign(question=question) for question in preferences.QUESTIONS], ignore_index=True)
    choices = [found.get(key) for key in rows[keys].itertuples(index=False, name=None)]
    if missing := choices.count(None):
        print(f"{missing} of {len(rows)} votes are missing: they are left out, not guessed")
    return rows.assign(choice=pd.Series([np.nan if choice is None else choice for choice in choices], dtype=object))


def _of_design(design, path):
    lines, damaged = recorded(path)
    if damaged:
        print(f"{Path(path).name}: {damaged} damaged line{'s' * (damaged > 1)}, not counted; asked again by the page")
    if others := sum(line["design"] != preferences.digest(design) for line in lines):
        raise CannotVote(f"{Path(path).name} holds {others} votes of another design: name another file for the votes, "
                         "or the design that they belong to")
    return lines


def _append(path, line):
    """Add one line, on disk when this returns. Half a line that a crash has left stays a line of its own."""
    data = (json.dumps(line) + "\n").encode()
    with open(path, "ab+") as file:
        if file.tell() and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n":
            data = b"\n" + data
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@dataclass(frozen=True)
class Study:
    """The showings of one annotator, and where pictures and votes lie."""

    design: pd.DataFrame
    pictures: Path
    annotator: str
    votes: Path
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @cached_property
    def showings(self):
        """{order: row}, in order."""
        own = self.design[self.design.annotator == self.annotator]
        return {row.order: row for row in own.itertuples(index=False)}

    @cached_property
    def tasks(self):
        """(order, question), in the order in which they are asked."""
        return [(order, question) for order in self.showings for question in preferences.QUESTIONS]

    def answered(self):
        """The tasks that have a vote, the latest last."""
        place = {row.comparison: order for order, row in self.showings.items()}
        done = {}
        for line in recorded(self.votes)[0]:
            if line["annotator"] == self.annotator:
                task = place.get(line["comparison"]), line["question"]
                done.pop(task, None)
                if line["choice"] is not None:
                    done[task] = line["choice"]
        return list(done)

    def state(self):
        """What the page shows next: numbers and texts, no name of a model."""
        answered = self.answered()
        done = set(answered)
        ahead = [task for task in self.tasks if task not in done]
        found = {"pairs": len(self.showings), "left": len({order for order, _ in ahead}), "undo": bool(answered),
                 "questions": len(preferences.QUESTIONS), "next": None}
        if not ahead:
            return found
        order, question = ahead[0]
        title, words = preferences.QUESTIONS[question]
        later = next((other for other, _ in ahead if other != order), None)
        return found | {"next": order, "later": later, "question": question, "title": title, "words": words,
                        "number": list(preferences.QUESTIONS).index(question) + 1, "text": self.showings[order].text}

    def vote(self, order, question, choice):
        """Record a vote. Raises ValueError for anything that this annotator was not asked."""
        if (order, question) not in self.tasks or choice not in preferences.POINTS:
            raise ValueError("no such showing, question or choice")
        self._record(order, question, choice)

    def undo(self):
        """Take the latest vote back, if there is one."""
        if answered := self.answered():
            self._record(*answered[-1], None)

    def _record(self, order, question, choice):
        _append(self.votes, {
            "design": preferences.digest(self.design), "annotator": self.annotator, "order": int(order),
            "comparison": int(self.showings[order].comparison), "question": question, "choice": choice,
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        })

    def picture(self, order, side):
        """File of a showing. Raises LookupError for what is not in the design."""
        return self.pictures / getattr(self.showings[order], {"left": "left_file", "right": "right_file"}[side])


def study(design, pictures, annotator, votes):
    """A Study whose every picture is there and readable. Raises CannotVote, ImpossibleDesign; one line each."""
    frame = preferences.read_design(design)
    if annotator not in set(frame.annotator):
        raise CannotVote(f"no annotator {annotator!r} in the design; it has: {', '.join(sorted(set(frame.annotator)))}")
    found = Study(frame, Path(pictures).resolve(), annotator, Path(votes))
    _make_writable(found.votes)
    _of_design(frame, votes)
    names = sorted({name for row in found.showings.values() for name in (row.left_file, row.right_file)})
    if bad := [f"{name}: {why}" for name in names if (why := _why_not_shown(found.pictures, name))]:
        raise CannotVote(f"{len(bad)} of {len(names)} pictures cannot be shown, first {bad[0]}")
    return found


def _make_writable(path):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
    except OSError as error:
        raise CannotVote(f"votes cannot be written to {path}: {error.strerror}") from error


def _why_not_shown(folder, name):
    if not (folder / name).resolve().is_relative_to(folder):
        return "it lies outside the folder of pictures"
    try:
        form = reading.probe(folder / name).format
    except reading.UnreadableImage as error:
        return error.reason
    return "" if form in SHOWN else f"browsers do not show {form}: convert it to PNG, all models alike"
