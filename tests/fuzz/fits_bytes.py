"""FITS files as cards and bytes, so that they can be changed in ways no library would write."""

import re
from dataclasses import dataclass, field
from math import prod

BLOCK, CARD = 2880, 80
_DESCRIPTOR = re.compile(r"1?(?P<code>[PQ])(?P<item>[ABIJKED])")
_BITS = {"L": 8, "B": 8, "A": 8, "I": 16, "J": 32, "K": 64, "E": 32, "D": 64, "C": 64, "M": 128}
_BITS |= {"P": 64, "Q": 128}


@dataclass
class Hdu:
    """One HDU: its cards without END, and its data without padding."""

    cards: list[bytes]
    data: bytearray

    def value(self, name: str) -> str:
        """The value of a card as it is spelled, "" if there is none."""
        for card in self.cards:
            if card[:8].rstrip() == name.encode():
                return card[10:].split(b"/")[0].decode("latin-1").strip().strip("'").strip()
        return ""

    def number(self, name: str) -> int:
        """The value of a card as a whole number, 0 if it is none."""
        text = self.value(name)
        return int(text) if re.fullmatch(r"[+-]?\d{1,30}", text) else 0

    def set(self, name: str, value: str) -> None:
        """Give a card another value, or add it."""
        made = f"{name:<8}= {value:>20}"[:CARD].ljust(CARD).encode("latin-1")
        for i, card in enumerate(self.cards):
            if card[:8].rstrip() == name.encode():
                self.cards[i] = made
                return
        self.cards.append(made)

    @property
    def is_table(self) -> bool:
        """Whether it is a binary table, be it one that holds an image."""
        return self.value("XTENSION") == "BINTABLE"

    def columns(self) -> list["Column"]:
        """The columns of a table, as far as its header makes sense."""
        columns, at = [], 0
        for n in range(1, min(self.number("TFIELDS"), 999) + 1):
            form = self.value(f"TFORM{n}")
            match = re.match(r"(\d{0,9})([A-Z])", form)
            if match is None:
                break
            repeat, code = int(match[1] or 1), match[2]
            size = -(-repeat // 8) if code == "X" else repeat * _BITS.get(code, 8) // 8
            descriptor = _DESCRIPTOR.match(form)
            columns.append(Column(self.value(f"TTYPE{n}"), at, size, descriptor and descriptor["code"]))
            at += size
        return columns

    @property
    def rows(self) -> int:
        """Rows of a table that are really there."""
        return min(self.number("NAXIS2"), len(self.data) // max(1, self.number("NAXIS1")))

    @property
    def heap(self) -> int:
        """Where the heap of a table begins in its data."""
        return self.number("THEAP") or self.number("NAXIS1") * self.number("NAXIS2")

    def place(self, column: "Column", row: int) -> tuple[int, int]:
        """Length and offset of a variable-length cell."""
        width = 4 if column.descriptor == "P" else 8
        at = row * self.number("NAXIS1") + column.at
        parts = bytes(self.data[at : at + 2 * width])
        return int.from_bytes(parts[:width], "big"), int.from_bytes(parts[width:], "big")

    def point(self, column: "Column", row: int, length: int, offset: int) -> None:
        """Write length and offset of a variable-length cell."""
        width = 4 if column.descriptor == "P" else 8
        at = row * self.number("NAXIS1") + column.at
        limit = 1 << (8 * width)
        self.data[at : at + 2 * width] = (length % limit).to_bytes(width, "big") + (offset % limit).to_bytes(
            width, "big"
        )

    def item(self, column: "Column", row: int) -> bytes:
        """The bytes of a variable-length cell of bytes."""
        length, offset = self.place(column, row)
        return bytes(self.data[self.heap + offset : self.heap + offset + length])

    def set_item(self, column: "Column", row: int, content: bytes) -> None:
        """Give a variable-length cell other bytes, put at the end of the heap."""
        self.point(column, row, len(content), len(self.data) - self.heap)
        self.data += content
        rows = self.number("NAXIS1") * self.number("NAXIS2")
        self.set("PCOUNT", str(len(self.data) - rows))


@dataclass(frozen=True)
class Column:
    """A column of a table: where it is in a row, and "P" or "Q" if it points to the heap."""

    name: str
    at: int
    size: int
    descriptor: str | None


@dataclass
class FitsBytes:
    """A FITS file in parts; what follows the last HDU that makes sense is its tail."""

    hdus: list[Hdu] = field(default_factory=list)
    tail: bytes = b""

    @classmethod
    def parse(cls, content: bytes) -> "FitsBytes":
        """Take a file apart."""
        made, at = cls(), 0
        while at < len(content):
            cards = []
            while at < len(content) and content[at : at + 8].rstrip() != b"END":
                cards.append(content[at : at + CARD])
                at += CARD
            at += CARD + -(at + CARD) % BLOCK
            if not cards or not cards[0].startswith((b"SIMPLE", b"XTENSION")):
                made.tail = b"".join(cards)
                break
            hdu = Hdu(cards, bytearray())
            size = _data_size(hdu)
            hdu.data = bytearray(content[at : at + size])
            made.hdus.append(hdu)
            at += size + -size % BLOCK
        return made

    def to_bytes(self) -> bytes:
        """Put the file together again."""
        parts = []
        for hdu in self.hdus:
            header = b"".join(hdu.cards) + b"END".ljust(CARD)
            parts += [header.ljust(len(header) + -len(header) % BLOCK), bytes(hdu.data)]
            parts.append(b"\0" * (-len(hdu.data) % BLOCK))
        return b"".join(parts) + self.tail


def _data_size(hdu: Hdu) -> int:
    sides = [hdu.number(f"NAXIS{k + 1}") for k in range(min(hdu.number("NAXIS"), 99))]
    pixels = prod(sides) if sides else 0
    return abs(hdu.number("BITPIX")) // 8 * (hdu.number("GCOUNT") or 1) * (pixels + hdu.number("PCOUNT"))
