"""The benchmark measures a log that verifies, and never one that is in use."""

from __future__ import annotations

import json

from backend.audit import bench


def test_it_prints_its_figures_and_refuses_a_log_in_use(database_url, capsys):
    assert bench.main(["--database-url", database_url, "--seconds", "0.2"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert [run["rows_per_commit"] for run in figures["sustained"]] == [1, 10, 10]
    assert figures["verified_entries"] == sum(run["entries"] for run in figures["sustained"])
    assert bench.main(["--database-url", database_url]) == 1
    assert "not empty" in capsys.readouterr().err
