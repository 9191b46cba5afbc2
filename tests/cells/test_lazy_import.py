"""Importing the package costs next to nothing: the heavy libraries wait until they are used."""

import subprocess
import sys


def test_import_loads_neither_torch_nor_matplotlib():
    """After `import lstmlab`, a run and a gradient check, neither torch nor matplotlib has been imported."""
    code = """
import sys
import lstmlab, numpy as np
cell = lstmlab.RNN(1, 1)
assert lstmlab.check_gradients(cell, cell.init(np.random.default_rng(0)), np.ones((1, 1, 1))).ok
print(sorted({"torch", "matplotlib", "nbgrader", "IPython", "scipy"} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_import_takes_under_a_third_of_a_second():
    """`import lstmlab` and its cells take less than 0.3 s of processor time more than NumPy does."""
    code = """
import time
import numpy
start = time.process_time()
import lstmlab
lstmlab.LSTM, lstmlab.check_gradients
print(time.process_time() - start)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 0.3
