"""Deciding a claimed case: the person, the policy and the reason, then one key for the message."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import streamlit as st

from console.api import ApiError
from console.app_pages import case_desk
from console.format import short
from console.frame import do, reason
from console.session import Desk
from console.wire import Case, ClaimedCase, MessageOutcome
from console.words import code_words

OUTCOMES = {"release": "Release", "mask": "Mask", "remove": "Remove"}
MESSAGE_KEYS = {"release": "L", "mask": "M", "remove": "X"}
PERSONS = {"none": "No step", "warn": "Warn", "mute": "Mute in chat", "suspend": "Suspend chat"}
PERSON_KEYS = {"none": "O", "warn": "W", "mute": "U", "suspend": "S"}
SKIPS = ("I know one of these people", "I do not read this language", "I need a break from this", "Other")
REFER_TO = {"lead": "Lead", "admin": "Admin"}
WEIGHTY = frozenset({"high", "critical"})
REFUSED = "decide-refused"


@dataclass(frozen=True)
class Choice:
    """What is chosen before the key for the message is pressed."""

    person: str
    policy: str
    rationale: str
    needs_rationale: bool
    singly: dict[str, str]


def decide(desk: Desk, claim: ClaimedCase) -> None:
    """The form of a decision, from the top to the key that ends it."""
    person = _person(claim.case)
    choice = _grounds(claim, person)
    st.markdown("**3. The message**" if len(claim.case.message_ids) < 2 else "**3. The messages**")
    with st.container(horizontal=True, gap="small"):
        for code, label in _labels(claim).items():
            if st.button(label, key=f"outcome-{code}", type="primary", shortcut=MESSAGE_KEYS[code], width="stretch"):
                _press(desk, claim.case, choice, code)
                st.rerun()
    refused = st.session_state.pop(REFUSED, "")
    if refused:
        st.error(refused)


def _labels(claim: ClaimedCase) -> dict[str, str]:
    """Nothing is released that was never withheld: there the same key lets the message stand."""
    flagged = [message for message in claim.conversation if message.id in claim.case.message_ids]
    withheld = any(message.status in {"quarantined", "removed"} for message in flagged)
    return OUTCOMES if withheld else {**OUTCOMES, "release": "Let it stand"}


def _person(case: Case) -> str:
    """Every choice belongs to its case (by its key): none may carry over to the next one."""
    key = f"decide-person-{case.id}"
    person = cast("str", st.session_state.get(key, "none"))
    st.markdown("**1. The person**")
    with st.container(horizontal=True, gap="small"):
        for code, label in PERSONS.items():
            kind = "primary" if code == person else "secondary"
            if st.button(label, key=f"person-{code}", type=kind, shortcut=PERSON_KEYS[code]):
                st.session_state[key] = code
                st.rerun()
    return person


def _grounds(claim: ClaimedCase, person: str) -> Choice:
    case = claim.case
    st.markdown("**2. What you go by**")
    policy = st.selectbox(
        "Policy cited",
        _policies(claim),
        key=f"decide-policy-{case.id}",
        format_func=code_words,
        accept_new_options=True,
    )
    weighty = case.severity in WEIGHTY
    needs = weighty or person == "suspend"
    hint = "Required: " + ("this case is of high severity" if weighty else "you suspend somebody")
    rationale = st.text_area(
        "Rationale" + (" (required)" if needs else " (optional)"),
        key=f"decide-rationale-{case.id}",
        height=70,
        max_chars=1000,
        placeholder=hint if needs else "",
    )
    return Choice(person, policy or "conduct", rationale.strip(), needs, _singly(case))


def _singly(case: Case) -> dict[str, str]:
    """With several messages flagged, some may get another outcome than the key that is pressed."""
    if len(case.message_ids) < 2:
        return {}
    chosen: dict[str, str] = {}
    with st.expander("Decide single messages differently"):
        for number, message_id in enumerate(case.message_ids, 1):
            chosen[message_id] = st.selectbox(
                f"Message {number}",
                ["", *OUTCOMES],
                key=f"decide-each-{message_id}",
                format_func=lambda code: OUTCOMES.get(code, "as the key that I press"),
            )
    return chosen


def _press(desk: Desk, case: Case, choice: Choice, pressed: str) -> None:
    if not case_desk.was_seen():
        st.session_state[REFUSED] = "That key came before this case was on the screen. Look at it first."
        return
    if choice.needs_rationale and not choice.rationale:
        st.session_state[REFUSED] = "Write a sentence of rationale first."
        return
    outcomes = [MessageOutcome(ref, choice.singly.get(ref) or pressed) for ref in case.message_ids]

    def send() -> None:
        desk.api.decide(case.id, outcomes, person=choice.person, policy_cited=choice.policy, rationale=choice.rationale)

    words = ", ".join(dict.fromkeys(OUTCOMES[outcome.outcome].lower() for outcome in outcomes)) or "no message"
    if not do("decide", send, f"Decided case {short(case.id)}: {words}; {PERSONS[choice.person].lower()}."):
        return
    case_desk.put_down()
    case_desk.remember_decided(case.id)
    if st.session_state.get("take-next", True):
        _next(desk)


def _next(desk: Desk) -> None:
    try:
        following = desk.api.claim_next()
    except ApiError as error:
        st.session_state["claim-refused"] = f"Could not claim the next case: {reason(error)}"
        return
    if following is not None:
        case_desk.take(following, unasked=True)


def way_out(desk: Desk, case: Case) -> None:
    """Everything that is not a decision: skip, refer, undo the last one."""
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        with st.popover("Skip"), st.form("skip", border=False):
            why = st.selectbox("Why", SKIPS, key="decide-skip")
            if st.form_submit_button("Put it back"):
                _leave(lambda: desk.api.skip(case.id, why), "skip the case", "Skipped; it is back in the queue.")
        with st.popover("Refer"), st.form("refer", border=False):
            role = st.selectbox("To", list(REFER_TO), key="decide-refer-role", format_func=REFER_TO.__getitem__)
            why = st.text_input("Why", key="decide-refer-why", max_chars=200)
            if st.form_submit_button("Refer it"):
                said = why.strip() or "needs a second look"
                _leave(lambda: desk.api.refer(case.id, role, said), "refer the case", f"Referred to {REFER_TO[role]}.")
        undo_last(desk)
        st.toggle("Then take the next", value=True, key="take-next")


def undo_last(desk: Desk) -> None:
    """Offer to take back the decision that was just made; what it was about comes back as a new case."""
    case_id = case_desk.last_decided()
    if not case_id:
        return
    with st.popover("Undo my last decision"), st.form("undo", border=False):
        why = st.text_input("Why", key=f"undo-why-{case_id}", max_chars=300)
        if st.form_submit_button("Undo it"):
            said = why.strip() or "decided by mistake"
            if do("undo", lambda: desk.api.reverse(case_id, said), "Undone; the message is back in the queue."):
                case_desk.forget_decided()
            st.rerun()


def _leave(call: Callable[[], None], what: str, done: str) -> None:
    if do(what, call, done):
        case_desk.put_down()
    st.rerun()


def _policies(claim: ClaimedCase) -> list[str]:
    verdicts = [m.verdict for m in claim.conversation if m.id in claim.case.message_ids and m.verdict]
    found = [signal.code for verdict in verdicts for signal in verdict.signals]
    flags = [flag for verdict in verdicts for flag in verdict.flags]
    return list(dict.fromkeys([*claim.case.reasons, *found, *flags])) or ["conduct"]


def keyboard() -> None:
    """The keyboard map, always in sight."""
    keys = [("N", "claim the next case")]
    keys += [(MESSAGE_KEYS[code], f"{label.lower()}, done") for code, label in OUTCOMES.items()]
    keys += [(PERSON_KEYS[code], label.lower()) for code, label in PERSONS.items()]
    st.caption("Keys: " + " · ".join(f"**{key}** {does}" for key, does in keys))
