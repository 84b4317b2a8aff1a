"""What a file may ask of a reader, checked before anything is allocated for it."""

from forcedsql.errors import FileLimitError

MAX_IMAGE_PIXELS = 400_000_000
MAX_HDUS = 2_000
MAX_TABLE_BYTES = 1 << 30
MAX_INDEX_ROWS = 1_000_000
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
