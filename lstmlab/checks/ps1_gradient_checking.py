"""Problem set 1, gradient checking: differences, the complex step, the relative error, and four repairs."""

from __future__ import annotations

import numpy as np

from ..cells._cell import sigmoid_slope, tanh_slope
from ..gradcheck.numerical import _complex_steps, numerical_gradient
from ..gradcheck.report import GradientReport
from . import Case, Check, Mistake, Output, Source, probe

CHECKING = 'chapter "Checking a gradient"'
DIFFERENCE = f'{CHECKING}, section "The central difference" (eq-central-difference)'
STEP = f'{CHECKING}, section "The best step" (eq-best-step)'
PRECISION = f'{CHECKING}, section "What a step needs of the numbers it moves"'
COMPLEX = f'{CHECKING}, section "The complex step" (eq-complex-step-limit)'
RELATIVE = f'{CHECKING}, section "The relative error" (eq-relative-error)'
BPTT = 'chapter "Backpropagation through time"'
LSTM = 'chapter "Backpropagation through the LSTM"'
SIGMOID_SLOPE = f'{LSTM}, section "Two derivatives" (eq-sigmoid-derivative)'
TANH_SLOPE = f'{BPTT}, section "The slope of tanh" (eq-rnn-tanh-slope)'
WEIGHTS = f'{BPTT}, section "Backward through one step" (eq-rnn-dW)'
BIASES = WEIGHTS
JOINED = f'{BPTT}, section "Backward through one step" (eq-rnn-dhx)'
KEPT = f'{LSTM}, section "Backward through one step"'
RULE = f'{BPTT}, section "The one rule" (eq-one-rule)'


def _draw_function(rng, shape, outers, offset=0.0, scale=1.0):
    """A description for `probe.build`: every entry of x matters, and none like another."""
    size, terms = int(np.prod(shape)), []
    for outer in outers:
        A = rng.uniform(0.5, 1.0, (2, size)) * rng.choice([-1.0, 1.0], (2, size)) / np.sqrt(size)
        w = rng.uniform(0.7, 1.3, 2) * rng.choice([-1.0, 1.0], 2)
        terms.append({"outer": outer, "A": A, "b": rng.uniform(0.2, 0.8, 2), "w": w})
    return {"shape": list(shape), "offset": float(offset), "scale": float(scale), "terms": terms}


_CURVED = ("exp", "sin", "cube")


# -- central_difference --------------------------------------------------------------------------------

def _draw_central(rng):
    def case(x, outers, part):
        # a power of two: x + ε is then exact but for x's own precision
        eps = 0.5 ** int(rng.integers(5, 8))
        return Case({"f": _draw_function(rng, x.shape, outers), "x": x, "eps": eps},
                    f"x of shape {x.shape}, {x.dtype}, ε = {eps:g}", part)

    def whole(shape):
        return rng.permutation([-1, 0, 1, 1, -1, 0][:int(np.prod(shape))]).reshape(shape)

    return [case(rng.uniform(-1.0, 1.0, (2, 3)), _CURVED, "float64"),
            case(rng.uniform(-1.0, 1.0, 3), _CURVED, "float64"),
            case(rng.uniform(-1.0, 1.0, 1), ("exp", "tanh"), "float64"),
            case(rng.uniform(-1.0, 1.0, (2, 1, 2)), ("square", "tanh", "cube"), "float64"),
            case(whole((4,)), _CURVED, "other dtypes"), case(whole((2, 2)), _CURVED, "other dtypes"),
            case(rng.uniform(-1.0, 1.0, 3).astype(np.float32), _CURVED, "other dtypes")]


def central_difference(f, x, eps):
    f = probe.build(f)
    point = x.astype(np.float64)
    slopes = numerical_gradient(f, point, eps)
    return slopes


