"""What Gammapy's public classes have and ours of the same name lack, by introspection.

``tests/reference/gammapy-2.1-api.json`` says what Gammapy has (written by the script beside it, in an environment that
has Gammapy). ``python -m tests.gammapy_gap --write`` writes the gap to the documentation.
"""

import functools
import importlib
import inspect
import json
import re
import sys
from pathlib import Path

from bayesmap._util import Absent

API = Path(__file__).parent / "reference" / "gammapy-2.1-api.json"
#: Gammapy's abstract classes whose members are those of its concrete ones
CONCRETE = {"Map": ("WcsNDMap", "RegionNDMap"), "Geom": ("WcsGeom", "RegionGeom")}
PAGE = Path(__file__).parents[1] / "docs" / "user-guide" / "gammapy-gap.md"
_FORMULA = "is a formula in internal units here; call the model, with quantities"
_PRIOR = "belongs to models; a prior is data here, with its numbers in `kwargs`"
_CHECKSUM = "is not there: a model file has no checksum"
#: why members and arguments differ, by `<class>.<member>` or `<class>.<member>()`; what is not here says it by itself
REASONS = (
    (r".*\.evaluate\(\)", _FORMULA),
    (r"MapDatasetMetaData\..*", "belongs to pydantic; metadata are a dataclass here"),
    (r"MapDatasetEventSampler\..*", "belongs to the simulation of observations, which stays out"),
    (r"Dataset\.copy", "stands in the classes of datasets"),
    (r"Prior\.to_dict\(\)", "writes all numbers always"),
    (r"Prior\..*", _PRIOR),
    (r"Map\.__init__\(\)", "is that of `WcsNDMap`, which has Gammapy's order"),
    (r"Geom\..*", "is for HEALPix pixels, which stay out"),
    (r"(LabelMapAxis|TimeMapAxis)\.(from_table|to_header)\(\)", "is that of `MapAxis`: name the format"),
    (
        r"(Map|WcsNDMap)\.(read|from_hdulist)\(\)",
        "names a column of HEALPix files, which stay out; arguments go by name",
    ),
    (r".*\.pad\(\)", "is not used by Gammapy"),
    (r".*\.(get_spectrum|to_region_nd_map)\(\)", "is the same function, `numpy.nansum`"),
    (r"MapAxes\.coord_to_idx\(\)", "says -1 outside, as geometries do, in place of the nearest bin"),
    (r"MapAxes\..*\(\)", "means the same"),
    (r"MapAxis\.__init__\(\)", "makes periodic axes, which stay out"),
    (r"TimeMapAxis\..*\(\)", "intervals are not interpolated; set the name with `copy`"),
    (r"RegionGeom\.(from|to)_hdulist\(\)", "is that of maps; for OGIP files use `RegionNDMap`"),
    (r"RegionNDMap\.(get|set)_by_idx\(\)", "has the names of `WcsNDMap`: `idx`, `vals`"),
    (r"WcsGeom\.__init__\(\)", "makes pixels of a size per energy, which stay out"),
    (r"WcsNDMap\.to_hdu(list)?\(\)", "writes sparse images, which stay out"),
    (r"WcsNDMap\.binary_.*\(\)", "is a choice of algorithm"),
    (r"EDispKernel\.__init__\(\)", "belongs to tables of DL3, which stay out"),
    (r"EDispKernel\.(to_hdulist|write)\(\)", "writes who made a file, which stays out"),
    (r"Datasets\.(read|write)\(\)", "is asked for: checksums of large files take time"),
    (r"(Datasets|Models)\.(insert|index)\(\)", "has the names of Python's sequences"),
    (r"Parameters\.index\(\)", "has the names of Python's sequences"),
    (r".*Dataset.*\.__init__\(\)", "is chosen by `dataset.likelihood`"),
    (r".*OnOff\.from_hdulist\(\)", "has one layout; name the arguments"),
    (r"SpectrumDataset\.create\(\)", "is that of `MapDataset`: name the arguments"),
    (r"Covariance\.__init__\(\)", "is a result: names, units and numbers"),
    (r"Parameter\.__init__\(\)", "are attributes: set them after the parameter is made"),
    (r".*SpectralModel\.spectral_index\(\)", "is the exact derivative by default"),
    (r".*\.read_builtin\(\)", "chooses an interpolation, which is fixed"),
    (r"FoVBackgroundModel\.__init__\(\)", "is an attribute: set `covariance`"),
    (r"TemplateNPredModel\.__init__\(\)", "stays out: maps are shared, and a factor on the sky is a spatial model"),
    (r".*\.(un)?freeze\(\)", "freezes all parts by default, as for `SkyModel`"),
    (r".*\.integral\(\)", "is exact, or nearly so"),
    (r"LightCurveTemplateTemporalModel\..*\(\)", "is a curve of a table; one that depends on energy stays out"),
    (r"Models\.__init__\(\)", "adds terms to the statistic of Fit, which stays out: give the parameters priors"),
    (r"Models\.copy\(\)", "is not there: maps of templates are shared, as nobody changes them"),
    (r"Models\.(read|from_yaml)\(\)", _CHECKSUM),
    (r"Models\.from_dict\(\)", "is not there: templates are looked for in the working directory"),
    (
        r"Models\.(to_dict|to_yaml|write)\(\)",
        "is asked for: `write(write_templates=True)`, without covariance and checksum",
    ),
    (r"TemplateSpatialModel\.write\(\)", "is an attribute: set `filename`"),
    (r"EventList\.__init__\(\)", "is a form of metadata: keywords are in `table.meta`; intervals come second here"),
)
#: text of a default that counts as equal: Gammapy's, ours
SAME_DEFAULTS = {("<Quantity", "'"), ("None", "()"), ("<_ArrayFunctionDispatcher>", "<function>")}


