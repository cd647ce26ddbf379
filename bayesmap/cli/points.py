"""What ``bayesmap flux-points`` and ``bayesmap light-curve`` do."""

from argparse import Namespace
from typing import Any

from bayesmap._util import make_path
from bayesmap.cli.commands import datasets_with_models, say

__all__ = ["flux_points", "light_curve"]


def flux_points(options: Namespace) -> None:
    """Sample fluxes in energy bands and write tables."""
    _points(options, "flux_points", [_energies(options.edges)])


def light_curve(options: Namespace) -> None:
    """Sample fluxes in intervals of time and write tables."""
    _points(options, "light_curve", [_times(options.times)], energy_edges=_energies(options.edges))


def _points(options: Namespace, function: str, arguments: list[Any], **settings: Any) -> None:
    folder = make_path(options.output)
    if (folder / "draws.nc").exists() and not options.overwrite:
        raise FileExistsError(f"{folder / 'draws.nc'} exists: give another folder with -o, or --overwrite")
    datasets = datasets_with_models(options)
    from bayesmap import products

    points = getattr(products, function)(
        datasets,
        *arguments,
        options.sources,
        options.prior,
        draws=options.draws,
        tune=options.tune,
        chains=options.chains,
        random_state=options.seed,
        sampler=options.sampler,
        progress_bar=not options.quiet,
        **settings,
    )
    for source in points:
        say(f"{source}:")
        table = points[source].to_table("e2dnde", formatted=True)
        say("\n".join(table.pformat(max_width=-1, max_lines=-1)) + "\n")
    for file in points.write(folder, overwrite=options.overwrite):
        say(f"Wrote {file}")


def _energies(text: str | None) -> Any:
    """Energies of a text such as "1,3,10 TeV"."""
    if text is None:
        return None
    from astropy.units import Quantity

    try:
        numbers, unit = text.split()
        return Quantity([float(number) for number in numbers.split(",")], unit)
    except ValueError:
        raise ValueError(f"--edges must be like '1,3,10 TeV', got {text!r}") from None


def _times(text: str | None) -> Any:
    """Times of a text such as "2006-07-29,2006-07-30"."""
    if text is None:
        return None
    from astropy.time import Time

    try:
        return Time(text.split(","))
    except ValueError:
        raise ValueError(f"--times must be like '2006-07-29,2006-07-30T12:00', got {text!r}") from None
