"""What numba's cache on disk must know besides the file of a function: it sees no change in the files that it calls.

Compiling a renderer takes seconds in every process. Its entry is therefore a closure over `VERSION`, which numba counts
among what a cached function is made of.
"""
import hashlib
from pathlib import Path

_SOURCES = sorted(Path(__file__).parent.glob("*.py"))
VERSION = int(hashlib.sha256(b"".join(path.read_bytes() for path in _SOURCES)).hexdigest()[:15], 16)  # of this room
