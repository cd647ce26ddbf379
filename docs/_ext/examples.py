"""Examples of the models that cannot be made without arguments, for the gallery."""

import astropy.units as u
import numpy as np
from astropy.table import Table

from bayesmap.maps import Map, MapAxis, RegionNDMap, WcsGeom
from bayesmap.modeling import models as m

ENERGY = np.geomspace(0.1, 100, 25) * u.TeV


def image(axes=None, width=2.0):
    """Two blobs, as a map in sr-1 or, with axes, whatever it is multiplied with."""
    geom = WcsGeom.create(skydir=(0, 0), width=width, binsz=0.05, axes=axes)
    coords = geom.to_image().get_coord()
    lon, lat = (coords[name].to_value("deg") for name in ("lon", "lat"))
    lon = np.where(lon > 180, lon - 360, lon)
    blobs = sum(
        np.exp(-0.5 * ((lon - x) ** 2 + (lat - y) ** 2) / s**2) for x, y, s in ((0.3, 0.2, 0.2), (-0.3, -0.3, 0.3))
    )
    return geom, blobs + 1e-3


def template():
    geom, blobs = image()
    return m.TemplateSpatialModel(Map.from_geom(geom, data=blobs, unit="sr-1"))


def template_nd_spatial():
    axis = MapAxis.from_nodes([0.5, 1.0, 2.0], name="width", unit="")
    geom, blobs = image([axis])
    data = blobs ** (1 / axis.center.value[:, None, None])
    return m.TemplateNDSpatialModel(Map.from_geom(geom, data=data, unit="sr-1"))


def template_nd_spectral():
    axis = MapAxis.from_nodes([1.5, 2.0, 2.5, 3.0], name="hardness", unit="")
    energy = MapAxis.from_nodes(ENERGY, name="energy_true", interp="log")
    flux = 1e-12 * (ENERGY.value) ** -axis.center.value[:, None]
    new = RegionNDMap.create(region=None, axes=[energy, axis], unit="cm-2 s-1 TeV-1")
    new.data = flux[:, :, None, None]
    return m.TemplateNDSpectralModel(new)


def ebl():
    """A made-up optical depth, proportional to redshift and energy."""
    redshift = [0.0, 0.1, 0.2]
    data = np.exp(-5 * np.array(redshift)[:, None] * ENERGY.value**0.7)
    return m.EBLAbsorptionNormSpectralModel(ENERGY, redshift, np.maximum(data, 1e-30))


def piecewise_spatial():
    lon, lat = np.meshgrid(np.linspace(-3, 3, 9), np.linspace(-3, 3, 9))
    norms = 1 + 0.5 * np.sin(2 * lon.ravel()) * np.cos(2 * lat.ravel())
    return m.PiecewiseNormSpatialModel({"lon": lon.ravel() * u.deg, "lat": lat.ravel() * u.deg}, norms=norms)


def light_curve():
    time = np.linspace(0, 10, 21)
    table = Table({"TIME": time * u.d, "NORM": 1 + 0.5 * np.sin(time)})
    table.meta = {"MJDREFI": 59000, "MJDREFF": 0.0, "TIMESYS": "utc", "TIMEUNIT": "d"}
    return m.LightCurveTemplateTemporalModel(table)


def phase_curve():
    phase = np.linspace(0, 1, 41)
    table = Table({"PHASE": phase, "NORM": 0.2 + np.exp(-0.5 * ((phase - 0.4) / 0.05) ** 2)})
    return m.TemplatePhaseCurveTemporalModel(table, f0="0.4 d-1", t_ref="59000 d")


