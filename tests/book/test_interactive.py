"""The interactive figures, opened from a file as a newcomer opens them: right, operable by keyboard, accessible."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from lstmlab import CIFGLSTM, GRU, LSTM, RNN, LSTMState, PeepholeLSTM
from lstmlab.tasks import embedded_reber
from lstmlab.tasks.reber import SYMBOLS

SCRIPTS = Path(__file__).parents[2] / "book" / "_interactive"
FIGURES = [("lstm-cell", "cell-step-by-step"), ("vanishing-gradients", "gradient-road"),
           ("vanishing-gradients", "gap-length"), ("lstm-backward", "gradient-road"),
           ("what-gates-learn", "trained-network")]
EACH = [(page, figure) for page, figure in FIGURES if page != "lstm-backward"]      # every figure once
CELLS = {"RNN": (RNN, {}), "LSTM": (LSTM, {}), "PeepholeLSTM fio": (PeepholeLSTM, {"peepholes": "fio"}),
         "PeepholeLSTM o": (PeepholeLSTM, {"peepholes": "o"}), "CIFGLSTM": (CIFGLSTM, {}),
         **{f"GRU {reset} {carry}": (GRU, {"reset": reset, "carry": carry})
            for reset in ("after", "before") for carry in ("z", "1-z")}}
SETS, STATES = 20, 50                   # of parameters, and of states for each: 1,000 random states of every cell
RUN = """text => JSON.stringify(JSON.parse(text).map(({cell, options, params, xs, states}) => {
    const {RNN, LSTM, GRU} = window.lstmlab.cells;
    const step = {RNN, GRU: GRU(options.reset, options.carry)}[cell] ?? LSTM;
    return xs.map((x, n) => step(params, x, states[n]));
}))"""


def draw(name, seed):
    """A cell with random parameters and some random states, as JSON holds them, and what lstmlab makes of them."""
    kind, options = CELLS[name]
    rng = np.random.default_rng(seed)
    I, H = rng.integers(1, 5, 2)
    cell = kind(int(I), int(H), **options)
    params = {key: rng.normal(scale=2.0, size=shape) for key, shape in cell.parameter_shapes().items()}
    state = cell.State(*(rng.normal(scale=2.0, size=(STATES, H)) for _ in cell.State._fields))
    xs = rng.normal(scale=2.0, size=(STATES, I))
    after, tape = cell.step(params, xs, state)
    states = [{key: array[n].tolist() for key, array in state._asdict().items()} for n in range(STATES)]
    case = {"cell": name.split()[0], "options": options, "params": {k: v.tolist() for k, v in params.items()},
            "xs": xs.tolist(), "states": states}
    return case, {**tape._asdict(), **after._asdict()}


@pytest.mark.parametrize("name", CELLS)
def test_arithmetic_is_that_of_lstmlab(arithmetic, name):
    """On 1,000 random states a step in the browser gives every gate and state of lstmlab's to 1e-12."""
    cases, expected = zip(*(draw(name, seed) for seed in range(SETS)), strict=True)
    compared = 0
    found_there = json.loads(arithmetic.evaluate(RUN, json.dumps(cases)))
    for steps, arrays in zip(found_there, expected, strict=True):
        for key in sorted(arrays.keys() & steps[0].keys()):
            found = np.array([step[key] for step in steps])
            np.testing.assert_allclose(found, arrays[key], rtol=0, atol=1e-12, err_msg=key)
            compared += len(found)
    assert compared >= SETS * STATES * (1 if name == "RNN" else 4)


@pytest.fixture(scope="module")
def arithmetic(browser):
    """An empty page with the figures' arithmetic."""
    page = browser.new_page()
    page.add_script_tag(path=SCRIPTS / "cells.js")
    yield page
    page.close()


@pytest.fixture(scope="module")
def visit(browser, book):
    """Open a page of the book from its file, its formulas left unset to save time; note what it complained about."""
    contexts = []

    def visit(name, **settings):
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings}))
        contexts[-1].route("**/tex-chtml.js*", lambda route: route.fulfill(body="", content_type="text/javascript"))
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)                           # a busy machine may take long to set a long page
        page.complaints = []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: page.complaints.append(str(e)))
        page.goto((book.html / f"{name}.html").as_uri(), wait_until="load")
        return page

    yield visit
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def opened(visit):
    """The page of a figure, open, and the figure on it; each page is opened once."""
    pages = {}

    def opened(page, figure):
        if page not in pages:
            pages[page] = visit(page)
        pages[page].locator(f"figure[data-interactive={figure}].is-live").wait_for()
        return pages[page], pages[page].locator(f"figure[data-interactive={figure}]")

    return opened


