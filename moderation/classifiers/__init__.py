"""Models that give labels: the linear one on every message, Detoxify as a second opinion."""
