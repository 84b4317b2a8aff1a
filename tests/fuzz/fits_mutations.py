"""Changes to FITS files that know cards, tables, heaps and compressed tiles."""

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable
from functools import cache

from tests.fuzz.blind import BLIND, NUMBERS, WHOLE_NUMBERS, WORDS, change_text
from tests.fuzz.fits_bytes import CARD, Column, FitsBytes, Hdu

STRUCTURE = ("BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "THEAP", "TFIELDS", "TFORM", "TDIM", "TTYPE", "TSCAL")
STRUCTURE += ("TZERO", "TNULL", "ZNAXIS", "ZTILE", "ZBITPIX", "ZCMPTYPE", "ZNAME", "ZVAL", "ZQUANTIZ")
STRUCTURE += ("BSCALE", "BZERO", "BLANK", "ZBLANK", "ZIMAGE", "EXTNAME", "XTENSION", "SIMPLE", "AR_HDU")
STRUCTURE += ("NXPSFS", "NYPSFS", "PSFAXIS", "POLDEG", "POLNAXIS", "PSF_SAMP", "OVERSAMP", "DET_YX")
STRUCTURE += ("A_ORDER", "B_ORDER", "A_", "CTYPE", "CD1_1", "CRPIX", "CRVAL", "PV", "LTV", "TFLAG", "MP_")
ADDED = ("ZSCALE", "ZZERO", "ZBLANK", "THEAP", "TDIM1", "BSCALE", "BZERO", "TSCAL1", "TZERO1", "GROUPS")
ADDED += ("A_ORDER", "A_9_9", "PV1_1", "PV2_999", "CPDIS1", "NAXIS3", "NAXIS999", "INHERIT", "JSONADDR")
ADDED += ("ZDITHER0", "EXPINFO_V", "ZMASKCMP", "EXTVER", "PSF_ID", "CRPIX1A", "CRVAL1A", "BUNIT", "EXTTYPE")
FORMS = (
    "1PB(2000000000)",
    "999999999D",
    "PA",
    "0A",
    "QD",
    "1QK",
    "9999999999E",
    "X",
    "8X",
    "1000000X",
    "M",
    "?",
)
TEXTS = ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS", "SUBTRACTIVE_DITHER_2", "NONE")
TEXTS += ("IMAGE", "BINTABLE", "TABLE", "RA---TAN-SIP", "DEC--TPV", "RA---SIN", "PSF_MASK", "COMPRESSED_DATA")

Mutation = Callable[[FitsBytes, random.Random], None]


def change_card(file: FitsBytes, rng: random.Random) -> None:
    """A card's value becomes another: extreme, of another type, or near the old one."""
    hdu = rng.choice(file.hdus)
    structural = [i for i, card in enumerate(hdu.cards) if card.decode("latin-1").startswith(STRUCTURE)]
    at = rng.choice(structural) if structural and rng.random() < 0.7 else rng.randrange(len(hdu.cards))
    card = hdu.cards[at]
    equals = card.find(b"=")
    if equals < 0:
        hdu.cards[at] = card[:8] + bytes(rng.randrange(32, 256) for _ in range(CARD - 8))
        return
    value = _value_for(card, hdu, rng)
    hdu.cards[at] = (card[: equals + 1] + f" {value:>20}".encode("latin-1", "replace"))[:CARD].ljust(CARD)


def _value_for(card: bytes, hdu: Hdu, rng: random.Random) -> str:
    name = card[:8].decode("latin-1").strip()
    old = hdu.number(name)
    if name.startswith("TFORM") and rng.random() < 0.7:
        return f"'{rng.choice(FORMS)}'"
    choice = rng.randrange(10)
    if choice < 4:
        return str(rng.choice(WHOLE_NUMBERS))
    if choice < 6:
        return str(rng.choice((old + 1, old - 1, 2 * old, 1000 * old, -old, old // 2, old * 10**6)))
    if choice == 6:
        return rng.choice(NUMBERS)
    if choice == 7:
        return rng.choice(("T", "F", "(1,2)", "", "='x", "1D5"))
    return f"'{rng.choice(TEXTS if rng.random() < 0.6 else WORDS)}'".replace("\x00", "\x01")


def rearrange_cards(file: FitsBytes, rng: random.Random) -> None:
    """A card is left out, doubled, moved or added."""
    cards = rng.choice(file.hdus).cards
    at, to = rng.randrange(len(cards)), rng.randrange(len(cards) + 1)
    choice = rng.randrange(4)
    if choice == 0 and len(cards) > 1:
        del cards[at]
    elif choice == 1:
        cards.insert(to, cards[at])
    elif choice == 2:
        cards.insert(min(to, len(cards) - 1), cards.pop(at))
    else:
        hdu = Hdu(cards, bytearray())
        hdu.set(rng.choice(ADDED), _value_for(b"", hdu, rng))


def rearrange_hdus(file: FitsBytes, rng: random.Random) -> None:
    """An HDU is left out, doubled, moved, or loses its data."""
    hdus = file.hdus
    at, to = rng.randrange(len(hdus)), rng.randrange(len(hdus))
    choice = rng.randrange(5)
    if choice == 0 and len(hdus) > 1:
        del hdus[at]
    elif choice == 1:
        hdus.insert(to, hdus[at])
    elif choice == 2:
        hdus[at], hdus[to] = hdus[to], hdus[at]
    elif choice == 3:
        hdus[at].data = hdus[at].data[: rng.randrange(len(hdus[at].data) + 1)]
    else:
        hdus[at].data, hdus[to].data = hdus[to].data, hdus[at].data


def change_cells(file: FitsBytes, rng: random.Random) -> None:
    """Cells of tables become extreme numbers."""
    tables = [hdu for hdu in file.hdus if hdu.is_table and hdu.data and hdu.columns()]
    if not tables:
        change_card(file, rng)
        return
    hdu = rng.choice(tables)
    rows, row_bytes = max(1, hdu.rows), hdu.number("NAXIS1")
    for _ in range(rng.choice((1, 1, 2, 5))):
        column = rng.choice(hdu.columns())
        width = next((w for w in (8, 4, 2, 1) if column.size and column.size % w == 0), 1)
        if rng.random() < 0.3:
            width = min(width, 4)
        at = rng.randrange(rows) * row_bytes + column.at
        at += width * rng.randrange(max(1, column.size // width))
        made = struct.pack(">d", float(rng.choice(NUMBERS))) if width == 8 and rng.random() < 0.5 else b""
        if width == 4 and rng.random() < 0.4:
            made = struct.pack(">f", rng.choice((0.0, -1.0, float("nan"), float("inf"), 1e38, 1e-40)))
        made = made or (rng.choice(WHOLE_NUMBERS) % (1 << 8 * width)).to_bytes(width, "big")
        hdu.data[at : at + width] = made


def change_pointers(file: FitsBytes, rng: random.Random) -> None:
    """Pointers into a heap become wrong: too far, too long, negative, all the same."""
    found = _variable_cells(file)
    if not found:
        change_card(file, rng)
        return
    hdu, column = rng.choice(found)
    rows = max(1, hdu.rows)
    length, offset = hdu.place(column, rng.randrange(rows))
    new = rng.choice(
        (
            (rng.choice(WHOLE_NUMBERS), offset),
            (length, rng.choice(WHOLE_NUMBERS)),
            (length + rng.choice((-1, 1, 1000)), offset),
            (len(hdu.data), 0),
            (0, 0),
        )
    )
    for row in range(rows) if rng.random() < 0.3 else [rng.randrange(rows)]:
        hdu.point(column, row, *new)


def change_items(file: FitsBytes, rng: random.Random) -> None:
    """What a heap holds becomes another: pickles, JSON, AST text, compressed tiles."""
    found = _variable_cells(file)
    if not found:
        change_card(file, rng)
        return
    hdu, column = rng.choice(found)
    row = rng.randrange(max(1, hdu.rows))
    hdu.set_item(column, row, _changed_item(hdu.item(column, row), rng))


def _changed_item(item: bytes, rng: random.Random) -> bytes:
    if item[:2] == b"\x1f\x8b":
        return _changed_tile(item, rng)
    if item[:1] == b"{":
        return changed_json(item, rng)
    if item[:1] == b"\x80":
        return changed_pickle(item, rng)
    change = change_text if b" Begin " in item or rng.random() < 0.3 else rng.choice(BLIND)
    return change(item or b"x", rng)


def _changed_tile(item: bytes, rng: random.Random) -> bytes:
    """A gzip member that is damaged, or holds too much or too little."""
    choice = rng.randrange(6)
    if choice == 0:
        return gzip_bomb(rng.choice((1, 16, 64)), rng.choice((1, 1, 16)))
    if choice == 1:
        return gzip_bomb(16, 1)[:-4] + item[-4:]
    if choice == 2:
        try:
            content = gzip.decompress(item)
        except (OSError, EOFError, zlib.error):
            return item[: len(item) // 2]
        return gzip.compress(rng.choice((content * 2, content[:-1], content[: len(content) // 2], b"")))
    if choice == 3:
        return item[:-4] + (rng.choice(WHOLE_NUMBERS) % (1 << 32)).to_bytes(4, "little")
    return rng.choice(BLIND)(item, rng)


@cache
def gzip_bomb(megabytes: int, members: int) -> bytes:
    """A small gzip file of so many members, each of so many megabytes of zeros."""
    return gzip.compress(bytes(megabytes << 20), 9, mtime=0) * members


def changed_json(item: bytes, rng: random.Random) -> bytes:
    """JSON in which one value is another or missing, or that is no JSON any more."""
    if rng.random() < 0.2:
        return rng.choice((*BLIND, change_text))(item, rng)
    try:
        tree = json.loads(item)
    except ValueError:
        return item[::-1]
    ways = [way for way in _ways(tree) if way]
    if not ways:
        return b"[]"
    *way, last = rng.choice(ways)
    parent = tree
    for key in way:
        parent = parent[key]
    if rng.random() < 0.15:
        del parent[last]
    else:
        parent[last] = rng.choice(
            (*_junk(rng), parent[last] * 50 if isinstance(parent[last], list) else None)
        )
    return json.dumps(tree).encode()


def _junk(rng: random.Random) -> list[object]:
    deep: object = 1
    for _ in range(rng.choice((3, 70, 300))):
        deep = [deep]
    number = rng.choice(WHOLE_NUMBERS)
    texts = [rng.choice(WORDS), "fits:IMAGE", "fits:NONE[7]", "x" * 100_000]
    return [
        None,
        True,
        number,
        float(rng.choice(NUMBERS)),
        [],
        {},
        {"data": ["a"]},
        deep,
        [number] * 3,
        *texts,
    ]


def _ways(value: object, way: tuple = ()) -> list[tuple]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way] + [found for key, part in items for found in _ways(part, (*way, key))]


def changed_pickle(item: bytes, rng: random.Random) -> bytes:
    """A pickle with other bytes, opcodes or lengths."""
    at = rng.randrange(len(item))
    choice = rng.randrange(5)
    if choice == 0:
        opcodes = (
            b"\x80\x95NIJKMLGFVXBC]ledaut}s(012ghjpqrbRcoi.\x81\x85\x86\x87\x8a\x8b\x8c\x8f\x90\x91\x93\x94"
        )
        return item[:at] + bytes([rng.choice(opcodes)]) + item[at + 1 :]
    if choice == 1:
        call = b"cbuiltins\neval\n(X\x01\x00\x00\x001tR" if rng.random() < 0.5 else b"cgalsim.x\nY\n)\x81"
        return item[:at] + call + item[at:]
    if choice == 2:
        return item[:-1] + rng.choice((b"(" * 5000, b"]" * 5000 + b"a" * 4999, b"2" * 100_000 + b"t")) + b"."
    if choice == 3:
        length = struct.pack("<I", rng.choice(WHOLE_NUMBERS) % (1 << 32))
        return item[:at] + rng.choice((b"X", b"B", b"T", b"\x8b")) + length + item[at:]
    return rng.choice(BLIND)(item, rng)


def _variable_cells(file: FitsBytes) -> list[tuple[Hdu, Column]]:
    """Every table with each of its columns that point to a heap."""
    return [
        (hdu, column)
        for hdu in file.hdus
        if hdu.is_table and hdu.rows > 0
        for column in hdu.columns()
        if column.descriptor is not None
    ]


MUTATIONS: tuple[Mutation, ...] = (change_card, change_card, rearrange_cards, rearrange_hdus)
MUTATIONS += (change_cells, change_pointers, change_items)


def change_fits(content: bytes, rng: random.Random) -> bytes:
    """A FITS file with one to three changes to its parts."""
    file = FitsBytes.parse(content)
    if not file.hdus:
        return rng.choice(BLIND)(content, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(file, rng)
    return file.to_bytes()


def change_heap_items(content: bytes, rng: random.Random, start: bytes) -> bytes:
    """A FITS file in which one of the things in its heaps that start so is another."""
    file = FitsBytes.parse(content)
    found = [
        (hdu, column, row)
        for hdu, column in _variable_cells(file)
        for row in range(hdu.rows)
        if hdu.item(column, row).startswith(start)
    ]
    hdu, column, row = rng.choice(found)
    hdu.set_item(column, row, _changed_item(hdu.item(column, row), rng))
    return file.to_bytes()
