"""What counts as a step's code, and what does not."""
# ruff: noqa: E501  # the texts of modules, one case a line

from __future__ import annotations

import importlib
import itertools
import linecache
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from zencache.exceptions import UnfingerprintableError
from zencache.fingerprint import Code, code_of, is_user_code

_count = itertools.count()


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Writes files as a new package and imports its ``main``; ``PKG`` in a text is the package's name."""
    monkeypatch.syspath_prepend(tmp_path)

    def load(files: str | dict[str, str]):
        package = f"zc_user_{next(_count)}"
        files = {"main.py": files} if isinstance(files, str) else files
        for name, text in files.items():
            path = tmp_path / package / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).replace("PKG", package))
        importlib.invalidate_caches()
        return importlib.import_module(f"{package}.main")

    yield load
    for name in [name for name in sys.modules if name.startswith("zc_user_")]:
        del sys.modules[name]


def key(code: Code) -> list[tuple[str, str]]:
    return [(unit.identity, unit.fingerprint) for unit in code.units]


def labels(code: Code) -> list[str]:
    return [unit.label.partition(".")[2] for unit in code.units]


# name: a module text (or files), then what is replaced by what
COUNTS = {
    "its own body": ("def step(): return 1", "return 1", "return 2"),
    "a type of a constant": ("def step(): return 1", "return 1", "return True"),
    "a helper": ("def h(): return 1\ndef step(): return h()", "return 1", "return 2"),
    "a helper used in a comprehension": (
        "def h(x): return x + 1\ndef step(): return [h(x) for x in (1, 2)]",
        "x + 1",
        "x + 2",
    ),
    "a helper used in a nested function": (
        "def h(x): return x + 1\ndef step():\n    def g(): return (lambda: h(1))()\n    return g()",
        "x + 1",
        "x + 2",
    ),
    "a helper of a helper": (
        "def i(): return 1\ndef h(): return i()\ndef step(): return h()",
        "return 1",
        "return 2",
    ),
    "an operator": ("def step(a=1): return a + a", "a + a", "a - a"),
    "the name of a builtin": ("def step(): return max(1, 2)", "max", "min"),
    "a constant": ("N = 3\ndef step(): return N", "N = 3", "N = 4"),
    "a constant in a dict": ("N = {'a': [1]}\ndef step(): return N", "[1]", "[2]"),
    "a default": ("def step(a=1): return a", "a=1", "a=2"),
    "a keyword default": ("def step(*, a=1): return a", "a=1", "a=2"),
    "a default of a nested function": (
        "def step():\n    def g(*, a, b=1): return b\n    return g(a=1)",
        "a, b=1",
        "a=1, b",
    ),
    "a closure": (
        "def make(n):\n    def inner(): return n\n    return inner\nstep = make(1)",
        "make(1)",
        "make(2)",
    ),
    "a base class": (
        "class A:\n    def f(self): return 1\nclass B(A): pass\ndef step(): return B().f()",
        "return 1",
        "return 2",
    ),
    "a metaclass": (
        "class M(type):\n    def f(cls): return 1\nclass A(metaclass=M): pass\ndef step(): return A.f()",
        "return 1",
        "return 2",
    ),
    "a property": (
        "class A:\n    @property\n    def f(self): return 1\ndef step(): return A().f",
        "return 1",
        "return 2",
    ),
    "a setter": (
        "class A:\n    @property\n    def f(self): return 1\n    @f.setter\n    def f(self, v): self.v = v\n"
        "def step(): A().f = 3",
        "self.v = v",
        "self.w = v",
    ),
    "a static method": (
        "class A:\n    @staticmethod\n    def f(): return 1\ndef step(): return A.f()",
        "return 1",
        "return 2",
    ),
    "a class method": (
        "class A:\n    @classmethod\n    def f(cls): return 1\ndef step(): return A.f()",
        "return 1",
        "return 2",
    ),
    "a cached property": (
        "import functools\nclass A:\n    @functools.cached_property\n    def f(self): return h()\n"
        "def h(): return 1\ndef step(): return A().f",
        "return 1",
        "return 2",
    ),
    "a class attribute": ("class A:\n    n = 1\ndef step(): return A.n", "n = 1", "n = 2"),
    "a statement in a class body": (
        "class A:\n    for n in (1, 2): pass\ndef step(): return A.n",
        "(1, 2)",
        "(1, 3)",
    ),
    "a nested class": (
        "class A:\n    class B:\n        def f(self): return 1\ndef step(): return A.B().f()",
        "return 1",
        "return 2",
    ),
    "an attribute set on a class later": (
        "class A: pass\nA.n = 1\ndef step(): return A.n",
        "A.n = 1",
        "A.n = 2",
    ),
    "a method set on a class later": (
        "class A:\n    def f(self): return 0\nA.f = lambda self: 1\ndef step(): return A().f()",
        "self: 1",
        "self: 2",
    ),
    "a decorator that wraps": (
        "import functools\ndef d(f):\n    @functools.wraps(f)\n    def w(): return f() + 1\n    return w\n"
        "@d\ndef h(): return 1\ndef step(): return h()",
        "f() + 1",
        "f() + 2",
    ),
    "a function below a decorator": (
        "def d(f):\n    def w(): return f() + 1\n    return w\n@d\ndef h(): return 5\ndef step(): return h()",
        "return 5",
        "return 6",
    ),
    "an argument of a decorator": (
        "def d(n):\n    def e(f): f.n = n; return f\n    return e\n@d(1)\ndef h(): return 5\ndef step(): return h()",
        "@d(1)",
        "@d(2)",
    ),
    "a function below an installed decorator": (
        "import contextlib\n@contextlib.contextmanager\ndef h(): yield 1\ndef step():\n    with h() as x: return x",
        "yield 1",
        "yield 2",
    ),
    "a function below lru_cache": (
        "import functools\n@functools.lru_cache\ndef h(): return 1\ndef step(): return h()",
        "return 1",
        "return 2",
    ),
    "a function in a list": (
        "def h(): return 1\nALL = [h]\ndef step(): return ALL[0]()",
        "return 1",
        "return 2",
    ),
    "a function in a dict": (
        "ALL = {'h': lambda: 1}\ndef step(): return ALL['h']()",
        "lambda: 1",
        "lambda: 2",
    ),
    "a partial's function": (
        "import functools\ndef h(x): return x + 1\nP = functools.partial(h, 1)\ndef step(): return P()",
        "x + 1",
        "x + 2",
    ),
    "a partial's argument": (
        "import functools\ndef h(x): return x + 1\nP = functools.partial(h, 1)\ndef step(): return P()",
        "(h, 1)",
        "(h, 2)",
    ),
    "a bound method": (
        "class A:\n    def __init__(self, n): self.n = n\n    def f(self): return self.n\nF = A(1).f\n"
        "def step(): return F()",
        "A(1)",
        "A(2)",
    ),
    "a callable instance's class": (
        "class A:\n    def __call__(self): return 1\nF = A()\ndef step(): return F()",
        "return 1",
        "return 2",
    ),
    "a callable instance's state": (
        "class A:\n    def __init__(self, n): self.n = n\n    def __call__(self): return self.n\nF = A(1)\n"
        "def step(): return F()",
        "A(1)",
        "A(2)",
    ),
    "a recursion": (
        "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\n"
        "def step(): return even(4)",
        "n != 0",
        "n > 0",
    ),
    "a dataclass field": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\ndef step(): return A()",
        "n: int = 1",
        "n: int = 2",
    ),
    "a dataclass annotation": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\ndef step(): return A()",
        "n: int",
        "n: float",
    ),
    "a dataclass option": (
        "from dataclasses import dataclass\n@dataclass(order=True)\nclass A:\n    n: int = 1\ndef step(): return A()",
        "order",
        "frozen",
    ),
    "a default factory": (
        "from dataclasses import dataclass, field\ndef make(): return [1]\n@dataclass\nclass A:\n"
        "    n: list = field(default_factory=make)\ndef step(): return A()",
        "[1]",
        "[2]",
    ),
    "an enum": (
        "import enum\nclass E(enum.Enum):\n    A = 1\n    B = 2\ndef step(): return E.B",
        "B = 2",
        "B = 3",
    ),
    "a member of an enum": (
        "import enum\nclass E(enum.Enum):\n    A = 1\n    B = 2\ndef step(): return E.B",
        "E.B",
        "E.A",
    ),
    "a pydantic field": (
        "import pydantic\nclass M(pydantic.BaseModel):\n    n: int = pydantic.Field(1, gt=0)\n"
        "def step(): return M().n",
        "gt=0",
        "gt=1",
    ),
    "a pydantic validator": (
        "import pydantic\nclass M(pydantic.BaseModel):\n    n: int = 1\n    @pydantic.field_validator('n')\n"
        "    @classmethod\n    def check(cls, v): return h(v)\ndef h(v): return v + 1\ndef step(): return M(n=1)",
        "v + 1",
        "v + 2",
    ),
    "a namedtuple class": (
        "from typing import NamedTuple\nclass T(NamedTuple):\n    a: int\n    b: int = 1\ndef step(): return T(1)",
        "b: int = 1",
        "b: int = 2",
    ),
    "a namedtuple by call": (
        "from collections import namedtuple\nT = namedtuple('T', 'a b')\ndef step(): return T(1, 2)",
        "'a b'",
        "'b a'",
    ),
    "which installed function a name means": (
        "from numpy import mean as m\ndef step(): return m([1])",
        "import mean as m",
        "import median as m",
    ),
    "an attribute of an installed module": (
        "import numpy as np\ndef step(): return np.mean([1])",
        "np.mean",
        "np.median",
    ),
    "an installed module's alias": ("import json as x\ndef step(): return x.loads", "json", "pickle"),
    "an annotation that a decorator reads": (
        "import pydantic\n@pydantic.validate_call\ndef h(x: int): return x\ndef step(): return h('1')",
        "x: int",
        "x: float",
    ),
    "a type in a class annotation": (
        "from dataclasses import dataclass\nclass T:\n    n = 1\n@dataclass\nclass A:\n    t: T\n"
        "def step(): return A(T())",
        "n = 1",
        "n = 2",
    ),
    "one of two lambdas on a line": (
        "F, G = (lambda: 1), (lambda: 2)\ndef step(): return G()",
        "lambda: 2",
        "lambda: 3",
    ),
    "a compiled regex": ("import re\nR = re.compile('a')\ndef step(): return R", "'a'", "'b'"),
    "a random generator's state": (
        "import numpy as np\nR = np.random.default_rng(1)\ndef step(): return R",
        "rng(1)",
        "rng(2)",
    ),
    "a numpy constant": ("import numpy as np\nA = np.array([1])\ndef step(): return A", "[1]", "[2]"),
    "a walrus in a comprehension": (
        "N = 1\ndef step(): return [y for x in (1, 2) if (y := x + N)]",
        "N = 1",
        "N = 2",
    ),
    "an option of a dataclass field that has a default": (
        "from dataclasses import dataclass, field\n@dataclass\nclass A:\n"
        "    n: int = field(default=1, compare=True)\ndef step(): return A(1) == A(2)",
        "compare=True",
        "compare=False",
    ),
    "an option of a dataclass that is made by a call": (
        "from dataclasses import dataclass\nclass A:\n    n: int = 1\nA = dataclass(eq=True)(A)\n"
        "def step(): return A() == A()",
        "eq=True",
        "eq=False",
    ),
    "an attribute that a member of an enum is made with": (
        "import enum\nclass E(enum.Enum):\n    def __new__(cls, word, size):\n        one = object.__new__(cls)\n"
        "        one._value_, one.size = word, size\n        return one\n    BIG = 'big', 8\n"
        "def step(): return E.BIG.size",
        "'big', 8",
        "'big', 16",
    ),
    "a function under two installed decorators": (
        "import functools, contextlib\n@functools.lru_cache\n@contextlib.contextmanager\ndef f():\n    yield 1\n"
        "def step(): return f",
        "yield 1",
        "yield 2",
    ),
    "a function under an installed wrapper of a partial": (
        "import contextlib, functools\nclass Quiet(contextlib.ContextDecorator):\n"
        "    def __enter__(self): return self\n    def __exit__(self, *error): return False\n"
        "def f(n): return 1 + n\ng = contextlib.ContextDecorator.__call__(Quiet(), functools.partial(f, 1))\n"
        "def step(): return g()",
        "return 1",
        "return 2",
    ),
    "an attribute of a function in a registry": (
        "def f(): return 1\nf.priority = 2\nALL = [f]\ndef step(): return [getattr(g, 'prior' + 'ity') for g in ALL]",
        "priority = 2",
        "priority = 3",
    ),
    "an attribute of a subclass that pickles as its base does": (
        "from collections import Counter\nclass C(Counter): pass\nA = C(a=1)\nA.rate = 1\ndef step(): return A.rate",
        "A.rate = 1",
        "A.rate = 2",
    ),
    "a class derived from a numpy scalar": (
        "import numpy as np\nclass F(np.float64):\n    def half(self): return self / 2\nA = F(3)\n"
        "def step(): return A.half()",
        "self / 2",
        "self / 3",
    ),
    "a class derived from a masked array": (
        "import numpy as np\nclass M(np.ma.MaskedArray):\n    def half(self): return self / 2\n"
        "A = np.ma.array([3]).view(M)\ndef step(): return A.half()",
        "self / 2",
        "self / 3",
    ),
    "what a class derived from a frame says is its own": (
        "import pandas as pd\nclass G(pd.DataFrame):\n    _metadata = ['crs']\n"
        "A = G({'x': [1]})\nA.crs = 1\ndef step(): return A.crs",
        "A.crs = 1",
        "A.crs = 2",
    ),
    "the frequency of dates": (
        "import pandas as pd\nA = pd.DatetimeIndex(['2020-01-01', '2020-01-02', '2020-01-03'], freq='D')\n"
        "def step(): return A.shift(1)",
        "freq='D'",
        "freq='24h'",
    ),
    "a class derived from property": (
        "class P(property):\n    def __get__(self, one, kind=None): return 2 * super().__get__(one, kind)\n"
        "class A:\n    n = P(lambda self: 1)\ndef step(): return A().n",
        "return 2 *",
        "return 3 *",
    ),
    "the URL of an external file": (
        "from zencache import ExternalFile\nF = ExternalFile('a.csv')\ndef step(): return F.url",
        "a.csv",
        "b.csv",
    ),
    "a function that beartype checks": (
        "from beartype import beartype\n@beartype\ndef f(n: int): return n + 1\ndef step(): return f(1)",
        "n + 1",
        "n + 2",
    ),
    "an annotation that beartype checks": (
        "from beartype import beartype\n@beartype\ndef f(n: int): return n + 1\ndef step(): return f(1)",
        "n: int",
        "n: float",
    ),
    "how beartype checks": (
        "from beartype import beartype, BeartypeConf\n@beartype(conf=BeartypeConf(is_pep484_tower=True))\n"
        "def f(n: float): return n\ndef step(): return f(1)",
        "is_pep484_tower=True",
        "is_pep484_tower=False",
    ),
    "a variable around code without source": (
        "space = {}\nexec('def make(k):\\n    def inner(): return k\\n    return inner', space)\n"
        "step = space['make'](1)",
        "(1)",
        "(2)",
    ),
    "a global that a class body reads before it binds the name": (
        "N = 1\ndef step():\n    class A:\n        N = N + 1\n    return A.N",
        "N = 1",
        "N = 2",
    ),
    "the same where a function around it binds the name, too": (
        "N = 1\ndef step():\n    N = 5\n    class A:\n        N = N + 1\n    return A.N",
        "N = 1",
        "N = 2",
    ),
    "the same in a closure over another variable of that name": (
        "N = 1\ndef make():\n    N = 5\n    def step():\n        class A:\n            N = N + 1\n"
        "        return A.N, N\n    return step\nstep = make()",
        "N = 1",
        "N = 2",
    ),
    "a global behind a class attribute of that name, in a comprehension": (
        "N = 1\ndef step():\n    class A:\n        N = 5\n        L = [N for _ in 'ab']\n    return A.L",
        "N = 1",
        "N = 2",
    ),
    "a global that an inner function declares, below a local of that name": (
        "N = 1\ndef step():\n    N = 5\n    def inner():\n        global N\n        return N\n"
        "    return inner(), N",
        "N = 1",
        "N = 2",
    ),
    "a global by `globals()`, below a local of that name": (
        "N = 1\ndef step():\n    N = 5\n    def inner(): return globals()['N'], N\n    return inner()",
        "N = 1",
        "N = 2",
    ),
    "the iterable of a comprehension that reuses its name": (
        "x = [1]\ndef step(): return [x for x in x]",
        "[1]",
        "[2]",
    ),
    "a global that the step sets": (
        "N = 1\ndef step():\n    global N\n    N += 1\n    return N",
        "N = 1",
        "N = 2",
    ),
    "a match pattern's class": (
        "class A:\n    n = 1\ndef step(x=0):\n    match x:\n        case A(): return 1\n        case other: return other",
        "n = 1",
        "n = 2",
    ),
    "what super() finds": (
        "class A:\n    def f(self): return 1\nclass B(A):\n    def f(self): return super().f()\nf = B.f\n"
        "def step(x=0): return f(x)",
        "return 1",
        "return 2",
    ),
    "an abstract base's concrete method": (
        "import abc\nclass A(abc.ABC):\n    @abc.abstractmethod\n    def f(self): ...\n    def g(self): return 1\n"
        "def step(): return A.g",
        "return 1",
        "return 2",
    ),
    "a user's descriptor": (
        "class D:\n    def __get__(self, a, b): return 1\nclass A:\n    d = D()\ndef step(): return A().d",
        "return 1",
        "return 2",
    ),
    "an implementation registered with singledispatch": (
        "import functools\n@functools.singledispatch\ndef h(x): return 0\n@h.register\ndef _(x: int): return 1\n"
        "def step(): return h(1)",
        "return 1",
        "return 2",
    ),
    "a type that singledispatch reads": (
        "import functools\n@functools.singledispatch\ndef h(x): return 0\n@h.register\ndef _(x: int): return 1\n"
        "def step(): return h(1)",
        "x: int",
        "x: str",
    ),
    "an attribute of a function": (
        "def h(): return h.n\nh.n = 1\ndef step(): return h()",
        "h.n = 1",
        "h.n = 2",
    ),
    "a docstring that is read": (
        "def h():\n    'One.'\ndef step(): return h.__doc__",
        "One.",
        "Two.",
    ),
    "an f-string": ("def step(x=1): return f'{x:>3}'", ">3", ">4"),
    "a helper reached through vectorize": (
        "import numpy as np\n@np.vectorize\ndef h(x): return x + 1\ndef step(): return h(1)",
        "x + 1",
        "x + 2",
    ),
}

