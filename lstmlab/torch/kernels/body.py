"""The two kernels that run every cell over time: one forward, one backward.

A program owns a block of units (``cols``) for a block of the batch (``rows``), with all their gates. A step is a
product with the recurrent weights, whose other factor all programs wrote a step before, and then a pointwise function
of what the program owns. So the one thing to wait for is the step before: by a launch for each step (n = 1; the order
of the launches is the barrier), or inside one launch (n = T) by a barrier over the grid, with the weights kept on the
chip.

A block is small, so that all multiprocessors have one: 16 rows by 8 or 16 units, less than the warps of a program can
share. So the warps share the sum: it is cut into SPLIT pieces, a product each, which are added up at the end. Else
every warp would form the whole product, all of them the same.

A GRU that resets before has two products a step, the second of what the first gave, and so two phases; all others have
one. A phase is its pointwise function and, for each of four slots, three numbers: the row block of the recurrent
weights that multiplies (``D``), the column block of the work array to read (``X``) and the one to write (``Z``); -1 is
none. The work array ``(T, B, width * H)`` holds the inputs' shares at first, the pre-activations after the forward
pass and their gradients after the backward pass.

The kernels find their arrays through a table of addresses on the device. So a captured CUDA graph serves every call of
a shape, whatever memory that call was given. Its entries, where the two kernels differ as forward / backward:

== ===========================================================================================
0  steps done before this launch
1  T
2  work array
3  states h (T, B, H) / gradients of the outputs (T, B, H)
4  outputs (T, B, H): the states, but 0 where the mask is off / states or C (T, B, H)
5  h before the first step (B, H) / h or C before the first step (B, H)
6  what each unit remembers, float32 (B, H): C of an LSTM, h of the others / its gradient
7  C, or r * h of a GRU that resets before, (T, B, H) / gradient of h, float32 (B, H)
8  recurrent weights, (rows, H) / transposed (H, rows)
9  vectors of parameters, float32 (3, H)
10 mask (T, B), of bytes
11 arrivals at the barrier
12 not used / gradients of the vectors, float32 (blocks of rows, 3, H)
== ===========================================================================================
"""

import triton
import triton.language as tl


@triton.jit
def _array(table, k, DTYPE: tl.constexpr):
    """The array whose address is entry k of the table; all are aligned to 16 bytes."""
    return tl.multiple_of(tl.load(table + k).to(tl.pointer_type(DTYPE)), 16)


@triton.jit
def _barrier(counter, goal):
    """Wait until `goal` arrivals were counted: what any program wrote before its arrival is then seen by all."""
    tl.debug_barrier()
    tl.atomic_add(counter, 1, sem="release", scope="gpu")
    while tl.atomic_add(counter, 0, sem="acquire", scope="gpu") < goal:
        pass
    tl.debug_barrier()


@triton.jit
def _positions(BK: tl.constexpr, SPLIT: tl.constexpr):
    """The places of a piece of the sum, (BK,); cut up, (SPLIT, BK // SPLIT)."""
    if SPLIT > 1:
        part: tl.constexpr = BK // SPLIT
        k = tl.arange(0, SPLIT)[:, None] * part + tl.arange(0, part)[None, :]
    else:
        k = tl.arange(0, BK)
    return k


@triton.jit
def _weights(w, k, cols, H, stride, start, SPLIT: tl.constexpr):
    """A tile (k, cols) of the recurrent weights, transposed as it is read: k lies side by side in memory."""
    if SPLIT > 1:
        at = w + start + cols[None, None, :] * stride + k[:, :, None]
        b = tl.load(at, mask=(k < H)[:, :, None] & (cols < H)[None, None, :], other=0.0)
    else:
        at = w + start + cols[None, :] * stride + k[:, None]
        b = tl.load(at, mask=(k < H)[:, None] & (cols < H)[None, :], other=0.0)
    return b


@triton.jit
def _tile(w, cols, H, stride, step, d: tl.constexpr, BK: tl.constexpr, SPLIT: tl.constexpr):
    """All of a slot's weights for these units, to stay on the chip."""
    tile = 0
    if d >= 0:
        tile = _weights(w, _positions(BK, SPLIT), cols, H, stride, d * step, SPLIT)
    return tile


