"""The good files that are mutated: small ones made here for every format, and real ones."""

import gzip
import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy.io import fits

from forcedsql import open_options
from forcedsql.exposure import Exposure
from forcedsql.geometry import Box
from forcedsql.psf.analytic import DoubleGaussianPsf, SingleGaussianPsf
from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.piff import BasisPolynomial, PiffPsf, PixelGrid
from forcedsql.psf.psfex import PsfexPsf
from forcedsql.readers.lazy import open_lazily
from forcedsql.simulate import simulate_exposure, varying_psf
from forcedsql.tables.writing import write_table
from forcedsql.writer import write_exposure
from tests.readers.afw_file import AfwFile
from tests.readers.decoders.test_psfex import SIZES, model_of
from tests.readers.lsst_images.small_files import small_file
from tests.readers.psfex_writer import write_merged, write_psf
from tests.readers.test_psf_grid_file import write_stdpsf, write_webbpsf

KINDS = ("fits", "afw", "pickle", "lsst_images", "psf", "table", "profile", "layout")
_LARGEST_REAL_FILE = 2_600_000
_USUAL_BYTES = 100_000
_WHOLE = {"SCI": 100.0, "WHT": 1e6, "MASK": 1.0}
_SIDE = 64
_REAL = {
    "fits": ("data/decam_tractor_galaxies/decam-*-image-sub.fits", "data/sextractor_emmi/image.fits"),
    "afw": ("reference/open/*/exposure.fits", "data/afw_formats/*.fits*"),
    "pickle": ("reference/open/piff*/exposure.fits", "data/afw_formats/piffpsf_exp.fits"),
    "lsst_images": ("data/lsst_images/*.fits",),
    "psf": (
        "data/decam_*/*psfex.fits",
        "data/decam_legacypipe/*/*psfex.fits",
        "data/sdss_*/raw/psField*.fit",
    ),
    "table": ("data/spitzer_glimpse/*.xml", "data/sdss_*/*stars.csv"),
}
_REAL["fits"] += ("data/decam_legacypipe/*/*_oo?_*.N2.fits", "data/spitzer_glimpse/*image.fits.gz")
_REAL["fits"] += ("data/sdss_*/raw/fp[CM]-*-r4-*",)
_REAL["table"] += ("data/afw_formats/*.parq", "data/decam_tractor_galaxies/tractor*.fits")
# astropy writes the time into every compressed tile.
_GZIP_HEADER = re.compile(rb"(\x1f\x8b\x08\x00).{4}(\x02\xff)", re.DOTALL)
_OWN_PROFILE = b"""science = "SCI"
error = "[WHT]"
error_kind = "invvar"
mask = "[MASK]"
mask_kind = "bits"
gain = 1.5
saturation = 1e6
zeropoint = 31.4
pedestal = 0.5
background = "subtracted"
psf = "gaussian:4.0"
origin = "10,-20"
band = "card:CTYPE1"
mjd = "MJD-OBS"

[mask_codes]
0 = "BAD"
1 = "SAT"
2 = ""
"""


@dataclass(frozen=True)
class Seed:
    """A good file: its kind is one of `KINDS`, its suffix says the format of a table."""

    kind: str
    name: str
    suffix: str
    content: bytes

    @property
    def weight(self) -> float:
        """How often it is taken: a large file takes long, and shows nothing that a small one does not."""
        return 1.0 / (1.0 + (len(self.content) / _USUAL_BYTES) ** 2)


def seeds(folder: Path, shared: Path | None = None) -> list[Seed]:
    """Make all seeds, the same ones every time; real files only where `shared` is given."""
    made = [seed for maker in _MAKERS for seed in maker(folder)]
    return made + (list(_real(shared)) if shared is not None else [])


def _real(shared: Path) -> Iterator[Seed]:
    for kind, patterns in _REAL.items():
        for path in sorted(path for pattern in patterns for path in shared.glob(pattern)):
            if path.is_file() and path.stat().st_size <= _LARGEST_REAL_FILE:
                name = f"{path.parent.name}/{path.name}"
                suffix = {".gz": ".fits.gz"}.get(path.suffix, path.suffix)
                yield Seed(kind, name, suffix, path.read_bytes())


