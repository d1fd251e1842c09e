"""The Acusight API, ``/api``, and the installer at ``/setup``. See README.md beside this."""

from moorage.dialects.acusight.app import AcusightApp, create_app
from moorage.dialects.acusight.setup import SetupApp

__all__ = ["AcusightApp", "SetupApp", "create_app"]
