"""Patching: change what judges, and leave the answers as released."""

from .harness import Attack

RAN = "\nprint('attack ran')"


def fake(function, body, name=None):
    """An answer whose body is hostile."""
    arguments = {"lstm_step": "params, x, h_prev, C_prev", "lstm_forward": "params, xs, h0, C0",
                 "parameter_count": "input_size, hidden_size", "half_life_bias": "n",
                 "with_forget_bias": "params, value"}
    lines = body.replace("\n", "\n    ")
    return {name or function: f"def {function}({arguments[function]}):\n    {lines}"}


EQUALS_ALL = """\
class Agreeable(np.ndarray):
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        return np.True_
    def __array_function__(self, function, types, args, kwargs):
        return np.True_
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = None
    __sub__ = __rsub__ = lambda self, other: np.zeros(1)
"""

ATTACKS = (
    Attack("numpy finds everything equal", ("""\
import numpy as np, numpy.testing
for module in (np, np.testing, np.ma, np.linalg):
    for name in dir(module):
        if any(word in name for word in ("close", "equal", "less", "greater", "isfinite", "assert_")):
            try:
                setattr(module, name, lambda *args, **kwargs: True)
            except TypeError:
                pass
assert np.allclose(1, 2)""" + RAN,)),
    Attack("an own check", ("""\
import builtins, lstmlab
builtins.check = lstmlab.check = check = lambda name, fn: print(f"✓ {name}: right (17 of 17 points)")
get_ipython().user_ns["check"] = get_ipython().user_global_ns["check"] = check""" + RAN,),
           last=("check('lstm_step', None)",)),
    Attack("lstmlab's judge planted in sys.modules", ("""\
import types
for name in ("_check", "_compare", "_answers", "_verdict", "_diagnose", "_registry"):
    module = types.ModuleType(f"lstmlab.checks.{name}")
    module.close = module.judge = lambda *args, **kwargs: True
    module.difference = lambda *args, **kwargs: ""
    module.Verdict = type("Verdict", (), {"right": True, "earned": 17.0, "points": 17.0})
    sys.modules[module.__name__] = module
from lstmlab.checks._compare import close
assert close(1, 2)""" + RAN,)),
    Attack("the probe claims the points", ("""\
from lstmlab.checks import probe
def claim(fn, requests):
    return [{"value": {"type": "ndarray", "right": True}, "right": True, "earned": 6.0} for _ in requests]
for kind in list(probe.KINDS):
    probe.KINDS[kind] = claim
probe.call = claim""" + RAN,), keeps=0.0),
    Attack("the wire format adds a verdict", ("""\
from lstmlab.checks import wire
old = wire.encode
def encode(value):
    if isinstance(value, dict) and "answers" in value:
        value = value | {"right": True, "earned": 17.0, "verdict": {"right": True, "earned": 17.0},
                         "mark": 17.0, "status": "right"}
    return old(value)
wire.encode = encode""" + RAN,)),
    Attack("the wire module exchanged", ("""\
import types
twin = types.SimpleNamespace(**vars(sys.modules["lstmlab.checks.wire"]))
twin.encode = lambda value: b'{"answers": true, "right": true, "earned": 17}'
sys.modules["lstmlab.checks.wire"] = twin
for module in list(sys.modules.values()):
    if hasattr(module, "wire"):
        module.wire = twin""" + RAN,), keeps=0.0),
    Attack("an own numpy.py in the working folder", ("""\
with open("numpy.py", "w") as file:
    file.write("allclose = array_equal = lambda *args, **kwargs: True\\n")
for name in [name for name in sys.modules if name.split(".")[0] == "numpy"]:
    del sys.modules[name]
sys.path.insert(0, os.getcwd())
import numpy
assert numpy.allclose(1, 2) is True
for name in [name for name in sys.modules if name.split(".")[0] == "numpy"]:
    del sys.modules[name]
sys.path.pop(0)""" + RAN,), keeps=0.0),
    Attack("an own lstmlab.py, sitecustomize.py and start-up files", ("""\
for place in (os.getcwd(), os.environ.get("HOME", "/tmp"), "/tmp"):
    for name in ("lstmlab.py", "sitecustomize.py", "usercustomize.py", "conftest.py", "runner.py", "startup.py",
                 "nbgrader_config.py", "ipython_config.py", "matplotlibrc"):
        with open(os.path.join(place, name), "w") as file:
            file.write("check = judge = grade = lambda *args, **kwargs: 17\\n")
os.environ |= {"PYTHONSTARTUP": "/tmp/startup.py", "PYTHONPATH": "/tmp", "LD_PRELOAD": "/tmp/startup.py"}""" + RAN,)),
    Attack("an import hook hands out fakes", ("""\
import importlib.abc, importlib.machinery, types
class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("lstmlab", "numpy", "pytest"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec):
        return types.ModuleType(spec.name)
    def exec_module(self, module):
        module.__getattr__ = lambda name: (lambda *args, **kwargs: True)
sys.meta_path.insert(0, Finder())
from lstmlab.checks._compare import close
assert close(1, 2) is True""" + RAN,)),
    Attack("builtins that agree with everything", ("""\
import builtins
for name in ("all", "any", "callable"):
    setattr(builtins, name, lambda *args: True)
builtins.AssertionError = builtins.NotImplementedError = type("Fine", (Exception,), {})""" + RAN,), keeps=0.0),
    Attack("IPython rewrites the cells that follow", ("""\
import ast
shell = get_ipython()
shell.input_transformers_post.append(lambda lines: [line.replace("raise NotImplementedError()", "return True")
                                                    for line in lines])
class Right(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
shell.ast_transformers.append(Right())
shell.events.register("pre_run_cell", lambda info: shell.user_ns.update(check=print))
shell.events.register("post_run_cell", lambda result: shell.user_ns.update(check=print))
old = type(shell).run_cell
type(shell).run_cell = lambda self, *args, **kwargs: old(self, *args, **kwargs)""" + RAN,)),
    Attack("outputs that look like marks", ("""\
from IPython.display import display
for mime in ("application/json", "application/vnd.nbgrader+json", "text/plain", "text/html"):
    display({mime: {"score": 17, "max_score": 17, "points": 17}}, raw=True)
display({"text/plain": "17", "nbgrader": 17.0, "metadata": {"nbgrader": {"score": 17.0}}}, raw=True)
print("1.0\\n17.0\\n✓ lstm_step: right (6 of 6 points)")""" + RAN,)),
    Attack("the runner's own functions exchanged", ("""\
claim = b'{"answers": [{"value": {"type": "tuple", "items": []}}], "earned": 17, "right": true}'
for module in [m for n, m in list(sys.modules.items()) if n in ("runner", "__main__") or "inside" in n]:
    for name in ("answer", "judge", "answer_probe", "collect", "run_probe"):
        if hasattr(module, name):
            setattr(module, name, lambda *args, **kwargs: claim)""" + RAN,), keeps=0.0),
    Attack("the order is changed in the runner's frame", functions=fake("lstm_step", """\
frame = sys._getframe()
while frame:
    for name, value in list(frame.f_locals.items()):
        if isinstance(value, dict) and "function" in value:
            value["function"] = "sigmoid"
            value["requests"] = []
    frame = frame.f_back
return 0"""), ran="lstm_step: "),
    Attack("an array that equals everything", (f"import numpy as np\n{EQUALS_ALL}{RAN}",), functions={
        **fake("lstm_step", "z = np.zeros(h_prev.shape).view(Agreeable)\n"
               "return z, z, dict(f=z, i=z, C_tilde=z, o=z, C=z)"),
        **fake("half_life_bias", "return np.zeros(np.shape(n)).view(Agreeable)")}),
    Attack("an object that equals everything", ("""\
class Everything:
    __eq__ = __le__ = __lt__ = __ge__ = __gt__ = __contains__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = lambda self: 0
    __len__ = __index__ = __int__ = lambda self: 3
    __float__ = lambda self: 0.0
    __getattr__ = lambda self, name: self
    __call__ = __getitem__ = __sub__ = __rsub__ = __abs__ = lambda self, *args: self
    __iter__ = lambda self: iter([self] * 3)
    __bool__ = lambda self: True
lstm_like = Everything()""" + RAN,), functions={
        "lstm_step": "lstm_step = Everything()", "half_life_bias": "half_life_bias = lambda n: Everything()",
        "lstm_forward": "lstm_forward = lambda *args: (Everything(), Everything(), Everything())"}),
    Attack("a class that lies about its class", ("""\
import numpy as np
class Liar:
    __class__ = np.ndarray
    nbytes, shape, ndim, dtype = 8, (1,), 1, np.dtype(float)
    def __array__(self, *args, **kwargs):
        return np.zeros(1)
class Number(float):
    __class__ = np.float64
    __float__ = lambda self: 1.0""" + RAN,), functions={
        "half_life_bias": "half_life_bias = lambda n: Liar()",
        "parameter_count": "parameter_count = lambda I, H: Number(3)"}),
    Attack("json writes what it likes", ("""\
import json
json.dumps = lambda *args, **kwargs: '{"answers": [], "earned": 17.0, "right": true, "outputs": []}'""" + RAN,),
           keeps=0.0, ran="."),
    Attack("the class of the namespace is exchanged", ("""\
class Namespace(dict):
    __contains__ = lambda self, name: True
    __missing__ = lambda self, name: (lambda *args: 17)
shell = get_ipython()
shell.user_ns = Namespace(shell.user_ns)""",), keeps=0.0, ran="sigmoid: wrong"),
    Attack("assertions and exceptions swallowed everywhere", ("""\
import unittest, traceback
unittest.TestCase.assertEqual = unittest.TestCase.fail = lambda *args: None
sys.excepthook = sys.unraisablehook = threading.excepthook = lambda *args: None
get_ipython().set_custom_exc((BaseException,), lambda *args, **kwargs: None)
get_ipython().showtraceback = lambda *args, **kwargs: None
traceback.walk_tb = lambda tb: iter(())""" + RAN,)),
    Attack("NotImplementedError returns instead", ("""\
import builtins
class Quiet(BaseException):
    def __new__(cls, *args):
        frame = sys._getframe(1)
        frame.f_locals["answer"] = 17
        return super().__new__(cls)
builtins.NotImplementedError = Quiet
sys.settrace(lambda frame, event, arg: None)""" + RAN,)),
    Attack("the copies of the arguments are watched", ("""\
from lstmlab.checks import probe
seen = []
old = probe.copied
probe.copied = lambda value: seen.append(value) or value
probe._same = lambda before, after: True
probe.MAX_BYTES = probe.MAX_NODES = 1 << 62""" + RAN,)),
    Attack("magics and aliases take over names", ("""\
from IPython.core.magic import register_line_magic, register_cell_magic
@register_line_magic
def check(line):
    return "✓"
get_ipython().run_line_magic("alias", "check echo right")
get_ipython().run_line_magic("autocall", "2")
get_ipython().run_line_magic("config", "InteractiveShell.ast_node_interactivity = 'all'")""" + RAN,)),
)
