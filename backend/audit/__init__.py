"""The log that cannot be rewritten unnoticed: append with the act, sequence into a tree, sign, prove, verify."""

from backend.audit.entry import Entry
from backend.audit.intake import INTAKE_COLUMNS, AuditLog, Prepared

__all__ = ["INTAKE_COLUMNS", "AuditLog", "Entry", "Prepared"]
