"""Opening without pixels: the same exposure, from fewer bytes, and no trust in a layout."""

import gzip
import json
import os

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.config import MeasurementConfig
from forcedsql.errors import FileLimitError, ReadError
from forcedsql.lazy_exposure import LazyExposure
from forcedsql.measure.driver import measure_positions
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.readers import file_bytes, fits_file, open_exposure
from forcedsql.readers.lazy import open_lazily, pinned_options
from forcedsql.simulate import simulate_exposure
from forcedsql.writer import write_exposure
from tests.readers.afw_file import AfwFile

PLANES = ("image", "mask", "variance")
REFERENCES = (
    "coaddpsf_coaddapcorr",
    "coaddpsf_mixed",
    "coaddpsf_piff",
    "constant_scan",
    "doublegauss_noise",
    "doublegauss_tansip_xy0",
    "gaussianpsf_noapcorr",
    "kernelpsf_analytic",
    "kernelpsf_even",
    "mask_remap",
    "pcapsf_polywcs",
    "piff15",
    "piff17",
    "psfex",
    "singlegauss_tan",
    "warpedpsf",
)


def assert_same_planes(one, other):
    for name in PLANES:
        a, b = getattr(one, name), getattr(other, name)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        assert a.tobytes() == b.tobytes(), name


def assert_same_columns(one, other):
    assert list(one) == list(other)
    different = [name for name in one if one[name].tobytes() != other[name].tobytes()]
    assert different == []


