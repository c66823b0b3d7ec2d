"""`tripwarden policy list|show|check|import|activate|shadow|backtest`: policies from a terminal of the installation.

What is activated here is in force in every process within two seconds; nothing is restarted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from backend.errors import ProblemError
from backend.keys import KeyFileError
from backend.policies import service
from backend.policies.access import access_acts, access_differences, access_standing, access_version, access_versions
from backend.policies.backtest_cli import add_arguments, backtest
from backend.policies.models import PolicyVersion
from backend.policies.parts import Parts, access_account, open_parts
from backend.policies.service import Act, check_policy
from backend.settings import Settings, load

FAILED, MISUSED = 1, 2
MISUSES = frozenset({"invalid_value", "rationale_required", "not_found", "purpose_required", "setting_invalid"})


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    made = argparse.ArgumentParser(prog="tripwarden policy", description="Versions of the moderation policy.")
    made.add_argument("--data-dir", metavar="DIR", help="data directory (default: TRIPWARDEN_DATA_DIR)")
    verbs = made.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="the versions, and which one is in force").add_argument("--json", action="store_true")
    show = verbs.add_parser("show", help="a version's file; without VERSION the acts, and where the shadow differs")
    show.add_argument("version", nargs="?", metavar="VERSION")
    verbs.add_parser("check", help="say whether a file can be used").add_argument("file", type=Path)
    importing = verbs.add_parser("import", help="keep a file as a version; it has no effect yet")
    importing.add_argument("file", type=Path)
    activating = verbs.add_parser("activate", help="put a version in force in every process")
    activating.add_argument("version", metavar="VERSION")
    shadowing = verbs.add_parser("shadow", help="let a version judge beside the one in force, without effect")
    shadowing.add_argument("version", nargs="?", metavar="VERSION")
    shadowing.add_argument("--off", action="store_true", help="take the shadow off")
    add_arguments(verbs.add_parser("backtest", help="what a file would have said of the messages of a period"))
    for verb in (importing, activating, shadowing):
        verb.add_argument("--reason", required=True, help="why; stands in the log")
        verb.add_argument("--account", metavar="EMAIL", help="the lead or admin who answers for it")
    return made


def run(argv: list[str], data_dir: Path | None = None) -> int:
    """0: done; 1: the database refuses, or somebody was faster; 2: a wrong argument, file or setting."""
    try:
        chosen = parser().parse_args(argv)
    except SystemExit as left:
        return int(left.code or 0)
    try:
        if chosen.verb == "check":
            return _check(chosen.file)
        settings = load(data_dir=data_dir)
        if not settings.database.url:
            raise ProblemError("setting_invalid", "no database: start `tripwarden up` or set TRIPWARDEN_DATABASE_URL")
        return asyncio.run(_run(settings, chosen))
    except ProblemError as error:
        return _complain(error.detail, MISUSED if error.code in MISUSES else FAILED)
    except KeyFileError as error:
        return _complain(str(error), MISUSED)
    except (OSError, SQLAlchemyError) as error:
        return _complain(f"{type(error).__name__}: the database cannot be reached or refuses", FAILED)


def _complain(sentence: str, status: int) -> int:
    print(f"tripwarden policy: {sentence}", file=sys.stderr)
    return status


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ProblemError("invalid_value", f"{file}: cannot be read: {error.strerror}") from error


def _check(file: Path) -> int:
    policy = check_policy(_read(file), str(file))
    print(f"{file}: {policy.name} can be used")
    return 0


async def _run(settings: Settings, chosen: argparse.Namespace) -> int:
    verbs: dict[str, Callable[[Parts, argparse.Namespace], Awaitable[None]]] = {
        "list": _list,
        "show": _show,
        "import": _import,
        "activate": _activate,
        "shadow": _shadow,
        "backtest": backtest,
    }
    async with open_parts(settings) as parts:
        await verbs[chosen.verb](parts, chosen)
    return 0


async def _list(parts: Parts, chosen: argparse.Namespace) -> None:
    async with parts.db.session() as session:
        versions = await access_versions(session)
    if chosen.json:
        print(msgspec.json.encode(versions).decode())
        return
    for one in versions:
        print(f"{one.version}:{one.digest}  {one.standing or '-':<6}  {one.created_at:%Y-%m-%d %H:%M}  {one.reason}")
    if not any(one.standing == "active" for one in versions):
        file = parts.settings.moderation.policy_file
        print(f"in force: {file or 'the shipped policy'} (no version was activated)")


async def _show(parts: Parts, chosen: argparse.Namespace) -> None:
    async with parts.db.session() as session:
        if chosen.version is not None:
            sys.stdout.write((await access_version(session, chosen.version)).document.decode())
            return
        for act in await access_acts(session):
            what = act.act if act.version or act.act == "activate" else "shadow off"
            by = act.account_id or "terminal"
            print(f"{act.at:%Y-%m-%d %H:%M:%S}  {what} {act.version or ''}  {by}  {act.reason}")
        _, shadow = await access_standing(session)
        if shadow is not None:
            row = await session.get_one(PolicyVersion, shadow)
            print(f"shadow {_name(row)}: messages on which it differs")
            for one in await access_differences(session, _name(row)):
                before, after = _answer(one.outcome, one.flags), _answer(one.shadow_outcome, one.shadow_flags)
                print(f"{one.messages:>8}  {before} -> {after}")


def _answer(outcome: str, flags: list[str]) -> str:
    return "+".join([outcome, *flags])


def _name(row: PolicyVersion) -> str:
    return f"{row.version}:{row.digest}"


async def _import(parts: Parts, chosen: argparse.Namespace) -> None:
    source = _read(chosen.file)
    async with parts.db.session() as session:
        act = Act(chosen.reason, await access_account(session, chosen.account))
        row, new = await service.import_policy(session, parts.audit, parts.clock, source, str(chosen.file), act)
        await session.commit()
    print(_name(row) if new else f"{_name(row)} (was there already)")


async def _activate(parts: Parts, chosen: argparse.Namespace) -> None:
    async with parts.db.session() as session:
        act = Act(chosen.reason, await access_account(session, chosen.account))
        row = await service.activate(session, parts.audit, parts.clock, chosen.version, act)
        await session.commit()
    print(f"in force: {_name(row)}")


async def _shadow(parts: Parts, chosen: argparse.Namespace) -> None:
    if chosen.off == (chosen.version is not None):
        raise ProblemError("invalid_value", "either a VERSION or --off")
    async with parts.db.session() as session:
        act = Act(chosen.reason, await access_account(session, chosen.account))
        if chosen.off:
            ended = await service.end_shadow(session, parts.audit, parts.clock, act)
            told = "the shadow is off" if ended else "there was no shadow"
        else:
            row = await service.put_in_shadow(session, parts.audit, parts.clock, chosen.version, act)
            told = f"in the shadow: {_name(row)}"
        await session.commit()
    print(told)