_SIDES, _STEP = "for sign in (1, -1):", "step = eps * max(1.0, abs(x[k]))"
_MOVE, _ABOVE_BELOW, _STORED = "moved[k] += sign * step", "(above - below)", " / (x_above - x_below)"
_REACHED, _QUOTIENT = "x_k = moved[k]", "gradient[k] = (above - below)"
SHARED_MISTAKES = (
    Mistake("a sum in place of the difference", _ABOVE_BELOW, "(above + below)",
            "The slope is how much f changes between two points. The sum is about twice f itself, and grows without "
            "end as ε shrinks.", DIFFERENCE),
    Mistake("the difference the wrong way round", _ABOVE_BELOW, "(below - above)",
            "Every entry has the wrong sign: the value at the smaller x stands first. Where f rises, the gradient is "
            "positive.", DIFFERENCE),
    Mistake("all entries moved at once", _MOVE, "moved += sign * step",
            "What came is how f changes when every entry of x moves together, the same number for each k. One entry "
            "moves, the others stay: that is what makes the derivative partial.", DIFFERENCE),
    Mistake("not divided by the step", f"{_QUOTIENT}{_STORED}", _QUOTIENT,
            "The difference of f is there, but not how far x went for it. It vanishes as ε does, and so is no slope.",
            DIFFERENCE),
    Mistake("divided by ε, not by the distance of the two points", _STORED, " / step",
            "Every entry is twice as large as it should be: how far apart are the two points at which f was "
            "evaluated?", DIFFERENCE),
)
CENTRAL_MISTAKES = (
    *SHARED_MISTAKES,
    Mistake("one-sided: f(x + ε) − f(x)", _REACHED, f"moved[k] = max(moved[k], x[k]); {_REACHED}",
            "One of the two points is x itself. The error of that falls only with ε; with points on both sides the "
            "terms in f″ cancel, and the error falls with ε². If you do evaluate on the far side, look whether x "
            "really gets there: adding ε and taking it away once leads back to where it began.", DIFFERENCE),
    Mistake("one-sided: f(x) − f(x − ε)", _REACHED, f"moved[k] = min(moved[k], x[k]); {_REACHED}",
            "One of the two points is x itself. The error of that falls only with ε; with points on both sides the "
            "terms in f″ cancel, and the error falls with ε².", DIFFERENCE),
    Mistake("one-sided, and divided by 2ε", _REACHED, f"{_REACHED}; moved[k] = max(moved[k], x[k])",
            "The denominator belongs to two points 2ε apart, but one of the two values is f(x) itself. Every entry is "
            "about half of what it should be.", DIFFERENCE),
    Mistake("half the step", _STEP, "step = 0.5 * eps",
            "That is a central difference too, but over half the distance: here ε is how far x moves to either "
            "side.", DIFFERENCE),
    Mistake("twice the step", _STEP, "step = 2.0 * eps",
            "Here ε is how far x moves to either side; yours moves twice as far.", DIFFERENCE),
    Mistake("a step relative to x", _STEP, "step = eps * x[k]",
            "The entry is multiplied by 1 ± ε. Where it is zero it does not move at all, and 0/0 is NaN; where it is "
            "small the step is too. Here the step is ε for every entry.", DIFFERENCE),
    Mistake("an entry multiplied by 1 ± ε, but divided by 2ε", "numerical_gradient(f, point, eps)",
            "numerical_gradient(lambda s: f(point * s), np.ones_like(point), eps)",
            "What moves and what divides do not fit: after x(1 ± ε) the two points are not 2ε apart. Add the step to "
            "the entry.", DIFFERENCE),
    Mistake("a step of its own in place of ε", _STEP, "step = 1e-6",
            "The argument eps is not used. Its error falls with ε², and to see that the caller has to be able to set "
            "it.", DIFFERENCE),
    Mistake("the second derivative", f"{_QUOTIENT}{_STORED}",
            "gradient[k] = (above - 2 * float(f(x)) + below) / step ** 2",
            "f(x + ε) − 2 f(x) + f(x − ε) over ε² measures how the slope changes, not the slope.", DIFFERENCE),
    Mistake("divided by the square of ε", _STORED, " / (2 * step ** 2)",
            "The difference falls with ε, so one division by its length makes it a slope. With two it grows without "
            "end.", DIFFERENCE),
    Mistake("x is not put back", _QUOTIENT, "x[k] -= step; gradient[k] = (above - below)",
            "An entry that was moved stays where it was left, so the next entries are measured at another point. The "
            "first entry comes out right and the later ones do not. Put the value back, or move a copy.", PRECISION),
    Mistake("x drifts upward", _QUOTIENT, "x[k] += step; gradient[k] = (above - below)",
            "An entry that was moved stays where it was left, so the next entries are measured at another point. The "
            "first entry comes out right and the later ones do not. Put the value back, or move a copy.", PRECISION),
    Mistake("the entries before are moved too", _MOVE,
            "moved.flat[:np.ravel_multi_index(k, x.shape) + 1] += sign * step",
            "The step of an entry is still there when the next one has its turn, so every slope is added to those that "
            "follow. The first entry comes out right, the last is the sum of all. Begin each entry with a step of its "
            "own and nothing else.", DIFFERENCE),
    Mistake("a row moved at once", "for k in np.ndindex(x.shape):\n        step = eps * max(1.0, abs(x[k]))",
            "for k in range(len(x)):\n        step = eps",
            "An index over the first axis takes a whole row of a matrix. Each entry of x has a derivative of its own, "
            "whatever the number of axes; NumPy has a way to walk over all indices of a shape.", DIFFERENCE),
    Mistake("absolute values", "return slopes", "return np.abs(slopes)",
            "A gradient has a sign: it says which way is up.", DIFFERENCE),
    Mistake("the gradient made a unit vector", "return slopes", "return slopes / np.linalg.norm(slopes)",
            "Only the direction is left. How steep f is there belongs to the gradient too.", DIFFERENCE),
    Mistake("the gradient transposed", "return slopes", "return slopes.T",
            "The gradient has the shape of x: entry k of one belongs to entry k of the other.", DIFFERENCE),
    Mistake("the gradient laid out flat", "return slopes", "return slopes.ravel()",
            "The gradient has the shape of x: entry k of one belongs to entry k of the other.", DIFFERENCE),
    Mistake("the step is swallowed by the dtype of x", "point = x.astype(np.float64)",
            "point = x.astype(np.float64); exact = f; f = lambda moved: exact(moved.astype(x.dtype))",
            "A copy of an integer array holds integers: 1 + ε is stored as 1, and the step is gone or has become a "
            "whole one, without a word. A float32 array keeps about seven digits of it. Move a float64 copy.",
            PRECISION),
    Mistake("the gradient is stored in the dtype of x", "return slopes", "return slopes.astype(x.dtype)",
            "The steps are right, but what is made like x holds what x holds: for an integer x every slope loses all "
            "behind its point. Say which dtype the new array is to have.", PRECISION),
)

CENTRAL_CHECK = Check(
    name="central_difference",
    draw=_draw_central,
    reference=central_difference,
    inner=(Source(numerical_gradient, "central_difference"),),
    returns=Output("gradient", "the shape of x"),
    parts={"float64": 2, "other dtypes": 1},
    mistakes=CENTRAL_MISTAKES,
    hints={"other dtypes": "For float64 all is well. Which dtype has the array that you move, and which the one that "
                           "you fill, when x holds integers, or float32?"},
    kind="function",
)


# -- numerical_gradient --------------------------------------------------------------------------------

