"""Numerical gradients and the reports that compare them with a backward pass."""

from .check import check_gradients
from .numerical import complex_step_gradient, directional_derivative, numerical_gradient
from .report import GradientReport
from .steps import by_steps

__all__ = ["GradientReport", "by_steps", "check_gradients", "complex_step_gradient", "directional_derivative",
           "numerical_gradient"]
