"""Digits read pixel by pixel: an LSTM row by row, an LSTM in a shuffled order, and a logistic regression that sees all.

Each seed splits the pictures anew into those that are learnt from, those by which it is decided when to stop, and those
that are tested on, once; all three methods get the same split. In the shuffled order every picture's pixels come in
one permutation, drawn from the seed: nothing is lost but that neighbours in the picture are neighbours in time.

References
----------
Q. V. Le, N. Jaitly and G. E. Hinton, "A simple way to initialize recurrent networks of rectified linear units",
arXiv:1504.00941, 2015: the same with larger pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lstmlab import tasks

from . import jobs
from .statistics import mean_interval

ORDERS = ("row by row", "shuffled")
HIDDEN, RATE, BATCH, EPOCHS = 48, 0.01, 64, 60
VALIDATION, TEST = 237, 360
TRIALS = 6
WATCHED = (3, 8)        # digits of which the first test picture is watched while it is read


class Split(NamedTuple):
    """Pictures as sequences: pixels (64, B, 1) and digits (B,) of three parts."""

    learn: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


class Reader(NamedTuple):
    """A trained network.

    Attributes
    ----------
    layer : lstmlab.torch.LSTM
    readout : torch.nn.Linear
    order : ndarray of int (64,)
        In which it reads the pixels.
    accuracies : list of float
        On the validation pictures after each epoch; the weights are those of the best.
    """

    layer: Any
    readout: Any
    order: np.ndarray
    accuracies: list[float]

    def accuracy(self, pixels: np.ndarray, digits: np.ndarray) -> float:
        """Share of pictures, (64, B, 1) row by row, that are named rightly after the last pixel."""
        import torch

        with torch.no_grad():
            hs, _ = self.layer(torch.from_numpy(pixels[self.order]))
            return float((self.readout(hs[-1]).argmax(dim=1).numpy() == digits).mean())


def split(seed: int) -> Split:
    """The split of a seed.

    Examples
    --------
    >>> [len(digits) for _, digits in split(0)]
    [1200, 237, 360]
    """
    (pixels, digits), test = tasks.digits(np.random.default_rng(seed), TEST)
    parts = (pixels[:, VALIDATION:], digits[VALIDATION:]), (pixels[:, :VALIDATION], digits[:VALIDATION]), test
    return Split(*((pixels.astype(np.float32), digits) for pixels, digits in parts))


def train(seed: int, order: str = "row by row", epochs: int = EPOCHS) -> Reader:
    """Train an LSTM on the pictures of a seed, by Adam on the cross-entropy after the last pixel.

    The learning rate falls to zero in the second half of the epochs.

    Parameters
    ----------
    seed : int
        Of the split, the permutation, the weights and the batches.
    order : {"row by row", "shuffled"}, optional
    epochs : int, optional

    Raises
    ------
    ValueError
        If there is no such order.
    """
    import torch
    from torch.nn.functional import cross_entropy

    import lstmlab.torch as lt

    if order not in ORDERS:
        raise ValueError(f"order is {order!r}; expected one of {', '.join(ORDERS)}")
    (pixels, digits), validation, _ = split(seed)
    rng = np.random.default_rng([seed, 1])
    places = rng.permutation(64) if order == "shuffled" else np.arange(64)
    torch.manual_seed(seed)
    layer, readout = lt.LSTM(1, HIDDEN), torch.nn.Linear(HIDDEN, 10)
    weights = [*layer.parameters(), *readout.parameters()]
    optimiser = torch.optim.Adam(weights, RATE)
    slower = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda epoch: min(1.0, 2 * (1 - epoch / epochs)))
    xs, targets = torch.from_numpy(pixels[places]), torch.from_numpy(digits)
    reader, best, kept = Reader(layer, readout, places, []), -1.0, []
    for _ in range(epochs):
        for part in torch.from_numpy(rng.permutation(len(digits))).split(BATCH):
            hs, _ = layer(xs[:, part])
            optimiser.zero_grad()
            cross_entropy(readout(hs[-1]), targets[part]).backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
        slower.step()
        reader.accuracies.append(reader.accuracy(*validation))
        if reader.accuracies[-1] > best:
            best, kept = reader.accuracies[-1], [weight.detach().clone() for weight in weights]
    with torch.no_grad():
        for weight, value in zip(weights, kept, strict=True):
            weight.copy_(value)
    return reader


def regress(seed: int) -> float:
    """Test accuracy of a logistic regression on all 64 pixels, its penalty chosen on the validation pictures."""
    from sklearn.linear_model import LogisticRegression

    learn, validation, test = ((pixels[..., 0].T, digits) for pixels, digits in split(seed))
    models = [LogisticRegression(C=penalty, max_iter=2000).fit(*learn) for penalty in (0.1, 1.0, 10.0)]
    return max(models, key=lambda model: model.score(*validation)).score(*test)


# -- the study -----------------------------------------------------------------------------------------------


def read(order: str, seed: int) -> dict[str, Any]:
    """Train a network, and test it once; the first that reads row by row is watched too."""
    reader, test = train(seed, order), split(seed).test
    watched = watch(reader, *test) if (order, seed) == (ORDERS[0], 0) else []
    return {"accuracy": reader.accuracy(*test), "validation": [round(v, 4) for v in reader.accuracies],
            "watched": watched}


def watch(reader: Reader, pixels: np.ndarray, digits: np.ndarray) -> list[dict[str, Any]]:
    """The first picture of each watched digit: its pixels, and after each the cell state and what the readout says."""
    import torch

    found = []
    for digit in WATCHED:
        one = pixels[:, np.flatnonzero(digits == digit)[:1]]
        with torch.no_grad():
            hs, _, gates = reader.layer(torch.from_numpy(one[reader.order]), return_gates=True)
            said = reader.readout(hs[:, 0]).softmax(dim=1)
        found.append({"digit": digit, "pixels": one[:, 0, 0].tolist(),
                      "C": gates["C_l0"][:, 0].numpy().astype(float).round(3).tolist(),
                      "probabilities": said.numpy().astype(float).round(4).tolist()})
    return found


def compare(seed: int) -> dict[str, Any]:
    """The logistic regression on the same pictures."""
    return {"accuracy": regress(seed)}


def fingerprint() -> str:
    """Of what decides the accuracies."""
    return jobs.fingerprint((tasks.digits, split, Reader, train, regress, read, watch, compare),
                            (HIDDEN, RATE, BATCH, EPOCHS, VALIDATION, TEST, WATCHED))


def run(folder: Path, trials: int | None = None, workers: int | None = None) -> Iterator[jobs.Step]:
    """Run what `folder` does not hold yet: `trials` splits, each by all three methods."""
    path, mark, seeds = folder / "digits.jsonl", fingerprint(), range(trials or TRIALS)
    yield from jobs.run(path, mark, "networks", read, [(order, seed) for seed in seeds for order in ORDERS], workers)
    yield from jobs.run(path, mark, "regression", compare, [(seed,) for seed in seeds], workers)


def summary(folder: Path) -> dict[str, Any]:
    """Mean accuracy of each method with its 95 % interval by Student's t, and of the differences, ready for JSON.

    Parameters
    ----------
    folder : Path
        In which the study was run.
    """
    found = jobs.journal(folder / "digits.jsonl", fingerprint())
    values = {f"LSTM, {order}": [found[job]["accuracy"] for job in sorted(found) if job[:2] == ("networks", order)]
              for order in ORDERS}
    values["logistic regression"] = [found[job]["accuracy"] for job in sorted(found) if job[0] == "regression"]
    first = f"LSTM, {ORDERS[0]}"
    return {"fingerprint": fingerprint(), "hidden": HIDDEN, "pictures": [1797 - VALIDATION - TEST, VALIDATION, TEST],
            "methods": {name: {"accuracy": float(np.mean(each)), "interval": mean_interval(each), "each": each}
                        for name, each in values.items()},
            "differences": {name: {"mean": float(np.mean(np.subtract(values[first], each))),
                                   "interval": mean_interval(np.subtract(values[first], each))}
                            for name, each in values.items() if name != first},
            "validation": {order: np.mean([found[job]["validation"] for job in found
                                           if job[:2] == ("networks", order)], axis=0).round(4).tolist()
                           for order in ORDERS},
            "watched": found["networks", ORDERS[0], 0]["watched"],
            "seconds": round(sum(entry["seconds"] for entry in found.values()), 1)}


def markdown(study: dict[str, Any]) -> str:
    """The accuracies as a Markdown table."""
    lines = ["| method | right on the test pictures | splits |", "|---|---:|---:|"]
    for name, entry in study["methods"].items():
        cell = f"{entry['accuracy']:.1%}"
        if entry["interval"]:
            cell += " [{:.1%}, {:.1%}]".format(*entry["interval"])
        lines.append(f"| {name} | {cell} | {len(entry['each'])} |")
    return "\n".join(lines)


def report(folder: Path) -> dict[str, Any]:
    """Write digits.json, digits.md and digits.svg into `folder`; return the summary."""
    study = summary(folder)
    jobs.write(folder, "digits", study, markdown(study), picture(study))
    return study


def picture(study: dict[str, Any]) -> Any:
    """Draw accuracy on the validation pictures by epoch, in both orders, and the regression's on the test as a line.

    Parameters
    ----------
    study : dict
        As `summary` makes it.

    Returns
    -------
    lstmlab.figures.Svg
    """
    import matplotlib.pyplot as plt

    from lstmlab.figures import plot_style, themed_svg

    regression = study["methods"]["logistic regression"]["accuracy"]
    with plt.rc_context(plot_style()):
        figure, ax = plt.subplots()
        for n, (order, curve) in enumerate(study["validation"].items()):
            ax.plot(range(1, len(curve) + 1), curve, color=f"C{n}", linestyle=("-", "--")[n], label=f"LSTM, {order}")
        ax.axhline(regression, color="black", alpha=0.5, linestyle=":", label="logistic regression")
        ax.set(xlabel="epoch", ylabel="share right", ylim=(0, 1.02))
        ax.legend(loc="lower right")
    said = "; ".join(f"{order} {curve[-1]:.1%}" for order, curve in study["validation"].items())
    return themed_svg(figure, title="Digits read pixel by pixel",
                      alt=f"Share of validation pictures named rightly, by epoch, mean over the splits. At the end: "
                          f"{said}. A dotted line: logistic regression, {regression:.1%} of the test pictures.")