def _exposure(**parts: object) -> Exposure:
    made = simulate_exposure(count=5, shape=(_SIDE, _SIDE), seed=1).exposure
    return replace(made, **parts) if parts else made


def _piff() -> PiffPsf:
    side = 9
    radius = (np.arange(side) - side // 2)[:, None] ** 2 + (np.arange(side) - side // 2) ** 2
    star = np.exp(-0.5 * radius / 2.0).ravel()
    terms = np.array([[True, True], [True, False]])
    polynomial = BasisPolynomial(np.stack([star, 1e-3 * star, 0 * star], axis=1), ("x", "y"), terms)
    grid = PixelGrid(
        size=side, scale=0.2, interpolant=LanczosInterpolant(3), polynomial=polynomial, pixel_scale=0.2
    )
    return PiffPsf(side, grid)


def _file(folder: Path, name: str, write: Callable[[Path], object]) -> bytes:
    path = folder / name
    path.unlink(missing_ok=True)
    write(path)
    return _GZIP_HEADER.sub(rb"\g<1>\0\0\0\0\g<2>", path.read_bytes())


def _afw(folder: Path) -> Iterator[Seed]:
    psfs = {
        "gaussian": SingleGaussianPsf(15, 15, 2.0),
        "double": DoubleGaussianPsf(15, 15, 1.5, 3.0, 0.1),
        "kernel": varying_psf(Box(0, 0, _SIDE, _SIDE)),
        "piff": _piff(),
    }
    for (name, psf), compress in itertools.product(psfs.items(), (True, False)):
        exposure = _exposure(psf=psf)
        content = _file(
            folder, "afw.fits", lambda p, e=exposure, c=compress: write_exposure(e, p, compress=c)
        )
        kinds = ("afw", "pickle") if name == "piff" else ("afw",)
        yield from (Seed(kind, f"{name}{'_packed' if compress else ''}", ".fits", content) for kind in kinds)
        if name == "gaussian":
            yield Seed("afw", f"{name}_gzipped", ".fits.gz", gzip.compress(content, 1, mtime=0))


def _afw_of_psfex(folder: Path) -> Iterator[Seed]:
    afw = AfwFile(image=np.ones((40, 40), np.float32), variance=np.ones((40, 40), np.float32))
    afw = replace(afw, mask=np.zeros((40, 40), np.int32), compressed=True)
    afw.add_wcs()
    first, second = afw.add_table(**SIZES), afw.add_table(**model_of())
    psf = afw.place("PsfexPsf", first)
    afw.index.append((psf, second, 1, 0, 1, "PsfexPsf"))
    afw.primary["PSF_ID"] = psf
    yield Seed("afw", "psfex", ".fits", _file(folder, "psfex.fits", afw.write))


def _lsst_images(folder: Path) -> Iterator[Seed]:
    for which in ("coadd", "visit"):
        yield Seed("lsst_images", which, ".fits", _file(folder, "lsst.fits", small_file(which).write))


def _plain(folder: Path) -> Iterator[Seed]:
    yield Seed(
        "fits", "planes", ".fits", _file(folder, "planes.fits", lambda p: _plain_hdus(None).writeto(p))
    )
    for name in ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS"):
        content = _file(folder, "packed.fits", lambda p, n=name: _plain_hdus(n).writeto(p))
        yield Seed("fits", name, ".fits", content)
    gzipped = gzip.compress(_file(folder, "gz.fits", lambda p: _plain_hdus(None).writeto(p)), 1, mtime=0)
    yield Seed("fits", "gzipped", ".fits.gz", gzipped)


def _plain_hdus(algorithm: str | None) -> fits.HDUList:
    exposure = _exposure()
    cards = fits.Header({"BUNIT": "nJy", "CTYPE1": "RA---TAN-SIP", "CTYPE2": "DEC--TAN-SIP"})
    cards.update({"CRVAL1": 53.1, "CRVAL2": -28.1, "CRPIX1": 32.0, "CRPIX2": 32.0, "CD1_1": -5e-5})
    cards.update(
        {
            "CD2_2": 5e-5,
            "A_ORDER": 2,
            "A_0_2": 1e-6,
            "B_ORDER": 2,
            "B_1_1": 1e-6,
            "EQUINOX": 2000.0,
            "MJD-OBS": 60000.0,
        }
    )
    planes = {"SCI": exposure.image, "WHT": 1.0 / exposure.variance, "MASK": exposure.mask & 0xFF}
    hdus = fits.HDUList([fits.PrimaryHDU()])
    for name, values in planes.items():
        if algorithm is None:
            hdus.append(fits.ImageHDU(values, cards, name=name))
            continue
        whole = np.clip(_WHOLE[name] * values + 5000.0 * (name == "SCI"), 0, 1 << 22).astype(np.int32)
        tile = (16, _SIDE) if algorithm == "HCOMPRESS_1" else (1, _SIDE)
        options = {"compression_type": algorithm, "tile_shape": tile}
        if algorithm in ("GZIP_2", "NOCOMPRESS"):
            options["quantize_level"] = 0.0
        pixels = whole if algorithm in ("PLIO_1", "HCOMPRESS_1") else values
        hdus.append(fits.CompImageHDU(pixels, cards, name=name, **options))
    return hdus


def _psfs(folder: Path) -> Iterator[Seed]:
    components = np.random.default_rng(1).uniform(0.5, 1.0, (3, 9, 9)).astype(np.float32)
    model = PsfexPsf(components, 1, (32.0, 32.0), (32.0, 32.0), 0.8)
    stamp = np.exp(-0.5 * ((np.mgrid[:15, :15] - 7.0) ** 2).sum(axis=0) / 4.0).astype(np.float32)
    yield Seed("psf", "psfex", ".psf", _file(folder, "one.psf", lambda p: write_psf(p, model)))
    yield Seed(
        "psf", "merged", ".fits", _file(folder, "merged.fits", lambda p: write_merged(p, {(1, "N2"): model}))
    )
    yield Seed("psf", "stdpsf", ".fits", _file(folder, "grid.fits", lambda p: write_stdpsf(p, nx=2, ny=2)))
    places = [(0.0, 0.0), (64.0, 0.0), (0.0, 64.0), (64.0, 64.0)]
    yield Seed("psf", "webbpsf", ".fits", _file(folder, "webb.fits", lambda p: write_webbpsf(p, places)))
    yield Seed(
        "psf", "stamp", ".fits", _file(folder, "stamp.fits", lambda p: fits.PrimaryHDU(stamp).writeto(p))
    )


def _tables(folder: Path) -> Iterator[Seed]:
    field = pa.field("ra", pa.float64(), metadata={"unit": "deg", "ucd": "pos.eq.ra"})
    rows = {"id": range(20), "ra": np.linspace(53.09, 53.11, 20), "dec": np.linspace(-28.11, -28.09, 20)}
    table = pa.table({**rows, "name": [f"star {n}" if n % 3 else None for n in range(20)]})
    table = table.set_column(1, field, table.column("ra"))
    for suffix in (".parquet", ".csv", ".ecsv", ".fits", ".vot", ".feather"):
        content = _file(folder, f"table{suffix}", lambda p: write_table(table, p))
        yield Seed("table", f"table{suffix}", suffix, content)


def _profiles(_: Path) -> Iterator[Seed]:
    yield Seed("profile", "own", ".toml", _OWN_PROFILE)
    for path in sorted((Path(open_options.__file__).parent / "profiles").glob("*.toml")):
        yield Seed("profile", path.stem, ".toml", path.read_bytes())


def _layouts(folder: Path) -> Iterator[Seed]:
    """Layouts as the registry keeps them, each beside the file that it is of."""
    for name, psf in (("gaussian", SingleGaussianPsf(15, 15, 2.0)), ("piff", _piff())):
        path = folder / f"layout_of_{name}.fits"
        write_exposure(_exposure(psf=psf), path)
        layout = open_lazily(path).layout
        yield Seed("layout", path.stem, ".json", json.dumps(json.loads(layout)).encode())


_MAKERS = (_plain, _afw, _afw_of_psfex, _lsst_images, _psfs, _tables, _profiles, _layouts)
