"""``moorage ...``. Commands import what they need when called, so that ``--help`` is quick."""

from moorage.cli.main import main

__all__ = ["main"]
