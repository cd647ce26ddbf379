"""What is relied on in PyTensor, Numba and nutpie without a promise from them: one test for each.

With another version of either, run this file first: a failure names the place that has to change.
"""

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
import threading
import tomllib
from importlib.metadata import version
from pathlib import Path

import arviz_base
import numba
import numpy as np
import pytensor
import pytensor.scalar as ps
import pytensor.tensor as pt
import pytest
from numba.core.caching import Cache
from pytensor.compile.mode import get_mode, optdb
from pytensor.compile.ops import ViewOp
from pytensor.graph.basic import Apply, equal_computations
from pytensor.graph.fg import FunctionGraph
from pytensor.graph.op import Op
from pytensor.graph.replace import clone_replace, vectorize_graph
from pytensor.graph.traversal import io_toposort
from pytensor.link.c.op import COp
from pytensor.link.numba.dispatch.basic import (
    generate_fallback_impl,
    numba_funcify,
    numba_funcify_and_cache_key,
    numba_njit,
)
from pytensor.link.numba.linker import NumbaLinker
from pytensor.scalar.basic import Cast, UnaryScalarOp, upgrade_to_float
from pytensor.tensor.elemwise import DimShuffle, Elemwise
from pytensor.tensor.subtensor import Subtensor, unflatten_index_variables

from bayesmap._backend import kernels
from bayesmap._backend.expressions import ScalarFunction, elementwise, equal_expressions, is_cast_of
from bayesmap._backend.functions import BEFORE_INPLACE, Mode, _ParallelLinker, compile_for_threads
from bayesmap._backend.kernels import (
    inner_kernel,
    kernel,
    python_kernel,
    register_call_back,
    register_kernel,
    register_python_kernel,
)
from bayesmap._backend.notes import note, noted

X = pt.vector("x", dtype="float64")


class Doubling(Op):
    """Twice a vector."""

    __props__ = ()
    calls = 0

    def make_node(self, x):
        return Apply(self, [pt.as_tensor_variable(x)], [pt.vector(dtype="float64")])

    def perform(self, node, inputs, outputs):
        type(self).calls += 1
        outputs[0][0] = 2 * inputs[0]


class Twice(Doubling):
    """By a kernel."""


class InPython(Doubling):
    """By a kernel that calls Python."""


class Counted(Doubling):
    """By a call back."""


@kernel
def _twice(x):
    return 2 * x


register_kernel(Twice, lambda op: _twice)
_twice_in_python = python_kernel(lambda x: 2 * x, "float64", 1)
register_python_kernel(InPython, lambda op: _twice_in_python)
register_call_back(Counted)


