"""Measures the product on this machine; `make bench` runs it. What it measures and how: README.md here."""
