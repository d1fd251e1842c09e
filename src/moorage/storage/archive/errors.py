"""Why a backup, a restore or a copy did not happen."""

from moorage.storage.errors import StorageError


class ArchiveError(StorageError):
    """It cannot be done as asked; the text says why and what would be right."""
