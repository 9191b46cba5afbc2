"""The fused engine of the GPU: every cell's time loop in Triton. Importing it needs triton."""

from .engine import Kernels
from .launch import launches

__all__ = ["Kernels", "launches"]
