"""Problem set 8 as students write it: their torch code, run by the probe, and what they are told."""

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

from lstmlab.checks import get, probe

NOTEBOOK = Path(__file__).parents[2] / "solutions" / "ps8-torch" / "ps8-torch.ipynb"
pytestmark = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")


def judged(name, *edits):
    """The verdict on the authored solution with edits made to it, each where its old text first stands."""
    space = {}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        settings = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and settings and not settings["grade"]:
            source = cell.source
            if settings["grade_id"] == name:
                for old, new in edits:
                    assert old in source
                    source = source.replace(old, new, 1)
            exec(compile(source, settings["grade_id"], "exec"), space)
    check = get(name)
    return check.judge(7, probe.KINDS[check.kind](space[name], check.requests(7)))


WRONG = {
    "torch's own order": ("from_torch_layout", ('("i", "f", "C", "o")', '("f", "i", "C", "o")'),
                          "the book's order of the gates taken for torch's"),
    "one bias": ("from_torch_layout", ("(bias_ih + bias_hh)", "bias_ih"), "only bias_ih used"),
    "forward wrong": ("TorchLSTM", ("f * C + i * C_tilde", "i * C + f * C_tilde"), "f and i swapped in the cell state"),
    "no tanh": ("TorchLSTM", ("o * torch.tanh(C), C", "o * C, C"), "no tanh on the output"),
    "detached before": ("TorchLSTM", ("self.step(x, h, C)", "self.step(x, h.detach(), C.detach())"),
                        "the state detached before every step"),
    "detached after": ("TorchLSTM", ("hs.append(h)", "hs.append(h)\n            h, C = h.detach(), C.detach()"),
                       "the state detached after every step"),
    "h detached": ("TorchLSTM", ("self.step(x, h, C)", "self.step(x, h.detach(), C)"),
                   "h detached before every step"),
    "data": ("TorchLSTM", ("    def forward",
                           "    def __getattr__(self, name):\n        found = super().__getattr__(name)\n"
                           "        return found.data if isinstance(found, nn.Parameter) else found\n\n"
                           "    def forward"), "the parameters detached"),
    "no grad": ("TorchLSTM", ("    def forward", "    @torch.no_grad()\n    def forward"), "everything under no_grad"),
    "time-major": ("TorchLSTM", ("torch.stack(hs), (h, C)", "torch.stack(hs), (torch.stack(hs)[:, -1], C)"),
                   "the last example of the batch taken for the last step"),
    "gate order": ("LSTMStep", ("z_f, z_i, z_C, z_o =", "z_i, z_f, z_C, z_o ="), "torch's order of the gates taken"),
    "dC dropped": ("LSTMStep", ("dC = dC + dh", "dC = dh"), "upstream dC missing"),
    "no path from h": ("LSTMStep", ("dC = dC + dh * o * (1 - tanh_C ** 2)", "dC = dC"),
                       "the path from h into C missing"),
    "None": ("LSTMStep", ("dz.T @ hx, dz.sum(dim=0)", "dz.T @ hx, None"), "no gradient for b"),
    "exchanged": ("LSTMStep", ("dhx[:, :H], dC * f", "dC * f, dhx[:, :H]"), "dh_prev and dC_prev exchanged"),
    "runs on": ("PaddedLSTM", ("torch.where(on, h_new, h), torch.where(on, C_new, C)", "h_new, C_new"),
                "the state runs on through the padding"),
    "outputs run on": ("PaddedLSTM", ("torch.where(on, h_new, 0.0)", "h_new"), "the outputs run on past the end"),
    "last output": ("PaddedLSTM", ("torch.stack(hs), (h, C)", "torch.stack(hs), (hs[-1], C)"),
                    "h set to zero past the end"),
    "padding counted": ("padded_mse", ("[on].mean()", ".mean()"), "padded steps counted"),
}


@pytest.mark.parametrize(("name", "edit", "mistake"), WRONG.values(), ids=WRONG)
def test_torch_code_is_told_its_mistake(name, edit, mistake):
    """The edits of the NumPy reference are recognised in what torch computes, gradients included."""
    verdict = judged(name, edit)
    assert not verdict.right
    assert len(verdict.mistakes) == 1
    assert mistake in verdict.mistakes[0]


