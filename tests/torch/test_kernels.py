"""The GPU's kernels against the loop in float64: through Triton's interpreter on the CPU, and on a GPU if there is one.

Triton reads ``TRITON_INTERPRET`` when it is imported, so the kernels are interpreted in a process of their own: this
file, run as a script, computes the cases that it reads and prints their errors.
"""

import contextlib
import itertools
import json
import os
import random
import runpy
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from torch.nn.utils.rnn import pack_sequence

import lstmlab.torch as lt

KINDS = runpy.run_path(str(Path(__file__).with_name("conftest.py")))["KINDS"]

CELLS = [kind for kind in KINDS if kind != "FGR"]
FAMILIES = ["RNN", "LSTM", "peephole-fio", "GRU-before-z", "GRU-after-1-z"]
GPU = pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
CHIPS = {80: (108, 166_912), 86: (84, 101_376), 90: (132, 232_448)}    # multiprocessors, shared memory of a program
TOLERANCE = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 1e-2}


def case(kind, dtype="float32", shape=(3, 2, 3, 5), lengths=None, mode="steps", device="cpu", **arguments):
    """One comparison: a kind of cell at (T, B, I, H), or over sequences of several lengths."""
    return {"kind": kind, "dtype": dtype, "shape": shape, "lengths": lengths, "mode": mode, "device": device,
            "arguments": arguments}


def errors(case):
    """Relative norm of the difference between the kernels and the loop in float64, of every value and gradient.

    A gradient that cancels to less than a hundredth of the largest is measured by that hundredth: its digits are not
    there in 32 bits.
    """
    from lstmlab.torch.kernels import launches
    T, B, I, H = case["shape"]
    dtype, device = getattr(torch, case["dtype"]), case["device"]
    torch.manual_seed(sum(case["shape"]))
    layer = KINDS[case["kind"]](I, H, **case["arguments"], backend="fused", device=device, dtype=dtype)
    with torch.no_grad():
        for value in layer.parameters():
            value.uniform_(-2 / H**0.5, 2 / H**0.5)
    lengths = case["lengths"] or [T] * B
    xs = [torch.randn(n, I, device=device, dtype=dtype) for n in lengths]
    count = 1 + layer.bidirectional
    state = [torch.randn(count, len(xs), H, device=device, dtype=dtype) for _ in layer.cells[0].State._fields]
    with launches(case["mode"]):
        found = everything(layer, xs, state, packed=case["lengths"] is not None)
    exact = KINDS[case["kind"]](I, H, **case["arguments"], backend="loop", device=device, dtype=torch.float64)
    exact.load_state_dict(layer.state_dict())
    expected = everything(exact, [x.double() for x in xs], [s.double() for s in state], case["lengths"] is not None)
    least = max(value.norm() for value in expected.values()) / 100
    return {name: ((found[name].double() - value).norm() / max(value.norm(), least)).item()
            for name, value in expected.items()}


def everything(layer, xs, state, packed):
    """Outputs, final state and all gradients of a loss on both, by name."""
    leaves = [value.clone().requires_grad_() for value in (*xs, *state)]
    xs, state = leaves[:len(xs)], tuple(leaves[len(xs):])
    output, last = layer(pack_sequence(xs, enforce_sorted=False) if packed else torch.stack(xs, dim=1),
                         state if len(state) > 1 else state[0])
    values = [output.data if packed else output, *(last if isinstance(last, tuple) else (last,))]
    draw = torch.Generator().manual_seed(1)
    weights = [torch.randint(-4, 5, v.shape, generator=draw).to(v.device) / 4 for v in values]     # exact in any dtype
    loss = sum((v.double() * w).sum() for v, w in zip(values, weights, strict=True))
    params = dict(layer.named_parameters())
    gradients = torch.autograd.grad(loss, [*leaves, *params.values()])
    inputs = torch.cat([d.flatten() for d in gradients[:len(xs)]])
    names = ["output", *(f"last {n}" for n in range(len(state))), "dinput", *(f"dstate {n}" for n in range(len(state)))]
    return {name: value.detach() for name, value in
            zip([*names, *params], [*values, inputs, *gradients[len(xs):]], strict=True)}