# Classes that their text does not say all of, and methods that are bound to a value.
MADE = {
    "the owner of a builtin method": (
        "import re\nF=re.compile('a').findall\ndef step(): return F('x')",
        "'a'",
        "'b'",
    ),
    "the owner of a builtin method, a subclass of a container": (
        "from collections import OrderedDict\nF=OrderedDict(n=1).get\ndef step(): return F('n')",
        "n=1",
        "n=2",
    ),
    "the owner of a builtin method that holds it": (
        "from collections import OrderedDict\nO=OrderedDict(n=1)\nO['g']=O.get\nF=O.get\ndef step(): return F('n')",
        "n=1",
        "n=2",
    ),
    "an enum made by a call": (
        "import enum\nE=enum.Enum('E',{'A':1})\ndef step(): return E.A",
        "'A':1",
        "'A':2",
    ),
    "a flag made by a call": (
        "import enum\nE=enum.Flag('E',{'A':1})\ndef step(): return E.A",
        "'A':1",
        "'A':2",
    ),
    "a default of a model made by a call": (
        "import pydantic\nM=pydantic.create_model('M',n=(int,3))\ndef step(): return M()",
        "(int,3",
        "(int,4",
    ),
    "a type in a model made by a call": (
        "import pydantic\nM=pydantic.create_model('M',n=(int,3))\ndef step(): return M()",
        "(int,3",
        "(float,3",
    ),
    "a default factory of a model made by a call": (
        "import pydantic\nM=pydantic.create_model('M',n=(int,pydantic.Field(default_factory=lambda:3)))\ndef step(): return M()",
        ":3",
        ":4",
    ),
    "a bound in a model made by a call": (
        "import pydantic\nM=pydantic.create_model('M',n=(int,pydantic.Field(3,gt=1)))\ndef step(): return M()",
        "gt=1",
        "gt=2",
    ),
    "a validator of a model made by a call": (
        "import pydantic\ndef v(x): return x+1\nM=pydantic.create_model('M',n=(int,3),m=(int,3),__validators__={'c':pydantic.field_validator('n')(v)})\ndef step(): return M()",
        "x+1",
        "x+2",
    ),
    "a validated field of a model made by a call": (
        "import pydantic\ndef v(x): return x+1\nM=pydantic.create_model('M',n=(int,3),m=(int,3),__validators__={'c':pydantic.field_validator('n')(v)})\ndef step(): return M()",
        "tor('n')",
        "tor('m')",
    ),
    "the settings of a model made by a call": (
        "import pydantic\nM=pydantic.create_model('M',n=(int,3),__config__={'strict':True})\ndef step(): return M()",
        "True",
        "False",
    ),
    "an argument of a generic model": (
        "import pydantic,typing\nT=typing.TypeVar('T')\nclass K:\n  a=1\nclass C(pydantic.BaseModel,typing.Generic[T],arbitrary_types_allowed=True):\n  x:T=None\nM=C[K]\ndef step(): return M()",
        "a=1",
        "a=2",
    ),
    "a default of a dataclass made by a call": (
        "import dataclasses\nT=dataclasses.make_dataclass('T',[('n',int,3)])\ndef step(): return T()",
        "int,3",
        "int,4",
    ),
    "a default factory of a dataclass made by a call": (
        "import dataclasses\nT=dataclasses.make_dataclass('T',[('n',list,dataclasses.field(default_factory=lambda:[3]))])\ndef step(): return T()",
        "[3]",
        "[4]",
    ),
    "a method of a dataclass made by a call": (
        "import dataclasses\nT=dataclasses.make_dataclass('T',[('n',int,3)],namespace={'f':lambda self:3})\ndef step(): return T()",
        "self:3",
        "self:4",
    ),
    "an option of a dataclass made by a call": (
        "import dataclasses\nT=dataclasses.make_dataclass('T',[('n',int,3)],frozen=True)\ndef step(): return T()",
        "True",
        "False",
    ),
    "an attribute of a class made by a call": (
        "T=type('T',(),{'n':3})\ndef step(): return T.n",
        "3",
        "4",
    ),
    "an attribute with underscores of a class made by a call": (
        "T=type('T',(),{'__n__':3})\ndef step(): return T.__n__",
        "3",
        "4",
    ),
    "the bases of a class made by a call": (
        "class A: n=1\nclass B: n=2\nT=type('T',(A,),{})\ndef step(): return T.n",
        "(A,)",
        "(B,)",
    ),
    "a property of a class made by a call": (
        "T=type('T',(),{'n':property(lambda s:3)})\ndef step(): return T.n",
        ":3",
        ":4",
    ),
    "a cached property of a class made by a call": (
        "import functools\nT=type('T',(),{'n':functools.cached_property(lambda s:3)})\ndef step(): return T.n",
        ":3",
        ":4",
    ),
    "an attribute of a class that types made": (
        "import types\nT=types.new_class('T',(),{},lambda ns: ns.update(n=3))\ndef step(): return T.n",
        "n=3",
        "n=4",
    ),
    "a default of a model made by a function": (
        "import pydantic\ndef make(k):\n  class M(pydantic.BaseModel):\n    n:int=k\n  return M\nM=make(3)\ndef step(): return M()",
        "make(3)",
        "make(4)",
    ),
    "a type in a model made by a function": (
        "import pydantic\ndef make(k):\n  class M(pydantic.BaseModel):\n    n:k=3\n  return M\nM=make(int)\ndef step(): return M()",
        "make(int)",
        "make(float)",
    ),
    "a private attribute of a model made by a function": (
        "import pydantic\ndef make(k):\n  class M(pydantic.BaseModel):\n    _n:int=k\n  return M\nM=make(3)\ndef step(): return M()",
        "make(3)",
        "make(4)",
    ),
    "a default factory of a dataclass made by a function": (
        "from dataclasses import *\ndef make(k):\n  @dataclass\n  class M:\n    n:int=field(default_factory=lambda:k)\n  return M\nM=make(3)\ndef step(): return M()",
        "make(3)",
        "make(4)",
    ),
    "a default of a dataclass with slots made by a function": (
        "import sys\nfrom dataclasses import *\ndef make(k):\n  @dataclass(slots=True)\n  class M:\n    n:int=k\n  return M\nM=make(3)\ndef step(): return M()",
        "make(3)",
        "make(4)",
    ),
    "an enum made by a function": (
        "import enum\ndef make(k):\n  class M(enum.Enum):\n    A=k\n  return M\nM=make(3)\ndef step(): return M.A",
        "make(3)",
        "make(4)",
    ),
    "members of an enum made together by a function": (
        "import enum\ndef make(k):\n  class M(enum.Enum):\n    A,B=k,1\n  return M\nM=make(3)\ndef step(): return M.A",
        "make(3)",
        "make(4)",
    ),
    "a named tuple made by a function": (
        "from typing import *\ndef make(k):\n  class M(NamedTuple):\n    n:int=k\n  return M\nM=make(3)\ndef step(): return M()",
        "make(3)",
        "make(4)",
    ),
    "a descriptor of a class made by a function": (
        "class D:\n  def __init__(s,n): s.n=n\n  def __get__(s,i,o): return s.n\ndef make(k):\n  class M:\n    n=D(k)\n  return M\nM=make(3)\ndef step(): return M().n",
        "make(3)",
        "make(4)",
    ),
    "a partial method of a class made by a function": (
        "import functools\ndef make(k):\n  class M:\n    def f(s,n): return n\n    g=functools.partialmethod(f,k)\n  return M\nM=make(3)\ndef step(): return M().g()",
        "make(3)",
        "make(4)",
    ),
    "a cached property of a class made by a function": (
        "import functools\ndef make(k):\n  class M:\n    @functools.cached_property\n    def f(s): return k\n  return M\nM=make(3)\ndef step(): return M().f",
        "make(3)",
        "make(4)",
    ),
    "a statement in the body of a class made by a function": (
        "def make(k):\n  class M:\n    for i in range(k): pass\n  return M\nM=make(3)\ndef step(): return M().i",
        "make(3)",
        "make(4)",
    ),
    "a validated field of a model made by a function": (
        "import pydantic\ndef make(k):\n  class M(pydantic.BaseModel):\n    n:int=1\n    m:int=1\n    @pydantic.field_validator(k)\n    @classmethod\n    def v(c,x): return x+1\n  return M\nM=make('n')\ndef step(): return M(n=1,m=1)",
        "make('n')",
        "make('m')",
    ),
    "a computed field of a model made by a function": (
        "import pydantic\ndef make(k):\n  class M(pydantic.BaseModel):\n    n:int=1\n    @pydantic.computed_field\n    @property\n    def v(c)->int: return k\n  return M\nM=make(3)\ndef step(): return M(n=1)",
        "make(3)",
        "make(4)",
    ),
    "a descriptor set on a class later": (
        "class D:\n  def __init__(s,n): s.n=n\n  def __get__(s,i,o): return s.n\nclass M: pass\nM.n=D(3)\ndef step(): return M().n",
        "D(3)",
        "D(4)",
    ),
    "a descriptor set later over an attribute": (
        "class D:\n  def __init__(s,n): s.n=n\n  def __get__(s,i,o): return s.n\nclass M:\n  n=1\nM.n=D(3)\ndef step(): return M().n",
        "D(3)",
        "D(4)",
    ),
    "a partial method set on a class later": (
        "import functools\nclass M:\n  def f(s,n): return n\nM.g=functools.partialmethod(M.f,3)\ndef step(): return M().g()",
        "f,3",
        "f,4",
    ),
    "an attribute set on a model later": (
        "import pydantic\nclass M(pydantic.BaseModel): pass\nM.n=3\ndef step(): return M.n",
        "n=3",
        "n=4",
    ),
    "a partial method set on a model later": (
        "import pydantic,functools\nclass M(pydantic.BaseModel):\n  def f(s,n): return n\nM.n=functools.partialmethod(M.f,3)\ndef step(): return M.n",
        "f,3",
        "f,4",
    ),
    "an attribute with underscores set on a class later": (
        "class M: pass\nM.__n__=3\ndef step(): return M.__n__",
        "=3",
        "=4",
    ),
    "an attribute set on an enum later": (
        "import enum\nclass M(enum.Enum):\n  A=1\nM.n=[3]\ndef step(): return M.n",
        "[3]",
        "[4]",
    ),
}

