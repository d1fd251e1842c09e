"""``python -m moorage.cli``: the same as ``moorage``."""

from moorage.cli.main import main

main()