def _draw_own_step(rng):
    # f bends as strongly as it slopes, and is two hundred times as large: one punishes a long step, the other a short
    def case(shape, size, part):
        x = size * rng.uniform(0.7, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
        x.flat[0] *= size > 1.0
        offset = size * rng.uniform(200.0, 240.0) * rng.choice([-1.0, 1.0])
        f = _draw_function(rng, shape, _CURVED, offset, size)
        return finished(f, x, f"x near {size:g}, of shape {shape}", part)

    def finished(f, x, label, part):
        steepest = np.abs(_complex_steps(probe.build(f), x)).max()
        for term in f["terms"]:
            term["w"] /= steepest
        return Case({"f": f, "x": x}, label, part)

    def mixed(sizes, part):
        # each entry in its own measure: what is a good step for one of them is none for the other
        x = sizes * rng.uniform(0.7, 1.0, len(sizes)) * rng.choice([-1.0, 1.0], len(sizes))
        f = _draw_function(rng, x.shape, _CURVED, rng.uniform(200.0, 240.0) * rng.choice([-1.0, 1.0]))
        for term in f["terms"]:
            term["A"] /= sizes
        return finished(f, x, f"entries near 1 and near {sizes.max():g}", part)

    return [case((4,), 1.0, "near 1"), case((2, 3), 1.0, "near 1"), case((3, 1, 2), 1.0, "near 1"),
            case((3,), 1e7, "large x"), case((2, 2), 3e7, "large x"),
            case((2, 3), 2e7, "large x"), mixed(np.array([1.0, 1e7, 1.0, 1.0, 1e7, 1.0]), "large x")]


def best_step(f, x):
    f = probe.build(f)
    point = x.astype(np.float64)
    return numerical_gradient(f, point)


_CALL, _RELATIVE_STEP = "return numerical_gradient(f, point)", "eps = CENTRAL_STEP if eps is None else eps"


def _fixed(eps, why, sides=(1, -1)):
    """The same step for every entry, written as students write it: rounding has to come out alike."""
    above, below = (f"f(point + {sign * eps!r} * e)" if sign else "f(point)" for sign in sides)
    basis = "np.eye(x.size).reshape(-1, *x.shape)"
    kind = "central" if sides == (1, -1) else "one-sided"
    return Mistake(f"a {kind} difference with a step of {eps:g}", _CALL,
                   f"return np.array([({above} - {below}) / {(sides[0] - sides[1]) * eps!r} for e in {basis}])"
                   ".reshape(x.shape)", why, STEP)


_TOO_SMALL = ("A float64 keeps about sixteen digits of f. The smaller the step, the more of them the two values have "
              "in common, and what is left after the subtraction is rounding. Plot the error against the step: it "
              "falls, and then it rises again.")
_TOO_LARGE = ("The error of a central difference falls with the square of the step. This one is so long that f bends "
              "on the way. Plot the error against the step: where is the lowest point?")
_FIXED_STEP = ("Near 1 this step is a good one. But at x = 10⁷ neighbouring float64 numbers are 2·10⁻⁹ apart, and f "
               "may be as large: the step has to grow with the size of the entry that it moves.")
_ONE_SIDED = ("The error of a one-sided difference falls only with the step itself, and long before it is small "
              "enough the rounding of f takes over. No step makes it as good as points on both sides.")

OWN_STEP_MISTAKES = (
    *SHARED_MISTAKES,
    *(_fixed(eps, _TOO_SMALL) for eps in (1e-8, 1e-9, 1e-10, 1e-11, 1e-12)),
    *(_fixed(eps, _TOO_LARGE) for eps in (1e-1, 1e-2, 3e-3)),
    *(_fixed(eps, _FIXED_STEP) for eps in (1e-4, 1e-5, 1e-6)),
    *(_fixed(eps, _ONE_SIDED, (1, 0)) for eps in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10)),
    Mistake("one-sided, with the best of steps", _SIDES, "for sign in (1, 0):", _ONE_SIDED, STEP),
    Mistake("one-sided, with the square root of the machine epsilon", _CALL,
            "return np.array([(f(point + s * e) - f(point)) / s for e in np.eye(x.size).reshape(-1, *x.shape) "
            "for s in [2.0 ** -26 * max(1.0, abs((e * point).sum()))]]).reshape(x.shape)", _ONE_SIDED, STEP),
    Mistake("the square root of the machine epsilon as the step", _RELATIVE_STEP, "eps = 2.0 ** -26",
            "That is where truncation and rounding balance for a one-sided difference. For a central one the "
            "truncation falls with the square of the step, so the balance lies at a longer step.", STEP),
    Mistake("the fixed step of a cube root, whatever the size of x", _STEP, "step = eps",
            _FIXED_STEP, STEP),
    Mistake("the step of the largest entry for all", _STEP, "step = eps * max(1.0, np.abs(x).max())",
            "Where a large entry stands beside one near 1, its step is far too long for the other. Each entry has a "
            "step of its own size.", STEP),
    Mistake("a step that is zero where x is zero", _STEP, "step = eps * abs(x[k])",
            "A step relative to the entry alone does not move an entry that is zero: 0/0 is NaN. Keep the step from "
            "falling below what is good near 1.", STEP),
)

OWN_STEP_CHECK = Check(
    name="numerical_gradient",
    draw=_draw_own_step,
    reference=best_step,
    inner=(Source(numerical_gradient, "numerical_gradient"),),
    returns=Output("gradient", "the shape of x"),
    parts={"near 1": 2, "large x": 1},
    mistakes=OWN_STEP_MISTAKES,
    hints={"near 1": "Near 1 the gradient is not as accurate as it could be. Is the step so long that f bends on the "
                     "way, so short that rounding is all that is left, or are the points on one side only? Plot the "
                     "error against the step.",
           "large x": "Where x is large the gradient is not accurate enough. Does each entry have a step of its own "
                      "size? Compare it with the gap between neighbouring float64 numbers, np.spacing(1e7), and with "
                      "the rounding of an f of that size."},
    tolerance=4e-8,
    kind="function",
)


# -- complex_step --------------------------------------------------------------------------------------

def _draw_complex(rng):
    def case(x, outers, part="float64", offset=0.0):
        return Case({"f": _draw_function(rng, x.shape, outers, offset), "x": x},
                    f"x of shape {x.shape}, {x.dtype}", part)

    return [case(rng.uniform(-1.0, 1.0, 3), _CURVED), case(rng.uniform(-1.0, 1.0, (2, 3)), ("sin", "tanh", "cube")),
            case(rng.uniform(-1.0, 1.0, (2, 1, 2)), ("exp", "square"), offset=1e3),
            case(rng.uniform(-1.0, 1.0, 1), _CURVED), case(rng.permutation([-1, 0, 1, 2]), _CURVED, "integers"),
            case(rng.permutation([-1, 0, 1, 2]).reshape(2, 2), _CURVED, "integers")]


