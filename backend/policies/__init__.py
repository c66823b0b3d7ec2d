"""Moderation policies: versions, which one is in force, the shadow beside it, what a candidate would change."""
