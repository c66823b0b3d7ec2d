"""The staff API: what the console calls. JSON in snake_case, lists as `{items, cursor, total?}`."""
