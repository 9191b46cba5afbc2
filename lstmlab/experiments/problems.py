"""What the studies train on: for each task, what is drawn from a seed, what is lost, and how an answer is scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from lstmlab import tasks


class Batch(NamedTuple):
    """Sequences side by side.

    Attributes
    ----------
    xs : ndarray (T, B, I)
    targets : ndarray (B, ...), or (T, B, ...) where a problem asks at every step
    mask : ndarray of bool (T, B)
    """

    xs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray


@dataclasses.dataclass(frozen=True)
class Problem:
    """A task as the studies use it. All chance comes from a seed, and what is held out from streams of its own.

    Attributes
    ----------
    inputs, outputs : int
        I and O, the features of an input and the numbers that the readout gives.
    every : bool
        Whether something is asked at every step, or after the last one only.
    """

    inputs: int = dataclasses.field(init=False, default=0)
    outputs: int = dataclasses.field(init=False, default=1)
    every: bool = dataclasses.field(init=False, default=False)

    def stream(self, seed: int, count: int) -> Iterator[Batch]:
        """Endless batches of `count` sequences to learn from."""
        raise NotImplementedError

    def held_out(self, seed: int, part: str) -> Batch:
        """Sequences that are not learnt from; `part` is ``"validation"`` or ``"test"``."""
        raise NotImplementedError

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean loss of each of S networks, (S,), from the outputs (S, B, O), or (T, S, B, O) if asked at every step."""
        raise NotImplementedError

    def score(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """What is reported of each of S networks, (S,); smaller is better."""
        return self.loss(outputs, targets)


def stream_of(seed: int, part: str) -> np.random.Generator:
    """A stream of its own for each use that a seed is put to."""
    return np.random.default_rng([seed, ("weights", "training", "validation", "test").index(part)])


def _whole(xs: np.ndarray, targets: np.ndarray) -> Batch:
    return Batch(xs, targets, np.ones(xs.shape[:2], bool))


@dataclasses.dataclass(frozen=True)
class OneBit(Problem):
    """Experiment 2b's lag, to be measured at any length: the first symbol, of two, is asked for `lag` steps later.

    The sequences are those of `lstmlab.tasks.local_lag` with a random middle. So that a network has as many inputs at
    every lag, the symbols of the middle share four codes; and only the last answer is asked for. The score is the share
    of wrong answers; guessing has 1/2.

    Attributes
    ----------
    lag : int
        p, 5 or more: p symbols are read, and the answer follows the last.
    """

    lag: int
    CODES, HELD_OUT = 4, 128

    def __post_init__(self):
        object.__setattr__(self, "inputs", 2 + self.CODES)

    def _draw(self, rng: np.random.Generator, count: int) -> Batch:
        symbols, targets, mask = tasks.local_lag(rng, self.lag, count, "random")
        codes = np.where(symbols < 2, symbols, 2 + symbols % self.CODES)
        return Batch(np.eye(self.inputs, dtype=np.float32)[codes], targets[-1][:, None].astype(np.float32), mask)

    def stream(self, seed, count):
        rng = stream_of(seed, "training")
        while True:
            yield self._draw(rng, count)

    def held_out(self, seed, part):
        return self._draw(stream_of(seed, part), self.HELD_OUT)

    def loss(self, outputs, targets):
        return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(dim=(1, 2))

    def score(self, outputs, targets):
        return ((outputs > 0) != (targets > 0.5)).float().mean(dim=(1, 2))


@dataclasses.dataclass(frozen=True)
class Adding(Problem):
    """`lstmlab.tasks.adding`, scored by the mean squared error; always answering 1 has 1/6."""

    length: int = 40
    HELD_OUT = 256

    def __post_init__(self):
        object.__setattr__(self, "inputs", 2)

    def _draw(self, rng: np.random.Generator, count: int) -> Batch:
        xs, targets = tasks.adding(rng, self.length, count)
        return _whole(xs.astype(np.float32), targets.astype(np.float32))

    def stream(self, seed, count):
        rng = stream_of(seed, "training")
        while True:
            yield self._draw(rng, count)

    def held_out(self, seed, part):
        return self._draw(stream_of(seed, part), self.HELD_OUT)

    def loss(self, outputs, targets):
        return (outputs - targets).square().mean(dim=(1, 2))


@dataclasses.dataclass(frozen=True)
class Digits(Problem):
    """`lstmlab.tasks.digits`, 64 pixels one after the other, scored by the share of wrong answers; guessing has 0.9."""

    VALIDATION, TEST = 200, 360

    def __post_init__(self):
        object.__setattr__(self, "inputs", 1)
        object.__setattr__(self, "outputs", 10)

    def _split(self, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        learn, (xs, targets) = tasks.digits(np.random.default_rng(seed), self.VALIDATION + self.TEST)
        return {"training": learn, "validation": (xs[:, :self.VALIDATION], targets[:self.VALIDATION]),
                "test": (xs[:, self.VALIDATION:], targets[self.VALIDATION:])}

    def stream(self, seed, count):
        rng, (xs, targets) = stream_of(seed, "training"), self._split(seed)["training"]
        while True:
            order = rng.permutation(len(targets))
            for start in range(0, len(order) - count + 1, count):
                part = order[start:start + count]
                yield _whole(xs[:, part].astype(np.float32), targets[part])

    def held_out(self, seed, part):
        xs, targets = self._split(seed)[part]
        return _whole(xs.astype(np.float32), targets)

    def loss(self, outputs, targets):
        return F.cross_entropy(outputs.movedim(-1, 1), targets, reduction="none").mean(dim=1)

    def score(self, outputs, targets):
        return (outputs.argmax(dim=-1) != targets).float().mean(dim=1)


@dataclasses.dataclass(frozen=True)
class EmbeddedReber(Problem):
    """`lstmlab.tasks.embedded_reber`: learn from 256 strings to say the next symbol, in nats that are too many.

    Learnt from is the symbol that came. The score is the mean over the steps of test strings of the divergence
    :math:`\\sum_k p_k \\ln (p_k / q_k)` of the network's probabilities q from those of the grammar, p: equal for the
    symbols that may come next, 0 for the others. It is 0 only for who knows the grammar, and the string's second symbol
    to the end.
    """

    STRINGS = 256

    def __post_init__(self):
        object.__setattr__(self, "inputs", len(tasks.reber.SYMBOLS))
        object.__setattr__(self, "outputs", len(tasks.reber.SYMBOLS))
        object.__setattr__(self, "every", True)

    def stream(self, seed, count):
        rng = stream_of(seed, "training")
        strings = tasks.embedded_reber(rng, self.STRINGS)
        one_hot = np.eye(self.inputs, dtype=np.float32)[strings.symbols] * strings.mask[..., None]
        following = np.concatenate([one_hot[1:], np.zeros_like(one_hot[:1])])
        while True:
            part = rng.integers(0, self.STRINGS, count)
            steps = slice(0, strings.mask[:, part].sum(axis=0).max())
            yield Batch(one_hot[steps, part], following[steps, part], strings.mask[steps, part])

    def held_out(self, seed, part):
        strings = tasks.embedded_reber(stream_of(seed, part), self.STRINGS)
        one_hot = np.eye(self.inputs, dtype=np.float32)[strings.symbols] * strings.mask[..., None]
        legal = strings.legal / np.maximum(strings.legal.sum(axis=-1, keepdims=True), 1)
        return Batch(one_hot, legal.astype(np.float32), strings.mask)

    def loss(self, outputs, targets):
        divergence = torch.xlogy(targets, targets) - targets * outputs.log_softmax(dim=-1)
        return divergence.sum(dim=(0, 2, 3)) / targets.sum(dim=(0, 2, 3))


class Stack(NamedTuple):
    """Batches of S seeds as tensors: xs (T, S, B, I), targets with the axis S before B, mask (T, S, B) or None."""

    xs: torch.Tensor
    targets: torch.Tensor
    mask: torch.Tensor | None

    def rows(self, places: Sequence[int], every: bool) -> Stack:
        """The batches of some of the seeds."""
        targets = self.targets[:, places] if every else self.targets[places]
        return Stack(self.xs[:, places], targets, None if self.mask is None else self.mask[:, places])


def stack(problem: Problem, batches: Sequence[Batch]) -> Stack:
    """Put the batches of several seeds side by side; where lengths differ, what is missing is masked."""
    longest = max(len(batch.xs) for batch in batches)

    def side_by_side(arrays, axis):
        arrays = [np.pad(a, [(0, longest - len(a) if axis else 0)] + [(0, 0)] * (a.ndim - 1)) for a in arrays]
        return torch.from_numpy(np.stack(arrays, axis=axis))

    xs, targets, mask = zip(*batches, strict=True)
    mask = side_by_side(mask, 1)
    return Stack(side_by_side(xs, 1), side_by_side(targets, int(problem.every)), None if mask.all() else mask)
