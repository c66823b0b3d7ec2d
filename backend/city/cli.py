"""`tripwarden simulate`: a city of live trips, or a file of dialogues replayed, against a running api."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import msgspec

from backend.accounts.tokens import TokenService
from backend.city.deck import Deck
from backend.city.dialogue import shipped_dialogues
from backend.city.figures import Figures
from backend.city.living import live
from backend.city.people import People
from backend.city.platform import Platform, PlatformRefused
from backend.city.reading import BadFile, Row, read_rows
from backend.city.replaying import replay
from backend.city.tokens import CityTokens
from backend.city.trip import Streets
from backend.settings import SettingError, Settings, load

#: A line of figures goes to stderr this often, in seconds.
TELL_EVERY_S = 60.0


def _number(low: float, high: float) -> object:
    def read(raw: str) -> float:
        value = float(raw)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"a number from {low:g} to {high:g} is needed, not {raw}")
        return value

    return read


def _whole(low: int, high: int) -> object:
    def read(raw: str) -> int:
        value = int(raw)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"a whole number from {low} to {high} is needed, not {raw}")
        return value

    return read


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(
        prog="tripwarden simulate",
        description="Live trips whose drivers and riders are real clients; or a file of dialogues, replayed.",
    )
    made.add_argument("--trips", type=_whole(1, 500), default=12, help="trips at a time (default 12)")  # type: ignore[arg-type]
    made.add_argument("--url", help="the api (default: the one that runs on the data directory)")
    made.add_argument("--seconds", type=_number(1, 1e7), help="stop after so many seconds")  # type: ignore[arg-type]
    made.add_argument("--seed", type=int, help="the same seed, the same order of dialogues and people")
    made.add_argument("--speed", type=_number(0.1, 50), default=1.0, help="pauses are this much shorter")  # type: ignore[arg-type]
    made.add_argument("--dialogues", type=Path, metavar="FILE", help="replay JSON lines or Parquet (text, group, lang)")
    made.add_argument("--rate", type=_number(0.1, 5000), default=10.0, help="messages a second of a replay")  # type: ignore[arg-type]
    made.add_argument("--limit", type=_whole(1, 10**9), help="replay so many rows")  # type: ignore[arg-type]
    made.add_argument("--report", type=Path, metavar="FILE", help="write the figures there too")
    made.add_argument("--wait", type=_number(0, 3600), default=60.0, help="seconds that the api has to answer first")  # type: ignore[arg-type]
    made.add_argument("--data-dir", type=Path, help="data directory with the token key")
    return made


def run(argv: list[str], data_dir: Path | None = None) -> int:
    """Run the city. 0: done or stopped; 1: no api answers; 2: a wrong argument, setting or file."""
    try:
        args = parser().parse_args(argv)
    except SystemExit as left:
        return int(left.code or 0)
    try:
        settings = load(data_dir=args.data_dir or data_dir)
        rows = read_rows(args.dialogues, args.limit) if args.dialogues else None
        base = _base(args.url, settings)
    except (BadFile, SettingError, ValueError) as error:
        print(f"tripwarden simulate: {error}", file=sys.stderr)
        return 2
    return asyncio.run(_run(args, settings, base, rows))


#: The verb's handler under the name that other commands use for theirs.
main = run


def _base(url: str | None, settings: Settings) -> str:
    base = (url or f"http://127.0.0.1:{settings.api.port}").rstrip("/")
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"--url {url!r} is not an http:// or https:// address")
    return base


async def _run(args: argparse.Namespace, settings: Settings, base: str, rows: list[Row] | None) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    figures, rng = Figures(), random.Random(args.seed)  # noqa: S311 (the order of dialogues is no secret)
    tokens = CityTokens(TokenService.from_settings(settings))
    local = urlsplit(base).hostname in ("127.0.0.1", "localhost", "::1")
    started = time.monotonic()
    async with httpx.AsyncClient(base_url=base, timeout=10.0, trust_env=not local) as http:
        platform = Platform(http, tokens.service, figures, rng)
        if not await platform.wait_ready(args.wait, stop):
            print(f"tripwarden simulate: no api answers at {base}", file=sys.stderr)
            return 0 if stop.is_set() else 1
        streets = Streets(
            "ws" + base.removeprefix("http"), platform, tokens, People(rng), figures, rng, args.speed, not local
        )
        helpers = [asyncio.create_task(_tell(figures, started))]
        if args.seconds is not None:
            helpers.append(asyncio.create_task(_stop_after(args.seconds, stop)))
        code = await _work(streets, args, rows, stop)
        for helper in helpers:
            helper.cancel()
    _print_report(figures, time.monotonic() - started, args.report)
    return code


async def _work(streets: Streets, args: argparse.Namespace, rows: list[Row] | None, stop: asyncio.Event) -> int:
    try:
        if rows is None:
            await live(streets, Deck(shipped_dialogues(), streets.rng), args.trips, stop)
        else:
            await replay(streets, rows, trips=args.trips, rate=args.rate, stop=stop)
    except PlatformRefused as refused:
        print(f"tripwarden simulate: the api refuses the city: {refused}", file=sys.stderr)
        return 1
    return 0


async def _stop_after(seconds: float, stop: asyncio.Event) -> None:
    await asyncio.sleep(seconds)
    stop.set()


async def _tell(figures: Figures, started: float) -> None:
    """A line of figures now and then, for whoever watches the log."""
    while True:
        await asyncio.sleep(TELL_EVERY_S)
        report = figures.report(time.monotonic() - started)
        live_now = report.trips_started - report.trips_ended
        print(
            f"city: {live_now} trips live, {report.sent} sent, {report.delivered} delivered,"
            f" {report.withheld} withheld, {report.masked} masked, {report.rejected} rejected,"
            f" {report.emergencies} emergencies, p99 {report.delivery_ms.p99} ms",
            file=sys.stderr,
            flush=True,
        )


def _print_report(figures: Figures, seconds: float, path: Path | None) -> None:
    text = msgspec.json.format(msgspec.json.encode(figures.report(seconds)), indent=2).decode()
    print(text, flush=True)
    if path is not None:
        path.write_text(text + "\n", "utf-8")
