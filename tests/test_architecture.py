"""Imports point down: the layers of the package, read from the source; and importing stays light."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import bayesmap
from bayesmap import Map, MapAxis, MapDataset, WcsGeom

PACKAGE = Path(bayesmap.__file__).parent
BASE = {
    "units",
    "errors",
    "_backend",
    "_digits",
    "_downloads",
    "_files",
    "_garbage",
    "_html",
    "_lazy",
    "_together",
    "_types",
    "_util",
    "_yaml",
    "_zoo_entries",
}
#: what each part may import, besides itself; parts of one row do not see each other unless stated
ALLOWED = {
    "units": set(),
    "errors": set(),
    "_backend": {"_garbage"},
    "_cache": set(),
    "_digits": set(),
    "_downloads": {"_types", "_util"},
    "_files": set(),
    "_garbage": set(),
    "_html": set(),
    "_lazy": {"_garbage"},
    "_together": {"_files"},
    "_types": set(),
    "_util": {"_types"},
    "_yaml": {"_util", "errors", "units"},
    "_zoo_entries": {"_util", "_yaml"},
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
ALLOWED["checks"] = {*ALLOWED["inference"], "inference"}
ALLOWED["products"] = {*ALLOWED["checks"], "checks"}
ALLOWED["plot"] = {*ALLOWED["products"], "products"}
ALLOWED["report"] = {*ALLOWED["plot"], "plot"}
ALLOWED["studies"] = {*ALLOWED["report"], "report"}
ALLOWED["workspace"] = {*ALLOWED["report"], "report"}
ALLOWED["cli"] = {*ALLOWED["studies"], "studies", "workspace"}
ALLOWED["__main__"] = {"cli"}
#: methods that import what they hand over to in their last two statements: the one way around the order of modules.
#: Figures may be asked for so anywhere; these are the others, each of which would close a circle
FACADES = {
    "datasets.inferable": {"inference"},
    "datasets.map": {"datasets.region"},
    "datasets.parameter_draws": {"inference"},
    "irf.edisp_kernel": {"io.rmf"},
    "maps.axis_views": {"maps.axis_tables"},
    "maps.geom": {"maps.masks"},
    "maps.map": {"maps.fits", "maps.kinds", "maps.reduce"},
    "maps.map_axes": {"maps.axis_tables"},
    "maps.region": {"maps.region_fits"},
    "maps.wcs": {"maps.fits"},
    "modeling.collection": {"modeling.files.yaml", "modeling.files.zoo", "modeling.from_result"},
    "modeling.model": {"modeling.files.yaml"},
    "modeling.model_tools": {"modeling.covariance"},
    "modeling.priors.base": {"modeling.priors.from_posterior", "modeling.priors.pymc_variables"},
    "modeling.priors.collection": {"modeling.files.to_gammapy"},
    "modeling.priors.hyper": {"modeling.priors.base"},
    "modeling.sky": {"modeling.collection", "modeling.files.yaml", "modeling.selection"},
    "modeling.spatial.base": {"modeling.spatial.integrate"},
    "modeling.spectral.base": {"modeling.spectral.compound"},
}
#: loaded only by what needs them
HEAVY = ["matplotlib", "pymc", "nutpie", "numpyro", "jax", "dask", "regions", "arviz"]
#: parts of libraries that take a quarter of a second each
SLOW = [
    *(f"scipy.{part}" for part in ("interpolate", "linalg", "ndimage", "optimize", "sparse", "special", "stats")),
    *(f"astropy.{part}" for part in ("coordinates", "table", "wcs")),
]


def module_of(path):
    """Name of a module without ``bayesmap.`` in front; of a package its own."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"}


def part_of(module):
    return module.partition(".")[0]


