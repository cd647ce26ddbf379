"""Coadds whose JSON tree is changed while everything around it is right."""

import json

import numpy as np
import pytest
from astropy.io import fits

from tests.fuzz.mutations import PARTS, _places
from tests.fuzz.run import attempt
from tests.fuzz.samples import Sample, make_coadd, read_coadd


def changed(tree, rng):
    """A tree of which a part is dropped, replaced, or exchanged for another one."""
    tree = json.loads(json.dumps(tree))
    places = list(_places(tree))
    (owner, key), (other, other_key) = (places[rng.integers(len(places))] for _ in range(2))
    way = rng.integers(4)
    if way == 0:
        del owner[key]
    elif way == 1:
        owner[key] = json.loads(json.dumps(other[other_key]))
    elif way == 2:
        owner[key], other[other_key] = json.loads(json.dumps([other[other_key], owner[key]]))
    else:
        part = PARTS[rng.integers(len(PARTS))]
        owner[key] = None if isinstance(part, bytes) else part
    return tree


def failures(folder, count, seed):
    path = folder / "coadd.fits"
    make_coadd().write_fits(path, schema=None if seed % 2 else "1.0.0")
    sample = Sample("coadds", make_coadd, read_coadd, (path.name,))
    found = []
    with fits.open(path, disable_image_compression=True, memmap=False) as hdulist:
        tree = json.loads(bytes(hdulist["JSON"].data["JSON"][0]))
        for index in range(count):
            rng = np.random.default_rng([seed, index])
            content = np.empty(1, dtype=object)
            content[0] = np.frombuffer(json.dumps(changed(tree, rng)).encode(), dtype="uint8")
            column = fits.Column("JSON", f"PB({len(content[0])})", array=content)
            hdulist["JSON"] = fits.BinTableHDU.from_columns([column], name="JSON")
            hdulist.writeto(path, overwrite=True)
            outcome = attempt(sample, path, sample.files)
            if outcome not in ("read", "refused"):
                found.append(f"#{index}: {outcome}")
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_changed_trees(tmp_path, seed):
    assert not failures(tmp_path, 20, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_many_changed_trees(tmp_path, seed):
    assert not failures(tmp_path, 1000, seed)