def complex_step(f, x):
    f = probe.build(f)
    point = x.astype(np.float64)
    slopes = _complex_steps(f, point)
    return slopes


_POINT, _NUDGE = "moved = x.astype(np.complex128)", "moved[k] += 1j * COMPLEX_STEP"
_IMAGINARY, _STEPS = "_imaginary(f, moved) / COMPLEX_STEP", "slopes = _complex_steps(f, point)"


def _long_complex(eps):
    return Mistake(f"a complex step of {eps:g}", _IMAGINARY,
                   f"_imaginary(lambda z: f(x + {eps!r} / COMPLEX_STEP * (z - x)), moved) / {eps!r}",
                   "The error of a complex step falls with the square of the step, as that of a central difference "
                   "does. But nothing is subtracted here, so nothing is lost by going on: make the step so small that "
                   "its square is nothing beside 1.", COMPLEX)


def _by_difference(eps):
    basis = "np.eye(x.size).reshape(-1, *x.shape)"
    return Mistake(f"a difference of real values, with a step of {eps:g}", _STEPS,
                   f"slopes = np.array([(f(point + {eps!r} * e) - f(point - {eps!r} * e)) / {2 * eps!r} for e in "
                   f"{basis}]).reshape(x.shape)",
                   "What came is right to eight digits, or at best ten or eleven, as a central difference is. The step "
                   "is to go in the imaginary direction: then no two nearly equal numbers are subtracted, and all "
                   "digits are right.",
                   COMPLEX)


COMPLEX_MISTAKES = (
    Mistake("the real part in place of the imaginary one", "_imaginary(f, moved)", "f(moved).real",
            "The real part is f(x) itself, but for a term in ε². The slope is in the part that was zero before the "
            "step.", COMPLEX),
    Mistake("the absolute value in place of the imaginary part", "_imaginary(f, moved)", "abs(f(moved))",
            "The absolute value mixes both parts, and the real one drowns the other. The slope is in the part that "
            "was zero before the step.", COMPLEX),
    Mistake("the difference of the real parts", "_imaginary(f, moved)", "(f(moved) - f(x)).real",
            "The real parts cancel, and nothing but rounding is left. The slope is in the imaginary part, and there "
            "nothing has to be subtracted.", COMPLEX),
    Mistake("the angle in place of the imaginary part", "_imaginary(f, moved)", "np.angle(f(moved))",
            "The angle of a complex number is its imaginary part over its real part, for a small one: each slope came "
            "out divided by f(x).", COMPLEX),
    Mistake("not divided by the step", _IMAGINARY, "_imaginary(f, moved)",
            "The imaginary part is the slope times ε. What came is about 10⁻¹⁰⁰, which prints almost as zero.",
            COMPLEX),
    Mistake("divided by 2ε", _IMAGINARY, "_imaginary(f, moved) / (2 * COMPLEX_STEP)",
            "There is one step here, and no second point on the other side of it: every entry is half of what it "
            "should be.", COMPLEX),
    Mistake("all entries moved at once", _NUDGE, "moved += 1j * COMPLEX_STEP",
            "What came is how f changes when every entry of x moves together, the same number for each k. One entry "
            "moves, the others stay.", COMPLEX),
    Mistake("the step taken downward", _NUDGE, "moved[k] -= 1j * COMPLEX_STEP",
            "Stepping by −iε turns the sign of the imaginary part, and with it that of every slope.", COMPLEX),
    Mistake("the entry replaced by the step", _NUDGE, "moved[k] = 1j * COMPLEX_STEP",
            "The entry itself is gone: f is measured where that entry is zero. The step is added to it.", COMPLEX),
    Mistake("no imaginary part left", _NUDGE, "moved[k] += COMPLEX_STEP",
            "Either the step was not an imaginary one, or an array of real numbers took it in and dropped the "
            "imaginary part.", COMPLEX),
    Mistake("the point is not put back", _POINT, "moved = moved if k != (0,) * x.ndim else x.astype(np.complex128)",
            "An entry that has its step keeps it, so each slope is added to those that follow: the first entry is "
            "right, and the last is the sum of all. Start from a fresh complex copy for each entry, or put the "
            "entry back.", COMPLEX),
    *map(_long_complex, (1e-2, 1e-3, 1e-4, 1e-5)),
    *map(_by_difference, (1e-4, 1e-5, 1e-6, 1e-8)),
    Mistake("the gradient is stored in the dtype of x", "return slopes", "return slopes.astype(x.dtype)",
            "The steps are right, but what is made like x holds what x holds: for an integer x every slope loses all "
            "behind its point. Say which dtype the new array is to have.", PRECISION),
)

COMPLEX_CHECK = Check(
    name="complex_step",
    draw=_draw_complex,
    reference=complex_step,
    inner=(Source(_complex_steps, "complex_step"),),
    returns=Output("gradient", "the shape of x"),
    parts={"float64": 2, "integers": 1},
    mistakes=COMPLEX_MISTAKES,
    hints={"float64": "No mistake of our list fits. The slope is the imaginary part over the step, and all its digits "
                      "are right when the step's square is nothing beside 1: how long is yours?",
           "integers": "Where x holds integers, no array may be made like x without saying its dtype."},
    tolerance=1e-12,
    kind="function",
)


# -- relative_error ------------------------------------------------------------------------------------

