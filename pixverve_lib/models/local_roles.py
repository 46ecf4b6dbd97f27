"""Boxes and masks of Sec. 3.1.5 by networks on this machine, through transformers: any zero-shot detector, and SAM 2.

The paper's boxes are Rex-Omni's, which transformers does not have; Grounding DINO or OWLv2 stand in for it, by name.
"""

import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from pixverve_lib.models.aesthetics import WeightsMissing
from pixverve_lib.models.annotation import Box, Role, Tag

SAM2 = "facebook/sam2.1-hiera-large"  # not in paper: choice, it says SAM 2 and no size
DETECTOR = "IDEA-Research/grounding-dino-base"  # not in paper: choice, its own is Rex-Omni
THRESHOLD = 0.3  # score of a box; not in paper: choice
LABELS_AT_ONCE = 20  # Grounding DINO reads 256 tokens; not in paper: choice
BOXES_AT_ONCE = 32  # bounds SAM 2's memory; not in paper: choice


class _Network(NamedTuple):
    model: Any
    processor: Any
    device: str


def finder(name: str = DETECTOR, threshold: float = THRESHOLD) -> Role:
    """`find` by a zero-shot detector, a folder or an id in the hub's cache. Raises WeightsMissing."""
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    network = _load(AutoModelForZeroShotObjectDetection, AutoProcessor, name)
    return Role(name, partial(_find, network, threshold))


def segmenter(name: str = SAM2) -> Role:
    """`segment` by SAM 2, a folder or an id in the hub's cache. Raises WeightsMissing."""
    from transformers import Sam2Model, Sam2Processor

    return Role(name, partial(_segment, _load(Sam2Model, Sam2Processor, name)))


def _load(model_class, processor_class, name: str) -> _Network:
    """Both from disk; nothing is downloaded."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        model = model_class.from_pretrained(name, local_files_only=True, use_safetensors=True)
        processor = processor_class.from_pretrained(name, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise WeightsMissing(f"no weights of {name!r} here: name their folder, or `hf download {name}`") from error
    return _Network(model.eval().to(device), processor, device)


def _find(network: _Network, threshold: float, rgb: np.ndarray, tags: Sequence[Tag]) -> list[Box]:
    """Boxes of all tags, each one's score that of the detector, the highest first."""
    names = list(dict.fromkeys(tag.name.lower() for tag in tags))
    groups = [names[start : start + LABELS_AT_ONCE] for start in range(0, len(names), LABELS_AT_ONCE)]
    boxes = [box for group in groups for box in _find_some(network, threshold, rgb, group)]
    return sorted(boxes, key=lambda box: -box.score)


def _find_some(network: _Network, threshold: float, rgb: np.ndarray, names: list[str]) -> list[Box]:
    import torch

    inputs = network.processor(images=rgb, text=[names], return_tensors="pt").to(network.device)
    with torch.inference_mode():
        outputs = network.model(**inputs)
    finish = network.processor.post_process_grounded_object_detection
    arguments = {"threshold": threshold, "target_sizes": [rgb.shape[:2]], "text_labels": [names]}
    if "input_ids" in inspect.signature(finish).parameters:  # Grounding DINO reads labels back from the text
        arguments["input_ids"] = inputs["input_ids"]
    found = finish(outputs, **arguments)[0]
    if not len(found["scores"]):  # Grounding DINO then gives one empty label all the same
        return []
    rows = zip(found["text_labels"], found["boxes"].tolist(), found["scores"].tolist(), strict=True)
    shares = (_shares(_asked(label, names), corners, score, rgb.shape) for label, corners, score in rows)
    return [box for box in shares if box.label and box.top < box.bottom and box.left < box.right]


def _asked(label: str, names: list[str]) -> str:
    """The asked name closest to the detector's words: Grounding DINO clips names or runs them together; "" for none."""
    words = label.strip(" .")
    return get_close_matches(words, names, n=1, cutoff=0)[0] if words else ""


def _shares(label: str, corners: list[float], score: float, shape: tuple[int, ...]) -> Box:
    left, top, right, bottom = np.clip(corners / np.tile([shape[1], shape[0]], 2), 0, 1).tolist()
    return Box(label, top, left, bottom, right, score)


def _segment(network: _Network, rgb: np.ndarray, boxes: Sequence[Box]) -> list[np.ndarray]:
    """One mask per box, H W bool, in their order."""
    groups = [boxes[start : start + BOXES_AT_ONCE] for start in range(0, len(boxes), BOXES_AT_ONCE)]
    return [mask for group in groups for mask in _segment_some(network, rgb, group)]


def _segment_some(network: _Network, rgb: np.ndarray, boxes: Sequence[Box]) -> list[np.ndarray]:
    import torch

    height, width = rgb.shape[:2]
    corners = [[box.left * width, box.top * height, box.right * width, box.bottom * height] for box in boxes]
    inputs = network.processor(images=rgb, input_boxes=[corners], return_tensors="pt").to(network.device)
    with torch.inference_mode():
        masks = network.model(**inputs, multimask_output=False).pred_masks
    masks = network.processor.post_process_masks(masks.cpu(), inputs["original_sizes"].cpu())[0]
    return list(masks[:, 0].numpy())