ALIASED = "import pydantic\nfrom typing import Annotated, Generic\nfrom typing_extensions import TypeAliasType, TypeVar\ndef v(n): return n * 3\n"
COUNTS |= {
    "what a type alias stands for": (
        ALIASED + "A=TypeAliasType('A', dict[str, int])\ndef step(): return A.__value__",
        "int]",
        "float]",
    ),
    "a validator in a type alias of a model": (
        ALIASED
        + "A=TypeAliasType('A', Annotated[int, pydantic.AfterValidator(v)])\nclass M(pydantic.BaseModel):\n  n: A\ndef step(): return M(n=1)",
        "n * 3",
        "n * 4",
    ),
    "the bound of a parameter of a type alias": (
        ALIASED
        + "T=TypeVar('T', bound=int)\nA=TypeAliasType('A', list[T], type_params=(T,))\ndef step(): return A[int]",
        "bound=int",
        "bound=float",
    ),
    "the default of a type variable": (
        ALIASED
        + "T=TypeVar('T', default=int)\nclass M(pydantic.BaseModel, Generic[T]):\n  n: T\ndef step(): return M(n='1')",
        "default=int",
        "default=str",
    ),
}
SINCE_3_12 = {
    "a type statement": ("type A = dict[str, int]\ndef step(): return A.__value__", "int]", "float]"),
    "a type statement that names itself": (
        "type A = int | list[A]\ndef step(): return A.__value__",
        "int |",
        "float |",
    ),
    "a type statement with parameters": (
        "type A[T] = list[T]\ndef step(): return A[int].__value__",
        "list[T]",
        "set[T]",
    ),
    "a type statement of a model": (
        ALIASED
        + "type A = Annotated[int, pydantic.AfterValidator(v)]\nclass M(pydantic.BaseModel):\n  n: A\ndef step(): return M(n=1)",
        "n * 3",
        "n * 4",
    ),
    "a type statement inside of a step": (
        "def step():\n  type A = dict[str, int]\n  return A.__value__",
        "int]",
        "float]",
    ),
    "the bound of a model's type parameter": (
        "import pydantic\nclass M[T: int](pydantic.BaseModel):\n  n: T\ndef step(): return M(n='1')",
        "T: int",
        "T: str",
    ),
    "a type that bounds a model's type parameter": (
        ALIASED
        + "type A = Annotated[int, pydantic.AfterValidator(v)]\nclass M[T: A](pydantic.BaseModel):\n  n: T\ndef step(): return M(n=1)",
        "n * 3",
        "n * 4",
    ),
    "the bound of a type parameter that a function reads": (
        "def h[T: int](): return T.__bound__\ndef step(): return h()",
        "T: int",
        "T: str",
    ),
    "the bound of a type parameter that a nested function reads": (
        "def step():\n  def h[T: int](): return T.__bound__\n  return h()",
        "T: int",
        "T: str",
    ),
    "the bound of a type parameter that a decorator reads": (
        "import pydantic\n@pydantic.validate_call\ndef h[T: int](n: T): return n\ndef step(): return h('1')",
        "T: int",
        "T: str",
    ),
}
if sys.version_info >= (3, 12):
    COUNTS |= SINCE_3_12

