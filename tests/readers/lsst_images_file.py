"""Writes files laid out as lsst.images does, from its public schemas, for tests of the reader."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from starlink import Ast

from forcedsql.writer.projection import FitsProjection

SCHEMAS = "https://images.lsst.io/schemas/"
PIXEL_SCALE = 0.2
GSPARAMS = "128,8192,0.005,5.0,0.001,1e-05,1e-05,1,0.0001,1e-06,1e-06,1e-08,1e-05"
SKY = FitsProjection(
    crval=(55.0, -30.0), crpix=(150.0, 150.0), cd=np.diag([-PIXEL_SCALE, PIXEL_SCALE]) / 3600.0
)
VISIT_PLANES = ("BAD", "SATURATED", "INTERPOLATED", "COSMIC_RAY", "DETECTION_EDGE", "SUSPECT", "NO_DATA")
COADD_PLANES = ("NO_DATA", "INTERPOLATED", "COSMIC_RAY", "SATURATED", "DETECTION_EDGE", "INEXACT_PSF")
PSF_FLUX = "base_PsfFlux_instFlux"


def schema(name: str, version: str = "1.0.0") -> dict[str, Any]:
    """The fields that every part of a tree begins with."""
    return {"schema_version": version, "min_read_version": 1, "schema_url": f"{SCHEMAS}{name}-{version}"}


def inline(values: Any) -> dict[str, Any]:
    return {"data": np.asarray(values).tolist(), "datatype": "float64"}


def box(x0: int, y0: int, width: int, height: int) -> dict[str, Any]:
    return {"y": {"start": y0, "stop": y0 + height}, "x": {"start": x0, "stop": x0 + width}}


def chebyshev(bounds: Mapping[str, Any], coefficients: Any, unit: str | None = None) -> dict[str, Any]:
    own = {"bounds": bounds, "coefficients": inline(coefficients), "unit": unit, "field_type": "CHEBYSHEV"}
    return {**schema("chebyshev_field"), **own}


def combined(kind: str, *operands: Mapping[str, Any]) -> dict[str, Any]:
    """A field of type SUM or PRODUCT."""
    return {**schema(f"{kind.lower()}_field"), "operands": list(operands), "field_type": kind}


def gaussian_psf(sigma: float, size: int) -> dict[str, Any]:
    bounds = box(0, 0, 1000, 1000)
    return {**schema("gaussian_psf"), "sigma": sigma, "stamp_size": size, "bounds": bounds}


def commented(text: str) -> str:
    """AST text as lsst.images stores it: a tab and a comment after every line."""
    return "".join(f" {line} \t# what this says\n" for line in text.splitlines())


@dataclass
class LsstImagesFile:
    """A JSON tree and the HDUs that it points to; a test may change any of it before it is written."""

    tree: dict[str, Any]
    images: dict[str, np.ndarray] = field(default_factory=dict)
    tables: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    primary: dict[str, Any] = field(default_factory=lambda: {"FMTVER": 1})

    def image_node(self, name: str, values: np.ndarray) -> dict[str, Any]:
        """Keep an array for an HDU of that name, return what points to it."""
        self.images[name] = values
        return self._reference(f"fits:{name}", values.shape, values.dtype)

    def table_node(self, name: str, columns: Mapping[str, Any]) -> dict[str, Any]:
        """Keep columns for a table HDU of that name, return what points to them."""
        self.tables[name] = {key: np.asarray(values) for key, values in columns.items()}
        nodes = [
            {"data": self._reference(f"fits:{name}[{n}]", values.shape[1:], values.dtype), "name": key}
            for n, (key, values) in enumerate(self.tables[name].items(), start=1)
        ]
        return {"columns": nodes}

    def write(self, path: Path) -> Path:
        """Write the file: planes and other images compressed, tables, JSON, index."""
        hdus = fits.HDUList([fits.PrimaryHDU()])
        addresses = dict.fromkeys(("INDXADDR", "INDXSIZE", "JSONADDR", "JSONSIZE"), 0)
        url = f"{self.tree.get('schema_url', '')!s:.60}"
        hdus[0].header.update({**self.primary, **addresses, "DATAMODL": url})
        for name, values in self.images.items():
            tile = (1,) * (values.ndim - 1) + values.shape[-1:]
            options = {"compression_type": "GZIP_2", "quantize_level": 0.0, "tile_shape": tile}
            hdus.append(fits.CompImageHDU(values, name=name, **options))
        for name, columns in self.tables.items():
            hdus.append(_table_hdu(name, columns))
        hdus.append(_json_hdu(self.tree))
        path.write_bytes(_with_index(hdus))
        return path

    @staticmethod
    def _reference(source: str, shape: Sequence[int], dtype: np.dtype) -> dict[str, Any]:
        return {"source": source, "shape": list(shape), "datatype": dtype.name, "byteorder": "big"}


def with_tree(content: bytes, tree: Mapping[str, Any]) -> bytes:
    """A file's bytes with another JSON tree, and without the index, which the reader does not use."""
    end = fits.Header.fromstring(content[:2880])["JSONADDR"]
    return content[:end] + _bytes_of([fits.PrimaryHDU(), _json_hdu(tree)])[2880:]


