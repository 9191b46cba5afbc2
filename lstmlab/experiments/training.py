"""The training loop of the studies: the networks of all seeds of a configuration at once, each as if it were alone.

A network is a recurrent layer and a linear readout. The seeds' parameters are stacked, so that one batched product
serves all; Adam works entry by entry, the gradient is clipped for each seed, and a seed that has met the goal leaves
the stack. What comes of a seed depends on the others by rounding alone.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

import lstmlab.torch as lt
from lstmlab import cells
from lstmlab.torch.ensemble import run_stacked

from .problems import Problem, Stack, stack, stream_of

Params = dict[str, torch.Tensor]


@dataclasses.dataclass(frozen=True)
class Plan:
    """How a configuration is trained: the same for all that are compared.

    Attributes
    ----------
    updates : int
        At most so many; a multiple of `every`.
    batch : int
        Sequences of an update.
    every : int
        Updates from one validation to the next.
    clip : float
        The norm at which a gradient is clipped (`eq-clip`), all parameters of a network together.
    goal : float, optional
        A score that is met when two validations in a row are at most that; a seed that has met it stops.
    """

    updates: int
    batch: int
    every: int
    clip: float = 1.0
    goal: float | None = None

    def __post_init__(self):
        if self.every < 1 or self.updates < 1 or self.updates % self.every:
            raise ValueError(f"updates is {self.updates} and every is {self.every}; expected a multiple of every")


class Trained(NamedTuple):
    """What came of the seeds.

    Attributes
    ----------
    params : dict of str to Tensor (S, ...)
        Of the validation with the best score.
    scores : list of float
        That score.
    updates : list of int
        The updates until then; for a seed that met the goal, until it first did.
    met : list of bool
    """

    params: Params
    scores: list[float]
    updates: list[int]
    met: list[bool]


@dataclasses.dataclass(frozen=True)
class Network:
    """A recurrent layer and a linear readout.

    Attributes
    ----------
    cell : str
        Name of a cell of the package, such as ``"LSTM"``.
    hidden : int
        H.
    forget_bias : float, optional
        At the start, for a cell that has a forget gate.
    variant : str, optional
        Of an `AblatedLSTM`.
    """

    cell: str
    hidden: int
    forget_bias: float | None = None
    variant: str | None = None

    @property
    def _options(self) -> dict[str, str]:
        return {} if self.variant is None else {"variant": self.variant}

    def numpy_cell(self, inputs: int) -> Any:
        """The cell for I inputs."""
        return getattr(cells, self.cell)(inputs, self.hidden, **self._options)

    def layer(self, inputs: int) -> torch.nn.Module:
        """The layer for I inputs; its own parameters are not used."""
        return getattr(lt, self.cell)(inputs, self.hidden, backend="loop", **self._options)

    def parameter_count(self, problem: Problem) -> int:
        """Parameters of the layer and the readout."""
        shapes = self.numpy_cell(problem.inputs).parameter_shapes().values()
        return sum(int(np.prod(shape)) for shape in shapes) + problem.outputs * (self.hidden + 1)

    def init(self, problem: Problem, seeds: Sequence[int]) -> Params:
        """Parameters of a network for each seed, one upon the other: the cell's `init`, and the readout alike."""
        cell, bound, each = self.numpy_cell(problem.inputs), 1 / np.sqrt(self.hidden), []
        for seed in seeds:
            rng = stream_of(seed, "weights")
            params = cell.init(rng, dtype=np.float32, **(
                {} if self.forget_bias is None else {"forget_bias": self.forget_bias}))
            params["W_out"] = rng.uniform(-bound, bound, (problem.outputs, self.hidden)).astype(np.float32)
            params["b_out"] = np.zeros(problem.outputs, np.float32)
            each.append(params)
        return {name: torch.from_numpy(np.stack([params[name] for params in each])) for name in each[0]}


def with_budget(network: Network, problem: Problem, budget: int) -> Network:
    """The network of that kind whose parameters are as near to `budget` in number as can be.

    Examples
    --------
    >>> from .problems import OneBit
    >>> [with_budget(Network(cell, 1), OneBit(5), 1489).hidden for cell in ("LSTM", "RNN", "GRU")]
    [16, 35, 19]
    """
    sizes = (dataclasses.replace(network, hidden=H) for H in range(1, math.isqrt(budget) + 2))
    return min(sizes, key=lambda one: abs(one.parameter_count(problem) - budget))