def test_pytensor_is_one_that_was_tested():
    """The dependency has an upper bound, and this PyTensor lies below it."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    [wanted] = [d for d in tomllib.loads(text)["project"]["dependencies"] if d.startswith("pytensor")]
    low, high = re.fullmatch(r"pytensor>=([\d.]+),<([\d.]+)", wanted).groups()
    numbers = [tuple(map(int, v.split(".")[:3])) for v in (low, version("pytensor"), high)]
    assert numbers == sorted(numbers)


# -- kernels -----------------------------------------------------------------------------------------------------------
def test_a_registered_kernel_takes_the_place_of_perform():
    """`register_funcify_default_op_cache_key`: a dispatch returns a function and a version for its key on disk."""
    function = pytensor.function([X], Twice()(X), mode="NUMBA")
    before = Twice.calls
    np.testing.assert_array_equal(function([1.0, 2.0]), [2, 4])
    assert Twice.calls == before


def test_a_kernel_that_calls_python_is_not_kept():
    """An Op registered for `numba_funcify` gives a graph no key: numba would say that it cannot keep it."""
    function = compile_for_threads([X], [InPython()(X).sum()])  # warnings are errors
    assert function(np.array([1.0, 2.0]))[0] == 6
    _, key = numba_funcify_and_cache_key(FunctionGraph([X], [InPython()(X)], clone=True))
    assert key is None


def test_an_op_without_kernel_can_be_called_back_silently():
    """`generate_fallback_impl` calls `perform` from compiled code, and warns with the words that we filter."""
    with pytest.warns(UserWarning, match="Numba will use object mode"):
        generate_fallback_impl(Counted(), Counted()(X).owner)
    function = pytensor.function([X], Counted()(X), mode="NUMBA")  # warnings are errors
    before = Counted.calls
    np.testing.assert_array_equal(function([1.0, 2.0]), [2, 4])
    assert Counted.calls == before + 1


def test_dispatch_is_by_type():
    """`numba_funcify` is a generic function: what is registered for a class serves its subclasses."""
    assert numba_funcify.dispatch(Counted) is not numba_funcify.dispatch(Op)
    assert numba_funcify.dispatch(type("Other", (Counted,), {})) is numba_funcify.dispatch(Counted)


def test_strict_arithmetic_reaches_every_kernel():
    """The flag ``numba__fastmath`` decides how `numba_njit` compiles, and a function may be compiled without it."""
    with pytensor.config.change_flags(numba__fastmath=True):
        assert numba_njit(lambda x: x).targetoptions["fastmath"]
        with kernels.strict_arithmetic():
            assert not numba_njit(lambda x: x).targetoptions["fastmath"]


def test_options_of_kernels_are_known_to_numba():
    """Options of `numba.njit`: strict floating-point numbers, and no wrappers that are not called."""
    options = inner_kernel(lambda x: x).targetoptions
    assert {"fastmath", "boundscheck", "no_cfunc_wrapper", "no_cpython_wrapper"} <= set(options)
    with pytest.raises(KeyError, match="Unrecognized options"):
        numba.njit(no_such_wrapper=True)(lambda x: x)(1.0)


def test_python_is_called_with_arrays():
    """``objmode`` takes the type of its result from a variable around the function, and passes a tuple of inputs."""
    call = python_kernel(lambda a, b: a @ b, "complex128", 1)

    @numba.njit
    def outer(a, b):
        return call(a, b)

    np.testing.assert_allclose(outer(1j * np.eye(2), np.array([1.0, 2.0])), [1j, 2j])


def test_machine_code_is_kept_by_one_method():
    """Numba writes its cache with `Cache.save_overload(sig, data)`, which we made forgiving."""
    assert Cache.save_overload.__wrapped__.__name__ == "save_overload"
    assert list(inspect.signature(Cache.save_overload.__wrapped__).parameters) == ["self", "sig", "data"]


def test_a_function_of_numbers_becomes_element_wise():
    """`UnaryScalarOp(upgrade_to_float)` in `Elemwise`: `impl` in Python, the kernel in compiled code; `pullback`."""

    class Square(ScalarFunction):
        def impl(self, x):
            return x * x

        def pullback(self, inputs, outputs, cotangents):
            return [2 * cotangents[0] * inputs[0]]

    assert issubclass(ScalarFunction, UnaryScalarOp)
    assert callable(upgrade_to_float)
    square = elementwise(Square, inner_kernel(lambda x: x * x))
    for mode in ("FAST_COMPILE", "NUMBA"):
        function = pytensor.function([X], [square(X), pytensor.grad(square(X).sum(), X)], mode=mode)
        np.testing.assert_array_equal(function([3.0, -1.0]), [[9, 1], [6, -2]])
    assert pytensor.function([(i := pt.lvector())], square(i), mode="FAST_COMPILE")([3]).dtype == "float64"


# -- functions ---------------------------------------------------------------------------------------------------------
def test_a_graph_becomes_one_function_with_a_key():
    """`numba_funcify_and_cache_key` of a whole graph: a function in Numba's wrapping, and a key or None."""
    graph = FunctionGraph([X], [pt.exp(X)], clone=False)
    function, key = numba_funcify_and_cache_key(graph)
    assert callable(function.py_func)
    assert isinstance(key, str)
    other = FunctionGraph([(y := pt.vector(dtype="float64"))], [pt.sin(y)], clone=False)
    assert numba_funcify_and_cache_key(other)[1] != key
    assert list(inspect.signature(NumbaLinker.fgraph_convert).parameters) == ["self", "fgraph", "kwargs"]
    assert list(inspect.signature(NumbaLinker.jit_compile).parameters) == ["self", "fn_and_cache"]


def test_machine_code_of_a_graph_is_found_on_the_disk():
    """`CACHED_SRC_FUNCTIONS` names what is looked for on the disk, however the function was made."""
    number = np.random.default_rng().normal()  # a graph that nobody has compiled
    linked = get_mode("NUMBA").optimizer
    for turn in range(2):
        with kernels.strict_arithmetic():
            function = pytensor.function([X], X * number, mode=Mode(_ParallelLinker(), linked), trust_input=True)
        np.testing.assert_array_equal(function(np.array([1.0, 2.0])), [number, 2 * number])
        assert sum(function.vm.jit_fn.stats.cache_hits.values()) == turn


