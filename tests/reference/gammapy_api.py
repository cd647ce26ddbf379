"""Write the names, members and arguments of Gammapy's public classes to ``gammapy-2.1-api.json``.

Run in an environment that has Gammapy (not bayesmap): ``python tests/reference/gammapy_api.py``.
`tests/test_gammapy_api.py` compares the classes of bayesmap with it, and with ``docs/user-guide/gammapy-gap.md``.
"""

import importlib
import inspect
import json
import sys
from pathlib import Path

MODULES = (
    "gammapy.maps",
    "gammapy.irf",
    "gammapy.datasets",
    "gammapy.modeling",
    "gammapy.modeling.models",
    "gammapy.estimators",
    "gammapy.data",
    "gammapy.stats",
)


def signature(function):
    """Names of the arguments with their defaults as text; None where there is none."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    result = []
    for parameter in parameters:
        if parameter.name in ("self", "cls"):
            continue
        name = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "") + parameter.name
        default = "" if parameter.default is parameter.empty else "=" + text(parameter.default)
        result.append(name + default)
    return ", ".join(result)


def text(value):
    """A default as text; long ones by their type."""
    written = repr(value)
    return written if len(written) < 60 and " at 0x" not in written else f"<{type(value).__name__}>"


def members(cls):
    """Public members with the arguments of the methods."""
    result = {}
    for name in ["__init__", *sorted(dir(cls))]:
        if name.startswith("_") and name != "__init__":
            continue
        value = inspect.getattr_static(cls, name, None)
        value = value.__func__ if isinstance(value, classmethod | staticmethod) else value
        result[name] = signature(value) if inspect.isfunction(value) else None
    return result


def own_members(cls, public):
    """Members that differ from those of the first public base class, whose name comes first."""
    base = next((b for b in cls.__mro__[1:] if b.__name__ in public and public[b.__name__] is b), None)
    own = members(cls)
    if base is None:
        return {"members": own}
    inherited = members(base)
    return {"base": base.__name__, "members": {k: v for k, v in own.items() if k not in inherited or inherited[k] != v}}


def main():
    """Collect and write."""
    import gammapy

    objects = {}
    for name in MODULES:
        module = importlib.import_module(name)
        objects[name] = {key: getattr(module, key) for key in module.__all__}
    public = {key: value for module in objects.values() for key, value in module.items() if inspect.isclass(value)}
    api = {
        module: {
            key: own_members(value, public)
            if inspect.isclass(value)
            else {"function": signature(value)}
            if callable(value)
            else {}
            for key, value in sorted(content.items())
        }
        for module, content in objects.items()
    }
    target = Path(__file__).with_name("gammapy-2.1-api.json")
    target.write_text(json.dumps({"gammapy": gammapy.__version__, "modules": api}, indent=0) + "\n")
    sys.stderr.write(f"{target}: {len(api)} modules\n")


if __name__ == "__main__":
    main()