def second_backward():
    """How far a second backward pass through the same graph is from the first, and one of a graph freed by it."""
    layer = lt.PeepholeLSTM(2, 3, backend="fused")
    loss = layer(torch.randn(3, 2, 2))[0].square().sum()
    params = tuple(layer.parameters())
    first, second, third = (torch.autograd.grad(loss, params, retain_graph=keep) for keep in (True, True, False))
    return {"difference": max(float((a - b).abs().max()) for other in (second, third)
                              for a, b in zip(first, other, strict=True))}


def gradient_of_a_gradient():
    """Error of a double backward, which the loop takes over."""
    def run(layer, x):
        slope, = torch.autograd.grad(layer(x)[0].sin().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), x)[0]
    torch.manual_seed(0)
    layer, x = lt.GRU(2, 3, backend="fused"), torch.randn(3, 2, 2, requires_grad=True)
    found = run(layer, x)
    layer.backend = "loop"
    return {"difference": float((found - run(layer, x)).abs().max())}


def gradient_check():
    """Largest error that the numerical check finds in a stack of two directions, and what was left out."""
    torch.manual_seed(0)
    report = lt.check_gradients(lt.GRU(2, 2, bidirectional=True, reset="before", backend="fused"), torch.randn(2, 2, 2))
    return {"error": report.max_error}


def too_large_to_stay():
    """What a launch that stays says where its programs cannot all run at once: here, where one runs at a time."""
    try:
        errors(case("LSTM", shape=(1, 1, 1, 17), mode="persistent"))
    except RuntimeError as said:
        return str(said)


def staying_in(units, split):
    """Have launches that stay cut into programs of so many units, and their sums into so many pieces."""
    from lstmlab.torch.kernels import launch
    sizes = {"BB": 16, "BH": units, "BK": 64, "SPLIT": split, "num_warps": 8, "num_stages": 1}
    return mock.patch.object(launch, "_staying", return_value=sizes)


def sum_in_pieces_on_the_chip():
    """Errors of a launch that stays and cuts its sum: one program of more units than a GPU would give it."""
    with staying_in(64, 4):
        return [errors(case(kind, shape=(2, 2, 3, 41), mode="persistent")) for kind in ("LSTM", "GRU-before-z")]


def programs_at_the_same_time():
    """Errors of kernels whose programs run side by side, and how many programs there were at least in a launch."""
    from side_by_side import side_by_side
    found = {}
    for kind in FAMILIES:
        for mode, shape, lengths in (("steps", (2, 17, 3, 19), None), ("persistent", (3, 18, 3, 33), None),
                                     ("persistent", (3, 18, 3, 33), [2, 3, 1] * 6)):
            with staying_in(16, 4), side_by_side() as grids:
                each = errors(case(kind, "float32", shape, lengths, mode))
            found[name_of(case(kind, None, shape, lengths, mode))] = each, min(x * y for x, y in grids)
    return found


def broken_barriers():
    """What running side by side says of barriers that are wrong, by what is wrong with them."""
    from side_by_side import side_by_side

    from lstmlab.torch.kernels import body
    barrier, tl = body._barrier, body.tl

    def without_waiting(counter, goal):
        tl.atomic_add(counter, 1, sem="release", scope="gpu")

    def arrives_relaxed(counter, goal):
        tl.atomic_add(counter, 1, sem="relaxed", scope="gpu")
        while tl.atomic_add(counter, 0, sem="acquire", scope="gpu") < goal:
            pass

    def looks_relaxed(counter, goal):
        tl.atomic_add(counter, 1, sem="release", scope="gpu")
        while tl.atomic_add(counter, 0, sem="relaxed", scope="gpu") < goal:
            pass

    broken = {"none": lambda counter, goal: None, "no waiting": without_waiting, "relaxed arrival": arrives_relaxed,
              "relaxed look": looks_relaxed, "one too few": lambda counter, goal: barrier(counter, goal - 1),
              "one too many": lambda counter, goal: barrier(counter, goal + 1)}
    said = {}
    for name, wrong in broken.items():
        for kind in ("RNN", "GRU-before-z"):
            with mock.patch.object(body, "_barrier", wrong), staying_in(16, 4), side_by_side(), \
                    warnings.catch_warnings():
                warnings.simplefilter("ignore")                  # what was not written yet can be anything
                try:
                    errors(case(kind, shape=(5, 1, 3, 33), mode="persistent"))
                except AssertionError as found:
                    said[f"{name}, {kind}"] = type(found).__name__
    return said