def odd_planes(shape=(50, 40), seed=1):
    """Planes with all that single precision has: NaN, infinities, denormals, negative zero."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 100, shape).astype(np.float32)
    image.flat[rng.choice(image.size, 60, replace=False)] = np.repeat(
        np.array([np.nan, np.inf, -np.inf, 1e-42, -0.0, 3e38], np.float32), 10
    )
    mask = rng.integers(-(2**31), 2**31, shape).astype(np.int32)
    return {"image": image, "mask": mask, "variance": rng.exponential(4, shape).astype(np.float32)}


def store_as(path, *, compression=None, **options):
    """Rewrite the planes of a file in another way of storage."""
    with fits.open(path) as hdus:
        content = [hdus[0].copy()]
        for hdu in hdus[1:4]:
            header = hdu.header.copy()
            if compression is None:
                content.append(fits.ImageHDU(hdu.data, header))
            else:
                kind = compression if hdu.data.dtype.kind == "f" or compression != "RICE_1" else "GZIP_2"
                content.append(fits.CompImageHDU(hdu.data, header, compression_type=kind, **options))
        fits.HDUList(content).writeto(path, overwrite=True)
    return path


@pytest.fixture
def odd_file(tmp_path):
    return AfwFile(**odd_planes()).write(tmp_path / "odd.fits")


WAYS = {
    "plain": {},
    "rows, GZIP_1": {"compression": "GZIP_1", "quantize_level": 0},
    "rows, GZIP_2": {"compression": "GZIP_2", "quantize_level": 0},
    "tiles, GZIP_2": {"compression": "GZIP_2", "quantize_level": 0, "tile_shape": (7, 9)},
    "two rows, GZIP_2": {"compression": "GZIP_2", "quantize_level": 0, "tile_shape": (2, 40)},
}


@pytest.mark.parametrize("way", WAYS)
def test_rows_are_those_of_the_whole_image_however_they_are_stored(odd_file, way):
    path = store_as(odd_file, **WAYS[way])
    whole = open_exposure(path)
    for layout in ("", open_lazily(path).layout):
        lazy = open_lazily(path, layout).exposure
        for row, columns in ((5, slice(0, 9)), (6, slice(31, 60)), (22, slice(14, 15))):
            wanted = np.zeros(50, bool)
            wanted[row : row + 4] = True
            lazy.read_rows(wanted, wanted, columns)
            for name, plane in zip(PLANES, lazy.planes_so_far(), strict=True):
                box = wanted, columns
                assert plane[box].tobytes() == getattr(whole, name)[box].tobytes()
        assert lazy.nbytes == (9 + 3 * 40 + 9 + 4) * 12
        for row in (0, 49, 13, 14, 30):
            wanted = np.zeros(50, bool)
            wanted[row : row + 3] = True
            lazy.read_rows(wanted, wanted)
            for name, plane in zip(PLANES, lazy.planes_so_far(), strict=True):
                assert plane[wanted].tobytes() == getattr(whole, name)[wanted].tobytes()
        assert_same_planes(lazy, whole)


def test_quantised_floats_are_those_of_the_whole_image(tmp_path):
    planes = odd_planes() | {"image": np.random.default_rng(2).normal(0, 9, (50, 40)).astype(np.float32)}
    path = store_as(
        AfwFile(**planes).write(tmp_path / "lossy.fits"),
        compression="RICE_1",
        quantize_level=16,
        quantize_method=2,
        dither_seed=5,
    )
    assert_same_planes(open_lazily(path).exposure, open_exposure(path))


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32])
def test_masks_of_any_width(tmp_path, dtype):
    mask = np.random.default_rng(1).integers(0, 200, (50, 40)).astype(dtype)
    path = AfwFile(**(odd_planes() | {"mask": mask})).write(tmp_path / "mask.fits")
    assert_same_planes(open_lazily(path).exposure, open_exposure(path))


def test_double_precision_is_rounded_alike(tmp_path):
    image = np.random.default_rng(1).normal(0, 1e30, (50, 40)) ** 2
    path = AfwFile(**(odd_planes() | {"image": image})).write(tmp_path / "double.fits")
    assert_same_planes(open_lazily(path).exposure, open_exposure(path))


@pytest.mark.parametrize("name", REFERENCES)
def test_reference_exposures_measure_the_same_to_the_bit(reference, name):
    path = reference / name / "exposure.fits"
    whole = open_exposure(path)
    height, width = whole.shape
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.uniform(-2, width + 1, 12), [0, width - 1, -0.4, width / 2, width / 2 + 3]])
    y = np.concatenate([rng.uniform(-2, height + 1, 12), [0, height - 1, height - 0.6, 90.2, 90.7]])
    ra, dec = whole.require_wcs().pixel_to_sky(x + whole.xy0[0], y + whole.xy0[1])
    ra, dec = np.append(ra, [np.nan, 400.0]), np.append(dec, [0.0, 91.0])
    config = MeasurementConfig()
    layout = open_lazily(path).layout
    shared_rows = open_lazily(path, layout).exposure
    for some in (slice(0, 1), slice(1, 4), slice(12, 13), slice(13, None), slice(None)):
        expected = measure_positions(whole, ra[some], dec[some], config)
        for lazy in (open_lazily(path, layout).exposure, shared_rows):
            assert_same_columns(measure_positions(lazy, ra[some], dec[some], config), expected)


class TestBytes:
    """How much of a file is read, counted where it is read."""

    @pytest.fixture
    def counted(self, monkeypatch):
        read: list[int] = []
        real = file_bytes.FileBytes.read

        def reading(file, start, count):
            read.append(count)
            return real(file, start, count)

        def never(*_):
            raise AssertionError("the file was opened by its headers")

        monkeypatch.setattr(file_bytes.FileBytes, "read", reading)
        return read, lambda: monkeypatch.setattr(fits_file.fits, "open", never)

    @pytest.mark.parametrize("compress", [True, False])
    def test_few_positions_on_a_large_file_read_few_bytes(self, tmp_path, counted, compress):
        path = tmp_path / "large.fits"
        exposure = simulate_exposure(
            count=50, shape=(1500, 900), psf=SingleGaussianPsf(25, 25, 1.8), seed=3
        ).exposure
        write_exposure(exposure, path, compress=compress)
        opened = open_lazily(path)
        read, forbid_parsing = counted
        forbid_parsing()
        read.clear()
        lazy = open_lazily(path, opened.layout).exposure
        assert sum(read) < 30_000
        ra, dec = lazy.require_wcs().pixel_to_sky(np.array([450.0]), np.array([700.0]))
        measure_positions(lazy, ra, dec, MeasurementConfig())
        # The largest circle has 70 pixels radius: about 150 of 1500 rows.
        assert sum(read) < 0.12 * path.stat().st_size
        assert lazy.nbytes < 0.11 * exposure.nbytes
        before = sum(read)
        measure_positions(lazy, ra, dec, MeasurementConfig())
        assert sum(read) == before


def with_cards(layout, hdu, cards):
    """A layout in which an HDU has other cards."""
    content = json.loads(layout)
    content["hdus"][hdu]["cards"] = cards
    return json.dumps(content)


class TestLayoutsAreNotTrusted:
    @pytest.fixture
    def opened(self, odd_file):
        return odd_file, open_lazily(odd_file).layout

    @pytest.mark.parametrize(
        "damage",
        [
            lambda text: "",
            lambda text: text[:-20],
            lambda text: "[" * 100_000,
            lambda text: "null",
            lambda text: '{"version":1,"size":-1,"hdus":[],"condensed":{}}',
            lambda text: text.replace('"version":1', '"version":99'),
            lambda text: text.replace('"start":', '"begin":'),
            lambda text: json.dumps(json.loads(text) | {"size": 10**9}),
            lambda text: json.dumps(json.loads(text) | {"hdus": []}),
            lambda text: json.dumps(json.loads(text) | {"hdus": json.loads(text)["hdus"][:2]}),
            lambda text: with_cards(text, 0, []),
            lambda text: with_cards(text, 1, {"NAXIS": 3}),
            # One by which the file would be a plain image, and one of lsst.images.
            lambda text: with_cards(with_cards(text, 0, {}), 1, {"NAXIS": 2, "NAXIS1": 4, "NAXIS2": 4}),
            lambda text: with_cards(text, 0, {"JSONADDR": 1}),
            lambda text: with_cards(text, 2, {"NAXIS": 2, "NAXIS1": 4, "NAXIS2": 4}),
        ],
    )
    def test_one_that_does_not_fit_is_not_used(self, opened, damage):
        path, layout = opened
        assert_same_planes(open_lazily(path, damage(layout)).exposure, open_exposure(path))

    def test_places_outside_the_file_are_refused(self, opened):
        path, layout = opened
        content = json.loads(layout)
        content["hdus"][1]["start"] = path.stat().st_size
        assert_same_planes(open_lazily(path, json.dumps(content)).exposure, open_exposure(path))

    def test_a_claim_of_more_pixels_than_a_reader_grants_is_refused(self, tmp_path):
        path = AfwFile(**odd_planes()).write(tmp_path / "huge.fits")
        content = json.loads(open_lazily(path).layout)
        for hdu in content["hdus"][1:4]:
            hdu["cards"] |= {"NAXIS1": 10**6, "NAXIS2": 10**6}
        # It is too large by the layout, and right by the file's own headers.
        assert open_lazily(path, json.dumps(content)).exposure.shape == (50, 40)

    @pytest.mark.parametrize("columns", [1, 90, 101, 4000])
    @pytest.mark.parametrize("missing", ["", "ZBITPIX"])
    def test_rows_of_another_length_are_refused_when_they_are_read(self, tmp_path, columns, missing):
        path = tmp_path / "packed.fits"
        write_exposure(simulate_exposure(count=5, shape=(80, 100), seed=1).exposure, path)
        content = json.loads(open_lazily(path).layout)
        for hdu in content["hdus"][1:4]:
            hdu["cards"]["NAXIS1"] = columns
            hdu["storage"].pop(missing, None)
        exposure = open_lazily(path, json.dumps(content)).exposure
        with pytest.raises(ReadError, match=rf"HDU 1 has rows of 100 pixels; its layout says {columns}"):
            _ = exposure.image


def test_a_file_changed_after_opening_is_refused(odd_file):
    lazy = open_lazily(odd_file).exposure
    os.utime(odd_file, ns=(1, 1))
    with pytest.raises(ReadError, match=r"odd\.fits: it has changed since it was opened"):
        _ = lazy.image


def test_a_file_that_is_gone_is_named(odd_file):
    lazy = open_lazily(odd_file).exposure
    odd_file.unlink()
    with pytest.raises(ReadError, match=r"odd\.fits: it cannot be opened: No such file"):
        _ = lazy.image


def test_damaged_tiles_are_found_when_they_are_read(tmp_path):
    path = tmp_path / "damaged.fits"
    exposure = simulate_exposure(
        count=5, shape=(120, 100), psf=SingleGaussianPsf(25, 25, 1.8), seed=1
    ).exposure
    write_exposure(exposure, path)
    layout = open_lazily(path).layout
    hdu = json.loads(layout)["hdus"][1]
    data = bytearray(path.read_bytes())
    # The heap follows the descriptors: zeros in it break a tile in the middle.
    middle = hdu["start"] + hdu["storage"]["NAXIS1"] * 120 + hdu["storage"]["PCOUNT"] // 2
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(ReadError, match=r"damaged\.fits: .*tile"):
        _ = open_lazily(path, layout).exposure.image


def test_a_file_cut_short_is_refused_at_once(odd_file):
    odd_file.write_bytes(odd_file.read_bytes()[:-2880])
    with pytest.raises(ReadError, match="cut short"):
        open_lazily(odd_file)


def test_too_many_pixels_are_refused(odd_file, monkeypatch):
    monkeypatch.setattr("forcedsql.readers.limits.MAX_IMAGE_PIXELS", 1999)
    with pytest.raises(FileLimitError, match="2000"):
        open_lazily(odd_file)


def test_a_file_gzipped_as_a_whole_is_read_as_ever(odd_file):
    packed = odd_file.with_suffix(".fits.gz")
    packed.write_bytes(gzip.compress(odd_file.read_bytes()))
    opened = open_lazily(packed)
    assert opened.layout == ""
    assert not isinstance(opened.exposure, LazyExposure)
    assert_same_planes(opened.exposure, open_exposure(odd_file))


def test_planes_of_several_sizes_are_refused(tmp_path):
    path = AfwFile(mask=np.zeros((5, 8), np.int32)).write(tmp_path / "a.fits")
    with pytest.raises(ReadError, match="different numbers of pixels"):
        open_lazily(path)


def test_files_that_describe_themselves_have_no_options(tmp_path):
    assert pinned_options(AfwFile().write(tmp_path / "a.fits")) is None
