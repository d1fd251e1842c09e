"""``python3 -m moorage_agent`` and the zipapp enter here."""

import sys

from moorage_agent.cli import main

sys.exit(main())
