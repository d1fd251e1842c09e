"""Devices, tokens, keys and reports in any order, against a model that fits in the head."""

import asyncio
import collections
import shutil
import tempfile
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from conftest import make_owner
from moorage.core import devices, keys, provisioning
from moorage.core.errors import DomainError
from moorage.ingest import Ingest, Received, Retention
from moorage.kit.ids import new_key_text
from moorage.storage import open_database
from moorage.storage.migrate import migrate
from support.clock import FixedClock
from support.devices import Device, sha256
from support.senders import Sender, line, outcome

MET: collections.Counter[str] = collections.Counter()
TEN_MINUTES = timedelta(minutes=10)
OWNERS = [
    "registers",
    "asks for a token",
    "moves it to new hardware",
    "retires it",
    "is a stranger who retires it",
]
DEVICES = [
    *["reports"] * 3,
    "sends an old report again",
    "reports what does not fit",
    "reports with its first key",
    "enrolls again",
]
# Waiting for a disk is most of the time this takes, and no part of what it claims.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


@dataclass
class Model:
    """What must be true of one device."""

    device: devices.Device
    token: str
    token_until: datetime
    token_spent_by: str | None = None
    keys: list[Sender] = field(default_factory=list)
    retired: bool = False
    cloned: bool = False
    last_heartbeat: datetime | None = None
    epoch: int = 0
    epochs: dict[int, Device] = field(default_factory=dict)
    current: str | None = None
    sent: list[tuple[bytes, int, str]] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.device.id

    @property
    def wire(self) -> Device:
        """The stream of reports the device goes on with; more than one is a copy of its disk."""
        return self.epochs.setdefault(self.epoch, Device("", self.id))


