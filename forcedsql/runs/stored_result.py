"""What a result was made from, so that it is known when it has to be made again."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The ingredients of one exposure's result; equal ones need no second measurement.

    Parameters
    ----------
    config_digest : str
        Hash of the measurement configuration.
    file_sha256 : str
        Checksum of the exposure's file, as registered; of a plain FITS image with what is
        kept of how it is opened.
    positions_digest : str
        Number and hash of the positions on the exposure, whatever their order.
    """

    config_digest: str
    file_sha256: str
    positions_digest: str

    def to_mapping(self) -> dict[str, str]:
        """Return the ingredients by name, as the ledger and the footers of files have them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StoredResult:
    """A result that is there.

    Parameters
    ----------
    run_id : str
    catalog : str
        Where its positions came from: a table, a query or a file.
    fingerprint : Fingerprint
    rows : int
    """

    run_id: str
    catalog: str
    fingerprint: Fingerprint
    rows: int
