"""The report's figures are the rows themselves; approvals; the command line."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from backend.errors import ProblemError
from backend.records import cli
from backend.records.reporting import make_report
from backend.records.service import HoldDraft, RetentionDesk
from retention.reports import Report
from tests.backend.records.city_of_records import Records, count, make_trip
from tests.backend.records.conftest import START, UNTIL_DUE

HOUR = timedelta(hours=1, seconds=1)


async def report_of(records: Records, desk: RetentionDesk, first: date, last: date) -> Report:
    async with records.db.session() as session:
        return await make_report(session, desk.standing, records.clock, first, last)


def line(report: Report, market: str, record_class: str) -> dict[str, object]:
    for found in report.classes:
        if (found.market, found.record_class) == (market, record_class):
            return {name: getattr(found, name) for name in found.__struct_fields__}
    raise AssertionError(f"no line for {record_class} of {market}")


async def dispose(records: Records, desk: RetentionDesk) -> None:
    async with records.db.session() as session:
        run = await desk.start(session, "manual")
        await session.commit()
    await desk.advance(run.id)
    records.clock.move(HOUR)
    assert await desk.advance(run.id) == "done"


async def test_every_figure_equals_the_rows_counted_by_sql(records: Records, desk: RetentionDesk) -> None:
    held = await make_trip(records, messages=5)
    await make_trip(records, messages=4)
    await make_trip(records, market="es", messages=2)
    async with records.db.session() as session:
        await desk.place_hold(session, HoldDraft("trip", str(held), "court order"), None)
        await session.commit()
    rows = "(SELECT m.expire_on, t.market FROM trip_message m JOIN trip t ON t.id = m.trip_id UNION ALL"
    rows += " SELECT e.expire_on, t.market FROM trip_event e JOIN trip t ON t.id = e.trip_id) x"
    kz_before = await count(records, f"{rows} WHERE market = 'kz'")
    es_before = await count(records, f"{rows} WHERE market = 'es'")
    held_rows = await count(records, "trip_message WHERE trip_id = :t", t=held)
    held_rows += await count(records, "trip_event WHERE trip_id = :t", t=held)

    start = START.date()
    before = await report_of(records, desk, start, start)
    assert line(before, "kz", "text")["live"] == line(before, "kz", "text")["created"] == kz_before
    assert line(before, "kz", "key")["live"] == 6
    assert line(before, "kz", "verdict")["live"] == 9
    assert line(before, "es", "location")["live"] == 1

    records.clock.move(UNTIL_DUE - timedelta(days=10))
    soon = await report_of(records, desk, start, records.clock.now().date())
    coming = {(c.day, c.record_class): c.rows for c in soon.next_30_days}
    assert coming[start + timedelta(days=91), "text"] == kz_before + es_before

    records.clock.move(timedelta(days=10))
    due = await report_of(records, desk, start, records.clock.now().date())
    assert line(due, "kz", "text")["due"] == kz_before
    assert line(due, "kz", "text")["overdue"] == 0

    await dispose(records, desk)
    after = await report_of(records, desk, start, records.clock.now().date())
    kz, es = line(after, "kz", "text"), line(after, "es", "text")
    assert kz["disposed"] == kz_before - held_rows
    assert kz["held"] == kz["live"] == held_rows == await count(records, f"{rows} WHERE market = 'kz'")
    assert (es["disposed"], es["live"]) == (es_before, 0)
    assert after.keys.destroyed == 6
    assert after.keys.living == 3 == await count(records, "keys.data_key WHERE wrapped IS NOT NULL")
    assert after.disposition.partitions_dropped == 1
    assert after.disposition.lag_hours_longest == pytest.approx(13.0, abs=0.1)
    assert [hold.target for hold in after.holds] == [str(held)]


async def test_what_no_run_came_to_is_overdue_with_its_reason(records: Records, desk: RetentionDesk) -> None:
    await make_trip(records)
    records.clock.move(UNTIL_DUE + timedelta(days=3))
    late = line(await report_of(records, desk, START.date(), START.date()), "kz", "text")
    assert late["overdue"] == late["due"] == late["live"]
    assert late["overdue_reason"]
    assert late["oldest"] == START.date()
    assert late["oldest_within_maximum"] is False


async def test_changes_of_policy_and_blocked_early_ends_are_reported(records: Records, desk: RetentionDesk) -> None:
    from retention.schedule import RetentionRule

    await make_trip(records)
    async with records.db.session() as session:
        await desk.save_rule(session, "kz", RetentionRule("text", 120, 150, "a new law"), None)
        await session.commit()
    rows = await count(records, "trip_message") + await count(records, "trip_event")
    records.clock.move(UNTIL_DUE)
    await dispose(records, desk)
    report = await report_of(records, desk, START.date(), records.clock.now().date())
    changed = [(p.market, p.version, p.in_force) for p in report.policies if p.changed_in_period and p.market == "kz"]
    assert changed == [("kz", 1, True)]
    assert report.disposition.early_blocked == rows


async def test_a_run_far_from_the_usual_waits_for_two_officers(records: Records, desk: RetentionDesk) -> None:
    for _ in range(8):
        await make_trip(records, messages=1)
        records.clock.move(timedelta(days=1))
    await make_trip(records, messages=40)
    records.clock.move(UNTIL_DUE - timedelta(days=8))
    for _ in range(8):
        await dispose(records, desk)
        records.clock.move(timedelta(days=1) - HOUR)
    async with records.db.session() as session:
        run = await desk.start(session, "manual")
        await session.commit()
    assert run.status == "awaiting_approval"
    assert run.expected is not None
    assert run.expected < run.counts["due"]
    assert await desk.advance(run.id) == "awaiting_approval"
    assert await count(records, "trip_message") == 40
    officer, other = uuid4(), uuid4()
    for account, expected in ((officer, "awaiting_approval"), (officer, "awaiting_approval"), (other, "running")):
        assert await approved(records, desk, run.id, account) == expected
    assert await desk.advance(run.id) == "quarantine"
    with pytest.raises(ProblemError):
        await approved(records, desk, run.id, uuid4())


async def approved(records: Records, desk: RetentionDesk, run_id: UUID, account: UUID) -> str:
    async with records.db.session() as session:
        run = await desk.approve(session, run_id, account)
        await session.commit()
        return run.status


async def test_a_run_for_a_day_to_come_is_refused(records: Records, desk: RetentionDesk) -> None:
    async with records.db.session() as session:
        with pytest.raises(ProblemError, match="cannot be disposed of before it"):
            await desk.start(session, "manual", today=records.clock.now().date() + timedelta(days=1))


async def test_the_certificate_says_what_was_destroyed(records: Records, desk: RetentionDesk) -> None:
    await make_trip(records)
    records.clock.move(UNTIL_DUE)
    await dispose(records, desk)
    async with records.db.session() as session:
        leaf = (
            await session.execute(text("SELECT leaf FROM audit_intake WHERE event = 'disposition.done'"))
        ).scalar_one()
    counts = json.loads(leaf)["n"]
    assert counts["disposed"] == counts["due"] > 0
    assert counts["keys"] == 3


class TestCommandLine:
    """`tripwarden retention`, in a process of its own as far as the database can tell."""

    def run(self, capsys: pytest.CaptureFixture[str], database_url: str, tmp: Path, *argv: str) -> tuple[int, str, str]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRIPWARDEN_DATABASE_URL", database_url)
            code = cli.run(list(argv), tmp)
        said = capsys.readouterr()
        return code, said.out, said.err

    def test_report_run_schedule_and_holds(
        self, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path, key_dir: Path
    ) -> None:
        code, out, _ = self.run(capsys, database_url, key_dir, "report", "--from", "2026-11-01", "--to", "2026-11-30")
        assert code == 0
        assert json.loads(out)["from"] == "2026-11-01"
        file = tmp_path / "report.csv"
        argv = ["report", "--from", "2026-11-01", "--to", "2026-11-30", "--format", "csv", "--out", str(file)]
        assert self.run(capsys, database_url, key_dir, *argv)[:2] == (0, "")
        assert file.read_text().startswith("section,market,record_class,figure,value")
        code, out, _ = self.run(capsys, database_url, key_dir, "run", "--dry-run")
        assert code == 0
        assert json.loads(out)["status"] == "done"
        code, out, _ = self.run(capsys, database_url, key_dir, "schedule")
        assert code == 0
        assert "default (version 1)" in out
        code, out, _ = self.run(capsys, database_url, key_dir, "holds")
        assert code == 0
        assert isinstance(json.loads(out), list)

    @pytest.mark.parametrize(
        "argv",
        [
            (),
            ("report",),
            ("report", "--from", "yesterday", "--to", "today"),
            ("run", "--date", "2026-13-01"),
            ("report", "--from", "2026-02-01", "--to", "2026-01-01"),
            ("run", "--date", "2999-01-01"),
            ("forget",),
        ],
    )
    def test_wrong_arguments_answer_2(
        self, capsys: pytest.CaptureFixture[str], database_url: str, tmp_path: Path, argv: tuple[str, ...]
    ) -> None:
        code, _, err = self.run(capsys, database_url, tmp_path, *argv)
        assert code == 2
        assert err
        assert "Traceback" not in err

    def test_no_database_is_said_in_one_line(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        assert cli.run(["schedule"], tmp_path) == 2
        assert "no database" in capsys.readouterr().err
        code, _, err = self.run(capsys, "postgresql://x:y@127.0.0.1:9/none", tmp_path, "schedule")
        assert code == 1
        assert len(err.splitlines()) == 1
