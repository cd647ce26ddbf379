"""Small files of every format that is read, and the readers that meet their damaged copies."""

import contextlib
import hashlib
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import Table
from regions import CircleSkyRegion

from bayesmap.data import EventList
from bayesmap.datasets import (
    Datasets,
    FluxPointsDataset,
    ImageDataset,
    MapDataset,
    MapDatasetOnOff,
    SpectrumDataset,
    SpectrumDatasetOnOff,
)
from bayesmap.estimators import FluxPoints
from bayesmap.images import (
    Box,
    CellCoadd,
    CellGrid,
    CellGridBounds,
    CellIJ,
    CellPointSpreadFunction,
    CoaddProvenance,
    FitsCompressionOptions,
    GeneralFrame,
    Image,
    MaskedImage,
    MaskPlane,
    MaskSchema,
    PatchDefinition,
    Polygon,
    Projection,
    TractFrame,
)
from bayesmap.io import write_components, write_ogip
from bayesmap.io.ogip_tables import CHECKSUMS
from bayesmap.irf import GTI, EDispKernelMap, EDispMap, PSFMap, RecoPSFMap
from bayesmap.likelihoods import GaussianLikelihood, StudentTLikelihood
from bayesmap.maps import Map, MapAxis, RegionGeom, WcsGeom
from bayesmap.modeling import Models, PointSpatialModel, PowerLawSpectralModel, SkyModel
from bayesmap.modeling.models import (
    EBLAbsorptionNormSpectralModel,
    LightCurveTemplateTemporalModel,
    TemplateNDSpatialModel,
    TemplateNDSpectralModel,
    TemplateNPredModel,
    TemplatePhaseCurveTemporalModel,
    TemplateSpatialModel,
    TemplateSpectralModel,
)
from bayesmap.workspace import Workspace

__all__ = ["SAMPLES", "Sample"]

ENERGY = MapAxis.from_energy_bounds("1 TeV", "10 TeV", nbin=2)
TRUE = MapAxis.from_energy_bounds("0.5 TeV", "20 TeV", nbin=2, name="energy_true")
IMAGE = WcsGeom.create(skydir=(83.6, 22.0), npix=(3, 2), binsz=0.1, proj="TAN")
REGION = CircleSkyRegion(SkyCoord(83.63, 22.01, unit="deg"), 0.11 * u.deg)


@dataclass(frozen=True)
class Sample:
    """Files that belong together, and what reads them.

    Parameters
    ----------
    format : str
        Row of the table of results.
    write : callable
        Function of a folder that writes the files.
    read : callable
        Function of the path of the first file.
    files : tuple of str
        Names of the files that are damaged, the one that is read first.
    """

    format: str
    write: Callable[[Path], Any]
    read: Callable[[Path], Any]
    files: tuple[str, ...]


def _ones(geom: Any, unit: str = "", value: float = 1.0) -> Map:
    return Map.from_geom(geom, data=np.full(geom.data_shape, value), unit=unit)


def _counted(image: Any) -> dict[str, Any]:
    geom, true = image.to_cube([ENERGY]), image.to_cube([TRUE])
    exposure = Map.from_geom(true, data=np.full(true.data_shape, 2.0), unit="m2 s", meta={"livetime": 3.5 * u.h})
    safe = Map.from_geom(geom, data=np.ones(geom.data_shape, dtype=bool), unit="")
    return {"name": "tiny", "counts": _ones(geom), "exposure": exposure, "mask_safe": safe}


def _side() -> dict[str, Any]:
    return {
        "gti": GTI.create([0, 100] * u.s, [50, 200] * u.s),
        "meta_table": Table({"OBS_ID": [7], "TELESCOP": ["HESS"]}),
        "meta": {"instrument": "H.E.S.S."},
    }


def _responses(image: Any) -> dict[str, Any]:
    return {
        "psf": PSFMap.from_gauss(TRUE, sigma="0.1 deg", geom=image, rad_axis=_rad()),
        "edisp": EDispKernelMap.from_gauss(ENERGY, TRUE, sigma=0.1, bias=0, geom=image),
    }


def _rad() -> MapAxis:
    return MapAxis.from_bounds(0, 0.5, nbin=3, unit="deg", name="rad")


