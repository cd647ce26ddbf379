"""Summary numbers of a map dataset and their printed forms."""

import html
from typing import TYPE_CHECKING, Any

import astropy.units as u
import numpy as np

from bayesmap.datasets import predict
from bayesmap.datasets.acceptance import is_on_off
from bayesmap.modeling import Parameters
from bayesmap.stats import WStatCountsStatistic
from bayesmap.stats.significance import sqrt_ts

if TYPE_CHECKING:
    from bayesmap.datasets.base import Dataset
    from bayesmap.datasets.map import MapDataset
    from bayesmap.datasets.onoff import MapDatasetOnOff
    from bayesmap.maps import Map

__all__ = ["info_dict", "models_text", "summary_html", "summary_text"]


def _whole(value: float) -> float:
    """An int where there is nothing behind the point."""
    return int(value) if float(value).is_integer() else value


def _has_geometry(dataset: "MapDataset") -> bool:
    """Whether there is a component that says the bins."""
    return any(getattr(dataset, name) is not None for name in dataset._reco_names)


def _predictions(dataset: "MapDataset") -> "tuple[Map | None, Map | None, Map | None]":
    """Predicted signal, predicted background and the background of the data, each as far as it is known."""
    if not _has_geometry(dataset) or (dataset.exposure is None and predict.signal_models(dataset)):
        return None, None, None
    signal = dataset.npred_signal()
    if not is_on_off(dataset):
        return signal, dataset.npred_background(), dataset.background
    if any(getattr(dataset, key) is None for key in ("counts", "counts_off", "acceptance", "acceptance_off")):
        return signal, None, None
    return signal, dataset.profiled_background(signal.data), dataset.background


def _sums(dataset: "MapDataset", mask: np.ndarray | slice) -> dict[str, Any]:
    """Counts, background and predictions summed over ``mask``, and the fit statistic; predictions are made once."""

    def total(a_map: Any) -> float:
        return float(np.sum(a_map.data[mask], dtype="float64"))

    keys = ("counts", "excess", "sqrt_ts", "background", "npred", "npred_background", "npred_signal", "stat_sum")
    info: dict[str, Any] = dict.fromkeys(keys, float("nan"))
    info["counts"] = _whole(total(dataset.counts)) if dataset.counts is not None else 0
    signal, predicted, background = _predictions(dataset)
    if background is not None:
        info["npred_background"], info["background"] = total(predicted), total(background)
        if dataset.counts is not None:
            info |= _excess(dataset, info)
    if signal is not None and (dataset.models or background is not None):
        npred = predict.clipped_total(dataset, signal, predicted)
        info["npred"] = total(npred)
        if dataset.counts is not None and (is_on_off(dataset) or dataset.models is not None):
            stat = dataset.stat_array() if is_on_off(dataset) else predict.stat_array(dataset, npred)
            info["stat_sum"] = float(np.sum(stat if dataset.mask is None else stat[dataset.mask.data]))
    if signal is not None and predict.signal_models(dataset):
        info["npred_signal"] = total(signal)
    return info


def _excess(dataset: "MapDataset", info: dict[str, Any]) -> dict[str, float]:
    """Excess and its significance: over the predicted background, or over a measured one (Li & Ma 1983)."""
    if not is_on_off(dataset):
        expected = info["npred_background"]
        return {"excess": info["counts"] - expected, "sqrt_ts": float(sqrt_ts(info["counts"], expected))}
    return {"excess": info["counts"] - info["background"]}


def _off_sums(dataset: "MapDatasetOnOff", mask: np.ndarray | slice, info: dict[str, Any]) -> dict[str, Any]:
    """OFF counts and acceptances summed over ``mask``, and the significance that follows from them."""
    sums = {
        key: float("nan") if m is None else float(np.sum(m.data[mask], dtype="float64"))
        for key, m in ((key, getattr(dataset, key)) for key in ("counts_off", "acceptance"))
    }
    off = {"counts_off": 0 if dataset.counts_off is None else _whole(sums["counts_off"])}
    alpha = info["background"] / off["counts_off"] if off["counts_off"] > 0 else float("nan")
    off |= {
        "acceptance": sums["acceptance"] if dataset.acceptance is not None else 1.0,
        "acceptance_off": sums["acceptance"] / alpha if alpha > 0 else float("nan"),
        "alpha": alpha,
    }
    if alpha > 0 and dataset.counts is not None:
        off["sqrt_ts"] = float(WStatCountsStatistic(info["counts"], off["counts_off"], alpha).sqrt_ts)
    return off


