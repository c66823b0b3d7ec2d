"""Tables with chips and bars; a row can be chosen by click or Enter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import streamlit as st

from console.components.parts import element

Cell: TypeAlias = "str | int | float | Mapping[str, object] | None"


@dataclass(frozen=True)
class Column:
    """A column: the key of its cells, its heading, and how it stands."""

    key: str
    label: str
    right: bool = False
    wrap: bool = False


@dataclass(frozen=True)
class Row:
    """A row with its id and its cells by column key."""

    id: str
    cells: Mapping[str, Cell]


def chip(text: str, tone: str = "", hint: str = "") -> dict[str, object]:
    """A framed word; `tone` is bad, warn, good, soft or loud. The word alone carries the meaning."""
    return {"text": text, "tone": tone, "chip": True, "hint": hint}


def bar(share: float, text: str, tone: str = "") -> dict[str, object]:
    """A small bar of `share` (0 to 1) with its number beside it."""
    return {"bar": share, "text": text, "tone": tone}


def table(
    key: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    empty: str,
    selected: str = "",
    on_select: Callable[[str], None] | None = None,
    height: int = 0,
) -> None:
    """Show `rows`; `empty` says what will appear. `on_select` gets a row's id before the next run of the page."""

    def chosen() -> None:
        state = cast("Mapping[str, object]", st.session_state.get(key, {}))
        value = state.get("selected")
        if on_select is not None and isinstance(value, str):
            on_select(value)

    data = {
        "columns": [vars(column) for column in columns],
        "rows": [{"id": row.id, "cells": dict(row.cells)} for row in rows],
        "empty": empty,
        "selected": selected,
        "selectable": on_select is not None,
        "height": height,
    }
    element("table", "table")(key=key, data=data, on_selected_change=chosen)