@triton.jit
def _product(m, at, k, live, w, tile, cols, H, stride, step, d: tl.constexpr, block: tl.constexpr,
             ON_CHIP: tl.constexpr, PRECISION: tl.constexpr, SPLIT: tl.constexpr):
    """Add to m the product of column block `block`, at k, with row block d of the weights."""
    if d >= 0:
        if SPLIT > 1:
            a = tl.load((at + block * H)[None, :, :] + k[:, None, :], mask=live[None, :, None] & (k < H)[:, None, :],
                        other=0.0, cache_modifier=".cg")
        else:
            a = tl.load(at + block * H + k[None, :], mask=live[:, None] & (k < H)[None, :], other=0.0,
                        cache_modifier=".cg")
        b = tile
        if not ON_CHIP:
            b = _weights(w, k, cols, H, stride, d * step, SPLIT)
        m = tl.dot(a, b, m, input_precision=PRECISION)
    return m


@triton.jit
def _added_up(m0, m1, m2, m3, D: tl.constexpr, TOGETHER: tl.constexpr, SPLIT: tl.constexpr):
    """The slots' products (BB, BH) from their SPLIT pieces, added up for all of them at once.

    TOGETHER: their sum in the place of the first, zeros for the others. Each thread adds what it has of them before
    the threads add up the pieces, so that only one sum goes from thread to thread.
    """
    if TOGETHER:
        m0 = (m0 + m1) + (m2 + m3)
        if SPLIT > 1:
            m0 = tl.sum(m0, axis=0)
        m1 = tl.zeros_like(m0)
        m2 = m1
        m3 = m1
    elif SPLIT > 1:
        if (D[0] >= 0) + (D[1] >= 0) + (D[2] >= 0) + (D[3] >= 0) == 1:
            only = tl.sum(m0 + m1 + m2 + m3, axis=0)
            zero = tl.zeros_like(only)
            m0 = only if D[0] >= 0 else zero
            m1 = only if D[1] >= 0 else zero
            m2 = only if D[2] >= 0 else zero
            m3 = only if D[3] >= 0 else zero
        else:
            even, odd = tl.split(tl.sum(tl.join(tl.join(m0, m2), tl.join(m1, m3)), axis=0))
            m0, m2 = tl.split(even)
            m1, m3 = tl.split(odd)
    return m0, m1, m2, m3


@triton.jit
def _products(source, width, rows, live, w, tile0, tile1, tile2, tile3, cols, H, stride, step,
              D: tl.constexpr, FROM: tl.constexpr, TOGETHER: tl.constexpr, ON_CHIP: tl.constexpr,
              PRECISION: tl.constexpr, BB: tl.constexpr, BH: tl.constexpr, BK: tl.constexpr, SPLIT: tl.constexpr):
    """For each slot s the product of column block FROM[s] of the source with row block D[s] of the weights."""
    m0 = tl.full((BB, BH), 0.0, tl.float32)
    if SPLIT > 1:
        m0 = tl.full((SPLIT, BB, BH), 0.0, tl.float32)
    m1 = m0
    m2 = m0
    m3 = m0
    at = source + rows[:, None] * width
    if ON_CHIP:
        k = _positions(BK, SPLIT)
        m0 = _product(m0, at, k, live, w, tile0, cols, H, stride, step, D[0], FROM[0], True, PRECISION, SPLIT)
        m1 = _product(m1, at, k, live, w, tile1, cols, H, stride, step, D[1], FROM[1], True, PRECISION, SPLIT)
        m2 = _product(m2, at, k, live, w, tile2, cols, H, stride, step, D[2], FROM[2], True, PRECISION, SPLIT)
        m3 = _product(m3, at, k, live, w, tile3, cols, H, stride, step, D[3], FROM[3], True, PRECISION, SPLIT)
    else:
        for start in range(0, H, BK):
            k = start + _positions(BK, SPLIT)
            m0 = _product(m0, at, k, live, w, 0, cols, H, stride, step, D[0], FROM[0], False, PRECISION, SPLIT)
            m1 = _product(m1, at, k, live, w, 0, cols, H, stride, step, D[1], FROM[1], False, PRECISION, SPLIT)
            m2 = _product(m2, at, k, live, w, 0, cols, H, stride, step, D[2], FROM[2], False, PRECISION, SPLIT)
            m3 = _product(m3, at, k, live, w, 0, cols, H, stride, step, D[3], FROM[3], False, PRECISION, SPLIT)
    return _added_up(m0, m1, m2, m3, D, TOGETHER, SPLIT)


