"""An analysis in one folder: data, models, posterior, products, report."""

import contextlib
import datetime
import os
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from bayesmap._files import flush, owned, remove_abandoned, write_text
from bayesmap._types import FileName, RandomState, Tree
from bayesmap._util import make_path
from bayesmap.checks import Checks, check
from bayesmap.datasets import Dataset, Datasets
from bayesmap.datasets.of_result import check_same_digests, datasets_of_result
from bayesmap.inference import sample
from bayesmap.inference.merge import merge_draws
from bayesmap.inference.result import used_versions
from bayesmap.io import load, save
from bayesmap.modeling import Models
from bayesmap.report import write_report
from bayesmap.workspace.data import changed_files, checksums, file_models, read_data, reference, store
from bayesmap.workspace.folder import MANIFEST, Folder, Manifest, empty_manifest
from bayesmap.workspace.products import Products

if TYPE_CHECKING:
    from bayesmap.modeling.collection import ModelsLike

__all__ = ["Workspace"]

MODELS = "models.yaml"
REPORT = "report"
CHECKS = "checks"
#: draws that could not become the posterior, or a part of it
REST = "new draws"


class Workspace:
    """An analysis in one folder, which can be left and taken up again at any moment.

    Make one with `Workspace.create`, take it up with `Workspace.open`.

    Parameters
    ----------
    path : path
        The folder.

    Attributes
    ----------
    path : pathlib.Path
        The folder.
    products : Products
        Tables, trees and maps by name.

    Notes
    -----
    The folder holds ``workspace.json``, which names all files with checksums; ``models.yaml``; the posterior (netCDF,
    for `bayesmap.load` and ArviZ); ``products``; ``report``; and ``data``, if these were given as objects, not files.
    Each change writes new files under new names, then ``workspace.json``, then removes what that does not name any
    more: whoever opens the folder, also after a power cut, finds the old state or the new one. Processes that change
    the same workspace wait for each other. Nothing in the folder is executed when it is read.
    """

    def __init__(self, path: FileName) -> None:
        self.path = make_path(path)
        self._folder = Folder(self.path)
        self.products = Products(self._folder)

    # -- create and open --------------------------------------------------------------------------------------------
    @classmethod
    def create(
        cls,
        path: FileName,
        datasets: "FileName | Dataset | Datasets",
        models: "ModelsLike | FileName",
        *,
        name: str | None = None,
    ) -> Self:
        """Create a workspace.

        Parameters
        ----------
        path : path
            Folder, new or empty.
        datasets : path, Dataset, Datasets or list of Dataset
            The data. A file (a dataset, or a list of datasets in YAML) stays where it is, and the workspace refers to
            it; objects are written into the folder.
        models : Models, list of models, model or path
            Models, or their file; with the priors that they have. Templates have to be in files.
        name : str, optional
            Name of the dataset in a file of a single one, which models of backgrounds refer to; by default that in the
            file.

        Raises
        ------
        FileExistsError
            If there is something in the folder.
        ValueError
            If a model is for a dataset that is not there, or files do not hold what a dataset has.
        """
        folder = make_path(path)
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise FileExistsError(f"{folder} is not empty: give a new folder, or take up a workspace with open")
        folder.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folder, f".{folder.name}.*.part")
        stage = folder.with_name(owned(f".{folder.name}") + ".part")
        try:
            stage.mkdir()
            _fill(stage, folder, datasets, models, name)
            flush(stage)
            os.rename(stage, folder)  # an empty folder gives way
            flush(folder.parent)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
        return cls(folder)

    @classmethod
    def open(cls, path: FileName, *, check: bool = True) -> Self:
        """Take up a workspace.

        Parameters
        ----------
        path : path
            Folder.
        check : bool
            Whether to compare all its files with their checksums. Each file is compared once more when it is read.

        Raises
        ------
        FileNotFoundError
            If there is no workspace.
        bayesmap.errors.FormatError
            If a file of the workspace is missing, truncated or changed; ``check=False`` opens what is left.

        Warns
        -----
        UserWarning
            If files of the data have changed or are missing; the message names them. Draws and products can still be
            read.
        """
        workspace = cls(path)
        manifest = workspace._folder.read()
        if check:
            for what, entry in manifest.entries.items():
                workspace._folder.check(what, entry)
            if changed := changed_files(manifest.data, workspace.path):
                warnings.warn(
                    f"the data of the workspace {workspace.path} have changed or are missing: "
                    f"{', '.join(map(str, changed))}. Its posterior is of the old ones",
                    UserWarning,
                    stacklevel=2,
                )
        return workspace

    # -- what is there ----------------------------------------------------------------------------------------------
    @property
    def models(self) -> Models:
        """The models as they were given, with their priors; `Models.from_posterior` gives them at the posterior."""
        return Models.read(self._folder.check("the models", self._folder.read().models))

    @property
    def datasets(self) -> Datasets:
        """The data with the models, read anew.

        Raises
        ------
        FileNotFoundError
            If files of the data are missing.
        ValueError
            If data have changed since the workspace was created; the message names datasets and parts.
        """
        datasets = read_data(self._folder.read().data, self.path)
        datasets.models = self.models
        return datasets

    @property
    def changed_files(self) -> list[Path]:
        """Files of the data that are missing, or differ from what they were when the workspace was created."""
        return changed_files(self._folder.read().data, self.path)

    @property
    def has_posterior(self) -> bool:
        """Whether there is a posterior."""
        return self._folder.read().posterior is not None

    @property
    def posterior(self) -> Tree:
        """The result of sampling, as `bayesmap.sample` returns it.

        Raises
        ------
        ValueError
            If there is none yet.
        bayesmap.errors.FormatError
            If its file is missing, truncated or changed.
        """
        entry = self._folder.read().posterior
        if entry is None:
            raise ValueError(f"the workspace {self.path} has no posterior yet: call sample()")
        return load(self._folder.check("the posterior", entry))

    # -- sampling ---------------------------------------------------------------------------------------------------
    def sample(self, *, overwrite: bool = False, **options: object) -> Tree:
        """Sample the posterior, and keep it.

        Parameters
        ----------
        overwrite : bool
            Replace a posterior that is there; it is kept until the new one is complete.
        **options
            For `bayesmap.sample`: ``draws``, ``chains``, ``random_state``, ...

        Returns
        -------
        xarray.DataTree
            The posterior, which is on the disk.

        Raises
        ------
        FileExistsError
            If there is a posterior already and ``overwrite`` is False.
        ValueError
            If the data have changed.
        """
        self._may_replace(overwrite)
        tree = sample(self.datasets, **options)  # type: ignore[arg-type]
        with self._draws_are_kept(tree):
            self.set_posterior(tree, overwrite=overwrite)
        return tree

    def add_draws(self, chains: int = 4, random_state: RandomState = None, **options: object) -> Tree:
        """Sample more chains of the same models and data, as long as those that are there, and merge them.

        Parameters
        ----------
        chains : int
            Number of further chains.
        random_state : int, numpy.random.Generator or str, optional
            Chooses the draws. By default a number that follows from those before: the same calls give the same draws.
        **options
            For `bayesmap.sample`, but not ``draws``.

        Returns
        -------
        xarray.DataTree
            All chains; see `bayesmap.inference.merge_draws`. It replaces the posterior; products and report stay, and
            are said to be of an earlier one.

        Raises
        ------
        ValueError
            If there is no posterior yet, the data have changed, or the draws cannot be merged.
        """
        if "draws" in options:
            raise TypeError("add_draws takes no draws: further chains are as long as those that are there")
        before = self.posterior
        seed = self._next_seed(before) if random_state is None else random_state
        draws = int(before["posterior"].sizes["draw"])
        tree = sample(self.datasets, draws=draws, chains=chains, random_state=seed, **options)  # type: ignore[arg-type]
        with self._draws_are_kept(tree):
            merged = self.merge(tree)
        return merged

    def merge(self, tree: Tree) -> Tree:
        """Merge draws that were sampled elsewhere into the posterior; see `add_draws`.

        Parameters
        ----------
        tree : xarray.DataTree
            Result of `bayesmap.sample` of the same models and data.

        Returns
        -------
        xarray.DataTree
            All chains.

        Raises
        ------
        ValueError
            If there is no posterior yet, or the draws cannot be merged with it.
        """
        self._check_posterior(tree)
        with self._folder.changed() as manifest:
            if manifest.posterior is None:
                raise ValueError(f"the workspace {self.path} has no posterior yet: call sample() or set_posterior()")
            merged = merge_draws([load(self._folder.check("the posterior", manifest.posterior)), tree])
            self._write_posterior(manifest, merged)
        return merged

    def set_posterior(self, tree: Tree, *, overwrite: bool = False) -> None:
        """Keep a posterior of these models and data that was sampled elsewhere, for example on a cluster.

        Parameters
        ----------
        tree : xarray.DataTree
            Result of `bayesmap.sample`.
        overwrite : bool
            Replace one that is there.

        Raises
        ------
        FileExistsError
            If there is a posterior already and ``overwrite`` is False.
        ValueError
            If it is of other data or models; the message says in what they differ.
        """
        self._check_posterior(tree)
        with self._folder.changed() as manifest:
            if manifest.posterior is not None:
                self._may_replace(overwrite)
            self._write_posterior(manifest, tree)

    # -- checks and report ------------------------------------------------------------------------------------------
    def check(self, num_draws: int = 1000, **options: object) -> Checks:
        """Check whether the data look like what the posterior predicts; see `bayesmap.check`.

        The numbers are kept as the product "checks", a table whose ``meta`` has the sentences.
        """
        tree = self.posterior
        checks = check(tree, datasets_of_result(tree, self.datasets), num_draws, **options)  # type: ignore[arg-type]
        table = checks.table()
        table.meta |= {"alpha": checks.alpha, "sentences": checks.sentences}
        self.products[CHECKS] = table
        return checks

    def report(self, title: str | None = None) -> Path:
        """Write figures and report of the posterior into the folder ``report``; see `bayesmap.report.write_report`.

        Parameters
        ----------
        title : str, optional
            Heading; by default the name of the folder and the models.

        Returns
        -------
        pathlib.Path
            The page. Old files are replaced when all new ones are complete.
        """
        made_of, tree = self._folder.read().posterior, self.posterior
        datasets = datasets_of_result(tree, self.datasets)
        folder = self.path / REPORT
        folder.mkdir(exist_ok=True)
        shown = f"{self.path.resolve().name}: {', '.join(datasets.models.names)}" if title is None else title
        page = write_report(tree, datasets, folder, title=shown)
        with self._folder.changed() as manifest:
            manifest.report = {"posterior": made_of["file"] if made_of else None}
        return page

    # -- text -------------------------------------------------------------------------------------------------------
    def __repr__(self) -> str:
        manifest = self._folder.read()
        posterior = "no posterior" if manifest.posterior is None else f"posterior of {manifest.posterior['shown']}"
        return (
            f"<Workspace {str(self.path)!r}: {', '.join(manifest.data['digests'])}; {posterior}; "
            f"{len(manifest.products)} products>"
        )

    def __str__(self) -> str:
        manifest = self._folder.read()
        changed = changed_files(manifest.data, self.path)
        place = manifest.data["place"]
        note = f"; changed or missing: {', '.join(path.name for path in changed)}" if changed else ""
        current = None if manifest.posterior is None else manifest.posterior["file"]
        kept = "none" if manifest.posterior is None else manifest.posterior["shown"]
        lines = {
            "data": f"{', '.join(manifest.data['digests'])}, in {place.get('relative', place.get('absolute'))}{note}",
            "models": str(manifest.models["shown"]),
            "posterior": str(kept),
            "products": ", ".join(
                f"{name} ({entry['kind']}, {entry['shown']}{_age(entry, current)})"
                for name, entry in manifest.products.items()
            )
            or "none",
            "report": f"{REPORT}/report.html{_age(manifest.report, current)}" if manifest.report else "none",
            "made": f"{manifest.head['created_at']}, {_joined(manifest.head['versions'])}",
        }
        return "\n".join([f"Workspace {self.path}", *(f"  {key:<10}{text}" for key, text in lines.items())])

    # -- helpers ----------------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def _draws_are_kept(self, tree: Tree) -> Iterator[None]:
        """Keep draws that cannot become the posterior, for example as Ctrl-C left few of them, as a product."""
        try:
            yield
        except (ValueError, FileExistsError) as error:
            self.products[REST] = tree
            raise type(error)(f"{error}. The new draws are kept as the product {REST!r}") from error

    def _may_replace(self, overwrite: bool) -> None:
        if self.has_posterior and not overwrite:
            raise FileExistsError(
                f"the workspace {self.path} has a posterior: add_draws() adds to it, overwrite=True replaces it"
            )

    def _check_posterior(self, tree: Tree) -> None:
        """Raise a ValueError unless a result is of the models and data of the workspace."""
        check_same_digests(tree, self._folder.read().data["digests"])
        described, own = Models.from_posterior(tree), self.models
        sampled = {name for p, name in described.parameter_names.items() if not p.frozen}
        free = {name for p, name in own.parameter_names.items() if not p.frozen}
        if described.names != own.names or sampled != free:
            differing = sorted({*described.names} ^ {*own.names}) or sorted(sampled ^ free)
            raise ValueError(f"the result is of other models: {differing} are not in both, result and workspace")

    def _write_posterior(self, manifest: Manifest, tree: Tree) -> None:
        file = self._folder.new_file("posterior", "posterior", ".nc")
        save(tree, self.path / file)
        chains, draws = (int(tree["posterior"].sizes[dim]) for dim in ("chain", "draw"))
        manifest.posterior = self._folder.entry(file, shown=f"{chains} chains of {draws} draws")

    @staticmethod
    def _next_seed(tree: Tree) -> int:
        """A seed that follows from the first one and the number of chains."""
        first = int(tree.attrs.get("seed", 0))
        return int(np.random.SeedSequence([first, tree["posterior"].sizes["chain"]]).generate_state(1)[0])


