"""A wrong argument gets a message that says what was expected and what came."""

import numpy as np
import pytest

from lstmlab import GRU, LSTM, AblatedLSTM, LSTMState, PeepholeLSTM

CELL = LSTM(3, 5)
PARAMS = CELL.init(np.random.default_rng(0))
XS = np.zeros((7, 2, 3))
STATE = CELL.initial_state(2)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: LSTM(0, 5), ValueError, "input_size is 0; expected an integer >= 1"),
    (lambda: LSTM(3, 5.0), TypeError, "hidden_size is 5.0 (float); expected an integer >= 1"),
    (lambda: PeepholeLSTM(3, 5, peepholes="fx"), ValueError, "peepholes is 'fx'; expected some of the letters"),
    (lambda: PeepholeLSTM(3, 5, peepholes="ff"), ValueError, "peepholes is 'ff'; expected some of the letters"),
    (lambda: GRU(3, 5, reset="later"), ValueError, "reset is 'later'; expected one of 'before', 'after'"),
    (lambda: GRU(3, 5, carry="1 - z"), ValueError, "carry is '1 - z'; expected one of 'z', '1-z'"),
    (lambda: AblatedLSTM(3, 5, "NXX"), ValueError, "variant is 'NXX'; expected one of 'NIG'"),
    (lambda: CELL.init(0), TypeError, "rng is int; expected numpy.random.Generator"),
    (lambda: CELL.init(np.random.default_rng(0), dtype=np.int64), TypeError, "dtype is int64; expected float32 or"),
    (lambda: CELL.initial_state(0), ValueError, "batch is 0; expected an integer >= 1"),
    (lambda: CELL.forward(PARAMS, XS.tolist()), TypeError, "xs is list; expected a NumPy array of shape (:, :, 3)"),
    (lambda: CELL.forward(PARAMS, XS[0]), ValueError, "xs has shape (2, 3); expected (:, :, 3) = (T, B, input_size)"),
    (lambda: CELL.forward(PARAMS, XS.astype(int)), TypeError, "xs has dtype int64; expected float32 or float64"),
    (lambda: CELL.forward(PARAMS, XS.astype(np.float16)), TypeError, "xs has dtype float16; expected float32 or"),
    (lambda: CELL.forward(PARAMS, XS[:0]), ValueError, "xs has shape (0, 2, 3); every length must be at least 1"),
    (lambda: CELL.forward([], XS), TypeError, "params is list; expected a dict of arrays"),
    (lambda: CELL.forward({**PARAMS, "W_f": np.zeros((5, 7))}, XS), ValueError,
     "W_f has shape (5, 7); expected (5, 8) = (hidden_size, hidden_size + input_size)"),
    (lambda: CELL.forward({k: v for k, v in PARAMS.items() if k != "b_o"}, XS), ValueError, "params lacks b_o"),
    (lambda: CELL.forward({**PARAMS, "W_z": XS}, XS), ValueError, "params has unknown W_z; LSTM has W_f, b_f"),
    (lambda: CELL.forward(PARAMS, XS, STATE.h), TypeError, "state is ndarray; expected LSTMState(h, C)"),
    (lambda: CELL.forward(PARAMS, XS, LSTMState(STATE.h, STATE.C[:1])), ValueError,
     "state.C has shape (1, 5); expected (2, 5) = (B, hidden_size)"),
    (lambda: CELL.forward(PARAMS, XS, mask=np.ones((7, 2))), TypeError, "mask has dtype float64; expected bool"),
    (lambda: CELL.forward(PARAMS, XS, mask=np.ones((2, 7), bool)), ValueError,
     "mask has shape (2, 7); expected (7, 2) = (T, B)"),
    (lambda: CELL.backward(PARAMS, None, XS), TypeError, "tape is NoneType; expected the Sequence that forward"),
    (lambda: CELL.backward(PARAMS, CELL.forward(PARAMS, XS)[2], XS), ValueError,
     "dhs has shape (7, 2, 3); expected (7, 2, 5) = (T, B, hidden_size)"),
    (lambda: CELL.step(PARAMS, XS, STATE), ValueError, "x has shape (7, 2, 3); expected (:, 3) = (B, input_size)"),
])
def test_message_says_what_was_expected_and_what_came(call, error, message):
    """Wrong sizes, shapes, types and names are refused, each with both halves of the story."""
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_a_square_recurrent_weight_is_named_as_such():
    """FGR's matrices between gates are (hidden_size, hidden_size), and the message says so."""
    cell = AblatedLSTM(3, 5, "FGR")
    params = {**cell.init(np.random.default_rng(0)), "R_fi": np.zeros((5, 8))}
    with pytest.raises(ValueError, match=r"R_fi has shape \(5, 8\); expected \(5, 5\) = \(hidden_size, hidden_size\)"):
        cell.forward(params, XS)
