"""Travellers, staff accounts, tokens: who somebody is."""
