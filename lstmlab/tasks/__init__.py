"""Sequence tasks that show what a recurrent network can learn: seeded generators of inputs and targets."""

from .adding import adding, adding_1997
from .copying import copying
from .digits import digits
from .lags import Lag, distracted_lag, local_lag
from .reber import Reber, continual_reber, embedded_reber
from .sunspots import sunspots
from .temporal_order import temporal_order
from .two_sequence import two_sequence

__all__ = ["Lag", "Reber", "adding", "adding_1997", "continual_reber", "copying", "digits", "distracted_lag",
           "embedded_reber", "local_lag", "sunspots", "temporal_order", "two_sequence"]