@triton.jit
def _read(work, at, H, inside, block: tl.constexpr, zero):
    """Column block `block` of the work array in float32; zero if there is none."""
    x = zero
    if block >= 0:
        x = tl.load(work + at + block * H, mask=inside, other=0.0).to(tl.float32)
    return x


@triton.jit
def _write(work, at, H, inside, block: tl.constexpr, z, DTYPE: tl.constexpr):
    if block >= 0:
        tl.store(work + at + block * H, z.to(DTYPE), mask=inside)


@triton.jit
def _vector(vectors, k: tl.constexpr, cols, H, V: tl.constexpr):
    """Vector k of the parameters as a row; zeros where the cell has none."""
    v = tl.full((1, cols.shape[0]), 0.0, tl.float32)
    if V[k]:
        v = tl.load(vectors + k * H + cols, mask=cols < H, other=0.0)[None, :]
    return v


@triton.jit
def _add_up(totals, k: tl.constexpr, cols, H, d, V: tl.constexpr):
    """Add a step's gradient of vector k to what the steps before gave this block of rows."""
    if V[k]:
        at = totals + k * H + cols
        tl.store(at, tl.load(at, mask=cols < H, other=0.0) + tl.sum(d, axis=0), mask=cols < H)


@triton.jit
def _forward_step(arrays, t, B, H, rows, cols, tile0, tile1, tile2, tile3,
                  POINTWISE: tl.constexpr, D: tl.constexpr, X: tl.constexpr, Z: tl.constexpr, SOURCE: tl.constexpr,
                  LAST: tl.constexpr, TAPE: tl.constexpr, V: tl.constexpr, OPTIONS: tl.constexpr,
                  WIDTH: tl.constexpr, MASKED: tl.constexpr, KEEP: tl.constexpr, ON_CHIP: tl.constexpr,
                  DTYPE: tl.constexpr, PRECISION: tl.constexpr,
                  BB: tl.constexpr, BH: tl.constexpr, BK: tl.constexpr, SPLIT: tl.constexpr):
    """One phase of step t. SOURCE says of what the product is: 0, the states before; 1, what the tape holds of t."""
    work = arrays[0] + t * B * H * WIDTH
    states = arrays[1]
    tape = arrays[5] + t * B * H
    before = tl.where(t == 0, arrays[3], states + (t - 1) * B * H)
    source = before
    if SOURCE == 1:
        source = tape
    m0, m1, m2, m3 = _products(source, H, rows, rows < B, arrays[6], tile0, tile1, tile2, tile3, cols, H,
                               H, H * H, D, (0, 0, 0, 0), False, ON_CHIP, PRECISION, BB, BH, BK, SPLIT)
    inside = (rows < B)[:, None] & (cols < H)[None, :]
    at = rows[:, None] * (WIDTH * H) + cols[None, :]
    here = rows[:, None] * H + cols[None, :]
    zero = tl.full((BB, BH), 0.0, tl.float32)
    x0 = _read(work, at, H, inside, X[0], zero)
    x1 = _read(work, at, H, inside, X[1], zero)
    x2 = _read(work, at, H, inside, X[2], zero)
    x3 = _read(work, at, H, inside, X[3], zero)
    vectors = arrays[7]
    memory = arrays[4]
    c_before = tl.load(memory + here, mask=inside, other=0.0)
    z0, z1, z2, z3, h, c = POINTWISE(
        x0, x1, x2, x3, m0, m1, m2, m3, c_before, _vector(vectors, 0, cols, H, V), _vector(vectors, 1, cols, H, V),
        _vector(vectors, 2, cols, H, V), OPTIONS)
    tl.debug_barrier()                              # what is overwritten below was read above, by several threads even
    if KEEP or not LAST:
        _write(work, at, H, inside, Z[0], z0, DTYPE)
        _write(work, at, H, inside, Z[1], z1, DTYPE)
        _write(work, at, H, inside, Z[2], z2, DTYPE)
        _write(work, at, H, inside, Z[3], z3, DTYPE)
    if LAST:
        if MASKED:
            on = tl.load(arrays[8] + t * B + rows, mask=rows < B, other=0)[:, None] != 0
            c = tl.where(on, c, c_before)
            tl.store(arrays[2] + t * B * H + here, tl.where(on, h, 0.0).to(DTYPE), mask=inside)
            h = tl.where(on, h, tl.load(before + here, mask=inside, other=0.0).to(tl.float32))
        tl.store(memory + here, c, mask=inside)
        tl.store(states + t * B * H + here, h.to(DTYPE), mask=inside)
        if TAPE and KEEP:
            tl.store(tape + here, c.to(DTYPE), mask=inside)
    else:
        tl.store(tape + here, h.to(DTYPE), mask=inside)