DOES_NOT_COUNT = {
    "a comment": ("def step(): return 1", "return 1", "return 1  # one"),
    "a docstring": ("def step():\n    return 1", "    return", "    '''One.'''\n    return"),
    "a class docstring": ("class A:\n    n = 1\ndef step(): return A", "    n =", "    'Doc.'\n    n ="),
    "formatting": ("def step(): return [1, 2]", "[1, 2]", "[\n    1,\n    2,\n]"),
    "quotes": ("def step(): return 'a'", "'a'", '"a"'),
    "lines above": ("def step(): return 1", "def step", "\n\n\ndef step"),
    "a parameter's annotation": ("def step(x=1): return x", "x=1", "x: int = 1"),
    "a helper's return annotation": (
        "def h(): return 1\ndef step(): return h()",
        "def h():",
        "def h() -> int:",
    ),
    "a local's annotation": ("def step():\n    x = 1\n    return x", "x = 1", "x: int = 1"),
    "an unused import": ("def step(): return 1", "def step", "import json\ndef step"),
    "an unrelated function": ("def step(): return 1", "def step", "def other(): return 3\ndef step"),
    "a spelling of a constant": ("N = 3\ndef step(): return N", "N = 3", "N = 2 + 1"),
    "a spelling of a class attribute": ("class A:\n    n = 3\ndef step(): return A", "n = 3", "n = 2 + 1"),
    "a spelling of a default": ("def step(x=3): return x", "x=3", "x=2 + 1"),
    "the order of definitions": (
        "N = 1\ndef a(): return N\ndef b(): return 2\ndef step(): return a() + b()",
        "N = 1\ndef a(): return N\ndef b(): return 2\n",
        "def b(): return 2\ndef a(): return N\nN = 1\n",
    ),
    "the name of a lock": (
        "import threading\nL = threading.Lock()\ndef step():\n    with L: return 1",
        "threading.Lock()",
        "threading.Lock(); L.acquire()",
    ),
    "the name of a logger": (
        "import logging\nlog = logging.getLogger('a')\ndef step(): log.info('x')",
        "getLogger('a')",
        "getLogger('b')",
    ),
    "the docstring of a class made by a function": (
        "def make():\n    class A:\n        n = 1\n    return A\nA = make()\ndef step(): return A.n",
        "        n = 1",
        "        'One.'\n        n = 1",
    ),
    "the docstring of a cached property": (
        "import functools\nclass A:\n    @functools.cached_property\n    def f(self):\n        return 1\n"
        "def step(): return A().f",
        "        return 1",
        "        'One.'\n        return 1",
    ),
    "a comment in a model made by a function": (
        "import pydantic\ndef make(k):\n    class M(pydantic.BaseModel):\n        n: int = k\n    return M\n"
        "M = make(1)\ndef step(): return M()",
        "= k",
        "= k  # one",
    ),
    "a global of the name that a walrus binds": (
        "n = 1\ndef step():\n    if (n := len('ab')) > 1: return n",
        "n = 1",
        "n = 2",
    ),
    "a global of the name that `nonlocal` takes from the function around it": (
        "n = 1\ndef step():\n    n = 5\n    def inner():\n        nonlocal n\n        n += 1\n    inner()\n    return n",
        "n = 1",
        "n = 2",
    ),
    "the order of a set": ("S = {'a', 'b', 'c'}\ndef step(): return S", "{'a', 'b', 'c'}", "{'c', 'b', 'a'}"),
    "sharing": ("A = [1]\nB = [A, A]\ndef step(): return B", "[A, A]", "[[1], [1]]"),
}
if sys.version_info >= (3, 12):
    DOES_NOT_COUNT |= {
        "a type parameter that only annotations name": (
            "def h[T](x: T) -> T: return x\ndef step(): return h(1)",
            "[T]",
            "[T: int]",
        ),
    }


