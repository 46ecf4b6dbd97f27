"""Where a training runs: on one CPU or GPU, on several with a copy each (DDP), or in shards (FSDP)."""
from pathlib import Path
from unittest import mock

import psutil
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch.nn import functional

SHARDS = {"": False, "zero2": False, "full": True}  # what `shard` may be -> whether whole weights go after each forward


def accelerator_of(precision: str, folder: Path) -> Accelerator:
    """Of this process; precision: auto | float32 | bfloat16. Raises ValueError."""
    gpu = torch.cuda.is_available()
    known = {"auto": "bf16" if gpu else "no", "float32": "no", "bfloat16": "bf16"}
    if precision not in known:
        raise ValueError(f"precision {precision!r} is unknown; use one of: {', '.join(known)}")
    AcceleratorState._reset_state()  # or a second run in this process could not choose another precision
    return Accelerator(cpu=not gpu, mixed_precision=known[precision], log_with="tensorboard", project_dir=folder)


def placed(network, accelerator: Accelerator, shard: str, recompute: bool):
    """The network on its device, in place; what to call for it: itself, its shards (of SHARDS), or its DDP wrapper."""
    if recompute:
        network.enable_gradient_checkpointing()
    network.to(accelerator.device)
    if accelerator.num_processes == 1:
        return network
    if not shard:
        return accelerator.prepare_model(network)
    return _sharded(network, accelerator, SHARDS[shard])


def memory_gb(device: torch.device) -> float:
    """Peak of a GPU, of a CPU what the process holds now."""
    held = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else psutil.Process().memory_info().rss
    return held / 1e9


def attention_in_float32():
    """While it lasts, bfloat16 attention is computed in float32: its backward pass on a CPU is several times slower."""
    stock = functional.scaled_dot_product_attention

    def attention(query, key, value, **options):
        with torch.autocast("cpu", enabled=False):
            return stock(query.float(), key.float(), value.float(), **options).to(query.dtype)
    return mock.patch.object(functional, "scaled_dot_product_attention", attention)


def _sharded(network, accelerator, reshard):
    """Block by block; accelerate's own FSDP silently becomes DDP on a CPU."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    half = torch.bfloat16 if accelerator.mixed_precision == "bf16" else None
    policy = MixedPrecisionPolicy(param_dtype=half, reduce_dtype=torch.float32)
    blocks = [module for module in network.modules() if type(module).__name__ in network._no_split_modules]
    for module in (*blocks, network):
        fully_shard(module, mesh=mesh, mp_policy=policy, reshard_after_forward=reshard)
    return network