def test_a_compiled_function_has_a_kernel_of_arguments_and_shared_values():
    """``function.vm``: `jit_fn` takes the arguments and then the shared variables, whose cells `inputs` lists last."""
    shared = [pytensor.shared(np.array(v)) for v in (10.0, 100.0)]
    function = pytensor.function([X], [X * shared[0], X - shared[1]], mode="NUMBA", trust_input=True)
    cells = function.vm.inputs
    assert len(cells) == 3
    assert sorted(float(c[0]) for c in cells[1:]) == [10, 100]
    results = function.vm.jit_fn(np.array([1.0, 2.0]), *(c[0] for c in cells[1:]))
    np.testing.assert_array_equal(results, [[10, 20], [-99, -98]])
    shared[0].set_value(np.array(20.0))
    assert 20 in [float(c[0]) for c in cells[1:]], "new values stand in the same cells"


def test_compiled_functions_let_other_threads_run():
    """Two threads in one compiled function at the same time: without ``nogil`` the second would wait for the first."""
    started, release, inside = [threading.Event(), threading.Event()], threading.Event(), []

    class Meeting(Doubling):
        def perform(self, node, inputs, outputs):
            inside.append(threading.get_ident())
            started[int(inputs[0][0])].set()
            assert release.wait(60)
            outputs[0][0] = 2 * inputs[0]

    register_call_back(Meeting)
    function = compile_for_threads([X], [Meeting()(X)])
    threads = [threading.Thread(target=function, args=(np.array([float(i)]),)) for i in (0, 1)]
    for thread in threads:
        thread.start()
    met = all(event.wait(60) for event in started)
    release.set()
    for thread in threads:
        thread.join()
    assert met
    assert len(set(inside)) == 2


def test_quick_mode_rewrites_between_two_of_pytensor():
    """`Mode.register` takes rewrites with a place: after sums are joined, before operations overwrite their inputs."""
    assert optdb.__position__["add_mul_fusion"] < BEFORE_INPLACE < optdb.__position__["add_destroy_handler"]


# -- program -----------------------------------------------------------------------------------------------------------
def test_element_wise_operations_tell_their_numpy_function():
    """`Elemwise.prepare_node`; then `nfunc` for `nfunc_spec[1]` operands, or `ufunc` of the Op or on the node's tag."""

    def prepared(expression):
        node = expression.owner
        assert isinstance(node.op, Elemwise)
        assert not node.op.inplace_pattern
        node.op.prepare_node(node, None, None, "py")
        return node

    exponential = prepared(pt.exp(X))
    assert exponential.op.nfunc is np.exp
    assert exponential.op.nfunc_spec[:2] == ("exp", 1)
    many = prepared(pt.add(X, X, X))
    assert many.op.nfunc_spec[1] != 3
    np.testing.assert_array_equal((many.op.ufunc or many.tag.ufunc)(*[np.ones(2)] * 3), [3, 3])
    own = prepared(elementwise(ScalarFunction, lambda x: x)(X))
    assert own.op.nfunc is None
    assert own.op.ufunc.nin == 1


def test_functions_of_whole_numbers_tell_their_types():
    """`sig` on the node's tag has the types of NumPy's function, where NumPy would choose smaller ones."""
    node = pt.exp(pt.vector(dtype="int8")).owner
    node.op.prepare_node(node, None, None, "py")
    assert node.tag.sig == "f->f"


def test_names_of_scalar_operations():
    """Names by which NumPy functions are found for what has none of its own."""
    for make, name in ((lambda: pt.second(X, X), "Second"), (lambda: pt.clip(X, 0, 1), "Clip")):
        assert type(make().owner.op.scalar_op).__name__ == name
    assert type(pt.softplus(X).owner.op.scalar_op).__name__ == "Softplus"


def test_operations_that_are_their_method_perform():
    """What is more than `perform` (loops, branches, inner functions) defines `make_thunk` below `Op` and `COp`."""
    assert "make_thunk" in vars(Op)
    assert "make_thunk" in vars(COp)
    assert "make_thunk" not in vars(Elemwise)
    total = pytensor.scan(lambda x, s: s + x, sequences=X, outputs_info=pt.zeros(()), return_updates=False)
    scan = [n.op for n in io_toposort([X], [total]) if "make_thunk" in vars(type(n.op))]
    assert scan


