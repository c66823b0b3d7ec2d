"""The message as FCM's HTTP v1 API takes it: https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages."""

from __future__ import annotations

import time
from typing import Any

from backend.push.interface import Order


def message_of(order: Order) -> dict[str, Any]:
    """`{"message": ...}`. One trip is one line on the phone: a later push takes the place of an earlier one."""
    trip = str(order.trip_id)
    return {
        "message": {
            "token": order.token,
            "notification": {"title": order.title},
            "data": {
                "event": "new-message",
                "tripId": trip,
                "messageId": str(order.message_id),
                "seq": str(order.seq),
                "key": order.key,
            },
            "android": {
                "priority": "HIGH",
                "ttl": f"{order.ttl_s}s",
                "collapse_key": trip,
                "notification": {"tag": trip},
            },
            "apns": {
                "headers": {
                    "apns-priority": "10",
                    "apns-push-type": "alert",
                    # A moment, where the others want seconds; the provider's clock is the real one.
                    "apns-expiration": str(int(time.time()) + order.ttl_s),
                    "apns-collapse-id": trip,
                },
                "payload": {"aps": {"sound": "default", "thread-id": trip}},
            },
            "webpush": {
                # RFC 8030, 5.4: a topic has at most 32 characters.
                "headers": {"TTL": str(order.ttl_s), "Urgency": "high", "Topic": order.trip_id.hex},
                "notification": {"title": order.title, "tag": trip},
            },
        }
    }