def _exposure_range(dataset: "MapDataset") -> dict[str, u.Quantity]:
    """Smallest and largest positive exposure in the pixels that the safe mask keeps."""
    exposure = dataset.exposure
    if exposure is None:
        return {"exposure_min": np.nan * u.Unit("m2 s"), "exposure_max": np.nan * u.Unit("m2 s")}
    keep = exposure.data > 0
    if dataset.mask_safe is not None:
        keep = keep & dataset.mask_safe.data.any(axis=tuple(range(dataset.mask_safe.data.ndim - 2)))
    values = exposure.data[keep] if keep.any() else exposure.data
    return {"exposure_min": float(values.min()) * exposure.unit, "exposure_max": float(values.max()) * exposure.unit}


def _times(dataset: "MapDataset", info: dict[str, Any]) -> dict[str, u.Quantity]:
    """Live time, observation time and rates."""
    meta = getattr(dataset.exposure, "meta", None) or {}
    livetime = u.Quantity(meta.get("livetime", np.nan * u.s)).to("s")
    ontime = np.nan * u.s if dataset.gti is None else dataset.gti.time_sum.to("s")
    times = {"livetime": livetime, "ontime": ontime}
    for key in ("counts", "background", "excess"):
        times[f"{key}_rate"] = info[key] / livetime
    return times


def info_dict(dataset: "MapDataset", in_safe_data_range: bool = True) -> dict[str, Any]:
    """Summary numbers of a map dataset; see `MapDataset.info_dict`."""
    safe = dataset.mask_safe
    mask = safe.data if safe is not None and in_safe_data_range else slice(None)
    sums = _sums(dataset, mask)
    stat_sum = sums.pop("stat_sum")
    off = _off_sums(dataset, mask, sums) if is_on_off(dataset) else {}
    n_bins = int(np.prod(dataset.data_shape)) if _has_geometry(dataset) else 0
    sums["sqrt_ts"] = off.pop("sqrt_ts", sums["sqrt_ts"])
    return {
        "name": dataset.name,
        **sums,
        **_exposure_range(dataset),
        **_times(dataset, sums),
        "n_bins": n_bins,
        "n_fit_bins": n_bins if dataset.mask is None else int(np.count_nonzero(dataset.mask.data)),
        "stat_type": dataset.stat_type,
        "stat_sum": stat_sum,
        **off,
    }


def _rows(dataset: "MapDataset") -> list[list[tuple[str, str]]]:
    """Blocks of (label, text) rows of the printed summary."""
    info = info_dict(dataset)
    parameters = Parameters() if dataset.models is None else dataset.models.parameters
    free = parameters.free_parameters
    counts = f"{info['counts']:.0f}" if isinstance(info["counts"], int) else f"{info['counts']:.2f}"

    def exposure(key: str) -> str:
        return f"{info[key].value:.2e} {info[key].unit}"

    return [
        [("Name", f"{info['name']} ")],
        [
            ("Total counts", f"{counts} "),
            ("Total background counts", f"{info['background']:.2f}"),
            ("Total excess counts", f"{info['excess']:.2f}"),
        ],
        [
            ("Predicted counts", f"{info['npred']:.2f}"),
            ("Predicted background counts", f"{info['npred_background']:.2f}"),
            ("Predicted excess counts", f"{info['npred_signal']:.2f}"),
        ],
        [("Exposure min", exposure("exposure_min")), ("Exposure max", exposure("exposure_max"))],
        [("Number of total bins", f"{info['n_bins']} "), ("Number of fit bins", f"{info['n_fit_bins']} ")],
        [
            ("Fit statistic type", info["stat_type"]),
            ("Fit statistic value (-2 log(L))", f"{info['stat_sum']:.2f}"),
        ],
        [
            ("Number of models", f"{0 if dataset.models is None else len(dataset.models)} "),
            ("Number of parameters", f"{len(parameters)}"),
            ("Number of free parameters", f"{len(free)}"),
        ],
    ]