def test_indices_and_dimensions():
    """`Subtensor.idx_list` with `unflatten_index_variables`; `DimShuffle.new_order` and `input_ndim`."""
    node = pt.dmatrix()[1, ::2].owner
    assert type(node.op) is Subtensor
    numbers = [i.data for i in node.inputs[1:]]
    place = unflatten_index_variables(numbers, node.op.idx_list)
    np.testing.assert_array_equal(np.arange(8).reshape(2, 4)[place], [4, 6])
    shuffle = X.dimshuffle("x", 0).owner.op
    assert isinstance(shuffle, DimShuffle)
    assert tuple(shuffle.new_order) == ("x", 0)
    assert shuffle.input_ndim == 1


# -- expressions and notes ---------------------------------------------------------------------------------------------
def test_casts_are_seen():
    """A cast is an `Elemwise` of the scalar operation `Cast`."""
    assert isinstance(pt.cast(X, "int64").owner.op.scalar_op, Cast)
    assert is_cast_of(X, X)
    assert is_cast_of(pt.cast(pt.cast(X, "int64"), "float64"), X)
    assert not is_cast_of(pt.floor(X), X)


def test_equal_expressions_are_recognised():
    """`equal_computations` compares how two expressions of the same inputs are written."""
    assert equal_computations([pt.exp(X) + 1], [pt.exp(X) + 1], [X], [X])
    assert equal_expressions(pt.exp(X) + 1, pt.exp(X) + 1, [X])
    assert not equal_expressions(pt.exp(X) + 1, pt.exp(X) + 2, [X])


def test_a_view_may_have_its_own_gradient():
    """`ViewOp` hands over its input and costs nothing; a subclass only changes the gradient."""

    class Reversed(ViewOp):
        def pullback(self, inputs, outputs, cotangents):
            return [-cotangents[0]]

    gradient = pytensor.grad((3 * Reversed()(X)).sum(), X)
    for mode in ("FAST_COMPILE", "NUMBA"):
        function = pytensor.function([X], [Reversed()(X), gradient], mode=mode, on_unused_input="ignore")
        np.testing.assert_array_equal(function([1.0, 2.0]), [[1, 2], [-3, -3]])


def test_notes_stay_with_their_tensor():
    """A variable has a `tag` to write on; nothing derived from it has the same, and numbers have none."""
    note(X, "thing", 3)
    assert noted(X, "thing") == 3
    assert noted(X + 0, "thing") is None
    assert noted(X[1:], "thing") is None
    assert noted(1.0, "thing") is None


def test_expressions_are_copied_with_other_inputs():
    """`clone_replace` and `vectorize_graph`: the density of one vector, and the parameters of many."""
    y, many = pt.vector(dtype="float64"), pt.matrix(dtype="float64")
    [copied] = clone_replace([pt.exp(X).sum()], replace={X: 2 * y}, rebuild_strict=False)
    assert copied.eval({y: np.zeros(3)}) == 3
    rows = vectorize_graph([pt.exp(X).sum()], {X: many})[0]
    np.testing.assert_array_equal(rows.eval({many: np.zeros((2, 3))}), [3, 3])


def test_sums_of_many_terms_are_one_operation():
    """The reason for `QUICK`: PyTensor joins all terms of a sum in one operation `Add`."""
    terms = pt.dscalars(*"abcdefgh")
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    function = pytensor.function(terms, total, mode="FAST_COMPILE")
    [node] = function.maker.fgraph.toposort()
    assert isinstance(node.op.scalar_op, ps.Add)
    assert len(node.inputs) == 8


# -- nutpie ------------------------------------------------------------------------------------------------------------
def test_nutpie_asks_arviz_for_what_its_base_has():
    """So that sampling does not wait for figures, see `load_nutpie`."""
    folder = Path(importlib.util.find_spec("nutpie").origin).parent
    asked = {
        node.attr
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "arviz"
    }
    assert asked
    assert asked <= set(dir(arviz_base))


def test_nutpie_without_figures():
    code = (
        "import sys; from bayesmap.inference.sampler_arguments import load_nutpie; load_nutpie(); "
        "assert not {'matplotlib', 'arviz', 'arviz_plots'} & set(sys.modules); "
        "import arviz; assert arviz.__name__ == 'arviz'; assert arviz.plot_dist"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_stand_in_of_arviz_finds_all_of_it():
    """For another thread that imports ArviZ while nutpie is imported."""
    code = (
        "import sys; from bayesmap.inference.sampler_arguments import _ArvizOnDemand; "
        "arviz = sys.modules['arviz'] = _ArvizOnDemand('arviz'); "
        "assert arviz.dict_to_dataset; assert sys.modules['arviz'] is arviz; assert 'matplotlib' not in sys.modules; "
        "assert arviz.plot_dist; assert sys.modules['arviz'] is not arviz"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