SAID = {
    "device": ("TorchLSTM", ("xs.new_zeros(", "torch.zeros("), "Two tensors met that are on different devices"),
    "dtype": ("TorchLSTM", ("device=device, dtype=dtype", "device=device"),
              "Two tensors met that have different dtypes"),
    "names": ("TorchLSTM", ('f"W_{gate}", nn', 'f"V_{gate}", nn'), "The weights are set by name, in the book's names"),
    "plain tensors": ("TorchLSTM", ("nn.Parameter(W)", "W"), "Every parameter has to be an nn.Parameter"),
    "in place": ("TorchLSTM", ("C = f * C + i * C_tilde", "C *= f; C += i * C_tilde"), "An in-place update"),
    "numpy": ("TorchLSTM", ("torch.tanh(C), C", "torch.tensor(C.numpy()), C"), "A NumPy array has no graph behind it"),
    "no Function": ("LSTMStep", ("(torch.autograd.Function)", ""), "derived from torch.autograd.Function"),
    "too few": ("LSTMStep", (", dz.sum(dim=0)", ""), "one gradient for every argument of forward"),
    "shape": ("LSTMStep", ("dz.T @ hx", "hx.T @ dz"), "A gradient has the shape of what it is the gradient of"),
    "batch first": ("TorchLSTM", ("for x in xs:", "for x in xs.transpose(0, 1):"), "Sequences are time-major"),
    "signature": ("TorchLSTM", (", device=None, dtype=None", ""), "built as TorchLSTM(input_size"),
}


@pytest.mark.parametrize(("name", "edit", "words"), SAID.values(), ids=SAID)
def test_an_exception_of_torch_is_explained(name, edit, words):
    """What torch raises comes with a sentence in the course's terms."""
    assert words in " ".join(judged(name, edit).text().split())


def test_the_line_of_a_class_is_told():
    """An exception inside a method is told with the student's line."""
    assert "has no attribute 'W_z' At line 27" in " ".join(
        judged("TorchLSTM", ("hx @ self.W_f.T", "hx @ self.W_z.T")).text().split())


def test_what_torch_calls_a_tensor_is_called_so():
    """A list in the place of a tensor: the message asks for a tensor."""
    text = judged("TorchLSTM", ("torch.stack(hs)", "hs")).text()
    assert "expected a tensor of shape (T, B, H)" in " ".join(text.split())


def test_single_precision_is_to_be_kept():
    """Results in float64 for inputs in float32 cost the part for dtype and device, and nothing else."""
    verdict = judged("TorchLSTM", ("torch.stack(hs), (h, C)", "torch.stack(hs).double(), (h.double(), C.double())"))
    assert {part.name for part in verdict.parts if not part.earned} == {"dtype, device"}


STARTS = {
    "b_f as the others": ('torch.ones_like(b) if gate == "f" else b', "b", "b_f at the start: -?0.* came, 1 expected"),
    "b_f at 0": ("torch.ones_like(b)", "torch.zeros_like(b)", "b_f at the start: 0 came, 1 expected"),
    "every bias 1": ('if gate == "f" else b', "if True else b", "b_i at the start: all entries are 1"),
    "zeros": ("bound = hidden_size ** -0.5", "bound = 0.0", "W_f at the start: all entries are -?0"),
    "too large": ("bound = hidden_size ** -0.5", "bound = 1.0", "W_f at the start: from .* beyond"),
    "the width of all inputs": ("bound = hidden_size ** -0.5", "bound = (hidden_size + input_size) ** -0.5",
                                "W_f at the start: from .* does not fill"),
    "on one side": (".uniform_(-bound, bound)", ".uniform_(0, bound)", "W_f at the start: from .* does not fill"),
    "normal": (".uniform_(-bound, bound)", ".normal_(0, bound)", "W_f at the start: from .* beyond"),
}


@pytest.mark.parametrize(("old", "new", "words"), STARTS.values(), ids=STARTS)
def test_where_the_parameters_start_is_looked_at(old, new, words):
    """Uniform in ±1/√H and b_f at 1: anything else costs that part alone, and is told with its range."""
    verdict = judged("TorchLSTM", (old, new))
    assert {part.name for part in verdict.parts if not part.earned} == {"start"}
    text = " ".join(verdict.text().split())
    assert re.search(words, text), text
    assert "before anything is trained" in text


def test_a_wrong_start_hides_no_other_mistake():
    """Who also forgets the tanh on the output is told so."""
    verdict = judged("TorchLSTM", ("torch.ones_like(b)", "torch.zeros_like(b)"), ("o * torch.tanh(C), C", "o * C, C"))
    assert verdict.mistakes == ("no tanh on the output",)
    assert not next(part for part in verdict.parts if part.name == "start").earned