EXAMPLES = {
    "CompoundSpectralModel": lambda: (
        m.PowerLawSpectralModel() * m.PiecewiseNormSpectralModel([0.1, 3, 100] * u.TeV, norms=[0.7, 1.3, 0.6])
    ),
    "EBLAbsorptionNormSpectralModel": ebl,
    "PiecewiseNormSpectralModel": lambda: m.PiecewiseNormSpectralModel(
        [0.1, 1, 10, 100] * u.TeV, norms=[0.8, 1.2, 1.0, 0.6]
    ),
    "StepNormSpectralModel": lambda: m.StepNormSpectralModel([0.1, 1, 10, 100] * u.TeV, norms=[0.8, 1.2, 0.6]),
    "ScaleSpectralModel": lambda: m.ScaleSpectralModel(m.LogParabolaSpectralModel(beta=0.2)),
    "TemplateNDSpectralModel": template_nd_spectral,
    "TemplateSpectralModel": lambda: m.TemplateSpectralModel(
        ENERGY, 1e-12 * ENERGY.value**-2 * np.exp(-ENERGY.value / 20) * u.Unit("cm-2 s-1 TeV-1")
    ),
    "PiecewiseNormSpatialModel": piecewise_spatial,
    "TemplateNDSpatialModel": template_nd_spatial,
    "TemplateSpatialModel": template,
    "LightCurveTemplateTemporalModel": light_curve,
    "TemplatePhaseCurveTemporalModel": phase_curve,
    "GaussianSpectralModel": lambda: m.GaussianSpectralModel(mean="5 TeV", sigma="1 TeV"),
    "LogParabolaSpectralModel": lambda: m.LogParabolaSpectralModel(reference="1 TeV", beta=0.2),
    "GaussianSpatialModel": lambda: m.GaussianSpatialModel(sigma="0.3 deg", e=0.8, phi="30 deg"),
    "SersicSpatialModel": lambda: m.SersicSpatialModel(r_eff="0.3 deg", n=1.5, q=0.5, phi="30 deg"),
    "ExponentialSpatialModel": lambda: m.ExponentialSpatialModel(r_eff="0.3 deg", q=0.5, phi="30 deg"),
    "DeVaucouleursSpatialModel": lambda: m.DeVaucouleursSpatialModel(r_eff="0.1 deg", q=0.5, phi="30 deg"),
    "DiskSpatialModel": lambda: m.DiskSpatialModel(r_0="0.6 deg", e=0.7, phi="30 deg", edge_width=0.1),
    "GeneralizedGaussianSpatialModel": lambda: m.GeneralizedGaussianSpatialModel(r_0="0.4 deg", eta=0.9),
    "BrokenPowerLawSpectralModel": lambda: m.BrokenPowerLawSpectralModel(index1=1.5, index2=2.5, ebreak="3 TeV"),
    "SmoothBrokenPowerLawSpectralModel": lambda: m.SmoothBrokenPowerLawSpectralModel(
        index1=1.5, index2=2.5, ebreak="3 TeV", beta=0.5
    ),
    "PowerLawSpectralModel": lambda: m.PowerLawSpectralModel(index=2.3),
    "PowerLaw2SpectralModel": lambda: m.PowerLaw2SpectralModel(index=2.3),
    "PowerLawNormSpectralModel": lambda: m.PowerLawNormSpectralModel(tilt=0.1),
    "LogParabolaNormSpectralModel": lambda: m.LogParabolaNormSpectralModel(alpha=0.1, beta=0.05),
    "ExpDecayTemporalModel": lambda: m.ExpDecayTemporalModel(t0="2 d", t_ref="59000 d"),
    "GaussianTemporalModel": lambda: m.GaussianTemporalModel(t_ref="59004 d", sigma="1 d"),
    "GeneralizedGaussianTemporalModel": lambda: m.GeneralizedGaussianTemporalModel(
        t_ref="59004 d", t_rise="1 d", t_decay="2 d"
    ),
    "PowerLawTemporalModel": lambda: m.PowerLawTemporalModel(alpha=-0.8, t_ref="58999 d"),
    "SineTemporalModel": lambda: m.SineTemporalModel(amp=0.5, omega="2 rad/d", t_ref="59000 d"),
    "LinearTemporalModel": lambda: m.LinearTemporalModel(alpha=1, beta="0.05 d-1", t_ref="59000 d"),
}


def example(cls):
    """A model of a class, with its defaults where that makes a picture."""
    return EXAMPLES.get(cls.__name__, cls)()
