"""The studies' training loop: equal budgets, seeds that do not touch each other, and what is clipped or kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lstmlab.experiments.gap_length import BUDGET, CELLS, arriving
from lstmlab.experiments.problems import Adding, Digits, EmbeddedReber, OneBit, stack
from lstmlab.experiments.training import Network, Plan, clip, train, with_budget

SMALL = Network("LSTM", 4, 1.0)


@pytest.mark.parametrize("label", CELLS)
def test_budgets_are_equal(label):
    """Every cell of the gap study has as many parameters as the LSTM with 16 units, within 5 %."""
    problem = OneBit(50)
    count = with_budget(CELLS[label], problem, BUDGET).parameter_count(problem)
    assert replace(CELLS["LSTM, forget bias 1"], hidden=16).parameter_count(problem) == BUDGET
    assert count == pytest.approx(BUDGET, rel=0.05)


def test_parameter_counts_are_those_of_what_is_trained():
    """The arrays that `init` draws hold as many numbers as are reported."""
    for label, network in CELLS.items():
        network, problem = with_budget(network, OneBit(5), BUDGET), OneBit(5)
        params = network.init(problem, [0])
        assert sum(p.numel() for p in params.values()) == network.parameter_count(problem), label


def test_a_rerun_gives_the_same_numbers():
    """All chance comes from the seeds."""
    first, again = (train(SMALL, OneBit(5), Plan(20, 4, 10), 0.01, [3, 4]) for _ in range(2))
    assert (first.scores, first.updates) == (again.scores, again.updates)
    assert all(torch.equal(first.params[name], again.params[name]) for name in first.params)


def test_seeds_do_not_touch_each_other():
    """A seed alone ends where it ends beside others, but for rounding, also when another leaves before it."""
    plan = Plan(200, 8, 10, goal=0.05)
    together = train(SMALL, OneBit(5), plan, 0.02, [0, 1, 2])
    assert len(set(together.updates)) > 1
    for n in range(3):
        alone = train(SMALL, OneBit(5), plan, 0.02, [n])
        assert alone.updates == [together.updates[n]]
        assert alone.met == [together.met[n]]
        for name, value in alone.params.items():
            np.testing.assert_allclose(value[0], together.params[name][n], atol=1e-4)


def test_the_goal_is_met_twice_in_a_row():
    """A goal that every score meets is met at the second validation, and counts from the first."""
    trained = train(SMALL, OneBit(5), Plan(50, 4, 10, goal=1.0), 0.01, [0])
    assert (trained.met, trained.updates) == ([True], [10])


def test_each_gradient_is_clipped_by_itself():
    """`eq-clip`, network by network; one that is not finite moves nothing."""
    params = {"W": torch.zeros(3, 2), "b": torch.zeros(3, 1)}
    params["W"].grad = torch.tensor([[3.0, 0.0], [0.3, 0.0], [torch.inf, 1.0]])
    params["b"].grad = torch.tensor([[4.0], [0.4], [1.0]])
    clip(params, 1.0)
    assert torch.allclose(params["W"].grad, torch.tensor([[0.6, 0.0], [0.3, 0.0], [0.0, 0.0]]))
    assert torch.allclose(params["b"].grad, torch.tensor([[0.8], [0.4], [0.0]]))


def test_a_plan_ends_with_a_validation():
    """Updates that nobody looks at are refused."""
    with pytest.raises(ValueError, match="updates is 25 and every is 10; expected a multiple of every"):
        Plan(25, 4, 10)


def test_what_arrives_over_a_gap_is_the_product_of_jacobians():
    """`eq-jacobian-product`: in an RNN, the readout times the Jacobians of all steps but the first."""
    network, problem = Network("RNN", 3), OneBit(6)
    params = network.init(problem, [0])
    batch = problem.held_out(0, "test")
    cell = network.numpy_cell(problem.inputs)
    W, U = params["W_out"][0, 0].double().numpy(), params["W_h"][0].double().numpy()
    numbers = {name: params[name][0].double().numpy() for name in ("W_h", "b_h")}
    hs, _, _ = cell.forward(numbers, batch.xs[:, :16].astype(float))
    expected = []
    for n in range(16):
        row = W
        for h in hs[:0:-1, n]:
            row = (row * (1 - h ** 2)) @ U[:, :3]
        expected.append(np.linalg.norm(row) / np.linalg.norm(W))
    assert arriving(network, problem, params, [0]) == pytest.approx([np.mean(expected)], rel=1e-9)


@pytest.mark.parametrize("problem", [OneBit(6), Adding(6), Digits(), EmbeddedReber()], ids=lambda p: type(p).__name__)
def test_what_is_held_out_is_of_streams_of_its_own(problem):
    """Validation, test and training differ; the same seed draws the same again."""
    first, again, other = (problem.held_out(1, part) for part in ("test", "test", "validation"))
    np.testing.assert_array_equal(first.xs, again.xs)
    assert first.xs.shape != other.xs.shape or (first.xs != other.xs).any()
    train_xs = next(problem.stream(1, 8)).xs
    assert train_xs.dtype == np.float32
    assert train_xs.shape[2] == problem.inputs


def test_a_bit_is_asked_for_after_its_lag():
    """One of the two first codes at the first step and never again; the answer is that first one."""
    batch = OneBit(9).held_out(0, "test")
    assert batch.xs.shape == (9, 128, 6)
    assert (batch.xs[0, :, 1] == batch.targets[:, 0]).all()
    assert (batch.xs[0, :, :2].sum(axis=1) == 1).all()
    assert not batch.xs[1:, :, :2].any()


def test_the_grammar_itself_has_no_divergence():
    """Who says the legal symbols with equal probability scores 0; who says all alike does not."""
    problem = EmbeddedReber()
    batch = stack(problem, [problem.held_out(0, "test")])
    perfect = torch.where(batch.targets > 0, 0.0, -50.0)
    assert problem.score(perfect, batch.targets).item() == pytest.approx(0, abs=1e-6)
    assert problem.score(torch.zeros_like(perfect), batch.targets).item() > 1
