"""`tripwarden up`: everything on one machine, started in order, kept alive, stopped without a trace."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from backend.errors import ProblemError
from backend.settings import Settings, load
from backend.supervisor import postgres, valkey
from backend.supervisor.child import Child, StartError
from backend.supervisor.health import what_is_wrong
from backend.supervisor.output import Output
from backend.supervisor.plan import ROLL_SIGNAL, Options, Places, Plan, effective, environment
from backend.supervisor.ports import check_free, free_port, kept_port, listen
from backend.supervisor.process import ChildSpec
from backend.supervisor.runtime import Rolls, remove_runtime, write_runtime

if TYPE_CHECKING:
    from backend.supervisor.seed import SignIn

#: The api says by itself which part is not well; this long after the start we pass it on.
READY_WITHIN_S = 15.0


class Up:
    """One run of the product. `run` returns when it was stopped."""

    def __init__(self, options: Options, settings: Settings, output: Output) -> None:
        self._options, self._settings, self._output = options, settings, output
        self._children: list[list[Child]] = []
        self._keepers: list[asyncio.Task[None]] = []
        self._decided: dict[str, str] = {}
        self._stop, self._roll_asked = asyncio.Event(), asyncio.Event()
        self._rolls = Rolls()
        self._rolled: list[Child] = []  # the stage whose children are replaced one by one
        self._listener: socket.socket | None = None  # open all the time: a new api process gets it, too
        # The write end lives and dies with this process; the read end tells a leash that it died.
        self._leash_read, self._leash_write = os.pipe()

    async def run(self) -> None:
        """Start, print the places, wait for a signal, stop. Raises ProblemError when something does not start."""
        self._listen_to_signals()
        begun = time.monotonic()
        starting = asyncio.ensure_future(self._start())
        stopped = asyncio.ensure_future(self._stop.wait())
        rolling: asyncio.Future[None] | None = None
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                places, sign_ins = starting.result()
                self._output.say(self._welcome(places, sign_ins, time.monotonic() - begun))
                rolling = asyncio.ensure_future(self._roll_when_asked())
                await stopped
        except StartError as error:
            raise ProblemError("unavailable", str(error)) from error
        finally:
            under_way: list[asyncio.Future[Any]] = [starting] if rolling is None else [starting, rolling]
            for one in under_way:
                one.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
            await self._stop_all()

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means it
                loop.add_signal_handler(number, self._on_signal)
        loop.add_signal_handler(ROLL_SIGNAL, self._roll_asked.set)

    def _on_signal(self) -> None:
        if not self._stop.is_set():
            self._output.say("tripwarden: stopping")
            self._stop.set()

    async def _start(self) -> tuple[Places, list[SignIn]]:
        options = self._options
        remove_runtime(options.data_dir)  # one that was killed left it: nobody may send our signals to its number
        self._listener = listener = listen(self._settings.api.host, options.port, "--port")
        check_free(options.console_port if options.console else 0, "--console-port")
        engines, database_url, redis_url = await asyncio.to_thread(self._prepare_engines)
        places = self._places(listener, database_url, redis_url)
        self._decided = effective(self._settings, places)
        env = environment(os.environ, options.data_dir, self._decided)
        plan = Plan(options, places, env, listener.fileno(), simulated_phones=not self._settings.twilio.account_sid)
        aside = asyncio.ensure_future(self._start_stage(plan.aside()))  # they need no database
        try:
            await self._start_stage(engines)
            sign_ins = await self._prepare_database(plan.simulated_phones, database_url, env)
            await aside
            first, *later = plan.stages()
            self._rolled = await self._start_stage(first)
            for stage in later:
                await self._start_stage(stage)
        finally:
            aside.cancel()
            await asyncio.gather(aside, return_exceptions=True)
        await self._wait_ready(places)
        return places, sign_ins

    def _prepare_engines(self) -> tuple[list[ChildSpec], str, str]:
        """Those that no setting points elsewhere for, and where both are."""
        data_dir = self._options.data_dir
        database_url, redis_url = self._settings.database.url, self._settings.redis.url
        specs: list[ChildSpec] = []
        if not database_url:
            server = postgres.prepare(data_dir, connections=self._connections())
            database_url = server.url()
            specs.append(server.spec())
        if not redis_url:
            bell = valkey.prepare(data_dir)
            redis_url = bell.url
            specs.append(bell.spec())
        return specs, database_url, redis_url

    def _connections(self) -> int:
        """What all processes may open at once: the api processes, one more during a roll, sweepers, worker, people."""
        return max(200, self._settings.database.most_connections * (self._options.api_workers + 4) + 50)

    async def _prepare_database(self, simulated_phones: bool, url: str, env: Mapping[str, str]) -> list[SignIn]:
        """Schema and, without a real telephone, everything to try the product with."""
        from backend.migrations import migrate  # slow to import; the engines start meanwhile
        from backend.supervisor.seed import seed

        try:
            await migrate(url)
        except OSError as error:
            raise ProblemError("unavailable", f"PostgreSQL is not reachable: {error}") from error
        if not simulated_phones:
            return []
        return await seed(load(env, data_dir=self._options.data_dir, with_runtime=False))

    def _places(self, listener: socket.socket, database_url: str, redis_url: str) -> Places:
        return Places(
            data_dir=self._options.data_dir,
            host=self._settings.api.host,
            database_url=database_url,
            redis_url=redis_url,
            api_port=listener.getsockname()[1],
            console_port=self._options.console_port or free_port(),
            simulator_port=kept_port(self._options.data_dir / "simulator.port"),
        )

    def _child(self, spec: ChildSpec) -> Child:
        return Child(spec, self._output, leash_fd=self._leash_read, changed=self._write_runtime)

    async def _start_stage(self, specs: Sequence[ChildSpec]) -> list[Child]:
        stage = [self._child(spec) for spec in specs]
        self._children.append(stage)
        starting = [asyncio.ensure_future(child.start()) for child in stage]
        try:
            await asyncio.gather(*starting)
        finally:
            for one in starting:
                one.cancel()
        self._keepers += [asyncio.ensure_future(child.keep()) for child in stage]
        return stage

    async def _roll_when_asked(self) -> None:
        while True:
            await self._roll_asked.wait()
            self._roll_asked.clear()
            failed = ""
            try:
                await self._roll()
                self._output.say("tripwarden: rolled")
            except (StartError, OSError) as error:
                failed = str(error)
                self._output.say(f"tripwarden: the roll ends here, the rest stays as it is: {failed}")
            self._rolls = Rolls(self._rolls.count + 1, failed)
            self._write_runtime()

    async def _roll(self) -> None:
        """The api processes one after the other, for they have sockets; then the rest together."""
        olds = tuple(self._rolled)
        for old in olds[: self._options.api_workers]:
            await self._replace(old)
        for done in await asyncio.gather(
            *(self._replace(old) for old in olds[self._options.api_workers :]), return_exceptions=True
        ):
            if isinstance(done, BaseException):
                raise done

    async def _replace(self, old: Child) -> None:
        """The new one is well before the old one is asked to go: both listen at the shared socket for a moment."""
        new = self._child(old.spec)
        self._rolled.insert(self._rolled.index(old) + 1, new)  # a stop in the middle ends both
        try:
            await new.start()
        except BaseException:
            await new.stop()
            self._rolled.remove(new)
            self._write_runtime()
            raise
        self._keepers.append(asyncio.ensure_future(new.keep()))
        self._output.say(f"tripwarden: {old.spec.name} is replaced ({old.pid} by {new.pid})")
        await old.stop()
        self._rolled.remove(old)

    def _write_runtime(self) -> None:
        running = {child.spec.name: child.pid for stage in self._children for child in stage}
        pids = {name: pid for name, pid in running.items() if pid is not None}
        write_runtime(self._options.data_dir, self._decided, pids, self._rolls)

    async def _wait_ready(self, places: Places) -> None:
        """Ask the api whether every part is well; say which is not, and go on: it is kept alive all the same."""
        deadline = time.monotonic() + READY_WITHIN_S
        while wrong := await what_is_wrong(f"{places.api_url}/health/ready"):
            if time.monotonic() > deadline:
                self._output.say(f"tripwarden: the api is up but not ready: {wrong}")
                return
            await asyncio.sleep(0.1)

    async def _stop_all(self) -> None:
        """In reverse order, a stage at a time; a second Ctrl-C kills what is left."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._kill_all)
        for stage in reversed(self._children):
            await asyncio.gather(*(child.stop() for child in stage))
        await asyncio.gather(*self._keepers, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        remove_runtime(self._options.data_dir)
        os.close(self._leash_write)
        os.close(self._leash_read)

    def _kill_all(self) -> None:
        for stage in self._children:
            for child in stage:
                child.kill()

    def _welcome(self, places: Places, sign_ins: Sequence[SignIn], took_s: float) -> str:
        width = max((len(one.email) for one in sign_ins), default=0)
        people = [f"    {one.email.ljust(width)}   {one.password}" for one in sign_ins]
        where = {"Console": places.console_url} if self._options.console else {}
        title = "Sign in to the console as" if self._options.console else "Staff accounts"
        where |= {"API": places.api_url, "Data": str(self._options.data_dir)}
        lines = [
            "",
            f"Tripwarden is ready ({took_s:.1f} s). Stop it with Ctrl-C.",
            "",
            *(f"    {name:<8} {place}" for name, place in where.items()),
            "",
            *([f"  {title}", "", *people, ""] if people else []),
        ]
        return "\n".join(lines)


def run(options: Options, settings: Settings, output: Output) -> None:
    """Run until stopped. Raises ProblemError (also SettingError) when something does not start."""
    asyncio.run(Up(options, settings, output).run())
