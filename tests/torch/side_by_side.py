"""Triton's interpreter with what it lacks of a GPU: programs that run at the same time, and captured graphs.

The interpreter runs the programs of a grid one after the other, so programs that wait for each other would wait for
ever, and whether one touches what another is at work on cannot be seen. Here every program is a greenlet; before it
arrives at a barrier, and before it looks whether others have, it is another's turn, by chance. What each reads and
writes is recorded with a vector clock: two accesses to one address by two programs, of which one writes, are a race
unless a release and an acquire, or the end of a launch, stand between them. Without a race all orders give the same
numbers, also those in which nothing was run.
"""

import contextlib
import random
from types import SimpleNamespace
from unittest import mock

import numpy as np
import torch
from greenlet import getcurrent, greenlet
from torch.utils._python_dispatch import TorchDispatchMode
from triton.runtime import interpreter

_BUILDER = interpreter.interpreter_builder
_ORDER = interpreter._ir.MEM_SEMANTIC


class Race(AssertionError):
    """Two programs touched one address, one of them to write, and nothing told which was first."""


class Deadlock(AssertionError):
    """Every program waits, and none is left that could arrive."""


class _Launch:
    """The programs of one launch, and what they touched.

    ``clocks[p, q]`` says how many releases of program q are known to program p; an access of p carries the number of
    p's own releases before it. An access came before what p does now if p knows of a release that followed it.
    """

    def __init__(self, grid):
        self.grid = (*grid, 1)[:2]
        self.places = [(x, y) for x in range(self.grid[0]) for y in range(self.grid[1])]
        self.clocks = np.zeros((len(self.places), len(self.places)), int)
        self.released, self.written, self.read = {}, {}, {}
        self.changes, self.chance = 0, random.Random(0)

    def run(self, program):
        left = [greenlet(lambda: (program(), None)[1]) for _ in self.places]
        for number, each in enumerate(left):
            each.number, each.launch, each.looked = number, self, None
        while left:
            each = self.chance.choice(left)
            each.switch()
            left = [each for each in left if not each.dead]
            if left and all(each.looked == self.changes for each in left):
                raise Deadlock(f"{len(left)} programs wait")

    def load(self, p, addresses):
        for address in addresses:
            self._must_be_over(p, self.written.get(address, ()), address)
            self.read.setdefault(address, {})[p] = self.clocks[p, p]

    def store(self, p, addresses):
        for address in addresses:
            self._must_be_over(p, self.written.get(address, ()), address)
            self._must_be_over(p, self.read.get(address, {}).items(), address)
            self.written[address] = [(p, self.clocks[p, p])]

    def _must_be_over(self, p, accesses, address):
        for q, releases in accesses:
            if q != p and self.clocks[p, q] <= releases:
                raise Race(f"programs {self.places[p]} and {self.places[q]} at address {address:#x}")

    def acquire(self, p, address):
        if address in self.released:
            own = self.clocks[p, p]
            self.clocks[p] = np.maximum(self.clocks[p], self.released[address])
            self.clocks[p, p] = own

    def release(self, p, address):
        self.clocks[p, p] += 1
        self.released[address] = np.maximum(self.clocks[p], self.released.get(address, 0))


@contextlib.contextmanager
def side_by_side():
    """Within the block, kernels run as on a GPU: their programs take turns, and a race or a deadlock is an error.

    Yields
    ------
    list of tuple of int
        The grids of the launches so far.
    """
    grids, call = [], interpreter.GridExecutor.__call__
    load, store, rmw = _BUILDER.create_masked_load, _BUILDER.create_masked_store, _BUILDER.create_atomic_rmw

    def launched(executor, *arguments, **constants):
        launch = _Launch(executor.grid)
        grids.append(launch.grid)
        one = interpreter.GridExecutor(executor.fn, executor.arg_names, (1,), executor.pre_run_hooks)
        scope = interpreter._patch_lang(executor.fn)             # stays until the last program has ended
        try:
            launch.run(lambda: call(one, *arguments, **constants))
        except interpreter.InterpreterError as error:
            while isinstance(error.__cause__, Exception):
                error = error.__cause__
            raise error from None
        finally:
            scope.restore()

    def touched(ptrs, mask):
        addresses, on = np.broadcast_arrays(ptrs.data, mask.data)
        return addresses[on.astype(bool)].tolist()

    def loading(ptrs, mask, *others):
        me = getcurrent()
        me.launch.load(me.number, touched(ptrs, mask))
        return load(ptrs, mask, *others)

    def storing(ptrs, value, mask, *others):
        me = getcurrent()
        me.launch.store(me.number, touched(ptrs, mask))
        return store(ptrs, value, mask, *others)

    def exchanging(op, ptr, value, mask, sem, scope):
        me, address = getcurrent(), int(ptr.data.item())
        if value.data.any():
            me.looked = None
            me.parent.switch()
            me.launch.changes += 1
        else:                                                    # it adds 0, to see what others have added
            me.parent.switch()
            me.looked = me.launch.changes
        if sem in (_ORDER.ACQUIRE, _ORDER.ACQUIRE_RELEASE):
            me.launch.acquire(me.number, address)
        if sem in (_ORDER.RELEASE, _ORDER.ACQUIRE_RELEASE):
            me.launch.release(me.number, address)
        return rmw(op, ptr, value, mask, sem, scope)

    def number(axis):
        me = getcurrent()
        return interpreter.TensorHandle(np.array([me.launch.places[me.number][axis]], np.int32), interpreter.tl.int32)

    def numbers(axis):
        return interpreter.TensorHandle(np.array([getcurrent().launch.grid[axis]], np.int32), interpreter.tl.int32)

    with mock.patch.multiple(_BUILDER, create_masked_load=loading, create_masked_store=storing,
                             create_atomic_rmw=exchanging, create_get_program_id=number,
                             create_get_num_programs=numbers), \
            mock.patch.object(interpreter.GridExecutor, "__call__", launched):
        yield grids


class _Graph:
    """What a CUDA graph does: between begin and end it records what is asked for and runs nothing of it."""

    recording = None

    def __init__(self):
        self.operations = []

    def capture_begin(self, **_):
        type(self).recording = self
        self.mode = _Record(self.operations)
        self.mode.__enter__()

    def capture_end(self):
        self.mode.__exit__(None, None, None)
        type(self).recording = None

    def replay(self):
        for operation, arguments, options in self.operations:
            operation(*arguments, **options)


class _Record(TorchDispatchMode):
    def __init__(self, operations):
        super().__init__()
        self.operations = operations

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        if operation.is_view:
            return operation(*arguments, **(options or {}))
        self.operations.append((operation, arguments, options or {}))
        return arguments[0]


@contextlib.contextmanager
def graphs():
    """Within the block, torch on the CPU captures and replays graphs."""
    call = interpreter.GridExecutor.__call__

    def launched(executor, *arguments, **constants):
        if _Graph.recording is None:
            call(executor, *arguments, **constants)
        else:
            _Graph.recording.operations.append((call, (executor, *arguments), constants))

    stream = SimpleNamespace(cuda_stream=0, wait_stream=lambda other: None)
    with mock.patch.object(interpreter.GridExecutor, "__call__", launched), \
            mock.patch.multiple(torch.cuda, CUDAGraph=_Graph, Stream=lambda device: stream, synchronize=lambda _: None,
                                current_stream=lambda device: stream, stream=lambda s: contextlib.nullcontext()):
        yield
