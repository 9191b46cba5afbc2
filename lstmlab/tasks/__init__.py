"""Sequence tasks that show what a recurrent network can learn: seeded generators of inputs and targets."""

from .adding import adding

__all__ = ["adding"]