def _fill(
    stage: Path,
    folder: Path,
    datasets: "FileName | Dataset | Datasets",
    models: "ModelsLike | FileName",
    name: str | None,
) -> None:
    """Write the first state of a workspace into a folder that will get its name later."""
    in_file = isinstance(datasets, str | os.PathLike)
    if name is not None and not in_file:
        raise ValueError(f"the name {name!r} is for a dataset in a file; objects have names of their own")
    data = reference(datasets, folder, name) if in_file else store(Datasets(datasets), stage)  # type: ignore[arg-type]
    given = Models.read(models) if isinstance(models, str | os.PathLike) else Models(models).copy()
    for part in file_models(given):
        part.filename = str(make_path(part.filename).resolve())
    data["templates"] = checksums(part.filename for part in file_models(given))
    names = list(data["digests"])
    for model in given:
        if model.datasets_names is not None and not set(model.datasets_names) & set(names):
            raise ValueError(f"model {model.name!r} is for the dataset(s) {model.datasets_names}, there is {names}")
    write_text(given.to_yaml(), stage / MODELS)
    free = len(given.parameters.free_unique)
    head: dict[str, object] = {
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": used_versions(),
    }
    entry = Folder(stage).entry(MODELS, shown=f"{', '.join(given.names)}; {free} free parameters")
    write_text(empty_manifest(head, data, entry).text(), stage / MANIFEST)


def _age(entry: "dict[str, str | int | float | bool | None] | None", current: object) -> str:
    """What to say of something that was made of an earlier posterior."""
    return ", of an earlier posterior" if entry and entry.get("posterior") not in (None, current) else ""


def _joined(versions: object) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items()) if isinstance(versions, dict) else ""
