"""The policy in force in this process, and how another one takes its place while messages are being judged.

Rows win over `TRIPWARDEN_MODERATION_POLICY_FILE`, which wins over the shipped policy. A bell says that something was
done; every process also looks each `LOOK_EVERY_S`, because a bell may be lost. A policy is built in a thread and takes
its place in one assignment: a message is judged by the old one or by the new one, never by parts of both. One that
cannot be built leaves the old one in force.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog

from backend.policies.access import InstalledPolicies, access_installed, access_newest
from moderation import Content, Context, Pipeline, Policy, PolicyError, Shadow, Verdict, parse_policy, reassemble

log = structlog.get_logger("policies")

#: What was activated elsewhere is in force here within two seconds, also without a bell and on a busy machine.
LOOK_EVERY_S = 1.0
LOOK_WITHIN_S = 5.0


class Judging(NamedTuple):
    """What judges now; replaced as a whole."""

    pipeline: Pipeline
    shadow: Shadow | None


class PoliciesInForce:
    """Holds what judges now. `now` may be read at any moment; use one reading for one message."""

    def __init__(self, pipeline: Pipeline, source: str) -> None:
        self.now = Judging(pipeline, None)
        #: `file` or `shipped` until the rows say something.
        self.source = source
        self.counts: Counter[str] = Counter()
        #: Where the first policy came from, which judges as long as the rows name none.
        self.begun_with = source
        self._first = pipeline
        self._listeners: list[Callable[[Policy], None]] = []
        self._number = 0

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.now.pipeline.policy

    @property
    def number(self) -> int:
        """The newest act that this process has looked at; 0: none yet."""
        return self._number

    def judge(self, content: Content, context: Context = Context()) -> Verdict:  # noqa: B008  (frozen)
        """Judge by the policy in force alone."""
        return self.now.pipeline.judge(content, context)

    def on_change(self, listener: Callable[[Policy], None]) -> None:
        """Call `listener` with each policy that comes into force, and with the present one."""
        self._listeners.append(listener)
        listener(self.policy)

    async def look(self, pool: Any) -> bool:
        """Read what the rows say and follow it; returns whether anything changed. Raises what the driver raises."""
        if await access_newest(pool) == self._number:
            return False
        return await self.follow(await access_installed(pool))

    async def follow(self, installed: InstalledPolicies) -> bool:
        """Build what is installed, in a thread, and let it judge; what cannot be built leaves what is in force."""
        before = self.now
        pipeline = await self._built(installed.active)
        shadow = await self._shadowed(pipeline, installed.shadow)
        # The number last: a look that was broken off is made again.
        self.now, self._number = Judging(pipeline, shadow), installed.number
        self._tell(before)
        return self.now != before

    async def _built(self, document: bytes | None) -> Pipeline:
        now = self.now.pipeline
        if document is None:
            self.source = self.begun_with
            return self._first
        try:
            policy = parse_policy(document, "the installed policy")
            built = now if policy.name == now.policy.name else await asyncio.to_thread(reassemble, now, policy)
        except Exception as error:  # noqa: BLE001  (whatever it is, messages go on being judged by what is in force)
            self._refuse("policy.refused", error)
            return now
        self.source = "rows"
        return built

    async def _shadowed(self, pipeline: Pipeline, document: bytes | None) -> Shadow | None:
        if document is None:
            return None
        try:
            return await asyncio.to_thread(lambda: Shadow(pipeline, parse_policy(document, "the shadow policy")))
        except Exception as error:  # noqa: BLE001  (a shadow has no effect, not this one either)
            self._refuse("policy.shadow_refused", error)
            return None

    def _refuse(self, event: str, error: Exception) -> None:
        self.counts["refused"] += 1
        # A fault of a policy file names places and keys of that file; anything else only its kind.
        fault = str(error) if isinstance(error, PolicyError) else type(error).__name__
        log.error(event, fault=fault, in_force=self.policy.name)

    def _tell(self, before: Judging) -> None:
        if self.now.pipeline is not before.pipeline:
            self.counts["changed"] += 1
            log.info("policy.in_force", policy=self.policy.name, source=self.source)
            for listener in self._listeners:
                listener(self.policy)
        names = [judging.shadow.policy.name if judging.shadow else None for judging in (before, self.now)]
        if names[0] != names[1]:
            log.info("policy.shadow", policy=names[1])


class PolicyWatch:
    """Keeps `in_force` what the rows say, until it is stopped."""

    def __init__(self, in_force: PoliciesInForce, pool: Callable[[], Any], every_s: float | None = None) -> None:
        self._in_force, self._pool = in_force, pool
        self._every_s = LOOK_EVERY_S if every_s is None else every_s
        self._rung = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False

    async def start(self) -> None:
        """Follow the rows once before anything is judged, then go on. A database that says nothing is asked again."""
        await self._look()
        in_force = self._in_force
        log.info("policy.in_force", policy=in_force.policy.name, source=in_force.source)
        if in_force.source == "rows" and in_force.begun_with == "file":
            log.warning("policy.file_ignored", policy=in_force.policy.name)
        self._task = asyncio.create_task(self._keep(), name="policy-watch")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def ring(self) -> None:
        """Look at once."""
        self._rung.set()

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), self._every_s)
            self._rung.clear()
            await self._look()

    async def _look(self) -> None:
        try:
            await asyncio.wait_for(self._in_force.look(self._pool()), LOOK_WITHIN_S)
        except Exception as error:  # noqa: BLE001  (the watch must outlive a database that is away)
            if not self._failing:
                log.warning("policy.look_failed", error=type(error).__name__, in_force=self._in_force.policy.name)
            self._failing = True
        else:
            self._failing = False