@triton.jit
def _backward_step(arrays, t, last, B, H, rows, cols, tile0, tile1, tile2, tile3,
                   POINTWISE: tl.constexpr, D: tl.constexpr, FROM: tl.constexpr, X: tl.constexpr, Z: tl.constexpr,
                   SOURCE: tl.constexpr, MEMORY: tl.constexpr, V: tl.constexpr, OPTIONS: tl.constexpr,
                   WIDTH: tl.constexpr, SEEN: tl.constexpr, MASKED: tl.constexpr, ON_CHIP: tl.constexpr,
                   DTYPE: tl.constexpr, PRECISION: tl.constexpr,
                   BB: tl.constexpr, BH: tl.constexpr, BK: tl.constexpr, SPLIT: tl.constexpr):
    """One phase of step t. SOURCE says of what the product is: 0, the gradients of step t+1; 1, those of step t."""
    step = B * H * WIDTH
    work = arrays[0] + t * step
    source = work
    live = rows < B
    if SOURCE == 0:
        source = work + step
        live = live & (t < last)
    dh, _, _, _ = _products(source, WIDTH * H, rows, live, arrays[6], tile0, tile1, tile2, tile3,
                            cols, H, SEEN * H, H, D, FROM, True, ON_CHIP, PRECISION, BB, BH, BK, SPLIT)
    inside = (rows < B)[:, None] & (cols < H)[None, :]
    at = rows[:, None] * (WIDTH * H) + cols[None, :]
    here = rows[:, None] * H + cols[None, :]
    zero = tl.full((BB, BH), 0.0, tl.float32)
    z0 = _read(work, at, H, inside, X[0], zero)
    z1 = _read(work, at, H, inside, X[1], zero)
    z2 = _read(work, at, H, inside, X[2], zero)
    z3 = _read(work, at, H, inside, X[3], zero)
    kept = arrays[2]
    before = tl.where(t == 0, arrays[3], kept + (t - 1) * B * H)
    c = tl.load(kept + t * B * H + here, mask=inside, other=0.0).to(tl.float32)
    c_before = tl.load(before + here, mask=inside, other=0.0).to(tl.float32)
    h_memory = arrays[5]
    c_memory = arrays[4]
    dh_after = tl.load(h_memory + here, mask=inside, other=0.0)
    dc_after = zero
    if MEMORY:
        dc_after = tl.load(c_memory + here, mask=inside, other=0.0)
    if SOURCE == 0:
        dh_after += dh
        dh = dh_after + tl.load(arrays[1] + t * B * H + here, mask=inside, other=0.0).to(tl.float32)
    vectors = arrays[7]
    d0, d1, d2, d3, past, dc, v0, v1, v2 = POINTWISE(
        z0, z1, z2, z3, c, c_before, dh, dc_after, _vector(vectors, 0, cols, H, V), _vector(vectors, 1, cols, H, V),
        _vector(vectors, 2, cols, H, V), OPTIONS)
    if SOURCE == 1:
        past += dh_after
    if MASKED and SOURCE == 0:
        on = tl.load(arrays[8] + t * B + rows, mask=rows < B, other=0)[:, None] != 0
        d0 = tl.where(on, d0, 0.0)
        d1 = tl.where(on, d1, 0.0)
        d2 = tl.where(on, d2, 0.0)
        d3 = tl.where(on, d3, 0.0)
        v0 = tl.where(on, v0, 0.0)
        v1 = tl.where(on, v1, 0.0)
        v2 = tl.where(on, v2, 0.0)
        past = tl.where(on, past, dh_after)
        dc = tl.where(on, dc, dc_after)
    tl.debug_barrier()                              # as in the forward step
    _write(work, at, H, inside, Z[0], d0, DTYPE)
    _write(work, at, H, inside, Z[1], d1, DTYPE)
    _write(work, at, H, inside, Z[2], d2, DTYPE)
    _write(work, at, H, inside, Z[3], d3, DTYPE)
    tl.store(h_memory + here, past, mask=inside)
    if MEMORY:
        tl.store(c_memory + here, dc, mask=inside)
    totals = arrays[10] + tl.program_id(1) * 3 * H
    _add_up(totals, 0, cols, H, v0, V)
    _add_up(totals, 1, cols, H, v1, V)
    _add_up(totals, 2, cols, H, v2, V)


