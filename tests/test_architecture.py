"""Imports point down: the layers of the package, read from the source; and importing stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bayesmap

PACKAGE = Path(bayesmap.__file__).parent
BASE = {"units", "errors", "_files", "_lazy", "_together", "_util", "_numba", "_yaml", "_zoo_entries"}
#: what each part may import, besides itself; parts of one row do not see each other unless stated
ALLOWED = {
    "units": set(),
    "errors": set(),
    "_cache": set(),
    "_files": set(),
    "_lazy": set(),
    "_together": {"_files"},
    "_util": set(),
    "_yaml": {"_util", "errors", "units"},
    "_zoo_entries": {"_util", "_yaml"},
    "_numba": set(),
    "stats": BASE,
    "maps": BASE,
}
ALLOWED["irf"] = ALLOWED["images"] = ALLOWED["modeling"] = {*BASE, "maps"}
ALLOWED["likelihoods"] = {*BASE, "maps", "stats"}
ALLOWED["data"] = {*BASE, "maps", "irf"}
ALLOWED["graph"] = ALLOWED["io"] = {*BASE, "maps", "irf", "images", "modeling", "likelihoods", "stats", "data"}
ALLOWED["estimators"] = {*ALLOWED["io"], "io"}
ALLOWED["datasets"] = {*ALLOWED["graph"], "graph", "io", "estimators"}
ALLOWED["inference"] = {*ALLOWED["datasets"], "datasets"}
ALLOWED["plot"] = {*ALLOWED["inference"], "inference"}
ALLOWED["report"] = {*ALLOWED["plot"], "plot"}
ALLOWED["studies"] = {*ALLOWED["report"], "report"}
ALLOWED["cli"] = {*ALLOWED["studies"], "studies"}
ALLOWED["__main__"] = {"cli"}
#: a method of a lower part may hand over to these in its last two lines
FACADE_TARGETS = {"plot", "inference", "io"}
#: loaded only by what needs them
HEAVY = ["matplotlib", "pymc", "nutpie", "numpyro", "jax", "dask", "regions", "arviz"]


def part_of(path):
    """First part of the module name below ``bayesmap``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def sources():
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def imported(node):
    """Names of the modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: imports are absolute"
        if node.module == "bayesmap":
            return [f"bayesmap.{alias.name}" for alias in node.names]
        return [node.module]
    return []


def imports(tree):
    """Yield module, line and innermost function of each import statement."""

    def walk(node, function):
        for name in imported(node):
            yield name, node.lineno, function
        inner = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inner)

    yield from walk(tree, None)


def is_facade(function, line):
    """True if the import at ``line`` is the last but one statement of the function: import, hand over."""
    body = function.body if function else []
    return len(body) > 1 and isinstance(body[-2], ast.ImportFrom) and body[-2].lineno == line


def upward_imports(path):
    here = part_of(path)
    assert here in ALLOWED, f"{here!r} is in no layer: give it a row in ALLOWED"
    for name, line, function in imports(ast.parse(path.read_text())):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0]
        if top != "bayesmap" or target in ALLOWED[here] | {here, "__version__"}:
            continue
        if target in FACADE_TARGETS and is_facade(function, line):
            continue
        yield f"{path.relative_to(PACKAGE.parent)}:{line} imports {name}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path):
    assert not list(upward_imports(path))


def test_rows_are_acyclic():
    def below(part, seen=()):
        assert part not in seen, f"{part} reaches itself by {seen}"
        for lower in ALLOWED[part]:
            below(lower, (*seen, part)) if lower not in BASE else None

    for part in ALLOWED:
        below(part)


def test_other_programs_are_not_imported():
    """Gammapy is an oracle for numbers, never a dependency; one function, asked for Gammapy's objects, makes them."""
    for path in sources():
        if path == PACKAGE / "modeling" / "files" / "to_gammapy.py":
            continue
        names = {name.partition(".")[0] for name, _, _ in imports(ast.parse(path.read_text()))}
        assert not names & {"gammapy", "lsst"}, path


def test_graph_has_no_quantities():
    """Expressions are float64 in internal units; quantities stop before the graph."""
    for path in sorted((PACKAGE / "graph" / "ops").glob("*.py")):
        names = {name.partition(".")[0] for name, _, _ in imports(ast.parse(path.read_text()))}
        assert "astropy" not in names, path


