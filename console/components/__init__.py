"""The console's own elements: the alarm bar, tables, conversations."""

from console.components.conversation import conversation
from console.components.live_bar import live_bar
from console.components.table import Column, Row, bar, chip, table

__all__ = ["Column", "Row", "bar", "chip", "conversation", "live_bar", "table"]
