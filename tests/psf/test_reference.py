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
    "piff15": "PiffPsf",
    "piff17": "PiffPsf",
    "psfex": "PsfexPsf",
}


# Images of warped PSFs follow the original's numerical derivatives to 2e-7 of the peak, their
# shapes to 6e-6 pixel^2; the others agree to the rounding of sums in another order, 2e-15.
WARPED = {
    "coaddpsf_coaddapcorr": "CoaddPsf",
    "coaddpsf_mixed": "CoaddPsf",
    "coaddpsf_piff": "CoaddPsf",
    "warpedpsf": "WarpedPsf",
}


@dataclass(frozen=True)
class Case:
    name: str
    folder: object
    psf: Psf
    dump: dict
    rows: list

    @property
    def tolerance(self):
        return 5e-7 if self.name in WARPED else 1e-14

    @property
    def shape_tolerance(self):
        """Equal to the bit except where a single-precision intermediate rounds the other way (3e-7)."""
        return 1e-5 if self.name in WARPED else 1e-6

    @property
    def positions(self):
        x, y = np.array([self.dump[f"{row}_pos"] for row in self.rows]).T
        return x.copy(), y.copy()


@pytest.fixture(scope="module", params=[*SETS, *WARPED])
def case(request, reference):
    folder = reference / request.param
    with np.load(folder / "psf.npz") as file:
        dump = dict(file)
    rows = sorted(int(key.removesuffix("_img")) for key in dump if key.endswith("_img"))
    psf = open_exposure(folder / "exposure.fits").psf
    assert psf.kind == (SETS | WARPED)[request.param]
    return Case(request.param, folder, psf, dump, rows)


@pytest.mark.parametrize(("method", "key"), [("images", "img"), ("kernel_images", "ker")])
def test_images_equal_those_of_lsst(case, method, key):
    block = getattr(case.psf, method)(*case.positions)
    assert block.valid.all()
    for i, row in enumerate(case.rows):
        expected = case.dump[f"{row}_{key}"]
        assert (block.height[i], block.width[i]) == expected.shape
        assert (block.x0[i], block.y0[i]) == tuple(case.dump[f"{row}_{key}_xy0"])
        height, width = expected.shape
        own = block.values[i, :height, :width]
        np.testing.assert_allclose(own, expected, rtol=0, atol=case.tolerance * expected.max())


def test_shapes_equal_those_of_lsst(case):
    expected = np.array([case.dump[f"{row}_shape"] for row in case.rows])
    np.testing.assert_allclose(case.psf.shapes(*case.positions), expected, rtol=0, atol=case.shape_tolerance)


def test_shapes_at_every_position_equal_those_of_lsst(case):
    table = pq.read_table(case.folder / "footprints.parquet")
    x, y, xx, yy, xy = (table[name].to_numpy() for name in ("x", "y", "psf_ixx", "psf_iyy", "psf_ixy"))
    np.testing.assert_allclose(
        case.psf.shapes(x, y), np.stack([xx, yy, xy], axis=1), rtol=0, atol=case.shape_tolerance
    )