def spoken(figure):
    """What the figure has said last, in words."""
    return figure.locator(".interactive-said").inner_text()


def data_of(figure):
    """What the figure started from."""
    return json.loads(figure.locator("script[type='application/json']").text_content())


@pytest.mark.parametrize(("page", "figure"), FIGURES)
def test_figure_runs_from_a_file(opened, page, figure):
    """Opened from a disk the figure is there in place of its static picture, and nothing complains."""
    on, place = opened(page, figure)
    assert place.locator(".interactive-live").is_visible()
    assert not place.locator(".interactive-static").is_visible()
    assert on.complaints == []


@pytest.mark.parametrize(("page", "figure"), EACH)
def test_figure_is_accessible_in_both_themes(opened, page, figure):
    """Axe finds nothing in the figure against WCAG 2.2 AA, light or dark."""
    on, _ = opened(page, figure)
    for theme in ("light", "dark"):
        on.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
        on.wait_for_timeout(350)                                    # the theme fades its colours over
        found = Axe().run(on, context=f"figure[data-interactive={figure}]", options={
            "resultTypes": ["violations"], "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        assert found.violations_count == 0, f"{theme}: {found.generate_report()}"


@pytest.mark.parametrize(("page", "figure"), EACH)
def test_figure_fits_a_phone(opened, page, figure):
    """At 390 pixels nothing in the figure reaches beyond its frame."""
    on, place = opened(page, figure)
    on.set_viewport_size({"width": 390, "height": 800})
    on.wait_for_timeout(100)                                        # plots are drawn anew
    beyond = place.evaluate("""figure => {
        const right = figure.getBoundingClientRect().right;
        return [...figure.querySelectorAll(".interactive-live *:not(.interactive-only-heard)")]
            .filter(e => e.getBoundingClientRect().right > right + 0.5).map(e => e.outerHTML.slice(0, 90));
    }""")
    on.set_viewport_size({"width": 1280, "height": 900})
    assert beyond == []


@pytest.mark.parametrize(("page", "figure"), EACH)
def test_print_has_the_static_picture(opened, page, figure):
    """On paper the static picture and its words stand in place of the controls."""
    on, place = opened(page, figure)
    on.emulate_media(media="print")
    shown = [place.locator(part).is_visible() for part in (".interactive-static svg", ".interactive-live")]
    on.emulate_media(media="screen")
    assert shown == [True, False]


@pytest.mark.parametrize(("page", "figure"), EACH)
def test_without_scripts_the_static_picture_stands(visit, page, figure):
    """A reader without scripts sees the static picture, with a title and a description, and reads its words."""
    on = visit(page, java_script_enabled=False)
    static = on.locator(f"figure[data-interactive={figure}] .interactive-static")
    assert static.locator("svg[role=img] > desc").count() == 1
    assert len(static.locator("p").inner_text()) > 60


def test_only_pages_with_a_figure_load_the_scripts(book):
    """A page without a figure carries none of the figures' scripts."""
    loading = {path.stem for path in book.html.glob("*.html") if "cells.js" in path.read_text(encoding="utf-8")}
    assert loading == {page for page, _ in FIGURES}


# -- each figure, by keyboard ------------------------------------------------------------------------------------------


def values_of(place):
    """The cell's values by the symbol they stand under."""
    texts = place.locator(".is-values label[data-part]").all_inner_texts()
    return dict(text.replace("−", "-").split("\n")[:2] for text in texts if "\n" in text)


def test_a_slider_of_the_cell_moves_what_follows_from_it(opened):
    """The forget gate's bias, set by a key, gives the step that lstmlab computes, in the table and in the picture."""
    _, place = opened("lstm-cell", "cell-step-by-step")
    data = data_of(place)
    place.get_by_label("b bias, forget gate").press("End")
    params = {f"W_{box}": np.array([w[:2]]) for box, w in data["weights"].items()}
    params |= {f"b_{box}": np.array(w[2:]) for box, w in data["weights"].items()} | {"b_f": np.array([6.0])}
    h, C, x = (np.array([[data["state"][name]]]) for name in "hCx")
    after, tape = LSTM(1, 1).step(params, x, LSTMState(h, C))
    picture = place.locator(".interactive-diagram [data-value=C]").text_content()
    assert values_of(place)["ft"] == f"{tape.f[0, 0]:.3f}"
    assert values_of(place)["Ct"] == picture.replace("−", "-") == f"{after.C[0, 0]:.3f}"
    assert re.search(r"is 6\.00\. f\s*t\s* rises to", spoken(place))
    place.get_by_role("button", name="Reset").press("Enter")
    assert values_of(place)["ft"] != f"{tape.f[0, 0]:.3f}"


def test_the_arrow_keys_switch_the_cell(opened):
    """Peepholes, coupled gates and the GRU come one after the other, each with its own picture and comparison."""
    _, place = opened("lstm-cell", "cell-step-by-step")
    seen = []
    place.get_by_label("LSTM", exact=True).focus()
    for _ in range(3):
        place.page.keyboard.press("ArrowRight")
        seen.append((place.locator(".interactive-diagram svg").get_attribute("aria-label").split(",")[0],
                     place.locator(".interactive-compared tr").count()))
    place.get_by_role("button", name="Reset").press("Enter")
    assert seen == [("The peephole LSTM with peepholes at f", 3), ("The LSTM with coupled gates", 3), ("The GRU", 3)]


def test_a_shut_gate_stops_the_gradient(opened):
    """With one gate at 0 nothing is left before it; behind it stands the product of the other gates."""
    _, place = opened("lstm-backward", "gradient-road")
    f = np.array(data_of(place)["f"])
    place.get_by_label("f5 forget gate of step 5").press("Home")
    place.locator("summary").press("Enter")
    rows = place.locator("table tbody tr").all_inner_texts()
    left = [float(row.split("\t")[2]) for row in rows]
    assert left[:5] == [0.0] * 5
    assert left[5:] == [round(float(np.prod(f[t:])), 3) for t in range(5, len(f) + 1)]
    assert "leaves 0.000 of the gradient" in spoken(place)


def test_the_measured_values_are_read_off_by_keys(opened):
    """The slider goes through the lags; the table has what was measured at each, and says what did not run."""
    _, place = opened("vanishing-gradients", "gap-length")
    data = data_of(place)
    rows = {(row["label"], row["lag"]): row for row in data["rows"]}
    place.get_by_label("lag", exact=True).press("Home")
    for lag in data["lags"]:
        for line in place.locator("tbody tr").all_inner_texts():
            label, value, *_ = line.split("\t")
            row = rows[label, lag]
            assert value == (f"{round(100 * row['success_rate'])} %" if row["ran"] else "not run")
        place.get_by_label("lag", exact=True).press("ArrowRight")


def test_the_trained_network_answers_as_lstmlab_does(opened):
    """At the last step of the first sequence the answer is that of lstmlab's LSTM with the same weights."""
    _, place = opened("what-gates-learn", "trained-network")
    network = data_of(place)["adding"]
    params = {name: np.array(value) for name, value in network["params"].items()}
    cell = LSTM(2, network["hidden_size"])
    xs = np.array(network["examples"][0])[:, None]
    hs, _, _ = cell.forward({name: params[name] for name in cell.parameter_shapes()}, xs)
    answer = (hs[-1] @ params["W_y"].T + params["b_y"]).item()
    place.get_by_label("adding").check()
    place.get_by_label("step t").press("End")
    assert f"asked now, it answers {answer:.3f}." in spoken(place)


def test_the_trained_network_is_stepped_through_by_keys(opened):
    """Each press goes on by a symbol, and says which symbols may come next: those of lstmlab's grammar."""
    _, place = opened("what-gates-learn", "trained-network")
    string = data_of(place)["reber"]["examples"][0]
    drawn = embedded_reber(np.random.default_rng(99), 1000)         # the strings that the examples are from
    written = ["".join(SYMBOLS[s] for s in symbols if s >= 0) for symbols in drawn.symbols.T]
    legal = drawn.legal[:len(string) - 1, written.index(string)]
    place.get_by_label("embedded Reber").check()
    slider = place.get_by_label("step t")
    slider.press("Home")
    for t, may in enumerate(legal):
        assert spoken(place).startswith(f"Step {t + 1}: after {string[:t + 1]} it expects")
        assert set(spoken(place).split("what may come: ")[1].rstrip(".").split(" or ")) == {
            symbol for symbol, yes in zip(SYMBOLS, may, strict=True) if yes}
        slider.press("ArrowRight")
