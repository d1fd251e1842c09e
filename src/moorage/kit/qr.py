"""QR codes as pictures."""

import segno


def qr_svg(text: str) -> str:
    """Return a QR code of the text as SVG: black on white with its quiet zone, error level M.

    Raises:
        ValueError: more text than a QR code holds.

    """
    # The largest level is chosen that costs no further size, so it never gets worse than M.
    return str(segno.make_qr(text, error="m").svg_inline(scale=4, light="#fff"))
