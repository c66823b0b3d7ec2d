"""Data dies on time: not later than the maximum, not before the minimum, never under a legal hold; and it can be shown.

`schedule`, `holds`, `planning` and `requests` decide and know no database. `disposition` carries out what they decide
on record classes that the caller hands in; it knows no table of the product.
"""