def _draw_relative(rng):
    def case(shape, label, size=1.0, up=True):
        # the largest entry is negative, the smallest has the largest share of error, and the last is the worst
        analytic = size * rng.uniform(0.5, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
        analytic.flat[0] *= 1e-5
        analytic.flat[-1] = -1.5 * size
        computed = analytic + 1e-3 * size * rng.uniform(0.2, 1.0, shape) * rng.choice([-1.0, 1.0], shape)
        computed.flat[-1] *= 1.0 + rng.uniform(0.1, 0.2) * (1.0 if up else -1.0)
        return Case({"analytic": analytic, "numerical": computed}, label)

    hole = case((2, 3), "a gradient with a NaN in it")
    hole.args["analytic"][0, 2] = np.nan
    zero = case((2, 2), "two gradients that are zero")
    for array in zero.args.values():
        array[:] = 0.0
    lost = case((3,), "a gradient that is zero and should not be")
    lost.args["analytic"][:] = 0.0
    other = case((2, 3), "a NaN in the second gradient")
    other.args["numerical"][1, 0] = np.nan
    return [case((3, 4), "shape (3, 4)"), case((5,), "shape (5,)", up=False),
            case((2, 2, 2), "entries near 1e6", size=1e6), case((4,), "entries near 1e-9", size=1e-9), lost, zero, hole,
            other]


def relative_error(analytic, numerical):
    report = GradientReport({"v": analytic}, {"v": numerical}, tolerance=1.0)
    return report.errors["v"]


_SCALE = "max(np.abs(a).max(), np.abs(n).max())"
_DIVIDED, _GUARD = "np.abs(a - n) / (scale if scale != 0 else 1.0)", "(scale if scale != 0 else 1.0)"
_WORST, _PAIR = "float(errors[index]))", "a, n = self.analytic[name], self.numerical[name]"
_BY_ITSELF = ("An entry that happens to be nearly zero has few correct digits in any difference, and by itself would "
              "make a right gradient look wrong. The size that counts is that of the array: its largest entry.")
_ZERO_OVER_ZERO = " And where both gradients are zero they agree: 0/0 is NaN, which would count as a failure."
RELATIVE_MISTAKES = (
    Mistake("the absolute error", _DIVIDED, "np.abs(a - n)",
            "A difference of 10⁻⁹ is excellent for a gradient near 1 and hopeless for one near 10⁻⁹. What it is "
            "compared with has to have the gradient's own size.", RELATIVE),
    Mistake("each entry relative to itself", _DIVIDED,
            "np.abs(a - n) / np.maximum(np.maximum(np.abs(a), np.abs(n)), 1e-300)",
            _BY_ITSELF, RELATIVE),
    Mistake("each entry relative to the sum of its two values", _DIVIDED,
            "np.abs(a - n) / np.maximum(np.abs(a) + np.abs(n), 1e-300)",
            _BY_ITSELF, RELATIVE),
    Mistake("each entry relative to itself, zero over zero", _DIVIDED,
            "np.abs(a - n) / np.maximum(np.abs(a), np.abs(n))", _BY_ITSELF + _ZERO_OVER_ZERO, RELATIVE),
    Mistake("each entry relative to the sum of its two values, zero over zero", _DIVIDED,
            "np.abs(a - n) / (np.abs(a) + np.abs(n))", _BY_ITSELF + _ZERO_OVER_ZERO, RELATIVE),
    Mistake("each entry relative to the sum of its two values, at least 1e-8", _DIVIDED,
            "np.abs(a - n) / np.maximum(np.abs(a) + np.abs(n), 1e-8)",
            "That is a widespread definition, but an entry near zero makes a right gradient look wrong, and 10⁻⁸ makes "
            "a wrong one of that size look right. Here the size is that of the array: its largest entry.", RELATIVE),
    Mistake("relative to the analytic gradient alone", _SCALE, "np.abs(a).max()",
            "The measure treats the two alike, whichever is wrong. If the analytic one is all zeros by mistake, there "
            "is nothing to divide by.", RELATIVE),
    Mistake("relative to the numerical gradient alone", _SCALE, "np.abs(n).max()",
            "The measure treats the two alike, whichever of them has the larger entry.", RELATIVE),
    Mistake("relative to the sum of the two largest entries", _SCALE, "(np.abs(a).max() + np.abs(n).max())",
            "Two gradients of size 1 that differ by 0.1 differ by a tenth; with the sum of both it would be a "
            "twentieth. Take the larger of the two.", RELATIVE),
    Mistake("relative to the smaller of the two", _SCALE, "min(np.abs(a).max(), np.abs(n).max())",
            "If one of the gradients is all zeros by mistake, its largest entry is zero and there is nothing to "
            "divide by. Take the larger of the two.", RELATIVE),
    Mistake("the largest entry without its absolute value", _SCALE, "max(a.max(), n.max())",
            "The largest entry in size may be a negative one; the maximum of the signed entries passes over it.",
            RELATIVE),
    Mistake("relative to the mean size of the entries", _SCALE, "max(np.abs(a).mean(), np.abs(n).mean())",
            "A mean depends on how many small entries there are. The largest entry sets the digits that the others can "
            "have.", RELATIVE),
    Mistake("relative to the norm", _SCALE, "max(np.linalg.norm(a), np.linalg.norm(n))",
            "A norm grows with the number of entries, so one wrong entry in a large array would hardly show. The "
            "largest entry does not grow.", RELATIVE),
    Mistake("a ratio of norms", _DIVIDED,
            "np.full(a.shape, np.linalg.norm(a - n)) / (np.linalg.norm(a) + np.linalg.norm(n) or 1.0)",
            "Norms sum over all entries, so one wrong entry in a large array would hardly show. The worst entry is the "
            "one that counts.", RELATIVE),
    Mistake("a ratio of norms, zero over zero", _DIVIDED,
            "np.full(a.shape, np.linalg.norm(a - n)) / (np.linalg.norm(a) + np.linalg.norm(n))",
            "Norms sum over all entries, so one wrong entry in a large array would hardly show. The worst entry is the "
            "one that counts." + _ZERO_OVER_ZERO, RELATIVE),
    Mistake("a small number added to the denominator", _GUARD, "(scale + 1e-8)",
            "It avoids 0/0, but it has a size of its own: a gradient near 10⁻⁹ could be wholly wrong and still look "
            "right. Treat the zero by itself.", RELATIVE),
    Mistake("never relative to less than 1", _GUARD, "max(scale, 1.0)",
            "Then small gradients are judged by their absolute error, and one near 10⁻⁹ could be wholly wrong and "
            "still look right. Treat the zero by itself.", RELATIVE),
    Mistake("zero over zero", _GUARD, "scale",
            "Where both gradients are zero they agree, and there is no error; dividing by their size gives NaN, which "
            "would count as a failure.", RELATIVE),
    Mistake("the signed difference", "np.abs(a - n)", "(a - n)",
            "The largest signed difference passes over an entry that is too small, however wrong it is.", RELATIVE),
    Mistake("the mean error", _WORST, "float(errors.mean()))",
            "A mean hides one wrong entry among many right ones, and that is just what a forgotten term may look "
            "like. The worst entry counts.", RELATIVE),
    Mistake("the sum of the errors", _WORST, "float(errors.sum()))",
            "A sum grows with the number of entries, however small each error is. The worst entry counts.", RELATIVE),
    Mistake("the smallest error", _WORST, "float(errors.min()))",
            "The best entry says nothing: it may be right by luck. The worst one counts.", RELATIVE),
    Mistake("the median error", _WORST, "float(np.median(errors)))",
            "A median hides everything that is wrong in less than half of the entries. The worst entry counts.",
            RELATIVE),
    Mistake("the NaN passed over", _PAIR, f"{_PAIR}; a, n = (np.where(np.isnan(a - n), 0.0, v) for v in (a, n))",
            "A gradient that holds a NaN agrees with nothing. Python's own max and NumPy's nanmax can lose it without "
            "a word; the answer has to be NaN.", RELATIVE),
    Mistake("a NaN in the second gradient passed over", _DIVIDED,
            "(np.abs(a - n) / (scale or 1.0) if np.isnan(a).any() or not np.isnan(n).any() else "
            "np.nan_to_num(np.abs(a - n)) / np.abs(a).max())",
            "A gradient that holds a NaN agrees with nothing, whichever of the two it is. max(3.0, NaN) is 3.0 in "
            "Python, and max(NaN, 3.0) is NaN: it depends on the order.", RELATIVE),
)


RELATIVE_CHECK = Check(
    name="relative_error",
    draw=_draw_relative,
    reference=relative_error,
    inner=(Source(GradientReport.relative_errors, "relative_error", GradientReport),
           Source(GradientReport._worst, "relative_error", GradientReport)),
    returns=Output("error"),
    parts={"error": 2},
    mistakes=RELATIVE_MISTAKES,
)


# -- four repairs --------------------------------------------------------------------------------------

def _slope_mistakes(line, upstream, slope, right, see):
    """What students make of ``upstream * slope(value)``, where `right` names what belongs there."""
    value = line.rpartition("(")[2].rstrip(")")
    return (
        Mistake("the slope missing", line, upstream,
                "The gradient passes through the squashing function as if it were not there. Where the curve is flat "
                "almost nothing comes back through it: the chain rule asks for its slope.", see),
        Mistake("the gradient from above missing", line, f"{slope}({value})",
                "That is the slope alone. How much the loss cares about the output arrives as an argument, and every "
                "share is a product with it.", RULE),
        Mistake("the gradient from above added", line, f"{upstream} + {slope}({value})",
                "Along a path the factors are multiplied; shares are added only where a value has several readers.",
                RULE),
        Mistake("divided by the slope", line, f"{upstream} / {slope}({value})",
                "Where the curve is flat, that makes the gradient huge. A flat curve passes little on.", see),
        Mistake("the square of the slope", line, f"{upstream} * {slope}({value}) ** 2",
                "The slope was applied twice, as if the value went through the curve two times.", see),
        Mistake(f"the slope of {right[0]} in place of that of {right[1]}", line, f"{upstream} * {right[2]}",
                f"That is how {right[0]} bends. Which function did the forward pass use?", see),
    )


def _draw_tanh(rng):
    return [Case({"dy": rng.normal(0.0, 1.0, shape), "y": np.tanh(rng.normal(0.0, 1.0, shape))}, f"y of shape {shape}")
            for shape in ((3, 4), (1, 5), (2, 1), (1, 1))]


def tanh_backward(dy, y):
    dx = dy * tanh_slope(y)
    return dx


_TANH = "dy * tanh_slope(y)"
TANH_MISTAKES = (
    *_slope_mistakes(_TANH, "dy", "tanh_slope", ("σ", "tanh", "y * (1 - y)"), TANH_SLOPE),
    Mistake("the square on the wrong thing", _TANH, "dy * (1 - y) ** 2",
            "Only y is squared; here the whole bracket is. The two agree where y is 0 or 1, so a look at a few easy "
            "values does not show it. (This is the slip that was planted.)", TANH_SLOPE),
    Mistake("the square forgotten", _TANH, "dy * (1 - y)",
            "tanh has its steepest point at y = 0 and is flat toward both ends, −1 as well as 1. Yours is not "
            "symmetric.", TANH_SLOPE),
    Mistake("1 + y² in place of 1 − y²", _TANH, "dy * (1 + y ** 2)",
            "Toward its ends tanh becomes flat, so the factor has to go to zero there, not to two.", TANH_SLOPE),
    Mistake("the sign of the slope", _TANH, "dy * (y ** 2 - 1)",
            "tanh rises everywhere, so its slope is never negative.", TANH_SLOPE),
    Mistake("tanh applied to its own value", _TANH, "dy * (1 - np.tanh(y) ** 2)",
            "y is the value after squashing already. Written in terms of y the slope needs no tanh any more.",
            TANH_SLOPE),
)

TANH_CHECK = Check(
    name="tanh_backward",
    draw=_draw_tanh,
    reference=tanh_backward,
    returns=Output("dx", "the shape of y"),
    parts={"dx": 1},
    mistakes=TANH_MISTAKES,
)


def _draw_gate(rng):
    return [Case({"dy": rng.normal(0.0, 1.0, shape), "g": rng.uniform(0.05, 0.95, shape),
                  "x": rng.normal(0.0, 1.5, shape)}, f"arrays of shape {shape}")
            for shape in ((3, 4), (1, 5), (2, 1), (1, 1))]


def gate_backward(dy, g, x):
    dx = dy * g
    dg = dy * x
    dz = dg * sigmoid_slope(g)
    return dz, dx


_GATED, _OPENED, _SIGMOID = "dx = dy * g", "dg = dy * x", "dg * sigmoid_slope(g)"
GATE_MISTAKES = (
    *_slope_mistakes(_SIGMOID, "dg", "sigmoid_slope", ("tanh", "σ", "(1 - g ** 2)"), SIGMOID_SLOPE),
    Mistake("σ applied to its own value", _SIGMOID, "dg * (0.5 + 0.5 * np.tanh(g / 2)) * (0.5 - 0.5 * np.tanh(g / 2))",
            "g is the value after squashing already. Written in terms of g the slope needs no σ any more; with it, it "
            "is nearly the same number for every g. (This is the slip that was planted.)", SIGMOID_SLOPE),
    Mistake("half of the slope", _SIGMOID, "dg * (1 - g)",
            "At g near 0 the gate is shut and its curve is flat, so nothing should come back. One of the two factors "
            "of the slope is missing.", SIGMOID_SLOPE),
    Mistake("the other half of the slope", _SIGMOID, "dg * g",
            "At g near 1 the gate is open and its curve is flat, so nothing should come back. One of the two factors "
            "of the slope is missing.", SIGMOID_SLOPE),
    Mistake("the sign of the slope", _SIGMOID, "dg * g * (g - 1)",
            "σ rises everywhere, so its slope is never negative.", SIGMOID_SLOPE),
    Mistake("the gate's gradient without the content", _OPENED, "dg = dy",
            "How much the output changes when the gate opens is how much stands behind it: in a product the derivative "
            "by one factor is the other factor.", KEPT),
    Mistake("each factor given its own gradient", _OPENED, "dg = dy * g",
            "In a product the derivative by one factor is the *other* factor.", KEPT),
    Mistake("the content's gradient without the gate", _GATED, "dx = dy",
            "A shut gate lets nothing through, in either direction. The derivative of a product by one factor is the "
            "other factor.", KEPT),
    Mistake("the content's gradient with the content", _GATED, "dx = dy * x",
            "In a product the derivative by one factor is the *other* factor.", KEPT),
    Mistake("the content's gradient through the slope of the gate", _GATED, "dx = dy * sigmoid_slope(g)",
            "The content does not pass through σ: it is only multiplied by what came out of it.", KEPT),
    Mistake("the two gradients exchanged", "return dz, dx", "return dx, dz",
            "They have one shape, so nothing complains: first the gradient of z, then that of x.", KEPT),
)

GATE_CHECK = Check(
    name="gate_backward",
    draw=_draw_gate,
    reference=gate_backward,
    returns=(Output("dz", "the shape of g"), Output("dx", "the shape of x")),
    parts={"dz": 1, "dx": 1},
    mistakes=GATE_MISTAKES,
)


def _draw_linear(rng):
    def case(B, I, H):
        return Case({"dy": rng.normal(0.0, 1.0, (B, H)), "x": rng.normal(0.0, 1.0, (B, I)),
                     "W": rng.normal(0.0, 1.0, (H, I))}, f"B={B}, I={I}, H={H}")

    return [case(3, 4, 2), case(1, 2, 3), case(3, 3, 3), case(2, 1, 1), case(5, 2, 4)]


def linear_backward(dy, x, W):
    dx = dy @ W
    dW = dy.T @ x
    db = dy.sum(axis=0)
    return dx, dW, db


_DX, _DW, _DB = "dx = dy @ W", "dW = dy.T @ x", "db = dy.sum(axis=0)"
LINEAR_MISTAKES = (
    Mistake("the bias averaged over the batch", _DB, "db = dy.mean(axis=0)",
            "Every example reads the same bias, and shares add: it is a sum. With a single example, or a loss that is "
            "a mean already, nobody would notice. (This is the slip that was planted.)", BIASES),
    Mistake("the weights averaged over the batch", _DW, "dW = dy.T @ x / len(x)",
            "Every example reads the same weights, and shares add: it is a sum. If the loss is a mean, its own "
            "derivative brings the factor.", WEIGHTS),
    Mistake("everything averaged over the batch", _DX, "dx = dy @ W; dy = dy / len(x)",
            "The gradients of weights and bias are both divided by B. Every example reads the same weights, and shares "
            "add; if the loss is a mean, its own derivative brings the factor.", WEIGHTS),
    Mistake("the bias from the first example only", _DB, "db = dy[0]",
            "All examples read the same bias, and each sends its share.", BIASES),
    Mistake("the bias not summed", _DB, "db = dy",
            "The bias is one vector for the whole batch; what came has a row for each example. Shares of one reader "
            "after the other add up.", BIASES),
    Mistake("the bias summed along the wrong axis", _DB, "db = dy.sum(axis=1)",
            "Examples stand in rows. The sum over a row adds the units of one example; wanted is one number for each "
            "unit.", BIASES),
    Mistake("the bias summed to a row", _DB, "db = dy.sum(axis=0, keepdims=True)",
            "The sum is right, but the shape is (1, H). A gradient has the shape of what it belongs to.", BIASES),
    Mistake("the bias gradient of ones", _DB, "db = 0.0 * dy[0] + len(dy)",
            "That is how often each bias is read. What each reader sends back is its own gradient, and that is not 1.",
            BIASES),
    Mistake("the weight gradient transposed", _DW, "dW = x.T @ dy",
            "The gradient has the shape of W, (H, I): what H counts comes first. Where H = I only the values tell.",
            WEIGHTS),
    Mistake("the weights from the first example only", _DW, "dW = np.outer(dy[0], x[0])",
            "All examples read the same weights, and each sends its share.", WEIGHTS),
    Mistake("the weights from the last example only", _DW, "dW = np.outer(dy[-1], x[-1])",
            "All examples read the same weights, and each sends its share. Was it overwritten in a loop, where it "
            "should have been added to?", WEIGHTS),
    Mistake("the input left out of the weight gradient", _DW, "dW = dy.T @ np.ones_like(x)",
            "A weight is multiplied by an entry of x, so that entry is the derivative.", WEIGHTS),
    Mistake("the size of the input in the weight gradient", _DW, "dW = dy.T @ np.abs(x)",
            "A weight is multiplied by an entry of x, and so is its gradient, with the sign that entry has.", WEIGHTS),
    Mistake("the gradient of x averaged over the batch", _DX, "dx = dy @ W / len(dy)",
            "Each row of x is read by its own example alone: nothing is summed there, and nothing averaged.", JOINED),
    Mistake("the gradient of x summed over the batch", _DX, "dx = (dy @ W).sum(axis=0) + 0.0 * x",
            "Each row of x is read by its own example alone. The shares that add up are those of the H outputs.",
            JOINED),
    Mistake("the size of the weights in the gradient of x", _DX, "dx = dy @ np.abs(W)",
            "An entry of x is multiplied by a weight, with its sign.", JOINED),
    Mistake("the sign of the gradient of x", _DX, "dx = -dy @ W",
            "These are gradients, not steps downhill: the minus sign belongs to whoever changes the weights.", JOINED),
)

LINEAR_CHECK = Check(
    name="linear_backward",
    draw=_draw_linear,
    reference=linear_backward,
    returns=(Output("dx", "(B, I)"), Output("dW", "(H, I)"), Output("db", "(H,)")),
    parts={"dx": 1, "dW": 1, "db": 1},
    mistakes=LINEAR_MISTAKES,
)


def _draw_memory(rng):
    def case(B, H):
        gates = {name: rng.uniform(0.05, 0.95, (B, H)) for name in "fi"}
        return Case({"dC": rng.normal(0.0, 1.0, (B, H)), "f": gates["f"], "C_prev": rng.normal(0.0, 1.5, (B, H)),
                     "i": gates["i"], "C_tilde": rng.uniform(-0.95, 0.95, (B, H))}, f"B={B}, H={H}")

    return [case(3, 4), case(1, 5), case(2, 2), case(1, 1)]


def memory_backward(dC, f, C_prev, i, C_tilde):
    dC_prev = dC * f
    df = dC * C_prev
    di = dC * C_tilde
    dC_tilde = dC * i
    return dC_prev, df, di, dC_tilde


_EQ = {"dC_prev": f"{KEPT} (eq-lstm-dC-prev)", "df": f"{KEPT} (eq-lstm-df)", "di": f"{KEPT} (eq-lstm-di)",
       "dC_tilde": f"{KEPT} (eq-lstm-dC-tilde)"}
_PARTNERS = {"dC_prev": "f", "df": "C_prev", "di": "C_tilde", "dC_tilde": "i"}
_OTHER = ("In a product the derivative by one factor is the other factor. Look at C = f⊙C_prev + i⊙C̃ again: what "
          "stands beside {}?")


def _partner(name, wrong):
    return Mistake(f"{name} with {wrong}", f"{name} = dC * {_PARTNERS[name]}\n", f"{name} = dC * {wrong}\n",
                   _OTHER.format(name[1:].replace("C_tilde", "C̃")), _EQ[name])


def _bare(name):
    return Mistake(f"{name} without a factor", f"{name} = dC * {_PARTNERS[name]}\n", f"{name} = dC * 1.0\n",
                   _OTHER.format(name[1:].replace("C_tilde", "C̃")), _EQ[name])


MEMORY_MISTAKES = (
    Mistake("dC changed in place", "dC_prev = dC * f", "dC_prev = dC; dC_prev *= f",
            "A second name for an array is not a second array: *= changed dC itself, and the lines below read what was "
            "left of it. The caller's array is changed too. The first of the four comes out right, which makes the "
            "line that spoils the others the last to be suspected. (This is the slip that was planted.)",
            _EQ["dC_prev"]),
    *(_bare(name) for name in _PARTNERS),
    _partner("df", "C_tilde"), _partner("df", "f"), _partner("df", "(f * C_prev + i * C_tilde)"),
    _partner("di", "C_prev"), _partner("di", "i"), _partner("dC_tilde", "C_tilde"), _partner("dC_tilde", "f"),
    _partner("dC_tilde", "(1 - f)"), _partner("dC_prev", "C_prev"), _partner("dC_prev", "i"),
    _partner("dC_prev", "(1 - f)"),
    Mistake("df through the slope of σ", "df = dC * C_prev", "df = dC * C_prev * sigmoid_slope(f)",
            "The slope is the next factor on the way to the pre-activation. What is wanted here is the gradient of the "
            "gate itself, before that.", _EQ["df"]),
    Mistake("di through the slope of σ", "di = dC * C_tilde", "di = dC * C_tilde * sigmoid_slope(i)",
            "The slope is the next factor on the way to the pre-activation. What is wanted here is the gradient of the "
            "gate itself, before that.", _EQ["di"]),
    Mistake("dC_tilde through the slope of tanh", "dC_tilde = dC * i\n", "dC_tilde = dC * i * tanh_slope(C_tilde)\n",
            "The slope is the next factor on the way to the pre-activation. What is wanted here is the gradient of the "
            "candidate itself, before that.", _EQ["dC_tilde"]),
    Mistake("dC added to dC_prev", "dC_prev = dC * f", "dC_prev = dC + dC * f",
            "C_prev has one reader here, the product with f, so it gets one share.", _EQ["dC_prev"]),
    Mistake("f and i gradients exchanged", "return dC_prev, df, di, dC_tilde", "return dC_prev, di, df, dC_tilde",
            "They have one shape, so nothing complains: the order is dC_prev, df, di, dC_tilde.", _EQ["df"]),
    Mistake("the gradients of the states exchanged", "return dC_prev, df, di, dC_tilde",
            "return dC_tilde, df, di, dC_prev",
            "They have one shape, so nothing complains: the order is dC_prev, df, di, dC_tilde.", _EQ["dC_prev"]),
)

MEMORY_CHECK = Check(
    name="memory_backward",
    draw=_draw_memory,
    reference=memory_backward,
    returns=tuple(Output(name, "(B, H)") for name in _PARTNERS),
    parts={"dC_prev": 1, "df": 1, "di": 1, "dC_tilde": 1},
    mistakes=MEMORY_MISTAKES,
)


CHECKS = (CENTRAL_CHECK, OWN_STEP_CHECK, COMPLEX_CHECK, RELATIVE_CHECK,
          TANH_CHECK, GATE_CHECK, LINEAR_CHECK, MEMORY_CHECK)