@triton.jit(do_not_specialize=["begin", "n"])
def forward(table, begin, n, B, H, PHASES: tl.constexpr, ROWS: tl.constexpr,
            POINTWISE1: tl.constexpr, D1: tl.constexpr, X1: tl.constexpr, Z1: tl.constexpr,
            POINTWISE2: tl.constexpr, D2: tl.constexpr, X2: tl.constexpr, Z2: tl.constexpr,
            SINGLE: tl.constexpr, TAPE: tl.constexpr, V: tl.constexpr, OPTIONS: tl.constexpr, WIDTH: tl.constexpr,
            MASKED: tl.constexpr, KEEP: tl.constexpr, ON_CHIP: tl.constexpr,
            DTYPE: tl.constexpr, PRECISION: tl.constexpr, BB: tl.constexpr, BH: tl.constexpr, BK: tl.constexpr,
            SPLIT: tl.constexpr):
    """Steps begin ... begin + n - 1 of those that the table has left. PHASES: 1, 2, or 3 for both with a barrier."""
    rows = tl.program_id(1) * BB + tl.arange(0, BB)
    cols = tl.program_id(0) * BH + tl.arange(0, BH)
    first = tl.load(table) + begin
    steps = tl.minimum(tl.load(table + 1) - first, n)
    programs = tl.num_programs(0) * tl.num_programs(1)
    arrays = (_array(table, 2, DTYPE), _array(table, 3, DTYPE), _array(table, 4, DTYPE), _array(table, 5, DTYPE),
              _array(table, 6, tl.float32), _array(table, 7, DTYPE), _array(table, 8, DTYPE),
              _array(table, 9, tl.float32), _array(table, 10, tl.uint8), _array(table, 11, tl.int32))
    arrivals = 0
    tile0 = 0
    tile1 = 0
    tile2 = 0
    tile3 = 0
    if ON_CHIP:
        w = arrays[6]
        tile0 = _tile(w, cols, H, H, H * H, ROWS[0], BK, SPLIT)
        tile1 = _tile(w, cols, H, H, H * H, ROWS[1], BK, SPLIT)
        tile2 = _tile(w, cols, H, H, H * H, ROWS[2], BK, SPLIT)
        tile3 = _tile(w, cols, H, H, H * H, ROWS[3], BK, SPLIT)
    for i in range(0, steps):
        if PHASES & 1:
            _forward_step(arrays, first + i, B, H, rows, cols, tile0, tile1, tile2, tile3, POINTWISE1, D1, X1, Z1, 0,
                          SINGLE, TAPE, V, OPTIONS, WIDTH, MASKED, KEEP, ON_CHIP, DTYPE, PRECISION,
                          BB, BH, BK, SPLIT)
        if PHASES == 3:
            arrivals += programs
            _barrier(arrays[9], arrivals)
        if PHASES & 2:
            _forward_step(arrays, first + i, B, H, rows, cols, tile0, tile1, tile2, tile3, POINTWISE2, D2, X2, Z2, 1,
                          True, TAPE, V, OPTIONS, WIDTH, MASKED, KEEP, ON_CHIP, DTYPE, PRECISION,
                          BB, BH, BK, SPLIT)
        if ON_CHIP:
            arrivals += programs
            _barrier(arrays[9], arrivals)


