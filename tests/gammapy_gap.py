"""What Gammapy's public classes have and ours of the same name lack, by introspection.

``tests/reference/gammapy-2.1-api.json`` says what Gammapy has (written by the script beside it, in an environment that
has Gammapy). ``python -m tests.gammapy_gap --write`` writes the gap to the documentation.
"""

import importlib
import inspect
import json
import re
from pathlib import Path

API = Path(__file__).parent / "reference" / "gammapy-2.1-api.json"
#: Gammapy's abstract classes whose members are those of its concrete ones
CONCRETE = {"Map": ("WcsNDMap", "RegionNDMap"), "Geom": ("WcsGeom", "RegionGeom")}
#: text of a default that counts as equal: Gammapy's, ours
SAME_DEFAULTS = {("<Quantity", "'"), ("None", "()")}


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


def attributes(cls):
    """Names of the members of a class and of the attributes that its instances get."""
    names = set(dir(cls))
    for base in cls.__mro__[:-1]:
        names |= set(getattr(base, "__annotations__", {}))
        try:
            names |= set(re.findall(r"self\.(\w+)(?:, self\.\w+)* = ", inspect.getsource(base)))
            names |= {
                n
                for pair in re.findall(r"(self\.\w+(?:, self\.\w+)+) = ", inspect.getsource(base))
                for n in re.findall(r"self\.(\w+)", pair)
            }
        except (OSError, TypeError):
            continue
    return names


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
        prefix.get(p.kind, "") + p.name: None if p.default is p.empty else repr(p.default)
        for p in inspect.signature(value).parameters.values()
        if p.name not in ("self", "cls")
    }


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


def gap():
    """Return ``{module: {"names": [...], "members": {class: [...]}, "arguments": {class.member: [...]}}}``."""
    result = {}
    for module, content in gammapy_api().items():
        mine = ours(module)
        entry = {"names": [], "members": {}, "arguments": {}}
        for name, members in content.items():
            try:
                cls = getattr(mine, name)
            except AttributeError:
                entry["names"].append(name)
                continue
            if members is None or not inspect.isclass(cls):
                continue
            classes = [getattr(mine, n) for n in CONCRETE.get(name, (name,))]
            missing = [m for m in members if any(m not in attributes(c) for c in classes)]
            if missing:
                entry["members"][name] = missing
            for member, text in members.items():
                own = own_arguments(classes[0], member)
                if text is not None and own is not None and (notes := compare_arguments(arguments(text), own)):
                    entry["arguments"][f"{name}.{member}"] = notes
        result[module] = entry
    return result


def grouped(entry):
    """The differences of arguments by what they are: ``{(member, notes): [classes]}``."""
    groups = {}
    for key, notes in entry.items():
        name, _, member = key.partition(".")
        groups.setdefault((member, "; ".join(notes)), []).append(name)
    return groups


def text():
    """The gap as lines."""
    lines = []
    for module, entry in gap().items():
        lines += [f"{module}", f"  names: {', '.join(entry['names'])}"]
        members = {}
        for name, missing in entry["members"].items():
            for member in missing:
                members.setdefault(member, []).append(name)
        lines += [f"  .{member}: {', '.join(names)}" for member, names in members.items()]
        lines += [f"  {m}(): {note}: {', '.join(names)}" for (m, note), names in grouped(entry["arguments"]).items()]
    return "\n".join(lines)


if __name__ == "__main__":
    print(text())  # noqa: T201