def edited(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


@pytest.mark.parametrize("case", [*COUNTS, *MADE])
def test_an_edit_that_can_change_the_result_changes_the_code(load, case):
    text, old, new = {**COUNTS, **MADE}[case]
    before, same, after = load(text), load(text), load(edited(text, old, new))
    assert key(code_of(before.step)) == key(code_of(same.step))
    assert key(code_of(before.step)) != key(code_of(after.step))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python has `type` since 3.12")
@pytest.mark.parametrize("body", ["return A", "return T"])
def test_a_type_that_only_type_checkers_import_is_no_error(load, body):
    text = "type A = list[Later]\ndef h[T: Later](x: T):\n  def g(): BODY\n  return g\nstep = h(1)"
    module = load(text.replace("BODY", body))
    assert key(code_of(module.step)) == key(code_of(module.step))


@pytest.mark.parametrize("case", DOES_NOT_COUNT)
def test_an_edit_that_cannot_change_the_result_does_not(load, case):
    text, old, new = DOES_NOT_COUNT[case]
    assert key(code_of(load(text).step)) == key(code_of(load(edited(text, old, new)).step))


HELPERS = "def clean(x): return x + 1\ndef other(x): return x + 5\n"
ROUTES = {
    "from import": "from .helpers import clean\ndef step(): return clean(1)",
    "star import": "from .helpers import *\ndef step(): return clean(1)",
    "alias": "from .helpers import clean as c\ndef step(): return c(1)",
    "module": "from . import helpers\ndef step(): return helpers.clean(1)",
    "dotted module": "import PKG.helpers\ndef step(): return PKG.helpers.clean(1)",
    "import inside": "def step():\n    from .helpers import clean\n    return clean(1)",
    "module import inside": "def step():\n    from . import helpers as h\n    return h.clean(1)",
    "dotted import inside": "def step():\n    import PKG.helpers\n    return PKG.helpers.clean(1)",
    "import inside around": (
        "def step():\n    from .helpers import clean\n    return [clean(x) for x in (1, 2)]"
    ),
    "import by literal name": (
        "import importlib\ndef step():\n    return importlib.import_module('PKG.helpers').clean(1)"
    ),
    "getattr": "from . import helpers\ndef step(): return getattr(helpers, 'clean')(1)",
}
WHOLE_MODULE = {"import by literal name", "getattr"}
UNUSED = {
    "an import that is never used": "def step():\n    from . import plug\n    return 1",
    "an import by a relative name": "import importlib\n"
    "def step(): return importlib.import_module('.plug', __package__)",
    "an import that may fail": "def step():\n    try:\n        from . import plug\n    except ImportError: return 0",
}


@pytest.mark.parametrize("body", UNUSED)
def test_a_module_that_is_imported_for_what_that_does_counts(load, body):
    first, same, other = (
        load({"main.py": UNUSED[body], "plug.py": text}) for text in ("N = 1", "N = 1", "N = 2")
    )
    assert key(code_of(first.step)) == key(code_of(same.step))
    assert key(code_of(first.step)) != key(code_of(other.step))


def test_the_source_of_a_module_counts_where_it_is_read(load):
    main = "import inspect\nfrom . import plug\ndef step(): return inspect.getsource(plug)"
    first, same, other = (load({"main.py": main, "plug.py": f"# {word}\n"}) for word in ("one", "one", "two"))
    assert key(code_of(first.step)) == key(code_of(same.step))
    assert key(code_of(first.step)) != key(code_of(other.step))


@pytest.mark.parametrize("route", ROUTES)
def test_a_helper_in_another_module_counts_by_every_route(load, route):
    def files(helpers: str) -> dict[str, str]:
        return {"__init__.py": "", "main.py": ROUTES[route], "helpers.py": helpers}

    before = key(code_of(load(files(HELPERS)).step))
    if route not in WHOLE_MODULE | {"dotted module", "dotted import inside"}:  # their text has the name
        assert key(code_of(load(files(HELPERS)).step)) == before
    module = load(files(HELPERS.replace("x + 1", "x + 2")))
    assert "helpers.clean" in labels(code_of(module.step))
    assert [part for _, part in key(code_of(module.step))] != [part for _, part in before]


@pytest.mark.parametrize(
    "body",
    ["import colorsys", "import colorsys; colorsys.rgb_to_hls", "from colorsys import rgb_to_hls as f; f"],
)
def test_whether_an_installed_module_is_imported_yet_does_not_count(load, body, monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    module = load(f"def step(): {body}")
    before = key(code_of(module.step))
    assert "colorsys" not in sys.modules
    importlib.import_module("colorsys")
    assert key(code_of(module.step)) == before


def test_a_users_module_counts_before_the_step_has_imported_it(load):
    files = {
        "main.py": "def step():\n    from .late import f\n    return f()",
        "late.py": "def f(): return 1",
    }
    module = load(files)
    before = key(code_of(module.step))
    module.step()
    assert key(code_of(module.step)) == before
    assert key(code_of(load({**files, "late.py": "def f(): return 2"}).step)) != before


def test_only_the_attribute_used_of_a_module_counts(load):
    files = {"__init__.py": "", "main.py": ROUTES["module"], "helpers.py": HELPERS}
    other = {**files, "helpers.py": HELPERS.replace("x + 5", "x + 6")}
    assert key(code_of(load(files).step)) == key(code_of(load(other).step))


def test_a_module_that_escapes_counts_as_a_whole(load):
    main = "from . import helpers\ndef step(): return use(helpers)\ndef use(m): return m.other(1)"
    files = {"__init__.py": "", "main.py": main, "helpers.py": HELPERS}
    other = {**files, "helpers.py": HELPERS.replace("x + 5", "x + 6")}
    assert key(code_of(load(files).step)) != key(code_of(load(other).step))


def test_an_escaping_module_may_hold_what_cannot_be_fingerprinted(load):
    main = "from . import helpers\ndef step(): return str(helpers)"
    code = code_of(load({"__init__.py": "", "main.py": main, "helpers.py": "g = (x for x in ())"}).step)
    assert any("helpers.g`: its value cannot be fingerprinted" in sentence for sentence in code.untracked)


def test_import_cycles_end(load):
    main = "from . import b\ndef step(): return b.g(1)\ndef f(x): return b.g(x)"
    code = code_of(
        load(
            {"__init__.py": "", "main.py": main, "b.py": "from . import main\ndef g(x): return main.f(x)"}
        ).step
    )
    assert labels(code) == ["main.step", "b.g", "main.f"]


def test_units_are_in_depth_first_order_and_named_for_people(load):
    code = code_of(
        load(
            "N = 1\nclass H:\n    def clean(self): return N\ndef g(): return H()\ndef z(): return 1\ndef step(): return g(), z()"
        ).step
    )
    assert labels(code) == ["main.step", "main.g", "main.H", "main.H.clean", "main.N", "main.z"]
    assert [unit.identity for unit in code.units] == ["0:step", "1:g", "2:H", "3:H.clean", "4:N", "5:z"]


def test_a_long_chain_of_helpers_needs_no_deep_stack(load):
    text = "def f0(x): return x\n" + "".join(f"def f{n}(x): return f{n - 1}(x)\n" for n in range(1, 3000))
    assert len(code_of(load(text + "def step(): return f2999(1)").step).units) == 3001


def test_extra_dependencies_count(load):
    module = load("def step(): return 1\ndef data(): return 2")
    other = load("def step(): return 1\ndef data(): return 3")
    assert labels(code_of(module.step, extra=[module.data])) == ["main.step", "main.data"]
    assert key(code_of(module.step, extra=[module.data])) != key(code_of(other.step, extra=[other.data]))
    assert "main.data" in labels(code_of(module.step, extra=[module]))


def test_a_name_that_is_not_defined_is_no_error(load):
    assert labels(code_of(load("def step(): return nowhere(1)").step)) == ["main.step"]


def test_a_constant_is_read_when_asked(load):
    module = load("N = 1\ndef step(): return N")
    before = key(code_of(module.step))
    module.N = 2
    assert key(code_of(module.step)) != before


def test_a_rebound_helper_is_followed_where_it_leads(load):
    module = load("def a(): return 1\ndef b(): return 2\nh = a\ndef step(): return h()")
    before = labels(code_of(module.step))
    module.h = module.b
    assert (before, labels(code_of(module.step))) == (["main.step", "main.a"], ["main.step", "main.b"])


ZENCACHE = """
def decorate(value):
    def mark(f): return f
    mark.__module__ = "zencache.step"
    return mark
decorate.__module__ = "zencache.step"
class Step:
    def __init__(self, entrypoint, options=None): self.entrypoint, self.options = entrypoint, options
Step.__module__ = "zencache.step"
"""


def test_arguments_of_zencache_decorators_do_not_count(load):
    text = ZENCACHE + "@decorate(1)\ndef step(): return 1"
    assert key(code_of(load(text).step)) == key(
        code_of(load(edited(text, "@decorate(1)", "@decorate(2)")).step)
    )


def test_a_step_reached_by_name_is_followed_to_its_function(load):
    text = ZENCACHE + "def f(): return 1\nother = Step(f, options=1)\ndef step(): return other.entrypoint()"
    before = code_of(load(text).step)
    assert "main.f" in labels(before)
    assert key(code_of(load(edited(text, "options=1", "options=2")).step)) == key(before)
    assert key(code_of(load(edited(text, "return 1", "return 2")).step)) != key(before)


def test_a_file_edited_after_its_import_does_not_lend_its_new_text(load):
    module = load("def step(): return 1")
    Path(module.__file__).write_text("def step(): return 2")
    edited_code = code_of(module.step)
    assert edited_code.untracked == (
        f"{module.__name__}.step: source not found; its compiled code counts instead",
    )
    assert key(edited_code) != key(code_of(load("def step(): return 2").step))


def test_an_old_modification_time_does_not_hide_an_edit(load):
    module = load("def step(): return 1")
    Path(module.__file__).write_text("def step(): return 2")
    os.utime(module.__file__, (1, 1))
    assert key(code_of(module.step)) != key(code_of(load("def step(): return 2").step))


def test_lines_added_after_the_import_do_no_harm(load):
    module = load("def step(): return 1")
    Path(module.__file__).write_text("# new\n\ndef step():\n    'New.'\n    return 1")
    assert code_of(module.step).untracked == ()
    assert key(code_of(module.step)) == key(code_of(load("def step(): return 1").step))


def test_a_class_edited_after_its_import_does_not_lend_its_new_text(load):
    text = "class A:\n    n: int = 1\n    def f(self): return 1\ndef step(): return A().f()"
    module = load(text)
    Path(module.__file__).write_text(text.replace("return 1", "return 2"))
    assert key(code_of(module.step)) != key(code_of(load(text.replace("return 1", "return 2")).step))
    assert any("main.A.f: source not found" in sentence for sentence in code_of(module.step).untracked)


def test_two_classes_of_one_name_are_told_apart(load):
    text = "if {}:\n    class A:\n        def f(self): return 1\nelse:\n    class A:\n        def f(self): return 2\n"
    text += "def step(): return A().f()"
    first, second = load(text.format("True or len('')")), load(text.format("len('')"))
    assert key(code_of(first.step)) != key(code_of(second.step))
    only = load("class A:\n    def f(self): return 2\ndef step(): return A().f()")
    assert key(code_of(second.step)) == key(code_of(only.step))


def test_a_notebook_cell_has_source():
    text = "N = 3\ndef step():\n    # a comment\n    return N\n"
    name = "<ipython-input-1-zencache>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    scope: dict[str, object] = {"__name__": "__main__"}
    exec(compile(text, name, "exec"), scope)
    code = code_of(scope["step"])
    assert [unit.label for unit in code.units] == ["__main__.step", "__main__.N"]
    assert code.untracked == ()


def test_code_without_source_counts_as_compiled():
    def made(text: str) -> Code:
        scope: dict[str, object] = {"__name__": "nowhere"}
        exec(text, scope)
        return code_of(scope["step"])

    one = made("def h(): return 1\ndef step(): return h()")
    assert one.untracked == (
        "nowhere.step: source not found; its compiled code counts instead",
        "nowhere.h: source not found; its compiled code counts instead",
    )
    assert key(one) == key(made("# lower\ndef h():\n    'Doc.'\n    return 1\n\ndef step(): return h()"))
    assert key(one) != key(made("def h(): return 2\ndef step(): return h()"))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("def step(n='a'): return getattr(1, n)", "`getattr` with a computed name"),
        ("def step(): return eval('1')", "`eval`"),
        ("def step(): exec('1')", "`exec`"),
        (
            "import importlib\ndef step(n='a'): importlib.import_module(n)",
            "`import_module` with a computed name",
        ),
    ],
)
def test_what_cannot_be_followed_is_said(load, text, what):
    module = load(text)
    assert code_of(module.step).untracked == (f"{what} in {module.__name__}.step",)


