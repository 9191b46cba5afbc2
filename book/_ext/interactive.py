"""The directive ``interactive``: a figure that a reader can move, with a static picture for print and without scripts.

````
```{interactive} cell-step-by-step
**The cell, step by step.** What to try, what to see.
```
````

Arithmetic, controls and figures are plain scripts in `book/_interactive`, loaded by the pages that have a figure and by
no other. They are classic scripts with ``defer`` and find their data in the page, since a browser that opens a page
from a disk loads neither modules nor data. What stands in for a figure without them is drawn here from the same data.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

import lstmlab
from lstmlab import LSTM, RNN, LSTMState, sigmoid
from lstmlab.experiments.gap_length import success_picture
from lstmlab.figures import (
    Svg,
    cifg_diagram,
    gru_diagram,
    lstm_diagram,
    peephole_diagram,
    plot_style,
    themed_svg,
)
from lstmlab.tasks.reber import GRAMMAR, SYMBOLS

SCRIPTS = Path(__file__).parents[1] / "_interactive"
RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
SHARED = ("cells.js", "controls.js")
DATA = {"trained-network": ("trained-networks.json",), "gap-length": ("gap-length.json",)}


class Interactive(NamedTuple):
    """A figure's first state.

    Attributes
    ----------
    static : Svg
        What stands in print and without scripts.
    words : str
        What the static picture shows, in a sentence or two.
    data : object
        What the script starts from, as JSON holds it.
    pictures : dict of str to Svg
        Pictures that the script shows, by name.
    """

    static: Svg
    words: str
    data: Any
    pictures: dict[str, Svg]


def cell_step_by_step() -> Interactive:
    """One unit with one input, in all cells: the numbers that the figure begins with, and its diagrams."""
    data = {"state": {"h": 0.3, "C": 0.8, "x": 1.0},
            "weights": {"f": [0.5, -1.0, 1.0], "i": [0.5, 2.0, -1.0], "C": [0.6, -1.5, 0.0], "o": [0.4, 0.8, 0.2]},
            "peepholes": {"f": 1.0, "i": -1.0, "o": 0.5}, "b_hn": 0.5, "reset": "after", "carry": "z"}
    tape = _lstm_tape(data)
    values = {name: float(array[0, 0]) for name, array in tape._asdict().items()}
    values |= {"h": values["o"] * np.tanh(values["C"]), "f*C_prev": values["f"] * values["C_prev"],
               "i*C_tilde": values["i"] * values["C_tilde"], "tanh(C)": np.tanh(values["C"])}
    unit = dict.fromkeys(("x", "h_prev", "z", "r", "n", "h", "kept", "taken"), 0.0)
    pictures = {"lstm": lstm_diagram(values=values), "peephole": peephole_diagram(values=values),
                "cifg": cifg_diagram(values=values)}
    for reset in ("after", "before"):
        for carry in ("z", "1-z"):
            places = unit | ({"m": 0.0} if reset == "after" else {})
            pictures[f"gru-{reset}-{carry}"] = gru_diagram(reset, carry, values=places)
    words = ("One unit with one input, from h = {h_prev:g}, C = {C_prev:g} and x = {x:g}: f = {f:.3f}, i = {i:.3f}, "
             "C̃ = {C_tilde:.3f}, o = {o:.3f}; the new cell state is {C:.3f} and the new hidden state {h:.3f}."
             ).format(**values).replace("-", "−")
    return Interactive(pictures["lstm"], words, data, pictures)


def _lstm_tape(data):
    """The step of the LSTM that the first figure begins with."""
    params = {}
    for box, (w_h, w_x, b) in data["weights"].items():
        params[f"W_{box}"], params[f"b_{box}"] = np.array([[w_h, w_x]]), np.array([b])
    h, C, x = (np.array([[data["state"][name]]]) for name in ("h", "C", "x"))
    return LSTM(1, 1).step(params, x, LSTMState(h, C))[1]


def gradient_road() -> Interactive:
    """Twelve forget gates, and one unit of a simple network over as many steps."""
    T, w, s = 12, 1.0, 1.0
    xs = np.random.default_rng(5).normal(size=T).round(2)
    f = [0.9] * T
    f[4] = 0.4
    usual = float(sigmoid(np.float64(1.0)).round(2))
    shut = [0.95] * T
    shut[4] = 0.0
    data = {"f": f, "w": w, "s": s, "xs": xs.tolist(), "t": 0,
            "presets": [("all 1", 1.0), ("all 0.98", 0.98), (f"bias 1: {usual}", usual), ("bias 0: 0.5", 0.5),
                        ("one shut", shut)]}
    hs, _, _ = RNN(1, 1).forward({"W_h": np.array([[w, s]]), "b_h": np.zeros(1)}, xs[:, None, None])
    left = {"LSTM": np.cumprod([1.0, *f[::-1]])[::-1],
            "RNN": np.cumprod([1.0, *(w * (1 - hs[::-1, 0, 0] ** 2))])[::-1]}
    import matplotlib.pyplot as plt

    with plt.rc_context(plot_style()):
        figure, ax = plt.subplots(figsize=(8.6, 3.6))
        for (name, values), style in zip(left.items(), ("C0o-", "C2s--"), strict=True):
            ax.semilogy(range(T + 1), values, style, label=name)
        ax.set(xlabel="$t$", ylabel="size of the gradient", xticks=range(0, T + 1, 2))
        ax.legend(loc="lower right")
    words = (f"What is left at step t of a gradient of 1 at step {T}, with all forget gates at {f[0]} but one, at "
             f"{f[4]}. After {T} steps it is {left['LSTM'][0]:.2g} along the cell state and {left['RNN'][0]:.1g} in a "
             f"simple network of one unit.")
    return Interactive(themed_svg(figure, title="The gradient’s road", alt=words), words, data, {})


def trained_network() -> Interactive:
    """The two networks of benchmarks/trained_networks.py; static is the one that adds, on its first sequence."""
    report = json.loads((RESULTS / "trained-networks.json").read_text(encoding="utf-8"))
    data = {name: {key: report[name][key] for key in ("hidden_size", "test", "examples", "params")}
            for name in ("adding", "reber")}
    data |= {"task": "adding", "symbols": SYMBOLS, "grammar": GRAMMAR}
    network = data["adding"]
    xs = np.array(network["examples"][0])[:, None]
    params, cell = {name: np.array(value) for name, value in network["params"].items()}, LSTM(2, network["hidden_size"])
    hs, _, tape = cell.forward({name: params[name] for name in cell.parameter_shapes()}, xs)
    answers, sums = (hs @ params["W_y"].T + params["b_y"])[:, 0, 0], np.cumsum(xs[:, 0].prod(axis=1))
    import matplotlib.pyplot as plt

    steps = np.arange(1, len(xs) + 1)
    with plt.rc_context(plot_style()):
        figure, (above, below) = plt.subplots(2, sharex=True, figsize=(8.6, 5))
        above.plot(steps, tape.states.C[1:, 0], linewidth=1.6)
        above.set(ylabel="$C_t$ of every unit")
        below.plot(steps, answers, "C0o-", label="answer, if asked now")
        below.step(steps, sums, "k--", where="post", linewidth=1.6, label="sum of what was marked")
        below.set(xlabel="time step $t$")
        below.legend(loc="upper left")
    words = (f"An LSTM of {cell.hidden_size} units reads a sequence of {len(xs)} values, two of them marked. Above, "
             f"the cell states of all units; below, what it would answer after every step, and the sum of what was "
             f"marked until then. At the end, where it is asked, it answers {answers[-1]:.3f}; the sum is "
             f"{sums[-1]:.3f}.")
    return Interactive(themed_svg(figure, title="Inside a trained network", alt=words), words, data, {})


BEGIN_WITH = ("RNN", "LSTM, forget bias 0", "LSTM, forget bias 1", "GRU")       # of the cells, for a chart not too full


def gap_length() -> Interactive:
    """What benchmarks/studies.py measured of the cells; static is the share of seeds that learnt the task."""
    report = json.loads((RESULTS / "gap-length.json").read_text(encoding="utf-8"))
    labels, lags = [cell["label"] for cell in report["cells"]], report["lags"]
    kept = ("label", "lag", "ran", "seeds", "success_rate", "interval", "median_updates", "gradient_norm")
    rows = [{key: row[key] for key in kept} for row in report["rows"]]
    for row in rows:
        row["gradient_norm"] = {when: {key: found[key] for key in ("median", "interval")}
                                for when, found in (row["gradient_norm"] or {}).items()}
    data = {"lags": lags, "cells": labels, "rows": rows, "lag": lags[len(lags) // 2],
            "shown": [label for label in labels if label in BEGIN_WITH]}
    words = ("A panel for each cell: the share of seeds that learn to say the first symbol after a gap, against the "
             f"lag, from {min(lags)} to {max(lags)} steps.")
    return Interactive(success_picture(report), words, data, {})


FIGURES: dict[str, Callable[[], Interactive]] = {"cell-step-by-step": cell_step_by_step, "gradient-road": gradient_road,
                                               "trained-network": trained_network, "gap-length": gap_length}


def html_of(name: str, figure: Interactive) -> tuple[str, str]:
    """The markup before and after a figure's caption."""
    data = json.dumps(figure.data, separators=(",", ":")).replace("</", "<\\/")
    pictures = "".join(f'<template data-name="{picture}">{svg}</template>' for picture, svg in figure.pictures.items())
    return (f'<figure class="interactive lstmlab-svg" data-interactive="{name}"><figcaption>',
            f'</figcaption><div class="interactive-static">{figure.static}<p>{escape(figure.words)}</p></div>'
            f'<script type="application/json">{data}</script>{pictures}</figure>')