class Lives(RuleBasedStateMachine):
    """Owners and devices do what they do, in an order nobody planned."""

    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        path = shutil.copy(self.template, Path(self.folder.name) / "moorage.db")
        self.clock = FixedClock()
        self.db = open_database(f"sqlite:///{path}", clock=self.clock)
        self.runner = asyncio.Runner()
        self.models: list[Model] = []
        self.steps = 0
        self.ingest = Ingest(self.db, retention=Retention())

    def run(self, coroutine):
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        async def end() -> None:
            await self.ingest.stop()
            await self.db.close()

        self.run(end())
        self.runner.close()
        self.folder.cleanup()

    @initialize()
    def begin(self) -> None:
        async def start() -> None:
            self.owner = await make_owner(self.db, "acme")
            self.stranger = await make_owner(self.db, "other")
            self.ingest.start()

        self.run(start())
        for _ in range(2):
            self.register()
            self.enroll(self.models[-1])

    @rule(pick=st.integers(0, 5), what=st.sampled_from(OWNERS))
    def an_owner_acts(self, pick, what) -> None:
        model = self.models[pick % len(self.models)]
        if what == "registers" and len(self.models) < 3:
            self.register()
        elif what == "asks for a token":
            self.new_token(model)
        elif what == "moves it to new hardware":
            self.new_token(model)
            self.enroll(model)
        elif what == "is a stranger who retires it":
            assert self.refused(self.retired(model, self.stranger)) == "not_found"
        elif what == "retires it" and self.steps > 12:
            self.retire(model)

    @rule(
        pick=st.integers(0, 5),
        what=st.sampled_from(DEVICES),
        epoch=st.integers(0, 2),
        count=st.integers(1, 3),
        pause_s=st.sampled_from([0, 0, 30, 60, 700]),
    )
    def a_device_acts(self, pick, what, epoch, count, pause_s) -> None:
        self.clock.advance(seconds=pause_s)
        model = self.models[pick % len(self.models)]
        model.epoch = epoch
        if what == "enrolls again":
            self.enroll(model, again=count == 1)
        elif not model.keys:
            assert model.last_heartbeat is None
        elif what == "reports":
            for _ in range(count):
                self.report(model)
        elif what == "sends an old report again" and model.sent:
            self.send_again(model, model.sent[-(count % len(model.sent))])
        elif what == "reports what does not fit":
            self.report_misfit(model, skip=count == 1)
        elif what == "reports with its first key":
            self.send(model, model.wire.report(), sender=model.keys[0], counts=False)

    # What owners do.

    def register(self) -> None:
        async def act():
            async with self.db.write() as tx:
                return await provisioning.register(tx, self.owner, name="camera")

        made = self.run(act())
        until = self.clock.now() + TEN_MINUTES
        self.models.append(Model(made.device, made.install_token.text, until))

    def new_token(self, model) -> None:
        async def act():
            async with self.db.write() as tx:
                return await provisioning.new_install_token(tx, self.owner, model.id)

        if model.retired:
            assert self.refused(act()) == "not_found"
        else:
            model.token, model.token_spent_by = self.run(act()).text, None
            model.token_until = self.clock.now() + TEN_MINUTES

    async def retired(self, model, caller) -> None:
        async with self.db.write() as tx:
            await provisioning.retire(tx, caller, model.id)

    def retire(self, model) -> None:
        if model.retired:
            assert self.refused(self.retired(model, self.owner)) == "not_found"
        else:
            self.run(self.retired(model, self.owner))
            model.retired = True

    # What devices do.

    def enroll(self, model, *, again: bool = False) -> None:
        spent_by = model.token_spent_by
        text = spent_by if again and spent_by else new_key_text("adk")

        async def act():
            async with self.db.write() as tx:
                given = {"token": model.token, "device_key": text, "told": {}}
                answer = await provisioning.enroll(tx, **given)
                return answer, await keys.find_by_text(tx, text)

        if model.retired or (spent_by and not (again and model.keys[-1].text == spent_by)):
            assert self.refused(act()) == "token_invalid"
        elif not spent_by and self.clock.now() >= model.token_until:
            assert self.refused(act()) == "token_expired"
        else:
            answer, key = self.run(act())
            assert answer.device_id == model.id
            if not spent_by:
                model.token_spent_by = text
                model.keys.append(Sender(model.device.ref, key, text))
                model.cloned = False

    def report(self, model) -> None:
        wire, text = model.wire, f"line {uuid.uuid4()}"
        body = wire.report(logs=[line(self.clock.now(), text)])
        answer = self.send(model, body)
        if model.retired:
            return
        wire.accept(body)
        assert (answer.sequence, answer.chain) == (wire.sequence, wire.chain)
        model.stored.append(text)
        model.sent.append((body, wire.sequence, wire.chain))
        if model.current != wire.epoch and wire.sequence > 1:
            model.cloned = True
            MET["clone"] += 1
        model.current = wire.epoch

    def send_again(self, model, sent) -> None:
        body, sequence, chain = sent
        answer = self.send(model, body)
        if not model.retired:
            assert (answer.sequence, answer.chain) == (sequence, chain)
            MET["repeat"] += 1

    def report_misfit(self, model, *, skip) -> None:
        wire = model.wire
        wrong = {"sequence": wire.sequence + 2} if skip else {"previous": sha256("elsewhere")}
        answer = self.send(model, wire.report(logs=[line(self.clock.now())], **wrong))
        if not model.retired:
            assert answer.code == "chain_forked"
            assert answer.extra == {"sequence": wire.sequence, "chain": wire.chain}

    def send(self, model, body, *, sender=None, counts: bool = True):
        """Send with the present key, or another; what must be refused is seen to here."""
        sender = sender or model.keys[-1]
        if sender is model.keys[-1] and not counts and not model.retired:
            return None  # it has had one key only
        answer = self.run(outcome(self.ingest, sender.incoming(body)))
        MET[getattr(answer, "code", "received")] += 1
        if model.retired:
            assert answer.code == "device_retired"
        elif sender is not model.keys[-1]:
            assert answer.code == "key_invalid"
        elif isinstance(answer, Received):
            model.last_heartbeat = self.clock.now()
        return answer

    def refused(self, coroutine) -> str:
        with pytest.raises(DomainError) as refusal:
            self.run(coroutine)
        MET[refusal.value.code] += 1
        return refusal.value.code

    # What must be true after each of these.

    @invariant()
    def the_database_is_as_the_model_has_it(self) -> None:
        if not hasattr(self, "owner"):
            return
        self.steps += 1
        self.run(self.check())

    async def check(self) -> None:
        living = {model.id: model for model in self.models if not model.retired}
        async with self.db.read() as tx:

            async def table(sql: str) -> list[tuple]:
                return sorted(tuple(row) for row in await tx.rows(sa.text(sql)))

            page = await devices.list_devices(tx, self.owner, devices.Filter())
            lines = await table("SELECT device_id, message FROM log_lines")
            standing = await table(
                "SELECT device_id FROM keys WHERE device_id IS NOT NULL AND revoked_at IS NULL"
            )
            epochs = await table("SELECT device_id, epoch, sequence, chain FROM report_epochs")
            buried = await table("SELECT device_id FROM device_tombstones")
        assert {one.id for one in page.items} == set(living)
        for one in page.items:
            assert one.presence.status == self.status(living[one.id].last_heartbeat)
            assert (one.clone_suspected_at is not None) == living[one.id].cloned
        assert lines == sorted((model.id, text) for model in self.models for text in model.stored)
        assert standing == sorted((model.id,) for model in living.values() if model.keys)
        assert epochs == sorted(
            (model.id, wire.epoch, wire.sequence, wire.chain)
            for model in living.values()
            for wire in model.epochs.values()
            if wire.sequence
        )
        assert buried == sorted((model.id,) for model in self.models if model.retired)

    def status(self, last) -> str:
        """The rule for the default interval of 30 s: late after 45 s, offline after 90 s."""
        if last is None:
            return "never_seen"
        silent = (self.clock.now() - last).total_seconds()
        return "offline" if silent > 90 else "late" if silent > 45 else "online"


Lives.TestCase.settings = settings(
    max_examples=30, stateful_step_count=25, derandomize=True, database=None, deadline=None
)


async def make_template(path: Path) -> Path:
    db = open_database(f"sqlite:///{path}")
    await migrate(db)
    await db.close()
    return path


def test_the_database_is_as_the_model_has_it_whatever_happens(tmp_path):
    Lives.template = asyncio.run(make_template(tmp_path / "template.db"))
    MET.clear()
    Lives.TestCase("runTest").runTest()
    # What it met on its way; a machine that only ever idles would prove nothing.
    for answer in (
        "received",
        "clone",
        "repeat",
        "chain_forked",
        "key_invalid",
        "device_retired",
        "token_invalid",
        "not_found",
    ):
        assert MET[answer] > 0, MET
    assert MET["received"] > 100, MET
