"""How much of a crowd shares a commit: all of it, or one half while the other half is on its way.

Senders that send again when they are answered move in step with the commits. Were all in one batch,
nothing would come in while that is put on disk, and nothing be on its way to the disk while they
send again. In two halves the one is read and parsed while the other is committed. That costs a
second commit, so where the database works in this process it pays only while a commit is short
beside the work on its batch. Where it works in a process of its own both halves can be under way,
and their commits go to the disk together.
"""

# Below it a batch shares its commit with too few.
_LEAST = 32
# Times what the statements of a batch take. To read and parse it takes about two of that, and so
# much of the commit costs nothing; somewhat more is still less than the loop standing still.
_SHORT = 3.0
# How much of what was is kept when a batch tells what is: one slow commit among many (the log of
# SQLite is folded back now and then) changes nothing.
_STEADY = 0.8


class Halves:
    """Decides from what the last batches took."""

    def __init__(self, most: int, *, in_process: bool) -> None:
        """Never more than ``most`` in a batch. ``in_process``: where the database works."""
        self._most = most
        self._in_process = in_process
        self._writing_s = 0.0
        self._committing_s = 0.0
        self._crowd = 0.0
        self.share = most

    def note(self, written: int, waiting: int, *, writing_s: float, committing_s: float) -> None:
        """Take note of a batch, and of how many others there were by then; ``share`` follows.

        ``waiting``: of these, those under way beside it too.
        ``writing_s``: for its statements; ``committing_s``: until the commit was known of.
        """
        self._writing_s = _steady(self._writing_s, writing_s)
        self._committing_s = _steady(self._committing_s, committing_s)
        # Who was answered a moment ago is on the way back, and counts still.
        self._crowd = max(written + waiting, _STEADY * self._crowd)
        half = (round(self._crowd) + 1) // 2
        short = self._committing_s < _SHORT * self._writing_s
        pays = (short or not self._in_process) and half >= _LEAST
        self.share = min(half, self._most) if pays else self._most


def _steady(before: float, now: float) -> float:
    return now if not before else _STEADY * before + (1 - _STEADY) * now
