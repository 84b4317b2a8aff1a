"""Changes to bytes and text that know nothing of the format."""

import random

EXTREME_BYTES = (0x00, 0xFF, 0x7F, 0x80, 0x01, 0x20, 0x2D, 0x39)
WHOLE_NUMBERS = (0, -1, 1, 2, 3, 7, 16, -32, -64, 127, 255, 256, 1000, 32768, 65536, 10**6, 10**8)
WHOLE_NUMBERS += (
    2**31 - 1,
    2**31,
    -(2**31),
    2**32,
    2**40,
    2**62,
    2**63 - 1,
    2**63,
    2**64,
    10**20,
    10**60,
    10**400,
)
NUMBERS = ("0.0", "-1.0", "1e-300", "1e300", "1E400", "-1e38", "NaN", "inf", "0.5", "1e10", "1e-10")
WORDS = (
    "",
    "x",
    "'",
    '"',
    "\x00",
    "é",
    "NULL",
    "true",
    "[]",
    "{}",
    "(",
    "0x10",
    "../../etc/passwd",
    "9" * 400,
)


def flip_bytes(content: bytes, rng: random.Random) -> bytes:
    """Some bytes, next to one another or anywhere, become others."""
    changed = bytearray(content)
    if not changed:
        return b"\0"
    start = rng.randrange(len(changed))
    reach = rng.choice((8, 100, 5000, len(changed)))
    for _ in range(rng.choice((1, 1, 2, 4, 30))):
        at = (start + rng.randrange(reach)) % len(changed)
        changed[at] = rng.choice(
            (rng.randrange(256), rng.choice(EXTREME_BYTES), changed[at] ^ 1 << rng.randrange(8))
        )
    return bytes(changed)


def truncate(content: bytes, rng: random.Random) -> bytes:
    """The file ends early, at any byte or at the end of a block."""
    end = rng.randrange(len(content) + 1)
    return content[: end - end % 2880 if rng.random() < 0.3 else end]


def move_part(content: bytes, rng: random.Random) -> bytes:
    """A part of the file is doubled, left out, zeroed, or put where it does not belong."""
    size = rng.choice((1, 4, 80, 2880, 10000))
    first, to = (rng.randrange(len(content) + 1) for _ in range(2))
    part = content[first : first + size]
    kept = content[:first] + (b"\0" * len(part) if rng.random() < 0.3 else part) + content[first + size :]
    if rng.random() < 0.4:
        kept = content[:first] + content[first + size :]
    return kept[:to] + part + kept[to:] if rng.random() < 0.5 else kept[:to] + part + kept[to + len(part) :]


def write_number(content: bytes, rng: random.Random) -> bytes:
    """Two, four or eight bytes become an extreme number, in either byte order."""
    width = rng.choice((2, 4, 8))
    at = rng.randrange(max(1, len(content) - width))
    number = rng.choice(WHOLE_NUMBERS) % (1 << 8 * width)
    made = number.to_bytes(width, rng.choice(("big", "little")))
    return content[:at] + made + content[at + width :]


def change_text(content: bytes, rng: random.Random) -> bytes:
    """A word or a line of text becomes another, is left out, doubled or nested."""
    mark = rng.choice((b"\n", b" ", b",", b"=", b'"', b"<", b">"))
    parts = content.split(mark)
    at = rng.randrange(len(parts))
    word = str(rng.choice((rng.choice(WHOLE_NUMBERS), rng.choice(NUMBERS), rng.choice(WORDS)))).encode()
    choice = rng.randrange(5)
    if choice == 0:
        del parts[at]
    elif choice == 1:
        parts.insert(at, parts[rng.randrange(len(parts))])
    elif choice == 2:
        parts[at : at + 1] = [parts[at]] * rng.choice((2, 100, 3000))
    elif choice == 3:
        parts[at] = rng.choice((b"[", b"{", b"(", b"<a>")) * rng.choice((1, 50, 2000)) + parts[at]
    else:
        parts[at] = word
    return mark.join(parts)


BLIND = (flip_bytes, flip_bytes, truncate, move_part, write_number)