def write_map_dataset(folder: Path) -> None:
    parts = _counted(IMAGE) | {"background": _ones(IMAGE.to_cube([ENERGY]))} | _side()
    write_components(parts, folder / "maps.fits")


def write_responses(folder: Path) -> None:
    write_components(_counted(IMAGE) | _responses(IMAGE), folder / "irf.fits")


def write_on_off(folder: Path) -> None:
    geom = IMAGE.to_cube([ENERGY])
    off = {"counts_off": _ones(geom, value=7), "acceptance": _ones(geom), "acceptance_off": _ones(geom, value=5)}
    write_components(_counted(IMAGE) | off, folder / "onoff.fits.gz")


def write_psf(folder: Path) -> None:
    PSFMap.from_gauss(TRUE, sigma="0.1 deg", geom=IMAGE, rad_axis=_rad()).write(folder / "psf.fits")


def write_reco_psf(folder: Path) -> None:
    RecoPSFMap.from_gauss(ENERGY, sigma="0.1 deg", geom=IMAGE, rad_axis=_rad()).write(folder / "psf.fits")


def write_edisp(folder: Path) -> None:
    migra = MapAxis.from_edges([0.2, 0.8, 1.2, 3], name="migra")
    geom = IMAGE.to_cube([migra, TRUE])
    EDispMap(_ones(geom)).write(folder / "edisp.fits")


def write_kernels(folder: Path) -> None:
    EDispKernelMap.from_gauss(ENERGY, TRUE, sigma=0.1, bias=0, geom=IMAGE).write(folder / "edisp.fits")


def write_template(folder: Path) -> None:
    _ones(IMAGE.to_cube([TRUE]), "cm-2 s-1 TeV-1 sr-1").write(folder / "cube.fits")


def write_image(folder: Path) -> None:
    _ones(IMAGE, "sr-1").write(folder / "image.fits.gz")


def write_npred(folder: Path) -> None:
    _ones(IMAGE.to_cube([ENERGY])).write(folder / "npred.fits")


def write_template_nd(folder: Path) -> None:
    lam = MapAxis.from_nodes([1.0, 2.0, 3.0], name="lam")
    _ones(IMAGE.to_cube([TRUE, lam]), "sr-1").write(folder / "nd.fits")


def write_spectra_nd(folder: Path) -> None:
    lam = MapAxis.from_nodes([1.0, 2.0, 3.0], name="lam")
    geom = RegionGeom.create(
        None, axes=[MapAxis.from_nodes([1, 3, 9], name="energy_true", unit="TeV", interp="log"), lam]
    )
    _ones(geom, "cm-2 s-1 TeV-1").write(folder / "spectra.fits")


def write_region_map(folder: Path) -> None:
    _ones(RegionGeom.create(REGION, axes=[ENERGY])).write(folder / "region.fits")


def write_spectrum(folder: Path) -> None:
    region = RegionGeom.create(REGION)
    write_components(_counted(region) | _side(), folder / "spectrum.fits")


def write_ogip_set(folder: Path) -> None:
    geom = RegionGeom.create(REGION, axes=[ENERGY])
    parts = _counted(RegionGeom.create(REGION))
    parts |= {"counts_off": _ones(geom, value=7), "acceptance": _ones(geom), "acceptance_off": _ones(geom, value=5)}
    parts["edisp"] = EDispKernelMap.from_gauss(ENERGY, TRUE, sigma=0.1, bias=0, geom=parts["exposure"].geom)
    write_ogip(parts | {"gti": _side()["gti"]}, folder / "run.fits")
    with fits.open(folder / "run.fits", mode="update") as hdulist:
        for keyword in CHECKSUMS.values():  # which would refuse every other companion
            del hdulist["SPECTRUM"].header[keyword]


def write_events(folder: Path) -> None:
    number = 5
    columns = {
        "EVENT_ID": np.arange(number),
        "TIME": np.linspace(1, 40, number) * u.s,
        "RA": np.full(number, 83.6) * u.deg,
        "DEC": np.full(number, 22.0) * u.deg,
        "ENERGY": np.geomspace(1, 9, number) * u.TeV,
    }
    EventList(Table(columns), _side()["gti"]).write(folder / "events.fits")


def read_events(path: Path) -> Any:
    events = EventList.read(path)
    events.map_coord(IMAGE.to_cube([ENERGY]))
    return events.time