def visit_image(
    image: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray | None = None,
    *,
    xy0: tuple[int, int] = (0, 0),
    ap_corr: Mapping[str, Any] | None = None,
    unit: str = "nJy",
    psf: Mapping[str, Any] | None = None,
) -> LsstImagesFile:
    """A VisitImage of visit 42, detector 7, with a Gaussian PSF unless it says otherwise."""
    height, width = image.shape
    whole = box(*xy0, width, height)
    frame = {"instrument": "Sim", "visit": 42, "detector": 7, "bbox": whole, "frame_type": "DETECTOR"}
    file = LsstImagesFile(schema("visit_image", "1.1.0"))
    _add_planes(file, image, variance, mask, xy0=xy0, planes=VISIT_PLANES, unit=unit)
    file.tree |= {
        "sky_projection": _sky_projection(frame, whole),
        "photometric_scaling": None,
        "aperture_corrections": {**schema("aperture_correction_map"), "fields": dict(ap_corr or {})},
        "psf": dict(psf or gaussian_psf(2.0, 31)),
        "obs_info": {
            "instrument": "Sim",
            "physical_filter": "r_sim",
            "visit_id": 42,
            "detector_num": 7,
            "exposure_time": 30.0,
            "datetime_begin": [2460624.0, -0.25],
            "datetime_end": [2460624.0, -0.2496],
        },
        "summary_stats": schema("observation_summary_stats"),
        "detector": {**schema("detector", "1.1.0"), **_detector(whole), "visit": 42},
        "band": "r",
    }
    return file


def piff_psf(
    file: LsstImagesFile, solution: np.ndarray, *, stamp_size: int, order: Any, keys: Sequence[str]
) -> dict[str, Any]:
    """A Piff fit of a PixelGrid with one point per pixel; `solution` is (points, terms)."""
    table = file.table_node("PSF/PIFF/INTERP/SOLUTION", {"q": solution[None]})
    model = {
        "scale": PIXEL_SCALE,
        "size": int(np.sqrt(len(solution))),
        "centered": False,
        "interp": f"galsim.Lanczos(11, True, gsparams=galsim.GSParams({GSPARAMS}))",
        "init": None,
        "fit_flux": False,
        "type": "PixelGrid",
    }
    interp = {"order": order, "max_order": None, "keys": list(keys), "solver": "scipy"}
    parts = {
        "structs": {
            "chisq": {"chisq": 1.0, "last_delta_chisq": 0.1, "dof": 2, "nremoved": 0, "niter": 2},
            "model": model,
            "interp": {**interp, "type": "BasisPolynomial"},
            "outliers": {"thresh": None, "ndof": None, "prob": 1e-5, "max_remove": 0.05, "type": "Chisq"},
        },
        "wcs": {"wcs": {"scale": PIXEL_SCALE, "wcs_type": "pixel_scale"}},
        "objects": {
            "model": {},
            "outliers": {},
            "interp": {"tables": {"solution": {"metadata": {}, "table": table}}},
        },
    }
    fit = {"model": 0, "interp": 0, "outliers": 0, "chisq_thresh": 0.1, "min_iter": 2, "max_iter": 15}
    piff = {
        "structs": {"piff": {**fit, "type": "Simple", "piff_version": "1.6.0"}},
        "objects": {"piff": parts},
    }
    own = {"piff": piff, "stars": [], "stamp_size": stamp_size, "bounds": box(0, 0, 1000, 1000)}
    return {**schema("piff_psf"), **own}


