"""PSFs read from exposures that the LSST pipelines wrote, against what those computed."""

from dataclasses import dataclass

import numpy as np
import pyarrow.parquet as pq
import pytest

from forcedsql.psf.protocol import Psf
from forcedsql.readers import open_exposure

SETS = {
    "singlegauss_tan": "SingleGaussianPsf",
    "doublegauss_tansip_xy0": "DoubleGaussianPsf",
    "pcapsf_polywcs": "PcaPsf",
    "kernelpsf_analytic": "KernelPsf",
    "kernelpsf_even": "KernelPsf",
    "gaussianpsf_noapcorr": "GaussianPsf",
    "doublegauss_noise": "DoubleGaussianPsf",
    "constant_scan": "SingleGaussianPsf",
    "mask_remap": "KernelPsf",
}


@dataclass(frozen=True)
class Case:
    folder: object
    psf: Psf
    dump: dict
    rows: list

    @property
    def positions(self):
        x, y = np.array([self.dump[f"{row}_pos"] for row in self.rows]).T
        return x.copy(), y.copy()


@pytest.fixture(scope="module", params=SETS)
def case(request, reference):
    folder = reference / request.param
    with np.load(folder / "psf.npz") as file:
        dump = dict(file)
    rows = sorted(int(key.removesuffix("_img")) for key in dump if key.endswith("_img"))
    psf = open_exposure(folder / "exposure.fits").psf
    assert psf.kind == SETS[request.param]
    return Case(folder, psf, dump, rows)


@pytest.mark.parametrize(("method", "key"), [("images", "img"), ("kernel_images", "ker")])
def test_images_equal_those_of_lsst(case, method, key):
    block = getattr(case.psf, method)(*case.positions)
    assert block.valid.all()
    for i, row in enumerate(case.rows):
        expected = case.dump[f"{row}_{key}"]
        assert (block.height[i], block.width[i]) == expected.shape
        assert (block.x0[i], block.y0[i]) == tuple(case.dump[f"{row}_{key}_xy0"])
        # Rounding of sums in another order; 2e-15 was found.
        np.testing.assert_allclose(block.values[i], expected, rtol=0, atol=1e-14 * expected.max())


def test_shapes_equal_those_of_lsst(case):
    expected = np.array([case.dump[f"{row}_shape"] for row in case.rows])
    # Equal to the bit except where a single-precision intermediate rounds the other way (3e-7).
    np.testing.assert_allclose(case.psf.shapes(*case.positions), expected, rtol=0, atol=1e-6)


def test_shapes_at_every_position_equal_those_of_lsst(case):
    table = pq.read_table(case.folder / "footprints.parquet")
    x, y, xx, yy, xy = (table[name].to_numpy() for name in ("x", "y", "psf_ixx", "psf_iyy", "psf_ixy"))
    np.testing.assert_allclose(case.psf.shapes(x, y), np.stack([xx, yy, xy], axis=1), rtol=0, atol=1e-6)
