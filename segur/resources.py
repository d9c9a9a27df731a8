"""Where the data shipped with the distribution lies (`datasets/`, `scenarios/`)."""

from pathlib import Path

_PACKAGED = Path(__file__).parent / "_data"
_CHECKOUT = Path(__file__).parent.parent


def data_dir(name: str) -> Path:
    """Return the folder `name` (`datasets` or `scenarios`) of an installed wheel or of a checkout.

    Raises:
        FileNotFoundError: the distribution was built without its data.
    """
    for base in (_PACKAGED, _CHECKOUT):
        candidate = base / name
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"the data folder {name!r} is missing from this installation")