def test_getattr_with_a_literal_name_is_followed_silently(load):
    assert code_of(load("def step(): return getattr(1, 'real')").step).untracked == ()


def test_a_constant_without_a_fingerprint_is_an_error_that_says_what_to_do(load):
    module = load("import io\nOUT = {'a': io.TextIOWrapper(io.BytesIO())}\ndef step(): OUT")
    with pytest.raises(UnfingerprintableError) as caught:
        code_of(module.step)
    assert str(caught.value) == (
        f"`OUT` in module `{module.__name__}` holds a `_io.TextIOWrapper`, which has no faithful fingerprint.\n"
        f"  module: {module.__name__}\n"
        "  variable: OUT\n"
        "  type: _io.TextIOWrapper\n"
        "  hint: Create it inside the step, or pass what it is made from as a parameter.\n"
        "  docs: troubleshooting#unfingerprintableerror"
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("class A: pass\nA.n = (x for x in ())\ndef step(): return A.n", "`main.A.n`"),
        ("F = (x for x in ()).send\ndef step(): return F", "`main.F`, a method of a `generator`"),
        (
            "class A:\n    def __init__(self): self.n = (x for x in ())\n    def __get__(self, i, o): return 1\n"
            "class B:\n    n = A()\ndef step(): return B.n",
            "`main.B.n`",
        ),
    ],
)
def test_what_a_class_or_method_holds_may_have_no_fingerprint(load, text, what):
    module = load(text)
    (told,) = code_of(module.step).untracked
    package = module.__name__.partition(".")[0]
    assert (
        told.replace(f"{package}.", "") == f"{what}: its value cannot be fingerprinted; only its type counts"
    )


