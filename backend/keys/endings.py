"""How a transaction ended, told to those who did something in it: committed, or came to nothing."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

_INFO = "endings.pending"

Tell = Callable[[bool], None]


class _Pending:
    """Who waits for the end of the running transaction of one session, and in which savepoint they acted."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Tell, SessionTransaction | None]] = []

    def savepoint_rolled_back(self, ended: SessionTransaction) -> None:
        """What was done in it, or in one inside it, came to nothing; the rest stays pending."""
        gone = [tell for tell, within in self.waiting if _within(within, ended)]
        self.waiting = [waiting for waiting in self.waiting if not _within(waiting[1], ended)]
        for tell in gone:
            tell(False)

    def ended(self, committed: bool) -> None:
        waiting, self.waiting = self.waiting, []
        for tell, _ in waiting:
            tell(committed)


def at_end(session: Session, tell: Tell) -> None:
    """Call `tell(True)` once what was done up to now in `session` is committed, `tell(False)` once it came to nothing.

    Ends that come to nothing: rollback, a savepoint's rollback, close without commit, a commit that failed.
    """
    pending: _Pending | None = session.info.get(_INFO)
    if pending is None:
        pending = session.info[_INFO] = _Pending()
        _listen(session, pending)
    pending.waiting.append((tell, session.get_nested_transaction() or session.get_transaction()))


def _listen(session: Session, pending: _Pending) -> None:
    def after_commit(committed: Session) -> None:
        if not committed.in_nested_transaction():  # releasing a savepoint commits nothing yet
            pending.ended(committed=True)

    def after_soft_rollback(_: Session, previous: SessionTransaction) -> None:
        if previous.nested:
            pending.savepoint_rolled_back(previous)

    def after_transaction_end(_: Session, ended: SessionTransaction) -> None:
        # `Session.close` ends a transaction without any rollback event; after a commit nothing is left to tell.
        if ended.parent is None:
            pending.ended(committed=False)

    event.listen(session, "after_commit", after_commit)
    event.listen(session, "after_soft_rollback", after_soft_rollback)
    event.listen(session, "after_transaction_end", after_transaction_end)


def _within(transaction: SessionTransaction | None, ended: SessionTransaction) -> bool:
    while transaction is not None:
        if transaction is ended:
            return True
        transaction = transaction.parent
    return False