def gammapy_api():
    """Return ``{module: {name: {member: arguments or None}}}``, None for what is no class."""
    modules = json.loads(API.read_text())["modules"]
    flat = {name: entry for content in modules.values() for name, entry in content.items()}

    def members(name):
        entry = flat[name]
        return (members(entry["base"]) if "base" in entry else {}) | entry["members"]

    return {
        module: {name: members(name) if "members" in entry else None for name, entry in content.items()}
        for module, content in modules.items()
    }


def ours(module):
    """Our module of the same name."""
    return importlib.import_module(module.replace("gammapy", "bayesmap"))


@functools.cache
def attributes(cls):
    """Names of the members of a class and of the attributes that its instances get."""
    names = set(dir(cls))
    for base in cls.__mro__[:-1]:
        names |= set(getattr(base, "__annotations__", {}))
        try:
            names |= set(re.findall(r"self\.(\w+)(?:, self\.\w+)*(?:: [^=\n]+)? = ", inspect.getsource(base)))
            names |= {
                n
                for pair in re.findall(r"(self\.\w+(?:, self\.\w+)+) = ", inspect.getsource(base))
                for n in re.findall(r"self\.(\w+)", pair)
            }
        except (OSError, TypeError):
            continue
    return names


def is_absent(cls, name):
    """Why a member stays out, as its descriptor says; empty if it is none."""
    value = inspect.getattr_static(cls, name, None)
    return value.reason if isinstance(value, Absent) else ""


def arguments(text):
    """``{name: default or None}`` of a list of arguments as the file has it."""
    result = {}
    depth, start, parts = 0, 0, []
    for position, letter in enumerate(text):
        depth += (letter in "([{<") - (letter in ")]}>")
        if letter == "," and depth == 0:
            parts.append(text[start:position])
            start = position + 1
    for part in [*parts, text[start:]] if text else []:
        name, equals, default = part.strip().partition("=")
        result[name] = default if equals else None
    return result


def own_arguments(cls, name):
    """Arguments of a method of ours; None if it is none."""
    value = inspect.getattr_static(cls, name, None)
    value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
    if not inspect.isfunction(value):
        return None
    prefix = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    return {
        prefix.get(p.kind, "") + p.name: None if p.default is p.empty else default_text(p.default)
        for p in inspect.signature(value).parameters.values()
        if p.name not in ("self", "cls")
    }


def default_text(value):
    """A default as the file has it."""
    written = repr(value)
    return f"<{type(value).__name__}>" if " at 0x" in written else written


