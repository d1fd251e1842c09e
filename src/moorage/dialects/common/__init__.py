"""What every dialect needs and none owns: bounded bodies, callers, repeated POSTs, errors."""

from moorage.dialects.common import feed
from moorage.dialects.common.api import DialectApi
from moorage.dialects.common.attempts import note_attempt, refusals_noted
from moorage.dialects.common.body import BODY_LIMIT, BodyGuard, parse_json, read_body
from moorage.dialects.common.callers import Callers, bearer_of, retired_or
from moorage.dialects.common.counting import Counters
from moorage.dialects.common.environments import (
    EnvironmentAnswer,
    EnvironmentProxy,
    Environments,
)
from moorage.dialects.common.idempotency import answered_once
from moorage.dialects.common.limits import Doorstep, KeyLimit
from moorage.dialects.common.newcomers import provisioned
from moorage.dialects.common.services import Services
from moorage.dialects.common.watching import StorageWatch
from moorage.dialects.common.wiring import refuse_with

__all__ = [
    "BODY_LIMIT",
    "BodyGuard",
    "Callers",
    "Counters",
    "DialectApi",
    "Doorstep",
    "EnvironmentAnswer",
    "EnvironmentProxy",
    "Environments",
    "KeyLimit",
    "Services",
    "StorageWatch",
    "answered_once",
    "bearer_of",
    "feed",
    "note_attempt",
    "parse_json",
    "provisioned",
    "read_body",
    "refusals_noted",
    "refuse_with",
    "retired_or",
]
