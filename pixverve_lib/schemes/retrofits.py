"""What may be installed in a transformer beside its weights, on a pipeline and in files.

    made = retrofitted(pipeline, {rotary: {"kind": "yarn", "trained": 4}})       # `pipeline` stays as it is
"""
import copy
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from diffusers import Flux2KleinPipeline

from pixverve_lib.models import proportional_attention, rotary, window_attention

FILES = {  # module that installs a retrofit -> file beside weights that were trained with it
    window_attention: "windows.json",
    rotary: "rotary.json",
    proportional_attention: "proportional_attention.json",
}


def retrofitted(pipeline, retrofits: Mapping[ModuleType, Mapping]) -> Flux2KleinPipeline:
    """A pipeline like this one whose transformer is a copy of the same weights in memory, with more retrofits.

    retrofits: {module: keywords of its install}; of a module that is installed already the new ones count.
    """
    made = copy.copy(pipeline)
    shared = {id(weight): weight for weight in pipeline.transformer.parameters()}
    made.register_modules(transformer=copy.deepcopy(pipeline.transformer, shared))
    install(made.transformer, retrofits)
    return made


def register(retrofit, file: str) -> None:
    """Make a retrofit of your own one of FILES: it is written beside trained weights and installed with them again.

    retrofit: what has `install(transformer, **keywords)` and `installed(transformer)`, its keywords or None; it must
    leave a buffer with its settings in the transformer, because checkpoints and pictures are named by the state. An
    earlier one of the same file is forgotten: a cell that defines it may run twice.
    """
    for known in [each for each, name in FILES.items() if name == file]:
        del FILES[known]
    FILES[retrofit] = file


def install(transformer, retrofits: Mapping[ModuleType, Mapping]) -> None:
    """Put retrofits on a transformer, in place; see `retrofitted`."""
    for module, keywords in retrofits.items():
        module.install(transformer, **keywords)


def write(transformer, folder: Path) -> None:
    """A file for each retrofit of the transformer, as `read` reads it."""
    for module, name in FILES.items():
        if what := module.installed(transformer):
            (folder / name).write_text(json.dumps(what))


def read(folder: Path) -> dict[ModuleType, dict]:
    """Retrofits that lie beside weights: {module: keywords of its install}."""
    return {module: json.loads((folder / name).read_text())
            for module, name in FILES.items() if (folder / name).exists()}
