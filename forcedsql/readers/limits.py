"""What a file may ask of a reader, checked before anything is allocated for it."""

from forcedsql.errors import FileLimitError

MAX_IMAGE_PIXELS = 400_000_000
MAX_HDUS = 2_000
MAX_AXES = 8
MAX_HEADER_BYTES = 1 << 22
MAX_ALL_HEADER_BYTES = 1 << 23
MAX_NUMBERED_CARDS = 999
MAX_UNPACKED_BYTES = 1 << 29
MAX_COMPRESSION = 1_100
UNASKED_BYTES = 1 << 27
MAX_TABLE_BYTES = 1 << 30
MAX_TABLE_ROWS = 1_000_000
MAX_NESTING = 32
MAX_KERNEL_SIDE = 1024
MAX_KERNEL_COMPONENTS = 256
MAX_POLYNOMIAL_ORDER = 50
MAX_COEFFICIENTS = 2_601
MAX_MASK_BITS = 32
MAX_PICKLE_BYTES = 1 << 26
MAX_PICKLE_OPCODES = 500_000
MAX_PICKLE_NESTING = 64
MAX_LANCZOS_ORDER = 64
MAX_PSF_ELEMENTS = 1 << 25
MAX_PSF_SIDE = 255


def require_at_most(value: int, limit: int, what: str) -> None:
    """Refuse a number from a file that is over its limit.

    Raises
    ------
    FileLimitError
        With the number, the limit and `what` it counts.
    """
    if value > limit:
        raise FileLimitError(f"{what}: {value}; forcedsql reads at most {limit}")


def require_table(rows: int, nbytes: int, where: str) -> None:
    """Refuse a table of more bytes, or of more rows to be looked at one by one, than a reader grants.

    Parameters
    ----------
    rows : int
    nbytes : int, byte
        Its size with its heap.
    where : str
        For the message: "in the table of HDU 5".

    Raises
    ------
    FileLimitError
        If it is larger.
    """
    require_at_most(nbytes, MAX_TABLE_BYTES, f"bytes {where}")
    require_at_most(rows, MAX_TABLE_ROWS, f"rows {where}")


def require_stored(nbytes: int, stored: int) -> None:
    """Refuse a compressed image that is larger than its compressed bytes can be the reason for.

    Images of up to `UNASKED_BYTES` are never too large: a constant one takes next to nothing.

    Parameters
    ----------
    nbytes : int, byte
        Size of the image.
    stored : int, byte
        What the file holds of it.

    Raises
    ------
    FileLimitError
        If it is larger than that and `MAX_COMPRESSION` times what is stored; gzip reaches 1032.
    """
    limit = max(UNASKED_BYTES, MAX_COMPRESSION * stored)
    if nbytes > limit:
        raise FileLimitError(
            f"bytes of pixels in {stored} compressed bytes: {nbytes}; forcedsql unpacks at most {limit}"
        )
