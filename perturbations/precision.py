"""Finds the fastest device, and the arithmetic it is fast at."""

from __future__ import annotations

import contextlib

import torch


def fastest_device() -> torch.device:
    """CUDA if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_bfloat16(device: torch.device) -> bool:
    """Whether convolutions in bfloat16 are faster than in float32 on ``device``."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_tile"))
    return False


def autocast(device: torch.device, *, enabled: bool = True) -> contextlib.AbstractContextManager[object]:
    """Mixed precision in bfloat16 if the device is fast at it, else nothing."""
    if enabled and fast_bfloat16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
