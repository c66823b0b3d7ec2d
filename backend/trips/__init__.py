"""Trips and who takes part in them."""
