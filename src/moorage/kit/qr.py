"""QR codes as pictures."""

import io

import segno


def qr_svg(text: str) -> str:
    """Return a QR code of the text as an SVG file: black on white, quiet zone, error level M.

    Raises:
        ValueError: more text than a QR code holds.

    """
    # The largest level is chosen that costs no further size, so it never gets worse than M.
    code = segno.make_qr(text, error="m")
    drawn = io.BytesIO()
    code.save(drawn, kind="svg", scale=4, light="#fff", xmldecl=False, nl=False)
    return drawn.getvalue().decode()