#: "file: expression" that may compare what a model or parameter is called
NAMES_ALLOWED: set[str] = set()


def decisions_by_name(tree, names):
    """Yield the expressions that ask what something is called, not what it declares: by tag or by parameter name."""

    def is_name(node):
        return getattr(node, "attr", getattr(node, "id", "")) in ("tag", "name", "parameter_names")

    def is_list_of_words(node):
        return isinstance(node, ast.Name) and node.id.isupper()

    def words(node):
        return {c.value for c in ast.walk(node) if isinstance(c, ast.Constant) and isinstance(c.value, str)}

    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "tag":
            yield ast.unparse(node)
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            asked = any(is_name(s) for s in sides) and any(words(s) or is_list_of_words(s) for s in sides)
            if asked:
                yield ast.unparse(node)
        if isinstance(node, ast.Call):
            method = getattr(node.func, "attr", "")
            if method in ("startswith", "endswith") and is_name(node.func.value):
                yield ast.unparse(node)
            if getattr(node.func, "id", "") in ("hasattr", "getattr") and words(node.args[1]) & names:
                yield ast.unparse(node)
        if (
            isinstance(node, ast.Subscript)
            and is_name(node.slice)
            and (is_list_of_words(node.value) or words(node.value))
        ):
            yield ast.unparse(node)


def test_nothing_is_decided_by_names():
    """Routes and priors go by what models declare, so that a user's model is treated as ours are."""
    from bayesmap.modeling.model import KINDS, model_classes

    names = {name for kind in KINDS for cls in model_classes(kind) for name in cls.default_parameters.names}
    found = {
        f"{path.relative_to(PACKAGE).as_posix()}: {expression}"
        for part in ("graph", "inference")
        for path in sorted((PACKAGE / part).rglob("*.py"))
        for expression in decisions_by_name(ast.parse(path.read_text()), names)
    }
    assert found == NAMES_ALLOWED


def test_subpackage_files_hold_imports_only():
    for path in PACKAGE.rglob("__init__.py"):
        if path == PACKAGE / "__init__.py":
            continue
        for node in ast.parse(path.read_text()).body:
            is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            is_doc = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            is_lazy = isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("lazy_names(")
            is_hint = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            is_import = isinstance(node, ast.ImportFrom | ast.Import)
            assert is_all or is_doc or is_lazy or is_hint or is_import, f"{path}:{node.lineno}"


def loaded_by(code, *arguments):
    """Heavy modules in `sys.modules` after running ``code`` in a new interpreter."""
    script = f"import sys\ntry:\n    {code}\nfinally:\n    print('LOADED', *sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    modules = {name.partition(".")[0] for name in run.stdout.split("LOADED")[1].split()}
    return run.stdout, modules & {*HEAVY, "astropy", "scipy", "pytensor", "numba", "xarray"}


def test_import_is_light():
    _, loaded = loaded_by("import bayesmap")
    assert not loaded


@pytest.mark.parametrize("part", ["maps", "irf", "modeling", "likelihoods", "stats", "graph", "io", "datasets"])
def test_subpackages_do_not_load_samplers_or_figures(part):
    _, loaded = loaded_by(f"import bayesmap.{part}")
    assert not loaded & set(HEAVY)


#: without these nothing about models and files can be said in less time
LIGHT = {"astropy", "scipy"}


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        (["models", "list"], set()),
        (["models", "show", "crab"], LIGHT),
        (["info", "models/crab.yaml"], LIGHT),
        (["fit", "absent.fits", "crab", "-o", "out"], set()),
        (["fit", "README.md", "crap", "-o", "out"], set()),
        (["models", "check", "crap"], set()),
    ],
)
def test_commands_that_answer_at_once(arguments, allowed):
    _, loaded = loaded_by("from bayesmap.cli.main import main; main()", *arguments)
    assert loaded <= allowed


def test_names_are_light():
    """PyTensor is loaded when a graph is made."""
    code = "from bayesmap import Datasets, FoVBackgroundModel, Map, MapDataset, Models, Prior, SkyModel"
    _, loaded = loaded_by(f"{code}; SkyModel.create('pl', 'gauss'); Models.from_zoo('crab').prior_table()")
    assert loaded <= LIGHT


def test_help_is_light():
    code = "from bayesmap.cli.main import main; sys.exit(main())"
    output, loaded = loaded_by(code, "--help")
    assert "demo" in output
    assert not loaded
