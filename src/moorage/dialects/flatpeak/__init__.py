"""The Flatpeak API, ``/devices`` and ``/login``. See README.md beside this."""
