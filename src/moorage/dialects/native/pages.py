"""How lists are asked for, the same for all of them."""

from typing import Annotated, TypeAlias

from fastapi import Query

# The most items that one page is to hold.
Limit: TypeAlias = Annotated[int, Query(ge=1, le=500)]
