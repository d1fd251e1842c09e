"""What can go wrong below the core, in words that hold for both engines.

StorageError
├── UniqueViolation      a row like this is there already; names the constraint
├── MissingParent        the row this one hangs on is gone (foreign key)
├── StorageBusy          somebody else holds the database; try again
├── StorageFull          no room on the disk
├── StorageUnavailable   no connection, read-only, I/O error
├── StorageRefusesRow    the engine cannot hold a value (one bad row in a batch)
├── NewerDatabase        written by a newer release
├── Unfinished           a copy into this database was not finished
└── WrongKeys            the database belongs to other encryption keys
"""


class StorageError(Exception):
    """Base of all; the text never holds a parameter's value."""


class UniqueViolation(StorageError):
    """A unique constraint said no. ``constraint`` is its name in our schema, on both engines."""

    def __init__(self, constraint: str) -> None:
        """Keep the name."""
        super().__init__(f"unique constraint {constraint}")
        self.constraint = constraint


class MissingParent(StorageError):
    """A foreign key said no: the row this one hangs on was deleted meanwhile."""


class StorageBusy(StorageError):
    """The lock was not to be had in time."""


class StorageFull(StorageError):
    """The disk, or the size set for the database, is used up."""


class StorageUnavailable(StorageError):
    """No connection, a read-only file or an I/O error."""


class StorageRefusesRow(StorageError):
    """The engine cannot hold a value of this statement."""


class NewerDatabase(StorageError):
    """The database was migrated by a newer release than this one."""


class Unfinished(StorageError):
    """A copy into the database was not finished."""


class WrongKeys(StorageError):
    """The server's keys are not those this database was made with."""