def replayed():
    """Errors of a graph of four steps that is replayed: within a graph, a whole one, with a rest; how many graphs are
    kept then; the difference of a call in inference mode, which is the first to need a graph, and one after it; and how
    many graphs three steps alone ask for."""
    from side_by_side import graphs

    from lstmlab.torch.kernels import launch
    found = []
    with mock.patch.multiple(launch, _CHUNK=4, _GRAPHS_KEPT=3, _WORTH_A_GRAPH=1,
                             current_mode=lambda device: "graph"), graphs():
        layer, x = lt.GRU(3, 7, backend="fused"), torch.randn(5, 2, 3)
        with torch.inference_mode():
            first = layer(x)[0]
        with torch.no_grad():
            difference = float((layer(x)[0] - first).abs().max())
        for kind in ("peephole-fio", "GRU-before-z"):
            found += [errors(case(kind, shape=(T, 2, 3, 5))) for T in (1, 4, 10)]
    kept = len(launch._graphs)
    with mock.patch.object(launch, "current_mode", return_value="graph"), graphs():
        found.append(errors(case("LSTM", shape=(3, 2, 3, 6))))
    return {"errors": found, "kept": kept, "difference": difference, "of three steps": len(launch._graphs) - kept}


def saturated():
    """Errors of the gradients of one step, each relative to itself, where every gate and tanh is pressed to its end."""
    found = {}
    for kind in (*FAMILIES, "CIFG"):
        torch.manual_seed(0)
        layer, xs = KINDS[kind](2, 3, backend="fused"), [torch.randn(1, 2)]
        with torch.no_grad():
            for name, value in layer.named_parameters():
                if name.startswith("b_"):
                    value += 5.0
        state = [torch.randn(1, 1, 3) for _ in layer.cells[0].State._fields]
        exact = KINDS[kind](2, 3, backend="loop", dtype=torch.float64)
        exact.load_state_dict(layer.state_dict())
        came = everything(layer, xs, state, packed=False)
        expected = everything(exact, [x.double() for x in xs], [s.double() for s in state], packed=False)
        found |= {f"{kind} {name}": ((came[name].double() - value).norm() / value.norm()).item()
                  for name, value in expected.items() if value.norm()}
    return found


def under_autocast():
    """Errors of a float32 layer with autocast on in the backward pass alone, in the forward pass alone, in both."""
    def run(layer, x, forward, backward):
        with torch.autocast("cpu", torch.bfloat16, enabled=forward):
            loss = layer(x)[0].sin().sum()
        with torch.autocast("cpu", torch.bfloat16, enabled=backward):
            return torch.autograd.grad(loss, (x, *layer.parameters()))
    torch.manual_seed(0)
    layer, x = lt.GRU(2, 3, backend="fused"), torch.randn(3, 2, 2, requires_grad=True)
    plain, *others = (run(layer, x, *on) for on in ((False, False), (False, True), (True, False), (True, True)))
    return {"difference": max(float((a - b).abs().max()) for other in others
                              for a, b in zip(plain, other, strict=True))}


def precision_of_float32():
    """How products of float32 are formed as torch's settings change, old and new."""
    from lstmlab.torch.kernels.launch import _precision
    found = [_precision(torch.float32)]
    torch.set_float32_matmul_precision("high")
    found.append(_precision(torch.float32))
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    return [*found, _precision(torch.float32), _precision(torch.float16)]


def compiled(kind, dtype, B, H, mode, capability):
    """Bytes of shared memory of every kernel of a pass and its way back, compiled for a GPU that is not there."""
    from triton.backends.compiler import GPUTarget
    from triton.runtime import driver

    from lstmlab.torch.kernels import Kernels, launch
    launch._resources = lambda device: CHIPS[capability]
    driver.set_active(SimpleNamespace(get_current_device=lambda: 0, get_current_stream=lambda device: 0,
                                      get_current_target=lambda: GPUTarget("cuda", capability, 32)))
    calls, launch.run = [], lambda *arguments: calls.append(arguments)
    layer = KINDS[kind](3, H, dtype=getattr(torch, dtype))
    engine = Kernels(layer.cells[0], torch.device("cpu"))
    params = {name: value.detach() for name, value in layer.parameters_of("_l0").items()}
    xs, mask = torch.zeros(2, B, 3, dtype=getattr(torch, dtype)), torch.ones(2, B, dtype=torch.bool)
    state = tuple(xs.new_zeros(B, H) for _ in layer.cells[0].State._fields)
    hs, last, kept = engine.forward(params, xs, state, mask, True)
    engine.backward(params, xs, state, kept, hs, last, True, False)
    shared = []
    for kernel, constants, phases, *_ in calls:
        sizes = launch.settings(constants["ROWS"], B, H, xs.dtype, SimpleNamespace(type="cuda"), mode)
        table = torch.zeros(13, dtype=torch.int64)
        for phase in [2 * phases - 1] if mode == "persistent" else range(1, phases + 1):
            shared.append(kernel.warmup(table, 0, 1, B, H, PHASES=phase, grid=(1, 1), **constants, **sizes)
                          .metadata.shared)
    return shared


