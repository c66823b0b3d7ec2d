"""Keys for content at rest: the only place that opens what is sealed."""

from backend.keys.data_key import SYSTEM_SENDER, DataKey, KeyDestroyed, SealBroken, body_aad
from backend.keys.endings import at_end
from backend.keys.keyring import Keyring
from backend.keys.root import KeyFileError, KeyProvider, LocalRootKey
from backend.keys.wrapping import KekStore, Scope

__all__ = [
    "SYSTEM_SENDER",
    "DataKey",
    "KekStore",
    "KeyDestroyed",
    "KeyFileError",
    "KeyProvider",
    "Keyring",
    "LocalRootKey",
    "Scope",
    "SealBroken",
    "at_end",
    "body_aad",
]