def test_data_in_a_class_body_without_a_fingerprint_is_an_error(load):
    with pytest.raises(UnfingerprintableError, match=r"`A\.n`"):
        code_of(load("class A:\n    n = (x for x in ())\ndef step(): return A.n").step)


def test_a_call_of_an_installed_generators_method_changes_nothing(load):
    module = load("from random import random\ndef step(): return random()")
    before = key(code_of(module.step))
    module.step()
    assert key(code_of(module.step)) == before


def test_whose_code_it_is(load):
    import json

    import numpy

    import zencache.digest

    module = load("class A: pass\ndef step(): return 1")
    assert all(is_user_code(obj) for obj in (module, module.step, module.A, lambda: 1))
    installed = (
        json,
        json.loads,
        json.JSONDecoder,
        numpy,
        numpy.mean,
        numpy.ndarray,
        len,
        dict,
        os.path.join,
    )
    assert not any(is_user_code(obj) for obj in (*installed, zencache.digest, zencache.digest.encode))


def test_a_namespace_package_is_the_users(load):
    code = code_of(
        load(
            {
                "main.py": "def step():\n    from .sub import b\n    return b.f()",
                "sub/b.py": "def f(): return 1",
            }
        ).step
    )
    assert labels(code) == ["main.step", "sub.b.f"]


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from zencache.fingerprint import code_of
import beartype, logging, enum, functools
from dataclasses import dataclass
log = logging.getLogger(__name__)
NAMES = {{"b", "a", "c"}}
class Color(enum.Enum):
    RED = 1
    @functools.cached_property
    def shade(self): return object()