def write_gti(folder: Path) -> None:
    _side()["gti"].write(folder / "gti.fits")


def _points() -> Table:
    flux = u.Unit("cm-2 s-1 TeV-1")
    columns = {
        "e_ref": [1.0, 2.0, 4.0] * u.TeV,
        "e_min": [0.8, 1.6, 3.2] * u.TeV,
        "e_max": [1.6, 3.2, 6.4] * u.TeV,
        "dnde": [3e-11, 1e-11, np.nan] * flux,
        "dnde_err": [3e-12, 1e-12, np.nan] * flux,
        "dnde_ul": [4e-11, 2e-11, 1e-12] * flux,
        "is_ul": [False, False, True],
        "sqrt_ts": [9.0, 8.0, 1.0],
    }
    return Table(columns, meta={"SED_TYPE": "dnde", "UL_CONF": 0.95})


def write_points(suffix: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        FluxPointsDataset(data=FluxPoints.from_table(_points()), name="points").write(folder / f"points.{suffix}")

    return write


def write_light_curve(folder: Path) -> None:
    meta = {"MJDREFI": 55555, "MJDREFF": 0.5, "TIMESYS": "utc", "TIMEUNIT": "s"}
    table = Table({"TIME": [0.0, 10.0, 20.0] * u.s, "NORM": [1.0, 2.0, 1.0]}, meta=meta)
    hdus = [fits.PrimaryHDU(), fits.table_to_hdu(table)]
    fits.HDUList(hdus).writeto(folder / "curve.fits")


def write_light_curve_map(folder: Path) -> None:
    axis = MapAxis.from_nodes([0.0, 10.0, 20.0], unit="s", name="time")
    hdus = _ones(RegionGeom.create(None, axes=[axis])).to_hdulist(hdu="SKYMAP")
    hdus["SKYMAP_BANDS"].header.update({"MJDREFI": 55555, "MJDREFF": 0.5, "TIMESYS": "utc"})
    hdus.writeto(folder / "curve.fits")


def read_light_curve_map(path: Path) -> Any:
    return LightCurveTemplateTemporalModel.read(path, format="map")


def write_phase_curve(folder: Path) -> None:
    hdu = fits.table_to_hdu(Table({"PHASE": [0.1, 0.5, 0.9], "NORM": [1.0, 2.0, 1.0]}))
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(folder / "phase.fits")


def write_xspec(folder: Path) -> None:
    names = fits.Column("NAME", "12A", array=["redshift"])
    number = fits.Column("NUMBVALS", "J", array=[3])
    values = fits.Column("VALUE", "3E", array=[[0.1, 0.2, 0.3]])
    low = fits.Column("ENERG_LO", "E", unit="keV", array=[1e8, 1e9])
    high = fits.Column("ENERG_HI", "E", unit="keV", array=[1e9, 1e10])
    param = fits.Column("PARAMVAL", "E", array=[0.1, 0.2, 0.3])
    spectra = fits.Column("INTPSPEC", "2E", array=np.full((3, 2), 0.5))
    tables = {"PARAMETERS": [names, number, values], "ENERGIES": [low, high], "SPECTRA": [param, spectra]}
    hdus = [fits.BinTableHDU.from_columns(columns, name=name) for name, columns in tables.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / "table.fits")


def read_xspec(path: Path) -> Any:
    model = EBLAbsorptionNormSpectralModel.read(path)
    return TemplateSpectralModel.read_xspec_model(path, model.param[0])


def make_coadd() -> CellCoadd:
    """Coadd of three cells and a missing one, with all that there can be."""
    grid, box = CellGrid(Box.factory[10:34, 20:44], (6, 6)), Box.factory[17:26, 27:37]
    bounds = CellGridBounds(grid, Box.factory[16:28, 26:38], {CellIJ(1, 2)})
    rng = np.random.default_rng(1)
    kernels = np.full((2, 2, 3, 3), 1 / 9)
    kernels[0, 1] = np.nan
    number = 5
    inputs = Table({"visit": np.arange(3, dtype="u8"), "detector": np.full(3, 7, "u2"), "day_obs": np.full(3, 9, "u4")})
    inputs["instrument"] = inputs["physical_filter"] = np.array(["one", "two", "two"], dtype=object)
    inputs["polygon"] = np.array([Polygon([20, 40, 40, 20][:n], [10, 10, 30, 30][:n]) for n in (3, 4, 4)], dtype=object)
    columns = {"cell_i": [1, 2, 2, 2, 2], "cell_j": [1, 1, 2, 1, 2], "visit": [0, 1, 2, 2, 1], "detector": [7] * number}
    contributions = Table({key: np.array(column, dtype="u2") for key, column in columns.items()})
    contributions["instrument"] = np.array(["one", "two", "two", "two", "two"], dtype=object)
    contributions["weight"] = np.linspace(0, 1, number) * u.pix**2
    image = Image(rng.normal(size=box.shape), bbox=box, unit="nJy", dtype="float32")
    planes = [MaskPlane(f"P{n}", "plane") if n != 3 else None for n in range(34)]
    wcs = IMAGE.wcs.deepcopy()
    wcs.wcs.radesys = "ICRS"
    coadd = CellCoadd(
        image,
        mask_schema=MaskSchema(planes),
        mask_fractions={"rejected": Image(0.5, bbox=box, dtype="float32")},
        noise_realizations=[image.view(unit=None)],
        projection=Projection(wcs, TractFrame("map", 1, Box.factory[:100, :100])),
        band="r",
        psf=CellPointSpreadFunction(kernels, bounds),
        patch=PatchDefinition(3, (1, 2), Box.factory[12:30, 22:40], grid),
        provenance=CoaddProvenance(inputs, contributions),
        metadata={"a": 1, "b": "text", "c": None},
    )
    coadd.mask.local[:2, :3].set("P32")
    return coadd


def write_coadd(folder: Path) -> None:
    make_coadd().write_fits(folder / "coadd.fits", schema="1.0.0")


def write_lossy_coadd(folder: Path) -> None:
    lossy = FitsCompressionOptions.LOSSY
    options = {"image_compression": lossy, "mask_compression": lossy, "variance_compression": None}
    make_coadd().write_fits(folder / "coadd.fits", compression_seed=1, **options)


def write_legacy(folder: Path) -> None:
    header = IMAGE.wcs.to_header()
    header.update({"LTV1": -20.0, "LTV2": -10.0})
    rng = np.random.default_rng(2)
    options = {"compression_type": "RICE_1", "quantize_level": 16, "dither_seed": 1, "quantize_method": 2}
    planes = {"IMAGE": rng.normal(size=(9, 12)), "VARIANCE": rng.uniform(1, 2, size=(9, 12))}
    hdus = {name: fits.CompImageHDU(data.astype("f4"), header, name=name, **options) for name, data in planes.items()}
    hdus["IMAGE"].header["BUNIT"], hdus["VARIANCE"].header["BUNIT"] = "nJy", "nJy2"
    mask = fits.CompImageHDU(np.arange(108, dtype="i4").reshape(9, 12) % 4, header, name="MASK")
    mask.header["MP_BAD"], mask.header["MP_SAT"] = 0, 1
    fits.HDUList([fits.PrimaryHDU(), hdus["IMAGE"], mask, hdus["VARIANCE"]]).writeto(folder / "legacy.fits")


def read_legacy(path: Path) -> Any:
    image = MaskedImage.read_legacy(path, preserve_quantization=True, fits_wcs_frame=GeneralFrame())
    return image.fits_wcs, image.mask.get("BAD")


def write_image_dataset(folder: Path) -> None:
    coadd = make_coadd()
    safe = np.isfinite(coadd.image.array) & (np.indices(coadd.image.array.shape)[0] > 1)
    dataset = ImageDataset(coadd, name="image", mask_planes=["P1"], mask_fit=safe)
    dataset.likelihood = StudentTLikelihood(2 + np.indices(safe.shape)[0], nu=4, scale="free")
    dataset.write(folder / "image.fits")


def write_masked_image(folder: Path) -> None:
    """One with a kernel, in a list."""
    coadd = make_coadd()
    image = MaskedImage(coadd.image, mask=coadd.mask, variance=coadd.variance, projection=coadd.projection)
    dataset = ImageDataset(image, psf=np.full((3, 5), 1 / 15), name="image", mask_planes=["P1", "P2"])
    dataset.mask_safe[2:4] = False
    dataset.likelihood = GaussianLikelihood(dataset.sigma, scale=1.5)
    dataset.write(folder / "image.fits")
    entry = "-   {name: image, type: ImageDataset, filename: image.fits}\n"
    (folder / "datasets.yaml").write_text(f"datasets:\n{entry}")


def read_image_dataset(path: Path) -> Any:
    dataset = ImageDataset.read(path)
    return dataset.stat_sum(), str(dataset)


def read_coadd(path: Path) -> Any:
    coadd = CellCoadd.read_fits(path)
    return coadd.projection.pixel_to_sky(x=30, y=20), coadd.psf.compute_stellar_image(x=30.2, y=20.1), str(coadd)


def read_part_of_coadd(path: Path) -> Any:
    return CellCoadd.read_fits(path, bbox=Box.factory[22:24, 30:33]).fits_wcs


MODELS = """\
components:
-   name: source
    type: SkyModel
    spectral:
        type: ExpCutoffPowerLawSpectralModel
        parameters:
        -   name: index
            value: 2.1
            prior: {type: UniformPrior, parameters: [{name: min, value: 1}, {name: max, value: 4}]}
        -   {name: amplitude, value: 1.0e-12, unit: cm-2 s-1 TeV-1, min: 0, link: same}
        -   {name: reference, value: 1.0, unit: TeV, frozen: true}
        -   {name: lambda_, value: 0.1, unit: TeV-1, prior: {dist: LogNormal, mu: -2.0, sigma: 0.5}}
    spatial:
        type: GaussianSpatialModel
        frame: icrs
        parameters: &place
        -   {name: lon_0, value: 83.6, unit: deg}
        -   {name: lat_0, value: 22.0, unit: deg, min: -90, max: 90}
        -   {name: sigma, value: 0.2, unit: deg}
    temporal:
        type: ExpDecayTemporalModel
        scale: utc
        parameters: [{name: t0, value: 1.5, unit: d}, {name: t_ref, value: 55555, unit: d}]
    apply_irf: {psf: true, edisp: false}
-   name: other
    type: SkyModel
    spectral:
        type: CompoundSpectralModel
        model1:
            type: PowerLawSpectralModel
            parameters: [{name: amplitude, value: 1.0e-12, unit: cm-2 s-1 TeV-1, link: same}]
        model2:
            type: TemplateSpectralModel
            energy: {data: [1, 3, 9], unit: TeV}
            values: {data: [3.0e-12, 2.0e-12, 1.0e-12], unit: cm-2 s-1 TeV-1}
        operator: add
    spatial:
        type: DiskSpatialModel
        parameters: *place
-   name: run1-bkg
    type: FoVBackgroundModel
    datasets_names: [run1]
    spectral:
        type: PowerLawNormSpectralModel
        parameters: [{name: norm, value: 1.0}, {name: tilt, value: 0.0}]
bayesmap:
    version: 1
    hyperparameters:
        mean: {prior: {dist: Normal, mu: 1.0, sigma: 0.1}}
    priors:
        run1-bkg.norm: {dist: Normal, mu: {hyper: mean}, sigma: 0.05}
    joint_priors:
    -   parameters: [source.lon_0, source.lat_0]
        mean: [83.6, 22.0]
        covariance: [[0.01, 0.0], [0.0, 0.01]]
"""


def write_models(folder: Path) -> None:
    text = MODELS.replace("parameters: *place", "parameters: [{name: r_0, value: 0.2, unit: deg}]")
    (folder / "models.yaml").write_text(text)


def write_datasets(folder: Path) -> None:
    write_points("fits")(folder)
    entry = "-   {name: points, type: FluxPointsDataset, filename: points.fits}\n"
    (folder / "datasets.yaml").write_text(f"datasets:\n{entry}metadata: {{creator: nobody}}\n")


WORKSPACE = tuple(f"work/{name}" for name in ("workspace.json", "models.yaml"))


def write_workspace(folder: Path) -> None:
    """With a product, and a counts map beside it that it refers to."""
    write_map_dataset(folder)
    model = SkyModel(PowerLawSpectralModel(), PointSpatialModel(lon_0=83.6 * u.deg, lat_0=22 * u.deg), name="source")
    shutil.rmtree(folder / "work", ignore_errors=True)
    workspace = Workspace.create(folder / "work", folder / "maps.fits", model)
    workspace.products["fluxes"] = Table({"flux": [1.0, 2.0] * u.Unit("cm-2 s-1")})


def read_workspace(path: Path) -> Any:
    workspace = Workspace.open(path.parent)
    with warnings.catch_warnings(record=True):
        try:
            datasets = workspace.datasets
        except ValueError as error:  # what `datasets` says of other data
            if "have changed since the workspace was created" not in str(error):
                raise
            datasets = None
    return str(workspace), repr(workspace), datasets, dict(workspace.products)


def read_resigned_workspace(path: Path) -> Any:
    """What is inside reaches the reader: with its own checksum nothing that is damaged would."""
    with contextlib.suppress(ValueError, AttributeError, RecursionError):
        content = json.loads(path.read_text())
        content.pop("sha256", None)
        text = json.dumps(content, sort_keys=True)
        path.write_text(json.dumps({**content, "sha256": hashlib.sha256(text.encode()).hexdigest()}))
    return read_workspace(path)


def read_lazily(path: Path) -> Any:
    dataset = MapDataset.read(path, lazy=True)
    return dataset.counts, dataset.exposure, dataset.psf, dataset.edisp, dataset.mask_safe, str(dataset)


OGIP = ("run.fits", "run_arf.fits", "run_rmf.fits", "run_bkg.fits")
SAMPLES = (
    Sample("map datasets", write_map_dataset, MapDataset.read, ("maps.fits",)),
    Sample("map datasets", write_responses, read_lazily, ("irf.fits",)),
    Sample("map datasets", write_on_off, MapDatasetOnOff.read, ("onoff.fits.gz",)),
    Sample("template maps", write_template, TemplateSpatialModel.read, ("cube.fits",)),
    Sample("template maps", write_image, TemplateSpatialModel.read, ("image.fits.gz",)),
    Sample("template maps", write_npred, TemplateNPredModel.read, ("npred.fits",)),
    Sample("template maps", write_template_nd, TemplateNDSpatialModel.read, ("nd.fits",)),
    Sample("response maps", write_psf, PSFMap.read, ("psf.fits",)),
    Sample("response maps", write_reco_psf, RecoPSFMap.read, ("psf.fits",)),
    Sample("response maps", write_edisp, EDispMap.read, ("edisp.fits",)),
    Sample("response maps", write_kernels, EDispKernelMap.read, ("edisp.fits",)),
    Sample("region maps", write_region_map, Map.read, ("region.fits",)),
    Sample("region maps", write_spectrum, SpectrumDataset.read, ("spectrum.fits",)),
    Sample("events", write_events, read_events, ("events.fits",)),
    Sample("good time intervals", write_gti, GTI.read, ("gti.fits",)),
    Sample("OGIP spectra", write_ogip_set, SpectrumDatasetOnOff.read, OGIP),
    Sample("flux points (FITS)", write_points("fits"), FluxPointsDataset.read, ("points.fits",)),
    Sample("flux points (text)", write_points("ecsv"), FluxPointsDataset.read, ("points.ecsv",)),
    Sample("light curves", write_light_curve, LightCurveTemplateTemporalModel.read, ("curve.fits",)),
    Sample("light curves", write_light_curve_map, read_light_curve_map, ("curve.fits",)),
    Sample("light curves", write_phase_curve, TemplatePhaseCurveTemporalModel.read, ("phase.fits",)),
    Sample("spectral tables", write_xspec, read_xspec, ("table.fits",)),
    Sample("spectral tables", write_spectra_nd, TemplateNDSpectralModel.read, ("spectra.fits",)),
    Sample("model files", write_models, Models.read, ("models.yaml",)),
    Sample("dataset lists", write_datasets, Datasets.read, ("datasets.yaml", "points.fits")),
    Sample("coadds", write_coadd, read_coadd, ("coadd.fits",)),
    Sample("coadds", write_lossy_coadd, read_part_of_coadd, ("coadd.fits",)),
    Sample("coadds", write_legacy, read_legacy, ("legacy.fits",)),
    Sample("image datasets", write_image_dataset, read_image_dataset, ("image.fits",)),
    Sample("image datasets", write_masked_image, Datasets.read, ("datasets.yaml", "image.fits")),
    Sample("workspaces", write_workspace, read_workspace, WORKSPACE),
    Sample("workspaces", write_workspace, read_resigned_workspace, WORKSPACE[:1]),
)