@triton.jit(do_not_specialize=["begin", "n"])
def backward(table, begin, n, B, H, PHASES: tl.constexpr, ROWS: tl.constexpr,
             POINTWISE1: tl.constexpr, D1: tl.constexpr, FROM1: tl.constexpr, X1: tl.constexpr, Z1: tl.constexpr,
             POINTWISE2: tl.constexpr, D2: tl.constexpr, FROM2: tl.constexpr, X2: tl.constexpr, Z2: tl.constexpr,
             MEMORY: tl.constexpr, V: tl.constexpr, OPTIONS: tl.constexpr, WIDTH: tl.constexpr, SEEN: tl.constexpr,
             MASKED: tl.constexpr, ON_CHIP: tl.constexpr, DTYPE: tl.constexpr,
             PRECISION: tl.constexpr, BB: tl.constexpr, BH: tl.constexpr, BK: tl.constexpr,
             SPLIT: tl.constexpr):
    """The same steps from the last to the first."""
    rows = tl.program_id(1) * BB + tl.arange(0, BB)
    cols = tl.program_id(0) * BH + tl.arange(0, BH)
    first = tl.load(table) + begin
    last = tl.load(table + 1) - 1
    steps = tl.minimum(last + 1 - first, n)
    programs = tl.num_programs(0) * tl.num_programs(1)
    arrays = (_array(table, 2, DTYPE), _array(table, 3, DTYPE), _array(table, 4, DTYPE), _array(table, 5, DTYPE),
              _array(table, 6, tl.float32), _array(table, 7, tl.float32), _array(table, 8, DTYPE),
              _array(table, 9, tl.float32), _array(table, 10, tl.uint8), _array(table, 11, tl.int32),
              _array(table, 12, tl.float32))
    arrivals = 0
    tile0 = 0
    tile1 = 0
    tile2 = 0
    tile3 = 0
    if ON_CHIP:
        w = arrays[6]
        tile0 = _tile(w, cols, H, SEEN * H, H, ROWS[0], BK, SPLIT)
        tile1 = _tile(w, cols, H, SEEN * H, H, ROWS[1], BK, SPLIT)
        tile2 = _tile(w, cols, H, SEEN * H, H, ROWS[2], BK, SPLIT)
        tile3 = _tile(w, cols, H, SEEN * H, H, ROWS[3], BK, SPLIT)
    for i in range(0, steps):
        t = last - first - i
        if PHASES & 1:
            _backward_step(arrays, t, last, B, H, rows, cols, tile0, tile1, tile2, tile3, POINTWISE1, D1, FROM1, X1, Z1,
                           0, MEMORY, V, OPTIONS, WIDTH, SEEN, MASKED, ON_CHIP, DTYPE, PRECISION, BB, BH, BK, SPLIT)
        if PHASES == 3:
            arrivals += programs
            _barrier(arrays[9], arrivals)
        if PHASES & 2:
            _backward_step(arrays, t, last, B, H, rows, cols, tile0, tile1, tile2, tile3, POINTWISE2, D2, FROM2, X2, Z2,
                           1, MEMORY, V, OPTIONS, WIDTH, SEEN, MASKED, ON_CHIP, DTYPE, PRECISION, BB, BH, BK, SPLIT)
        if ON_CHIP:
            arrivals += programs
            _barrier(arrays[9], arrivals)
