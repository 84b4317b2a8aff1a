"""open_exposure: what is refused, in one line that names the file."""

import gzip
import random
import re
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import ReadError
from forcedsql.readers import archive_classes, open_exposure
from forcedsql.readers.file_bytes import FileState


def refused(path, pattern):
    with pytest.raises(ReadError, match=pattern) as caught:
        open_exposure(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text


def test_importing_the_readers_imports_no_astropy():
    code = "import sys, forcedsql.readers; sys.exit('astropy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_file_is_refused(tmp_path):
    refused(tmp_path / "none.fits", "there is no such file")


def test_a_directory_is_refused(tmp_path):
    refused(tmp_path, "it is a directory")


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "empty.fits"
    path.write_bytes(b"")
    refused(path, "it is empty")


def test_a_file_that_is_not_fits_is_refused_with_what_was_seen(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 and so on")
    refused(path, re.escape("not a FITS file: it starts with b'PAR1 and '"))


def test_a_fits_file_of_another_kind_is_refused_with_what_is_supported(tmp_path):
    path = tmp_path / "cube.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2, 2)), name="SCI")]).writeto(path)
    refused(path, "its HDUs are PRIMARY, SCI; supported: afw ExposureF, lsst.images, plain FITS")


def test_an_image_without_mask_and_variance_is_refused(tmp_path):
    path = tmp_path / "image.fits"
    image = fits.ImageHDU(np.zeros((2, 2), np.float32))
    image.header["EXTTYPE"] = "IMAGE"
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)
    refused(path, "an afw exposure has IMAGE, MASK and VARIANCE")


def test_a_newer_format_is_refused(afw, tmp_path):
    afw.primary["EXPINFO_V"] = 3
    refused(afw.write(tmp_path / "new.fits"), "afw exposure of format 3; forcedsql reads up to 2")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_cut_short_anywhere_is_refused(afw, tmp_path, compressed):
    afw.compressed = compressed
    afw.add_wcs()
    content = afw.write(tmp_path / "whole.fits").read_bytes()
    path = tmp_path / "cut.fits"
    for length in range(9, len(content), 1440):
        path.write_bytes(content[:length])
        refused(path, "cut short|no HDU|HDU|header|archive|known format")


def test_a_gzipped_file_is_read(afw, tmp_path):
    plain = afw.write(tmp_path / "exposure.fits")
    packed = tmp_path / "exposure.fits.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    np.testing.assert_array_equal(open_exposure(packed).image, afw.image)


def test_a_gzipped_file_cut_short_is_refused(afw, tmp_path):
    plain = afw.write(tmp_path / "exposure.fits")
    packed = tmp_path / "exposure.fits.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes())[:-200])
    with pytest.raises(ReadError):
        open_exposure(packed)


def test_damaged_bytes_give_an_exposure_or_a_read_error(afw, tmp_path):
    """Nothing else may escape, whatever the file says; 200 files with 1 to 8 bytes changed."""
    afw.add_wcs()
    afw.primary["PSF_ID"] = afw.add_object(
        "GaussianPsf", dimensions_x=("J", [5]), dimensions_y=("J", [5]), sigma=("D", [1.5])
    )
    content = afw.write(tmp_path / "whole.fits").read_bytes()
    path = tmp_path / "damaged.fits"
    opened = 0
    for seed in range(200):
        rng = random.Random(seed)
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 2, 8])):
            damaged[rng.randrange(len(damaged))] = rng.choice([0, 0x20, 0x2D, 0x39, 0xFF])
        path.write_bytes(damaged)
        with suppress(ReadError):
            open_exposure(path)
            opened += 1
    assert 0 < opened < 200


def test_files_open_in_several_threads(afw, tmp_path):
    afw.add_wcs()
    path = afw.write(tmp_path / "exposure.fits")
    found = []
    threads = [threading.Thread(target=lambda: found.append(open_exposure(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(exposure.wcs is not None for exposure in found)


def test_archive_classes_tell_known_from_unknown(afw, tmp_path):
    afw.add_wcs()
    afw.add_object("TransmissionCurve", a=("J", [1]))
    table = afw.add_table(sigma=("D", [1.0, 2.0]))
    for row in (0, 1):
        afw.place("GaussianPsf", table, row0=row)
    classes = archive_classes(afw.write(tmp_path / "exposure.fits"))
    assert [(c.name, c.count, c.known) for c in classes] == [
        ("GaussianPsf", 2, True),
        ("SkyWcs", 1, True),
        ("TransmissionCurve", 1, False),
    ]


def test_a_file_without_archive_has_no_classes(afw, tmp_path):
    assert archive_classes(afw.write(tmp_path / "exposure.fits")) == ()


@pytest.mark.parametrize("name", ["a\0b", "n" * 5000, "a\ud800"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(ReadError, match=r"cannot be opened: (it is no name of a file|File name too long)"):
        open_exposure(name)
    with pytest.raises(ReadError, match="cannot be opened"):
        FileState.of(Path(name))