class InteractiveDirective(SphinxDirective):
    """A figure of `FIGURES` by its name; the content says what to try and what to see."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        if name not in FIGURES:
            raise self.error(f"there is no interactive figure {name!r}; expected one of {', '.join(FIGURES)}")
        _figures_of(self.env).setdefault(self.env.docname, set()).add(name)
        for path in DATA.get(name, ()):
            self.env.note_dependency(str(RESULTS / path))
        before, after = html_of(name, FIGURES[name]())
        caption = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, caption)
        return [nodes.raw("", before, format="html"), *caption.children, nodes.raw("", after, format="html")]


def _figures_of(env) -> dict[str, set[str]]:
    """Names of the figures of each page; kept with the environment."""
    if not hasattr(env, "interactive_figures"):
        env.interactive_figures = {}
    return env.interactive_figures


def forget_page(app, env, docname) -> None:
    """Forget the figures of a page that is read anew."""
    _figures_of(env).pop(docname, None)


def merge_pages(app, env, docnames, other) -> None:
    """Take over what another process read."""
    _figures_of(env).update({name: _figures_of(other)[name] for name in docnames if name in _figures_of(other)})


def load_scripts(app, pagename, templatename, context, doctree) -> None:
    """Let a page that has figures load their scripts and their style sheet."""
    if names := _figures_of(app.env).get(pagename):
        app.add_css_file("interactive.css")
        for script in (*SHARED, *(f"{name}.js" for name in sorted(names))):
            app.add_js_file(script, loading_method="defer")


def serve_scripts(app, config) -> None:
    """Serve the scripts; Jupyter Book would load what lies in `_static` on every page."""
    config.html_static_path.append(str(SCRIPTS))


def setup(app):
    """Connect to Sphinx."""
    app.add_directive("interactive", InteractiveDirective)
    app.connect("config-inited", serve_scripts)
    app.connect("env-purge-doc", forget_page)
    app.connect("env-merge-info", merge_pages)
    app.connect("html-page-context", load_scripts)
    return {"version": lstmlab.__version__, "parallel_read_safe": True, "parallel_write_safe": True}
