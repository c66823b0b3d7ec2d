"""Signals that no single text shows: what was said before, by whom, and what came back. One signal a file."""
