"""How the caller's arrays lie, and the way to time-major batches and back."""

from __future__ import annotations

import torch
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence


class TimeMajor:
    """Batches ``(T, B, I)`` with states ``(L*D, B, H)``: the layers' own layout, and the base of the others."""

    words = "(T, B, input_size)"
    state_words = "(num_layers * directions, B, hidden_size)"
    mask = None

    def __init__(self, input):
        self.input = input

    def inputs(self):
        """The caller's input as ``(T, B, I)``."""
        return self.input

    def outputs(self, hs):
        """``hs (T, B, F)`` as the caller lays outputs out."""
        return hs

    def state_shape(self, count, B, H):
        """The shape in which the caller gives a state."""
        return count, B, H

    def state_in(self, s):
        """A state of the caller's as ``(L*D, B, H)``."""
        return s

    def state_out(self, s):
        """A state ``(L*D, B, H)`` as the caller's."""
        return s


class BatchFirst(TimeMajor):
    """Batches ``(B, T, I)``."""

    words = "(B, T, input_size)"

    def inputs(self):
        return self.input.transpose(0, 1)

    def outputs(self, hs):
        return hs.transpose(0, 1)


class Unbatched(TimeMajor):
    """One sequence ``(T, I)`` with states ``(L*D, H)``."""

    words = "(T, input_size)"
    state_words = "(num_layers * directions, hidden_size)"

    def inputs(self):
        return self.input.unsqueeze(1)

    def outputs(self, hs):
        return hs.squeeze(1)

    def state_shape(self, count, B, H):
        return count, H

    def state_in(self, s):
        return s.unsqueeze(1)

    def state_out(self, s):
        return s.squeeze(1)


class Packed(TimeMajor):
    """A PackedSequence; inside, the sequences stand sorted by length and a mask tells where they end."""

    words = "a PackedSequence of sequences (T, input_size)"

    def __init__(self, input):
        super().__init__(input)
        sizes = input.batch_sizes
        self.mask = (torch.arange(int(sizes[0])) < sizes[:, None]).to(input.data.device)       # (T, B)

    def inputs(self):
        return pad_packed_sequence(self.input._replace(sorted_indices=None, unsorted_indices=None))[0]

    def outputs(self, hs):
        return self.input._replace(data=hs[self.mask])

    def state_in(self, s):
        return s if self.input.sorted_indices is None else s.index_select(1, self.input.sorted_indices)

    def state_out(self, s):
        return s if self.input.unsorted_indices is None else s.index_select(1, self.input.unsorted_indices)


def layout_of(input, batch_first):
    """The layout of an input; a TypeError or ValueError if it is none that a layer takes."""
    if isinstance(input, PackedSequence):
        return Packed(input)
    if not isinstance(input, torch.Tensor):
        raise TypeError(f"input is {type(input).__name__}; expected a Tensor or a PackedSequence")
    batched = BatchFirst if batch_first else TimeMajor
    if input.dim() not in (2, 3):
        raise ValueError(f"input has shape {tuple(input.shape)}; expected {batched.words} or, for one sequence, "
                         f"{Unbatched.words}")
    return (batched if input.dim() == 3 else Unbatched)(input)