def imported(node):
    """Names of the modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: imports are absolute"
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        is_module = [node.module == "bayesmap" or name.removeprefix("bayesmap.") in MODULES for name in names]
        return [name if own else node.module for name, own in zip(names, is_module, strict=True)]
    return []


def imports(tree, hints=True):
    """Yield module, line and innermost function of each import statement, also in functions; with those for types?"""

    def walk(node, function):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not hints:
            return
        for name in imported(node):
            yield name, node.lineno, function
        inner = node if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else function
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inner)

    yield from walk(tree, None)


def imports_of(module, hints=True):
    """Yield what a module imports of this package, line and function; names without ``bayesmap.`` in front."""
    for name, line, function in imports(ast.parse(MODULES[module].read_text()), hints):
        if name.startswith("bayesmap."):
            yield name.removeprefix("bayesmap."), line, function


def hands_over(function, line):
    """True if the import at ``line`` is the last but one statement of the function: import, hand over."""
    body = function.body if function else []
    return len(body) > 1 and isinstance(body[-2], ast.ImportFrom) and body[-2].lineno == line


def is_facade(module, name, line, function):
    return hands_over(function, line) and (part_of(name) == "plot" or name in FACADES.get(module, ()))


def points_down(module, name):
    return part_of(name) in ALLOWED[part_of(module)] | {part_of(module), "__version__"}


def plain_imports(module):
    """Modules that a module needs when it runs, but for its facades."""
    return {name for name, line, f in imports_of(module, hints=False) if not is_facade(module, name, line, f)}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    assert part_of(module) in ALLOWED, f"{part_of(module)!r} is in no layer: give it a row in ALLOWED"
    for name, line, function in imports_of(module):
        assert points_down(module, name) or is_facade(module, name, line, function), f"line {line} imports {name}"


@pytest.mark.parametrize("part", sorted({part_of(module) for module in MODULES}))
def test_no_circles(part):
    """Modules of one part have an order too; imports in functions count."""
    own = [module for module in MODULES if part_of(module) == part]
    needs = {module: {name for name in plain_imports(module) if part_of(name) == part} for module in own}
    try:
        graphlib.TopologicalSorter(needs).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_facades_are_needed():
    """Each of the list would point up or close a circle, and is there."""
    needs = {module: plain_imports(module) for module in MODULES}

    def reached(module, found):
        for name in needs.get(module, set()) - found:
            found.add(name)
            reached(name, found)
        return found

    for module, names in FACADES.items():
        there = {name for name, line, function in imports_of(module) if is_facade(module, name, line, function)}
        assert names <= there, module
        for name in names:
            assert not points_down(module, name) or module in reached(name, set()), f"{module} -> {name}"


def test_other_programs_are_not_imported():
    """Gammapy is an oracle for numbers, never a dependency; one function, asked for Gammapy's objects, makes them."""
    for module, path in MODULES.items():
        if module == "modeling.files.to_gammapy":
            continue
        names = {name.partition(".")[0] for name, _, _ in imports(ast.parse(path.read_text()))}
        assert not names & {"gammapy", "lsst"}, module


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
    modules = set(run.stdout.split("LOADED")[1].split())
    return run.stdout, modules & {*HEAVY, *SLOW, "astropy", "scipy", "pytensor", "numba", "xarray"}


def test_import_is_light():
    _, loaded = loaded_by("import bayesmap")
    assert not loaded


PARTS = ["maps", "irf", "images", "modeling", "likelihoods", "stats", "graph", "io", "datasets"]


@pytest.mark.parametrize("part", PARTS)
def test_subpackages_do_not_load_samplers_or_figures(part):
    _, loaded = loaded_by(f"import bayesmap.{part}")
    assert not loaded & set(HEAVY)


#: without these nothing about models can be said in less time
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
        (["study", "sbc", "absent.fits", "crab", "-o", "out"], set()),
    ],
)
def test_commands_that_answer_at_once(arguments, allowed):
    _, loaded = loaded_by("from bayesmap.cli.main import main; main()", *arguments)
    assert loaded <= allowed


def test_a_dataset_is_described_without_scipy(tmp_path):
    """Its geometry needs astropy's WCS, and this its coordinates and tables; the rest would cost as much again."""
    geom = WcsGeom.create(npix=(4, 3), binsz=1.0, axes=[MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)])
    counts, background = (Map.from_geom(geom, data=value) for value in (3.0, 2.0))
    MapDataset(counts=counts, background=background).write(tmp_path / "dataset.fits")
    output, loaded = loaded_by("from bayesmap.cli.main import main; main()", "info", str(tmp_path / "dataset.fits"))
    assert "Total counts" in output
    assert loaded <= {*LIGHT, "astropy.coordinates", "astropy.table", "astropy.wcs"}


def test_names_are_light():
    """PyTensor is loaded when a graph is made, SciPy's statistics when draws or rare priors are asked for."""
    code = "from bayesmap import FoVBackgroundModel, Models, Prior, SkyModel"
    _, loaded = loaded_by(f"{code}; SkyModel.create('pl', 'gauss'); print(Models.from_zoo('crab'))")
    assert loaded <= LIGHT
    code = "from bayesmap import Datasets, Map, MapDataset, Models"
    _, loaded = loaded_by(f"{code}; Models.from_zoo('crab').prior_table()")
    assert loaded <= {*LIGHT, "astropy.coordinates", "astropy.table", "astropy.wcs"}


def test_help_is_light():
    code = "from bayesmap.cli.main import main; sys.exit(main())"
    output, loaded = loaded_by(code, "--help")
    assert "demo" in output
    assert not loaded
