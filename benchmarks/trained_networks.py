"""Train the two small networks that the book lets its readers look into, and record their weights.

    python benchmarks/trained_networks.py

One LSTM adds two marked numbers of a sequence, one predicts the next symbol of embedded Reber strings. All chance comes
from one seed; weights are rounded to four decimals, and what is recorded of their quality is measured after that, on
sequences that they have not learnt from. ``results/trained-networks.json`` has for each network ``hidden_size``,
``seed``, ``training``, ``test``, ``params`` (as `lstmlab.LSTM` holds them, and the readout's ``W_y`` and ``b_y``), and
``examples`` to begin with. It takes some two minutes.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform

import numpy as np
import torch

from lstmlab import LSTM
from lstmlab.experiments.problems import Adding, EmbeddedReber
from lstmlab.experiments.training import Network, Plan, train
from lstmlab.tasks import adding, embedded_reber
from lstmlab.tasks.reber import SYMBOLS

RESULTS = pathlib.Path(__file__).parent / "results" / "trained-networks.json"
SEED, TEST_SEED, TESTS, EXAMPLES, LENGTH = 0, 99, 1000, 4, 24
RATE = 0.01
TASKS = {
    "adding": (Network("LSTM", 6, 1.0), Adding(LENGTH), Plan(updates=2000, batch=32, every=100)),
    "reber": (Network("LSTM", 8, 1.0), EmbeddedReber(), Plan(updates=2000, batch=32, every=100)),
}


def trained(name):
    """The network of a task: its parameters, rounded, and how it was trained."""
    network, problem, plan = TASKS[name]
    found = train(network, problem, plan, RATE, [SEED])
    params = {key: value[0].double().numpy().round(4) for key, value in found.params.items()}
    params["W_y"], params["b_y"] = params.pop("W_out"), params.pop("b_out")
    cell = LSTM(problem.inputs, network.hidden)
    training = {**dataclasses.asdict(plan), "rate": RATE, "best_after": found.updates[0],
                "forget_bias": network.forget_bias}
    return cell, params, training


def answers(cell, params, xs, mask=None):
    """What the readout says at every step, (T, B, O)."""
    hs, _, _ = cell.forward({name: params[name] for name in cell.parameter_shapes()}, xs, mask=mask)
    return hs @ params["W_y"].T + params["b_y"]


def adding_entry():
    """The network that adds: its error on sequences it has not seen, beside that of always answering 1."""
    cell, params, training = trained("adding")
    xs, targets = adding(np.random.default_rng(TEST_SEED), LENGTH, TESTS)
    error = float(np.mean((answers(cell, params, xs)[-1] - targets) ** 2))
    examples = xs[:, :EXAMPLES].round(3).transpose(1, 0, 2)
    return entry(cell, params, training, {"sequences": TESTS, "mean_squared_error": error,
                                          "answering_1": float(np.mean((1 - targets) ** 2))}, examples.tolist())


def reber_entry():
    """The network that predicts: in how many strings the legal symbols are the most probable ones at every step."""
    cell, params, training = trained("reber")
    strings = embedded_reber(np.random.default_rng(TEST_SEED), TESTS)
    xs = np.eye(len(SYMBOLS))[strings.symbols] * strings.mask[..., None]
    said = answers(cell, params, xs, strings.mask)
    least_legal = np.where(strings.legal, said, np.inf).min(axis=-1)
    right = (least_legal > np.where(strings.legal, -np.inf, said).max(axis=-1)) | ~strings.legal.any(axis=-1)
    written = ["".join(SYMBOLS[s] for s in strings.symbols[:, n] if s >= 0) for n in range(TESTS)]
    examples = [string for string in dict.fromkeys(written) if 11 <= len(string) <= 15][:EXAMPLES]
    return entry(cell, params, training, {"strings": TESTS, "right_throughout": int(right.all(axis=0).sum())}, examples)


def entry(cell, params, training, test, examples):
    """What is recorded of a network."""
    return {"hidden_size": cell.hidden_size, "seed": SEED, "training": training, "test": test, "examples": examples,
            "params": {name: value.tolist() for name, value in params.items()}}


def provenance():
    """What the networks were trained with."""
    return {"date": datetime.date.today().isoformat(), "python": platform.python_version(), "numpy": np.__version__,
            "torch": torch.__version__, "machine": platform.machine(), "cores": os.cpu_count()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=pathlib.Path, default=RESULTS)
    args = parser.parse_args()
    torch.set_num_threads(1)                            # products as small as these gain nothing from more
    report = {"adding": adding_entry(), "reber": reber_entry(), "symbols": SYMBOLS, "ran": provenance()}
    args.output.write_text(json.dumps(report, separators=(",", ":")) + "\n", encoding="utf-8")
    for name in TASKS:
        print(name, report[name]["training"], report[name]["test"])


if __name__ == "__main__":
    main()