@dataclass
class Pair:
    left: int = 1
    tags: frozenset = frozenset({{"x", "y"}})
def helper(pair): log.info(pair); return __name__, Color.RED
@beartype.beartype
def checked(n: int): return n
helper.order, helper._note = {{"x": 1, "y": 2}}, object()
LINKED = {{(name, helper) for name in "abcd"}}
def step():
    import wave, json, csv, colorsys
    from email import message, policy
    return helper(Pair()), NAMES, LINKED, checked(1)
def report():
    Color.RED.shade
    for unit in code_of(step).units: print(unit.identity, unit.fingerprint)
if __name__ == "__main__":
    report()
"""


def test_neither_name_nor_folder_nor_process_nor_hash_seed_counts(tmp_path):
    root = [str(Path(code_of.__code__.co_filename).parents[2])]
    first, second = tmp_path / "a" / "one.py", tmp_path / "b" / "c" / "two.py"
    for path in (first, second):
        path.parent.mkdir(parents=True)
        path.write_text(SCRIPT.format(path=root))

    def run(seed: str, *command: str, cwd: Path) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, *command], env=environment, cwd=cwd, capture_output=True, text=True, check=True
        )
        return done.stdout

    as_main = run("1", "one.py", cwd=first.parent)
    assert as_main.count("\n") == 11
    assert run("2", str(second), cwd=tmp_path) == as_main
    assert run("3", "-c", "import two; two.report()", cwd=second.parent) == as_main


GOLDEN = """
import numpy as np
SCALE = 2 + 1
def helper(x, *rest, k=3):
    return [np.mean(y) * SCALE for y in (x, *rest) if y is not None], f"{k!r:>3}"
class Model:
    rate = 0.5
    def fit(self, x: int) -> "Model":
        return helper(x)
def step(data=(1, "a", None)):
    return Model().fit(data)
"""


def test_fingerprints_do_not_change_silently(load):
    """A change here costs every user a rerun: it belongs under "Cache keys" in the CHANGELOG."""
    assert [(unit.identity, unit.fingerprint[:16]) for unit in code_of(load(GOLDEN).step).units] == [
        ("0:step", "e73669114435364b"),
        ("1:Model", "da7ba4c88f37bcf8"),
        ("2:Model.fit", "348b19f4dbd70225"),
        ("3:helper", "fa81d6c973ef503c"),
        ("4:SCALE", "9e68c2bcb0a06ed2"),
    ]


def test_threads_agree(load):
    text = "".join(f"def f{n}(x): return x + {n}\n" for n in range(50))
    module = load(text + "def step(): return " + " + ".join(f"f{n}(1)" for n in range(50)))
    found: list[list[tuple[str, str]]] = []
    threads = [threading.Thread(target=lambda: found.append(key(code_of(module.step)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [key(code_of(module.step))] * 8


def test_what_is_read_of_one_function_is_a_unit_of_its_own(load):
    module = load(
        "def h(x: int): return x\ndef other(x: int): return x\ndef step(): return other(h.__annotations__)"
    )
    assert labels(code_of(module.step)) == ["main.step", "main.other", "main.h", "main.h (annotations)"]


def test_a_reader_of_annotations_makes_those_of_all_that_is_reached_count(load):
    module = load(
        "import inspect\ndef h(x: int): return x\ndef other(): return h\ndef step(): return inspect.signature(other())"
    )
    assert labels(code_of(module.step)) == ["main.step", "main.other", "main.h", "main.h (annotations)"]


def test_a_function_that_numpy_has_swallowed_is_an_error(load):
    module = load("import numpy as np\nF = np.frompyfunc(lambda x: x, 1, 1)\ndef step(): return F(1)")
    with pytest.raises(UnfingerprintableError, match="`F` in module"):
        code_of(module.step)


def test_what_python_notes_when_an_instance_is_pickled_does_not_count(load):
    main = load("class Adder:\n    by = 1\ndef step(): return Adder().by")
    before = key(code_of(main.step))
    pickle.dumps(main.Adder())
    assert "__slotnames__" in vars(main.Adder)
    assert key(code_of(main.step)) == before
