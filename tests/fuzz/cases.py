"""Mutated files by number: the same seed and number give the same bytes."""

import gzip
import random
from dataclasses import dataclass

from tests.fuzz.blind import BLIND, change_text
from tests.fuzz.fits_mutations import change_fits, change_heap_items, changed_json, gzip_bomb
from tests.fuzz.seeds import KINDS, Seed

WEIGHTS = {
    "fits": 5,
    "afw": 5,
    "pickle": 2,
    "lsst_images": 3,
    "psf": 3,
    "table": 3,
    "profile": 1,
    "layout": 1,
}
_TEXT_SUFFIXES = (".csv", ".ecsv", ".vot", ".xml", ".toml")
_FITS_SUFFIXES = (".fits", ".fit", ".psf", ".fz")


@dataclass(frozen=True)
class Case:
    """One mutated file, and the good one that it was."""

    number: int
    seed: Seed
    content: bytes


def make_case(seeds: list[Seed], run: int, number: int, kind: str = "") -> Case:
    """Return a case of a run; of one kind of file if it is given."""
    rng = random.Random(f"{run}/{number}")
    kind = kind or rng.choices(KINDS, [WEIGHTS[name] for name in KINDS])[0]
    of_kind = [seed for seed in seeds if seed.kind == kind]
    seed = rng.choices(of_kind, [seed.weight for seed in of_kind])[0]
    content = seed.content
    while content == seed.content:
        content = _changed(seed, rng)
    return Case(number, seed, content)


def _changed(seed: Seed, rng: random.Random) -> bytes:
    blind = rng.choice(BLIND)
    if seed.suffix == ".fits.gz":
        changed = _changed_gzip(seed.content, rng)
    elif seed.kind == "pickle":
        changed = change_heap_items(seed.content, rng, b"\x80")
    elif seed.kind == "layout":
        changed = seed.content
        for _ in range(rng.choice((1, 2, 8))):
            changed = changed_json(changed, rng)
    elif seed.kind == "lsst_images" and rng.random() < 0.5:
        changed = change_heap_items(seed.content, rng, b"{")
    elif seed.suffix in _TEXT_SUFFIXES:
        changed = rng.choice((change_text, change_text, blind))(seed.content, rng)
    elif seed.suffix in _FITS_SUFFIXES:
        changed = change_fits(seed.content, rng) if rng.random() < 0.8 else blind(seed.content, rng)
    else:
        changed = blind(seed.content, rng)
    return changed


def _changed_gzip(content: bytes, rng: random.Random) -> bytes:
    choice = rng.random()
    if choice < 0.2:
        return rng.choice(BLIND)(content, rng)
    if choice < 0.3:
        return content + gzip_bomb(64, rng.choice((1, 40)))
    return gzip.compress(change_fits(gzip.decompress(content), rng), 1, mtime=0)