def compare_arguments(theirs, mine):
    """Return what differs between two lists of arguments, as text; empty if calls of Gammapy work."""
    named = [name for name in theirs if not name.startswith("*")]
    has_kwargs, has_args = any(n.startswith("**") for n in mine), any(re.match(r"\*\w", n) for n in mine)
    missing = [name for name in named if name not in mine and not (has_kwargs or has_args)]
    notes = [f"no argument {', '.join(missing)}"] if missing else []
    common = [name for name in named if name in mine]
    order = [name for name in mine if name in common]
    first = [n for n in mine if not n.startswith("*")][: len(common)]
    if not has_args and (order != common or (first != common and not missing)):
        notes.append(f"order {', '.join(first)} instead of {', '.join(common)}")
    for name in common:
        pair = (theirs[name], mine[name])
        if pair[0] is not None and pair[0] != pair[1] and not same_default(*pair):
            notes.append(f"{name}={pair[1] or ''} instead of {pair[0]}")
    return notes


def same_default(theirs, mine):
    """Whether two defaults written differently mean the same."""
    if mine is None:
        return False
    plain = [re.sub(r"[<>'()]|Quantity|\.(?=\s|$)", "", t).strip() for t in (theirs, mine)]
    try:
        return float(plain[0]) == float(plain[1])
    except ValueError:
        return plain[0] == plain[1] or any(theirs.startswith(a) and mine.startswith(b) for a, b in SAME_DEFAULTS)


@functools.cache
def gap():
    """Return ``{module: {"names": [...], "members": {class: [...]}, "arguments": {class.member: [...]}}}``."""
    result = {}
    for module, content in gammapy_api().items():
        mine = ours(module)
        entry = {"names": {}, "members": {}, "arguments": {}}
        for name, members in content.items():
            try:
                cls = getattr(mine, name)
            except AttributeError as error:
                entry["names"][name] = str(error).removeprefix(f"{name} of Gammapy ").partition("; see the user")[0]
                continue
            if members is None or not inspect.isclass(cls):
                continue
            classes = [getattr(mine, n) for n in CONCRETE.get(name, (name,))]
            missing = {}
            for member in members:
                lacking = [c for c in classes if member not in attributes(c) or is_absent(c, member)]
                if lacking:
                    missing[member] = next((r for c in lacking if (r := is_absent(c, member))), "")
            if missing:
                entry["members"][name] = missing
            for member, text in members.items():
                own = own_arguments(classes[0], member)
                if text is not None and own is not None and (notes := compare_arguments(arguments(text), own)):
                    entry["arguments"][f"{name}.{member}"] = notes
        result[module] = entry
    return result


def reason_for(what):
    """The first reason whose pattern fits to ``<class>.<member>``; empty if there is none."""
    return next((reason for pattern, reason in REASONS if re.fullmatch(pattern, what)), "")


def rows():
    """Return ``{module: [(what, where, why)]}``: names, members and arguments that differ, each with its reason."""
    result = {}
    for module, entry in gap().items():
        lines = [(f"`{name}`", "", reason) for name, reason in entry["names"].items()]
        members, args = {}, {}
        for name, missing in entry["members"].items():
            for member, reason in missing.items():
                key = (member, reason or reason_for(f"{name}.{member}"))
                members.setdefault(key, []).append(name)
        for key, notes in entry["arguments"].items():
            name, _, member = key.partition(".")
            args.setdefault((member, "; ".join(notes), reason_for(f"{key}()")), []).append(name)
        lines += [(f"`.{member}`", where(names), reason) for (member, reason), names in members.items()]
        lines += [(f"`.{m}()`: {notes}", where(names), reason) for (m, notes, reason), names in args.items()]
        result[module] = lines
    return result


def where(names):
    """Names of classes, abbreviated where there are many."""
    shown = [f"`{name}`" for name in names[:4]]
    return ", ".join(shown) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def page():
    """The page of the documentation."""
    version = json.loads(API.read_text())["gammapy"]
    lines = [
        "# What Gammapy has and bayesmap has not",
        "",
        f"Names, members and arguments of public classes of Gammapy {version} that the class of the same name lacks",
        "here, or has with another default or order, and why. `python -m tests.gammapy_gap --write` makes the page.",
        "Access to a name or member that stays out fails with the sentence that stands here.",
    ]
    for module, content in rows().items():
        if content:
            lines += ["", f"## {module}", "", "| What | Where | It |", "| --- | --- | --- |"]
            lines += [f"| {what} | {names} | {reason} |" for what, names, reason in content]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(page())
    else:
        sys.stdout.write(page())
