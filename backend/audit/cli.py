"""`tripwarden audit`: export, verify, show the key. Exit status of verify: 0 ok, 1 tampered, 2 incomplete, 3 usage."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

import asyncpg
import msgspec

from backend.audit.export import NothingSigned, export
from backend.audit.note import NoteError, Signer, VerifierKey
from backend.audit.report import INCOMPLETE, OK, USAGE, Report
from backend.audit.subject_keys import AuditKeys
from backend.audit.verify_database import verify_database
from backend.audit.verify_export import verify_export
from backend.audit.verify_growth import verify_growth_in_database
from backend.clock import SystemClock
from backend.db import Database
from backend.keys import KeyFileError, Keyring, LocalRootKey
from backend.settings import SettingError, Settings, load

T = TypeVar("T")


class _Misused(Exception):
    """A wrong call; carries the sentence."""


class _Parser(argparse.ArgumentParser):
    """Like its base, but a wrong call ends with 3: 2 means that a log is incomplete."""

    def error(self, message: str) -> NoReturn:
        raise _Misused(f"{message}\n{self.format_usage().rstrip()}")


def main(argv: list[str], data_dir: Path | None = None) -> int:
    """Run `tripwarden audit ARGV`; returns the exit status."""
    try:
        chosen = _parser().parse_args(argv)
        run: Callable[[argparse.Namespace, Path | None], int] = chosen.run
        return run(chosen, data_dir)
    except SettingError as error:
        return _complain(error.detail, USAGE)
    except (_Misused, NoteError, KeyFileError) as error:
        return _complain(str(error), USAGE)
    except NothingSigned as error:
        return _complain(str(error), INCOMPLETE)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return _complain(f"the log cannot be read: {error}", INCOMPLETE)
    except SystemExit as error:  # --help
        return int(error.code or 0)


run = main  # the name under which every verb of `tripwarden` is found


def _parser() -> _Parser:
    parser = _Parser(prog="tripwarden audit", description="Export and verify the audit log.")
    parser.set_defaults(run=_none_chosen)
    verbs = parser.add_subparsers(parser_class=_Parser)
    verify = verbs.add_parser("verify", help="check the log; exit 0 ok, 1 tampered, 2 incomplete, 3 usage")
    verify.set_defaults(run=_none_chosen)
    what = verify.add_subparsers(parser_class=_Parser)
    log = _verifier(what, "log", "every entry, the tree, the checkpoints and the counts of the producers", _verify_log)
    gaps = _verifier(what, "gaps", "only the counts of the producers", _verify_gaps)
    for one in (log, gaps):
        source = one.add_mutually_exclusive_group()
        source.add_argument("--database", action="store_true", help="the log in the database (default)")
        source.add_argument("--export", type=Path, metavar="FILE", help="an export; needs no database")
    _verifier(what, "consistency", "that every checkpoint only adds to the one before", _verify_consistency)
    bundle = what.add_parser("bundle", help="a dispute bundle (not available yet)")
    bundle.add_argument("file", nargs="?")
    bundle.set_defaults(run=_verify_bundle)
    out = verbs.add_parser("export", help="write the log under its newest checkpoint into one file")
    out.add_argument("--out", type=Path, required=True, metavar="FILE")
    out.add_argument("--private", action="store_true", help="with the opened private halves: personal data")
    out.set_defaults(run=_export)
    verbs.add_parser("key", help="print the key that verifies this log's checkpoints").set_defaults(run=_show_key)
    return parser


def _verifier(
    what: argparse._SubParsersAction[_Parser],  # pyright: ignore[reportPrivateUsage]
    name: str,
    sentence: str,
    run: Callable[[argparse.Namespace, Path | None], int],
) -> _Parser:
    parser = what.add_parser(name, help=sentence, description=f"Check {sentence}.")
    parser.add_argument(
        "--key", metavar="KEY", help="verifier key that has to have signed; default: this installation's"
    )
    parser.add_argument(
        "--checkpoint",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a checkpoint that was kept elsewhere",
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=run)
    return parser


def _none_chosen(_: argparse.Namespace, __: Path | None) -> int:
    raise _Misused("say what to do: export, key, or verify log, verify gaps, verify consistency")


def _verify_log(chosen: argparse.Namespace, data_dir: Path | None) -> int:
    return _tell(_report(chosen, data_dir, private=True), chosen.json)


def _verify_gaps(chosen: argparse.Namespace, data_dir: Path | None) -> int:
    whole = _report(chosen, data_dir, private=False)
    gaps = Report(counts={name: whole.counts.get(name, 0) for name in ("entries", "producers")})
    gaps.findings = [finding for finding in whole.findings if finding.code.startswith(("number_", "export_", "leaf_"))]
    return _tell(gaps, chosen.json)


def _verify_bundle(_: argparse.Namespace, __: Path | None) -> int:
    return _complain("not_available: dispute bundles cannot be made or verified yet", USAGE)


def _verify_consistency(chosen: argparse.Namespace, data_dir: Path | None) -> int:
    settings = _settings(data_dir)
    key = _key(chosen.key, settings)
    notes = _notes(chosen.checkpoint)
    report = _with_database(settings, lambda db: verify_growth_in_database(db, key, notes))
    return _tell(report, chosen.json)


def _report(chosen: argparse.Namespace, data_dir: Path | None, *, private: bool) -> Report:
    notes = _notes(chosen.checkpoint)
    if chosen.export is not None:
        given = VerifierKey.parse(chosen.key) if chosen.key else None
        with chosen.export.open("rb") as file:
            return verify_export(file, key=given, kept_elsewhere=notes)
    settings = _settings(data_dir)
    key, clock = _key(chosen.key, settings), SystemClock()

    async def check(db: Database) -> Report:
        keys = _audit_keys(settings, db) if private else None
        return await verify_database(db, clock, key, keys=keys, kept_elsewhere=notes)

    return _with_database(settings, check)


def _export(chosen: argparse.Namespace, data_dir: Path | None) -> int:
    settings = _settings(data_dir)
    key = _key(None, settings)
    draft = chosen.out.with_name(f".{chosen.out.name}.{os.getpid()}")

    async def write(db: Database) -> int:
        keys = _audit_keys(settings, db) if chosen.private else None
        # Only its owner may read it, and it never stands half-written under its name.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            return await export(db, key, file.write, private=keys)

    try:
        size = _with_database(settings, write)
        draft.replace(chosen.out)
    finally:
        draft.unlink(missing_ok=True)
    print(f"{size:,} entries written to {chosen.out}")
    return OK


def _show_key(_: argparse.Namespace, data_dir: Path | None) -> int:
    print(_key(None, load(data_dir=data_dir)))
    return OK


def _settings(data_dir: Path | None) -> Settings:
    settings = load(data_dir=data_dir)
    if not settings.database.url:
        raise SettingError(
            "TRIPWARDEN_DATABASE_URL",
            f"no database: nothing runs on {settings.data.dir}",
            "a running `tripwarden up` on that --data-dir, or the address of a PostgreSQL",
        )
    return settings


def _key(given: str | None, settings: Settings) -> VerifierKey:
    """The key named on the command line, else this installation's; never makes one."""
    if given:
        return VerifierKey.parse(given)
    path = settings.audit.key_file or str(settings.data.dir / "keys" / "audit.key")
    return Signer.load(settings.data.dir, path, settings.audit.origin).verifier


def _audit_keys(settings: Settings, db: Database) -> AuditKeys:
    path = settings.key.root_file or str(settings.data.dir / "keys" / "root.key")
    clock = SystemClock()
    return AuditKeys(db, Keyring(db, LocalRootKey.load(settings.data.dir, path), clock), clock)


def _notes(files: Sequence[Path]) -> list[str]:
    return [file.read_text(encoding="utf-8") for file in files]


def _with_database(settings: Settings, work: Callable[[Database], Coroutine[object, object, T]]) -> T:
    async def run() -> T:
        db = Database(settings.database)
        await db.open()
        try:
            return await work(db)
        finally:
            await db.close()

    return asyncio.run(run())


def _tell(report: Report, as_json: bool) -> int:
    if as_json:
        shown = {"exit": report.exit_code, "counts": report.counts, "findings": report.findings}
        print(msgspec.json.encode(shown).decode())
    else:
        print("\n".join(report.lines()))
    return report.exit_code


def _complain(sentence: str, status: int) -> int:
    print(f"tripwarden audit: {sentence}", file=sys.stderr)
    return status
