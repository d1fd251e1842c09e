"""QR codes: drawn on a terminal, and as a picture that stands alone."""

import shutil
from types import ModuleType

from moorage.cli.owner.outcomes import Refused

# A scanner wants four modules of light around a code; on a narrow terminal two still do.
_BORDERS = (4, 2)
# Two modules to a character, one above the other; what is light is drawn, so that the code also
# comes out right where a terminal shows no colours.
_LIGHT = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
_STYLE = "#ffffff on #000000"


def encoder() -> ModuleType:
    """Return the library that makes codes.

    Raises:
        Refused: it is not installed.

    """
    try:
        import segno
    except ImportError:
        raise Refused(
            "drawing a QR code needs the package segno (`pip install segno`); without it use "
            "--qr FILE, the server makes that picture"
        ) from None
    return segno


def on_terminal(text: str) -> bool:
    """Draw a text as a QR code; return False, with nothing drawn, if the terminal is too narrow.

    Error level L: a screen has no scratches, and the smaller code fits 80 columns.
    """
    from rich.console import Console
    from rich.text import Text

    code = encoder().make_qr(text, error="l", boost_error=False)
    columns = shutil.get_terminal_size().columns
    for border in _BORDERS:
        if code.symbol_size(border=border)[0] <= columns:
            console = Console(highlight=False, width=columns)
            for line in _lines([list(row) for row in code.matrix_iter(border=border)]):
                console.print(Text(line, style=_STYLE), no_wrap=True)
            return True
    return False


def _lines(rows: list[list[int]]) -> list[str]:
    """Put two rows of modules into a line of characters; 1 is dark."""
    if len(rows) % 2:
        rows = [*rows, [0] * len(rows[0])]
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(_LIGHT[pair] for pair in zip(*two, strict=True)) for two in pairs]


def as_file(svg: str) -> str:
    """Return a picture for a page as one for a file, which has to name its language."""
    if "xmlns=" in svg:
        return svg
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
