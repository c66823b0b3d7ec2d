"""Firebase Cloud Messaging over real HTTP, beside the telephone exchange: its token and its send endpoint.

It checks the assertion of a service account as Google does, refuses messages that the real API would refuse, and keeps
what it took, so that a demonstration or a test sees what a phone would show.
"""

from backend.notification.simulator.fcm.account import PATH, FirebaseConfig, ensure_account, read_account
from backend.notification.simulator.fcm.firebase import Firebase
from backend.notification.simulator.fcm.problems import GoogleError

__all__ = ["PATH", "Firebase", "FirebaseConfig", "GoogleError", "ensure_account", "read_account"]