def outputs(layer: torch.nn.Module, problem: Problem, params: Params, batch: Stack) -> torch.Tensor:
    """What the networks say: (T, S, B, O) if asked at every step, else (S, B, O)."""
    hs, state = run_stacked(layer, params, batch.xs, mask=batch.mask)
    return (hs if problem.every else state[0]) @ params["W_out"].mT + params["b_out"][:, None]


def train(network: Network, problem: Problem, plan: Plan, rate: float, seeds: Sequence[int]) -> Trained:
    """Train a network from each seed.

    Parameters
    ----------
    network : Network
    problem : Problem
    plan : Plan
    rate : float
        Of Adam.
    seeds : sequence of int
        From each come the weights, the batches, and what is held out.
    """
    layer, validation = network.layer(problem.inputs), held_out(problem, seeds, "validation")
    streams = [problem.stream(seed, plan.batch) for seed in seeds]
    best = network.init(problem, seeds)
    scores, updates, met = [math.inf] * len(seeds), [0] * len(seeds), [False] * len(seeds)
    active, params = list(range(len(seeds))), {name: value.clone().requires_grad_() for name, value in best.items()}
    optimizer = torch.optim.Adam(params.values(), lr=rate)
    for update in range(1, plan.updates + 1):
        batch = stack(problem, [next(streams[n]) for n in active])
        problem.loss(outputs(layer, problem, params, batch), batch.targets).sum().backward()
        clip(params, plan.clip)
        optimizer.step()
        optimizer.zero_grad()
        if update % plan.every:
            continue
        with torch.no_grad():
            now = validation.rows(active, problem.every)
            found = problem.score(outputs(layer, problem, params, now), now.targets).tolist()
        staying = []
        for place, (n, score) in enumerate(zip(active, found, strict=True)):
            if plan.goal is not None and max(score, scores[n]) <= plan.goal and updates[n] == update - plan.every:
                met[n] = True
                continue
            staying.append(place)
            if score < scores[n] or (plan.goal is not None and score <= plan.goal):
                scores[n], updates[n] = score, update
                for name, value in params.items():
                    best[name][n] = value.detach()[place]
        if not staying:
            break
        if len(staying) < len(active):
            active = [active[place] for place in staying]
            params, optimizer = keep(params, optimizer, staying)
    return Trained(best, scores, updates, met)


def held_out(problem: Problem, seeds: Sequence[int], part: str) -> Stack:
    """What each seed holds out."""
    return stack(problem, [problem.held_out(seed, part) for seed in seeds])


def scores_on_test(network: Network, problem: Problem, params: Params, seeds: Sequence[int]) -> list[float]:
    """The scores on sequences that were neither learnt from nor chosen by."""
    batch = held_out(problem, seeds, "test")
    with torch.no_grad():
        said = outputs(network.layer(problem.inputs), problem, params, batch)
        return problem.score(said, batch.targets).tolist()


def clip(params: Params, limit: float) -> None:
    """Clip the gradient of each network at a norm (`eq-clip`); one that is not finite is passed over.

    A network whose gradient has overflowed is left as it is for this update: it has a direction no longer.
    """
    squares = sum(p.grad.double().square().flatten(1).sum(dim=1) for p in params.values())
    factor = torch.where(squares.isfinite(), limit / squares.sqrt().clamp(min=limit), 0.0).float()     # (S,)
    for p in params.values():
        p.grad.nan_to_num_(0.0, 0.0, 0.0).mul_(factor.view(-1, *[1] * (p.ndim - 1)))


def keep(params: Params, optimizer: torch.optim.Adam, places: Sequence[int]) -> tuple[Params, torch.optim.Adam]:
    """The networks at some places of the stack, with what Adam knows of them."""
    kept = {name: value.detach()[places].requires_grad_() for name, value in params.items()}
    fresh = torch.optim.Adam(kept.values(), lr=optimizer.defaults["lr"])
    for old, new in zip(params.values(), kept.values(), strict=True):
        fresh.state[new] = {key: value if key == "step" else value[places]
                            for key, value in optimizer.state[old].items()}
    return kept, fresh