SPECIAL = {f.__name__: f for f in (second_backward, gradient_of_a_gradient, gradient_check, too_large_to_stay,
                                   sum_in_pieces_on_the_chip, programs_at_the_same_time, broken_barriers, replayed,
                                   saturated, under_autocast, precision_of_float32)}


def random_shapes(count, H, T, B, I):
    """Random shapes, the awkward ones among them."""
    draw = random.Random(0)
    return [(draw.choice(T), draw.choice(B), draw.choice(I), draw.choice(H)) for _ in range(count)]


MASKED = [case(kind, shape=(3, 3, 2, 3), lengths=[1, 3, 2]) for kind in CELLS]
HALF = [case(kind, "float16", bidirectional=kind == "LSTM") for kind in FAMILIES]
BLOCKS = [case(kind, shape=(2, 17, 3, 19)) for kind in ("LSTM", "GRU-before-z")]
PIECES = [case("RNN", "float16", (2, 2, 3, 130))]                 # the sum in two pieces, cut for four warps
SMALLEST = [case(kind, shape=(1, 1, 1, 1)) for kind in FAMILIES]
STAYING = [case(kind, shape=(3, 2, 3, 13), mode="persistent") for kind in FAMILIES[1:]]
SAMPLED = [*MASKED, *HALF, *BLOCKS, *PIECES, *SMALLEST, *STAYING]


def name_of(case):
    extras = [case["dtype"], str(case["shape"]), "masked" * bool(case["lengths"]), case["mode"]]
    return " ".join([case["kind"], *filter(None, extras)])


