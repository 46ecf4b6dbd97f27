"""Noise levels of flow matching, 1 for pure noise and 0 for none, moved up by a static shift."""
import torch


def shifted(t, shift):
    """sigma of an even timestep t, both in [0, 1]; the static shift of FlowMatchEulerDiscreteScheduler."""
    return shift * t / (1 + (shift - 1) * t)


def visited(steps: int, shift: float) -> torch.Tensor:
    """What Euler's method visits, from 1 down to 0  # steps + 1"""
    return shifted(torch.linspace(1, 0, steps + 1, dtype=torch.float64), shift).float()
