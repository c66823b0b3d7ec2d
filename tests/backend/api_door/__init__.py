"""The short way in for messages."""