def interpreted(*tasks, **variables):
    """What every task gives, a case or the name of a special one, computed by Triton's interpreter."""
    path = filter(None, (str(Path(lt.__file__).parents[2]), os.environ.get("PYTHONPATH")))
    env = {**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
           "PYTHONPATH": os.pathsep.join(path), **variables}
    done = subprocess.run([sys.executable, "-W", "error::RuntimeWarning", __file__], env=env, input=json.dumps(tasks),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def sampled():
    pytest.importorskip("triton", reason="needs triton, which there is for Linux")
    return dict(zip([*map(name_of, SAMPLED), *SPECIAL], interpreted(*SAMPLED, *SPECIAL), strict=True))


def assert_close(errors, dtype):
    assert errors
    for name, error in errors.items():
        assert error <= TOLERANCE[dtype], name                   # a NaN is not


@pytest.mark.parametrize("case", SAMPLED, ids=name_of)
def test_kernels_are_the_equations(case, sampled):
    """Every cell's kernels, interpreted, give the loop's outputs and every gradient: sequences of several lengths,
    16 bits, several blocks, one of everything, and a launch that stays."""
    assert_close(sampled[name_of(case)], case["dtype"])


def test_a_graph_can_be_gone_through_twice(sampled):
    """Gradients overwrite the forward pass's own array only if nobody will ask again."""
    assert sampled["second_backward"]["difference"] == 0


def test_a_gradient_of_a_gradient_replays_the_loop(sampled):
    """A double backward through the kernels is that of the loop."""
    assert sampled["gradient_of_a_gradient"]["difference"] <= 1e-5


def test_kernels_pass_the_gradient_check(sampled):
    """lt.check_gradients, which knows nothing of kernels, agrees with them in both directions."""
    assert sampled["gradient_check"]["error"] <= 1e-4


def test_slopes_keep_their_digits_where_gates_are_saturated(sampled):
    """eq-gpu-slope: σ′ and tanh′ are as exact at the ends of their range as anywhere, which y (1 − y) is not."""
    assert len(sampled["saturated"]) > 40
    assert_close(sampled["saturated"], "float32")


def test_a_launch_that_cannot_stay_is_refused(sampled):
    """Programs that would wait for others that cannot run yet are not launched; the message says what to do."""
    assert "do not stay on a chip of 1 multiprocessors" in sampled["too_large_to_stay"]


def test_warps_share_a_sum_on_the_chip(sampled):
    """A launch that stays gives the same where its sums are cut into pieces."""
    for found in sampled["sum_in_pieces_on_the_chip"]:
        assert_close(found, "float32")


def test_programs_do_not_touch_what_others_are_at_work_on(sampled):
    """Programs that run at the same time, in a launch a step or in one that stays, give the same numbers, and of two
    that touch one address, one of them to write, the barrier always says which was first."""
    assert len(sampled["programs_at_the_same_time"]) == 3 * len(FAMILIES)
    for found, programs in sampled["programs_at_the_same_time"].values():
        assert programs >= 6
        assert_close(found, "float32")


@pytest.mark.parametrize("kind", ["RNN", "GRU-before-z"])
def test_a_wrong_barrier_is_found(kind, sampled):
    """The test above tells every barrier that lets a program go too early, and one that never lets it go."""
    found = {name.partition(",")[0]: said for name, said in sampled["broken_barriers"].items() if name.endswith(kind)}
    assert found.pop("one too many") == "Deadlock"
    assert found == dict.fromkeys(("none", "no waiting", "relaxed arrival", "relaxed look", "one too few"), "Race")


def test_a_recorded_graph_serves_every_length(sampled):
    """Replays of a graph go on where the last one stopped, and its steps past the end do nothing; the oldest graph
    makes way for a new one."""
    for each in sampled["replayed"]["errors"]:
        assert_close(each, "float32")
    assert sampled["replayed"]["kept"] == 3


def test_a_few_steps_are_not_recorded(sampled):
    """Three steps are launched as they are: a graph of many steps would take longer."""
    assert sampled["replayed"]["of three steps"] == 0


def test_a_graph_recorded_in_inference_mode_serves_later_calls(sampled):
    """Who evaluates first, and in inference mode, gets the same outside of it."""
    assert sampled["replayed"]["difference"] == 0


def test_autocast_does_not_reach_the_kernels(sampled):
    """The dtype of the forward pass is that of the backward pass, whatever autocast is on around either."""
    assert sampled["under_autocast"]["difference"] == 0


def test_float32_products_are_formed_as_torchs(sampled):
    """TF32 follows torch's setting for matrix products, be it set by the old call or the new one; 16 bits never ask."""
    assert sampled["precision_of_float32"] == ["ieee", "tf32", "tf32", "ieee"]


@pytest.mark.parametrize("chip", CHIPS.values(), ids=str)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_blocks_fit_the_chip(chip, dtype, monkeypatch):
    """What is loaded ahead has room in shared memory, and what stays runs all at once, at any shape."""
    launch = pytest.importorskip("lstmlab.torch.kernels.launch", reason="needs triton, which there is for Linux")
    monkeypatch.setattr(launch, "_resources", lambda device: chip)
    gpu, itemsize = SimpleNamespace(type="cuda"), getattr(torch, dtype).itemsize
    for B, H, slots in itertools.product((1, 16, 64, 500), (1, 19, 128, 1000, 4096), (1, 3, 4)):
        rows = (*range(slots), *[-1] * (4 - slots))
        sizes = launch.settings(rows, B, H, getattr(torch, dtype), gpu, "graph")
        stage = slots * (sizes["BB"] + sizes["BH"]) * sizes["BK"] * itemsize
        assert (sizes["num_stages"] - 1) * stage <= chip[1], (B, H, slots)
        assert sizes["BK"] >= 16 * sizes["SPLIT"]
        with contextlib.suppress(RuntimeError):                  # it does not fit, and is not launched
            sizes = launch.settings(rows, B, H, getattr(torch, dtype), gpu, "persistent")
            assert -(-B // sizes["BB"]) * -(-H // sizes["BH"]) <= chip[0]
            factors, pieces = sizes["BB"] * sizes["BK"] * itemsize, 16 * sizes["SPLIT"] * sizes["BB"] * sizes["BH"]
            assert slots * sizes["BH"] * sizes["BK"] * itemsize + max(factors, pieces) <= chip[1]


def test_without_triton_the_package_still_imports():
    """`import lstmlab.torch`, and a layer's call on the CPU, need no triton."""
    code = ("import sys; sys.modules['triton'] = None; import torch, lstmlab.torch as lt;"
            "lt.LSTM(2, 3)(torch.ones(4, 2, 2))[0].sum().backward()")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.full
@pytest.mark.parametrize("capability", CHIPS)
@pytest.mark.parametrize("kind", FAMILIES)
def test_kernels_compile_for_a_gpu(kind, capability, record_property):
    """Without a GPU, Triton compiles all kernels for several, and what they take of shared memory is there."""
    pytest.importorskip("triton", reason="needs triton, which there is for Linux")
    tasks = [[kind, *about, capability] for about in (
        ("float32", 16, 256, "graph"), ("float32", 1, 1, "graph"), ("bfloat16", 5, 127, "graph"),
        ("bfloat16", 16, 256, "persistent"))]
    found = interpreted(*tasks, TRITON_INTERPRET="0")
    assert all(shared <= CHIPS[capability][1] for each in found for shared in each)
    record_property("largest shared memory", max(map(max, found)))


@pytest.mark.full
def test_many_shapes_interpreted(record_property):
    """200 random shapes, of all cells: every output and gradient to 1e-5 in float32 and 1e-2 in float16."""
    pytest.importorskip("triton", reason="needs triton, which there is for Linux")
    shapes = random_shapes(200, [1, 2, 5, 16, 17, 33], [1, 2, 3], [1, 2, 17], [1, 3, 16])
    cases = [case(CELLS[k % len(CELLS)], ("float32", "float16")[k // len(CELLS) % 2], shape)
             for k, shape in enumerate(shapes)]
    found = interpreted(*cases)
    for each, result in zip(cases, found, strict=True):
        assert_close(result, each["dtype"])
    for dtype in ("float32", "float16"):
        record_property(f"largest error, {dtype}", max(max(result.values()) for each, result
                                                       in zip(cases, found, strict=True) if each["dtype"] == dtype))


# -- on a GPU -----------------------------------------------------------------------------------------------


def on_gpu(test):
    for mark in GPU:
        test = mark(test)
    return test


@on_gpu
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("kind", CELLS)
def test_gpu_is_the_equations(kind, dtype):
    """On a GPU every cell's graph of launches gives the loop's outputs and gradients, over more than one replay."""
    assert_close(errors(case(kind, dtype, (70, 5, 9, 127), mode="graph", device="cuda")), dtype)
    assert_close(errors(case(kind, dtype, (4, 3, 9, 48), [4, 1, 3], mode="graph", device="cuda")), dtype)


@on_gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_launch_that_stays(kind, dtype):
    """Programs that keep their weights and wait for each other give the same, a thousand steps long."""
    assert_close(errors(case(kind, dtype, (1000, 16, 64, 256), mode="persistent", device="cuda")), dtype)


@on_gpu
def test_gpu_passes_the_gradient_check():
    """lt.check_gradients on the GPU agrees with the kernels of a packed, stacked layer of both directions."""
    layer = lt.PeepholeLSTM(3, 4, 2, bidirectional=True, backend="fused", device="cuda")
    packed = pack_sequence([torch.randn(n, 3, device="cuda") for n in (2, 4, 3)], enforce_sorted=False)
    report = lt.check_gradients(layer, packed)
    assert report.ok, report


@on_gpu
@pytest.mark.parametrize("mode", ["graph", "persistent"])
def test_gpu_repeats_itself(mode):
    """Two runs give the same bits, in every output and gradient: no sum's order depends on chance."""
    one, other = (errors(case("LSTM", "float16", (50, 16, 32, 128), mode=mode, device="cuda")) for _ in range(2))
    assert one == other


@on_gpu
@pytest.mark.full
@pytest.mark.parametrize("part", range(8))
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_many_shapes_on_a_gpu(dtype, part, record_property):
    """200 random shapes of all cells against the loop in float64, in eight parts that can run side by side."""
    shapes = random_shapes(200, [1, 2, 16, 17, 64, 127, 256, 768], [1, 2, 17, 65], [1, 3, 16, 65], [1, 16, 127])
    found = [errors(case(CELLS[k % len(CELLS)], dtype, shape, mode="graph", device="cuda"))
             for k, shape in enumerate(shapes) if k % 8 == part]
    for result in found:
        assert_close(result, dtype)
    record_property("largest error", max(max(result.values()) for result in found))


if __name__ == "__main__":
    tasks = json.load(sys.stdin)
    print(json.dumps([SPECIAL[task]() if isinstance(task, str) else compiled(*task) if isinstance(task, list)
                      else errors(task) for task in tasks]))