def _parameter_line(parameter: Any) -> str:
    """One line of the printed table of parameters."""
    frozen = parameter.frozen
    if parameter.shape:
        label = f"{parameter.name:<22}{'(frozen)' if frozen else '':>8}"
        return f"      {label}: {parameter.text} {str(parameter.unit):<12}"
    value = f"{parameter.value:10.3f}" if _plain(parameter.value) else f"{parameter.value:10.2e}"
    error = f"+/- {parameter.error:7.2f}" if _plain(parameter.value) else f"+/- {parameter.error:7.1e}"
    label = f"{parameter.name:<22}{'(frozen)' if frozen else '':>8}"
    return f"      {label}: {value}   {'   ' if frozen else error} {str(parameter.unit):<12}"


def _plain(value: float) -> bool:
    """Whether a value prints well without an exponent."""
    return value == 0 or 1e-3 <= abs(value) < 1e5


def _model_text(index: int, model: Any) -> str:
    """Printed block of one model."""
    lines = [f"  Component {index}: {type(model).__name__}", "  "]
    fields = [("Name", model.name), ("Datasets names", model.datasets_names and list(model.datasets_names))]
    for label in ("Spectral", "Spatial ", "Temporal", "Response"):
        kind = label.strip().lower()
        part = model.parts.get(kind)
        if part is not None or {kind, "temporal"} <= set(model.part_names):
            fields.append((f"{label} model type", type(part).__name__ if part is not None else ""))
    lines += [f"    {label:<26}: {text}" for label, text in fields]
    lines.append("    Parameters:")
    lines += [_parameter_line(parameter) for parameter in model.parameters]
    return "\n".join([*lines, "  "]) + "\n"


def models_text(dataset: "Dataset") -> str:
    """Printed blocks of all models; empty without models."""
    blocks = [_model_text(index, model) for index, model in enumerate(dataset.models or ())]
    return "".join([*blocks, "  "]) if blocks else ""


def summary_text(dataset: "MapDataset") -> str:
    """Printed summary: counts, predictions, fit statistic and models."""
    title = type(dataset).__name__
    text = f"{title}\n{'-' * len(title)}\n\n"
    for block in _rows(dataset):
        text += "".join(f"  {label:<32}: {value}\n" for label, value in block) + "\n"
    for index, model in enumerate(dataset.models or ()):
        text += _model_text(index, model)
    if is_on_off(dataset):
        return text + "".join(f"  {label:<32}: {value}\n" for label, value in _off_rows(dataset))
    return text + "  " if dataset.models else text


def _off_rows(dataset: "MapDataset") -> list[tuple[str, str]]:
    """Rows about the OFF measurement: sums in the safe data range."""
    mask = slice(None) if dataset.mask_safe is None else dataset.mask_safe.data
    labels = {"counts_off": "Total counts_off", "acceptance": "Acceptance", "acceptance_off": "Acceptance off"}
    values = {key: getattr(dataset, key) for key in labels}
    sums = {key: np.nan if m is None else np.sum(m.data[mask], dtype="float64") for key, m in values.items()}
    return [(label, f"{sums[key]:.0f} ") for key, label in labels.items()]


def summary_html(dataset: "MapDataset") -> str:
    """Summary as a table for notebooks."""
    title = f"{type(dataset).__name__}: {dataset.name}"
    rows = [row for block in _rows(dataset)[1:] for row in block]
    body = "".join(f"<tr><th style='text-align:left'>{_escape(k)}</th><td>{_escape(v)}</td></tr>" for k, v in rows)
    text = f"<h4>{_escape(title)}</h4><table>{body}</table>"
    for model in dataset.models or ():
        head = f"<h5>{_escape(type(model).__name__)}: {_escape(model.name)}</h5>"
        cells = "".join(
            f"<tr><td>{_escape(p.name)}</td><td>{p.text}</td>"
            f"<td>{_escape(p.unit)}</td><td>{'frozen' if p.frozen else ''}</td></tr>"
            for p in model.parameters
        )
        text += f"{head}<table><tr><th>parameter</th><th>value</th><th>unit</th><th></th></tr>{cells}</table>"
    return text


def _escape(value: object) -> str:
    return html.escape(str(value).strip())
