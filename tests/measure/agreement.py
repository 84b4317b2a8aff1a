"""Print how far the measurement is from the reference tables: ``python -m tests.measure.agreement``."""

import os
import sys
from pathlib import Path

import numpy as np

from tests.measure.test_reference import (
    DRAWN_SETS,
    GAUSSIAN_AND_KERNEL_SETS,
    WARPED_SETS,
    column,
    deviation_in_sigma,
    measured_and_expected,
)


def agreement(folder: Path) -> dict[str, float]:
    """Return the largest deviation of each kind of column in one reference set."""
    measured, expected = measured_and_expected(folder, "expected")
    worst: dict[str, float] = {}

    def note(kind: str, values: np.ndarray) -> None:
        worst[kind] = max(worst.get(kind, 0.0), float(np.nanmax(values, initial=0.0)))

    for name in expected.column_names:
        ours, theirs = column(measured, name), column(expected, name)
        if "flag" in name or name.endswith("npixels"):
            note("flags and integers differing", np.array([np.sum(ours != theirs)]))
        elif name.endswith(("FromCoord_x", "FromCoord_y")):
            note("centroid, px", np.abs(ours - theirs))
        elif name == "base_PsfFlux_flux":
            note("PSF flux, sigma", deviation_in_sigma(measured, expected, name))
        elif name == "base_PsfFlux_fluxErr":
            note("PSF flux error, relative", np.abs(ours / theirs - 1))
        elif name in ("base_PsfFlux_area", "base_PsfFlux_chi2"):
            with np.errstate(invalid="ignore"):
                note("area and chi2, relative", np.abs(ours / theirs - 1))
        elif name == "base_PsfFlux_apCorr":
            note("aperture correction", np.abs(ours - theirs))
        elif "Aperture" in name and name.endswith("_flux"):
            small = any(f"Flux_{r}_" in name for r in ("3_0", "4_5", "6_0", "9_0"))
            kind = "sinc apertures, sigma" if small else "large apertures, sigma"
            note(kind, deviation_in_sigma(measured, expected, name))
    return worst


def main() -> None:
    """Print one line per set and kind of column."""
    root = Path(os.environ.get("FORCEDSQL_SHARED", "../shared")) / "reference" / "open"
    for name in sys.argv[1:] or (*GAUSSIAN_AND_KERNEL_SETS, *DRAWN_SETS, *WARPED_SETS):
        print(name)
        for kind, value in agreement(root / name).items():
            print(f"    {kind:32} {value:.1e}")


if __name__ == "__main__":
    main()
