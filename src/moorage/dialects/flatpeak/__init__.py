"""The Flatpeak API, ``/devices`` and ``/login``. See README.md beside this."""

from moorage.dialects.flatpeak.app import SEGMENTS, FlatpeakApp, create_app

__all__ = ["SEGMENTS", "FlatpeakApp", "create_app"]
