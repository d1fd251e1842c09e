"""Lines of CSV that a spreadsheet shows and never runs."""

import csv
import io
from collections.abc import Iterable

# A spreadsheet takes what begins with one of these for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def line(cells: Iterable[str]) -> str:
    """Return one line with its end; a cell that would be a formula is marked as text."""
    written = io.StringIO()
    csv.writer(written).writerow([f"'{one}" if one.startswith(_FORMULA) else one for one in cells])
    return written.getvalue()
