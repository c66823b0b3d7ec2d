"""Which roles of staff may do what. One place, so that the matrix in backend/README.md can be read off."""

from __future__ import annotations

from backend.api.guards import staff_only, staff_role_at_least

#: Live trips, the queue without text, templates, the live state: every active account.
staff_may_watch = staff_only
#: Somebody's words, a person's record.
staff_may_open_conversations = staff_role_at_least("moderator", "compliance")
#: Claims and decisions; drafting templates.
staff_may_decide = staff_role_at_least("moderator")
#: What every phone shows.
staff_may_publish = staff_role_at_least("lead")
#: The log.
staff_may_audit = staff_role_at_least("lead", "compliance")
#: Accounts of staff.
staff_may_manage_accounts = staff_role_at_least("admin")