def cell_bounds(
    *,
    cell: tuple[int, int],
    cells: tuple[int, int],
    first: tuple[int, int],
    missing: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """Bounds of (ny, nx) cells of (height, width) pixels, from cell (i, j) of a grid from pixel (0, 0)."""
    (height, width), (ny, nx), (i, j) = cell, cells, first
    return {
        "grid": {"bbox": box(0, 0, 20 * width, 20 * height), "cell_shape": {"y": height, "x": width}},
        "bbox": box(j * width, i * height, nx * width, ny * height),
        "missing": [{"i": a, "j": b} for a, b in missing],
    }


def cell_coadd(
    image: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray,
    psf: np.ndarray,
    *,
    bounds: Mapping[str, Any],
    ap_corr: Mapping[str, Any] | None = None,
) -> LsstImagesFile:
    """A CellCoadd of tract 9813, patch 43; `psf` is (ny, nx, h, w), `ap_corr` the columns of its table."""
    region, grid = bounds["bbox"], bounds["grid"]
    xy0 = (region["x"]["start"], region["y"]["start"])
    frame = {"skymap": "sim", "tract": 9813, "bbox": grid["bbox"], "frame_type": "TRACT"}
    file = LsstImagesFile(schema("cell_coadd"))
    _add_planes(file, image, variance, mask, xy0=xy0, planes=COADD_PLANES, unit="nJy")
    index = {"y": 4, "x": 3}
    file.tree |= {
        "sky_projection": _sky_projection(frame, region),
        "mask_fractions": {},
        "noise_realizations": [],
        "band": "i",
        "psf": {**schema("cell_psf"), "array": file.image_node("PSF", psf), "bounds": bounds},
        "patch": {"id": 43, "index": index, "inner_bbox": grid["bbox"], "cells": grid},
        "provenance": None,
    }
    if ap_corr is not None:
        table = file.table_node("APERTURE_CORRECTIONS/TABLE", ap_corr)
        own = {"table": table, "bounds": bounds}
        file.tree["aperture_corrections"] = {**schema("cell_aperture_correction_map"), **own}
    return file


def _add_planes(
    file: LsstImagesFile,
    image: np.ndarray,
    variance: np.ndarray,
    mask: np.ndarray | None,
    *,
    xy0: tuple[int, int],
    planes: Sequence[str],
    unit: str,
) -> None:
    yx0 = list(xy0[::-1])
    mask = np.zeros(image.shape, np.int32) if mask is None else mask
    for name, values, squared in (("image", image, ""), ("variance", variance, "**2")):
        node = file.image_node(name.upper(), values.astype(np.float32))
        data = {"value": node, "unit": f"{unit}{squared}"}
        file.tree[name] = {**schema("image"), "data": data, "yx0": yx0}
    file.tree["mask"] = {
        **schema("mask"),
        "data": [file.image_node("MASK", mask.astype(np.int32))],
        "yx0": yx0,
        "planes": [{"name": name, "description": f"{name}."} for name in planes],
        "dtype": "uint8",
    }


def _sky_projection(frame: Mapping[str, Any], bounds: Mapping[str, Any]) -> dict[str, Any]:
    transform = {
        **schema("transform"),
        "frames": [frame, "ICRS"],
        "bounds": [bounds, None],
        "mappings": [{"ast": commented(SKY.ast_text())}],
    }
    return {**schema("sky_projection"), "pixel_to_sky": transform}


def _detector(bounds: Mapping[str, Any]) -> dict[str, Any]:
    """A detector without amplifiers, which the reader passes over and lsst-images demands."""
    angle = {"value": 0.0, "unit": "rad"}
    places = ("focal_plane_x", "focal_plane_y", "focal_plane_z", "pixel_reference_x", "pixel_reference_y")
    attributes = {
        "name": "R00_S00",
        "id": 7,
        "type": "SCIENCE",
        "serial": "1",
        "bbox": bounds,
        "orientation": {**dict.fromkeys(places, 0.0), **dict.fromkeys(("yaw", "pitch", "roll"), angle)},
        "pixel_size": 0.01,
        "physical_type": "SIM",
    }
    camera = Ast.FrameSet(Ast.Frame(2, "Ident=FOCAL_PLANE,Unit(1)=mm,Unit(2)=mm"))
    for name in ("FIELD_ANGLE", "DETECTOR_7"):
        camera.addframe(1, Ast.UnitMap(2), Ast.Frame(2, f"Ident={name}"))
    frames = {**schema("camera_frame_set"), "instrument": "Sim", "ast": str(camera)}
    return {"attributes": attributes, "amplifiers": [], "frames": frames}


def _table_hdu(name: str, columns: Mapping[str, np.ndarray]) -> fits.BinTableHDU:
    made = []
    for key, values in columns.items():
        code, cell = {"i": "K", "f": "D"}[values.dtype.kind], values.shape[1:]
        form = f"{int(np.prod(cell))}{code}" if cell else code
        dim = f"({','.join(map(str, cell[::-1]))})" if len(cell) > 1 else None
        made.append(fits.Column(name=key, format=form, array=values, dim=dim))
    return fits.BinTableHDU.from_columns(made, name=name)


def _json_hdu(tree: Mapping[str, Any]) -> fits.BinTableHDU:
    text = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    cell = np.empty(1, dtype=object)
    cell[0] = text
    return fits.BinTableHDU.from_columns([fits.Column(name="JSON", format="PB()", array=cell)], name="JSON")


def _with_index(hdus: fits.HDUList) -> bytes:
    """The bytes of a file that ends in an index of the places of its HDUs."""
    body = _bytes_of(hdus)
    with fits.open(BytesIO(body), disable_image_compression=True) as plain:
        rows = [_index_row(hdu) for hdu in plain]
        header = plain[0].header
    names = ("EXTNAME", "EXTVER", "XTENSION", "ZIMAGE", "HDRADDR", "DATADDR", "DATSIZE")
    columns = [
        fits.Column(name=name, format=form, array=values)
        for name, form, values in zip(
            names, ("60A", "J", "8A", "L", "K", "K", "K"), zip(*rows, strict=True), strict=True
        )
    ]
    index = _bytes_of([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="INDEX")])[2880:]
    place_of_json = rows[-1][4]
    header.update({"JSONADDR": place_of_json, "JSONSIZE": len(body) - place_of_json})
    header.update({"INDXADDR": len(body), "INDXSIZE": len(index)})
    head = header.tostring().encode()
    return head + body[len(head) :] + index


def _bytes_of(hdus: Sequence[Any]) -> bytes:
    stream = BytesIO()
    fits.HDUList(hdus).writeto(stream)
    return stream.getvalue()


def _index_row(hdu: Any) -> tuple[str, int, str, bool, int, int, int]:
    place, kind = hdu.fileinfo(), hdu.header.get("XTENSION", "IMAGE")
    name = hdu.header.get("EXTNAME", "")
    compressed = bool(hdu.header.get("ZIMAGE", False))
    return name, 1, kind, compressed, place["hdrLoc"], place["datLoc"], place["datSpan"]
