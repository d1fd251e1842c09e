"""QR codes: drawn on a terminal, and as a picture that stands alone."""

import shutil

# A scanner wants four modules of light around a code; on a narrow terminal two still do.
_BORDERS = (4, 2)
# Two modules to a character, one above the other; what is light is drawn, so that the code also
# comes out right where a terminal shows no colours.
_LIGHT = {(0, 0): "█", (0, 1): "▀", (1, 0): "▄", (1, 1): " "}
_STYLE = "#ffffff on #000000"


def on_terminal(text: str) -> bool:
    """Draw a text as a QR code; return False, with nothing drawn, if the terminal is too narrow.

    Error level L: a screen has no scratches, and the smaller code fits 80 columns.
    """
    import segno
    from rich.console import Console
    from rich.text import Text

    code = segno.make_qr(text, error="l", boost_error=False)
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
