"""The claimed case: the words in their context, the machine's view of them, and one key for each decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import streamlit as st

from console.api import ApiError
from console.components import Column, Row, bar, conversation, table
from console.format import SEVERITY_TONE, due, plain, short
from console.frame import cannot_load, do, reason
from console.session import Desk
from console.wire import Case, ClaimedCase, Message, MessageOutcome, Trip
from console.words import code_words, list_words, phase

HEARTBEAT_S = 15.0
CLAIMED = "claimed-case"
OUTCOMES = {"release": "Release", "mask": "Mask", "remove": "Remove"}
MESSAGE_KEYS = {"release": "L", "mask": "M", "remove": "X"}
PERSONS = {"none": "No step", "warn": "Warn", "mute": "Mute in chat", "suspend": "Suspend chat"}
PERSON_KEYS = {"none": "O", "warn": "W", "mute": "U", "suspend": "S"}
SKIPS = ("I know one of these people", "I do not read this language", "I need a break from this", "Other")
REFER_TO = {"lead": "Lead", "compliance": "Compliance", "admin": "Admin"}
WEIGHTY = frozenset({"high", "critical"})


def take(case: ClaimedCase) -> None:
    """Put a case on this person's desk."""
    _put_down()
    st.session_state[CLAIMED] = case


def current() -> ClaimedCase | None:
    """The case on this person's desk."""
    return cast("ClaimedCase | None", st.session_state.get(CLAIMED))


def _put_down() -> None:
    for key in [str(key) for key in st.session_state]:
        if key == CLAIMED or key.startswith("decide-"):
            del st.session_state[key]


def show(desk: Desk) -> None:
    """The whole page for one case."""
    claim = current()
    if claim is None:
        return
    _head(desk, claim)
    left, right = st.columns([11, 9], gap="medium")
    with left:
        conversation(
            "case-talk",
            claim.conversation,
            of=claim.case.id,
            zone=desk.zone,
            flagged=claim.case.message_ids,
            height=430,
        )
        st.caption("The flagged message has a red frame. Severe words are blurred until you ask for them.")
        _machine(claim)
    with right:
        _decide(desk, claim)
        _way_out(desk, claim.case)
    _keyboard()


def _head(desk: Desk, claim: ClaimedCase) -> None:
    case = claim.case
    colour = {"loud": "red", "bad": "red", "warn": "orange"}.get(SEVERITY_TONE.get(case.severity, ""), "gray")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"#### Case {short(case.id)}", width="content")
        st.badge(f"severity: {case.severity}", color=colour)
        st.badge(code_words(case.kind), color="gray")
        st.markdown(f"{plain(list_words(case.reasons, 4))}", width="content")
    st.caption(f"{_trip(claim.trip, case)}. Due {due(case.due_at)}.")
    _keep(desk, case)


@st.fragment(run_every=HEARTBEAT_S)
def _keep(desk: Desk, case: Case) -> None:
    """Keep the claim alive while the page is open, and say so when it is lost."""
    try:
        desk.api.heartbeat(case.id)
    except ApiError as error:
        if error.status in {404, 409, 410}:
            st.error("Your claim on this case has ended; somebody else may have it. A decision here would be refused.")
        else:
            cannot_load("whether this case is still yours", error)


def _machine(claim: ClaimedCase) -> None:
    """The machine's answer on each flagged message."""
    rows = [row for message in claim.conversation if message.id in claim.case.message_ids for row in _findings(message)]
    columns = (Column("what", "What the machine saw"), Column("score", "Score"), Column("policy", "By"))
    table("findings", columns, rows, empty="The machine found nothing here: a person reported it.")


def _findings(message: Message) -> list[Row]:
    verdict = message.verdict
    if verdict is None:
        return []
    labels = sorted(verdict.labels.items(), key=lambda pair: -pair[1])[:5]
    rows = [
        Row(
            f"{message.id}-{name}",
            {"what": code_words(name), "score": bar(score, f"{score:.2f}", _tone(score)), "policy": verdict.model},
        )
        for name, score in labels
    ]
    signals = [
        Row(
            f"{message.id}-signal-{signal.code}",
            {
                "what": code_words(signal.code),
                "score": bar(signal.score, f"{signal.score:.2f}", _tone(signal.score))
                if signal.score is not None
                else "",
                "policy": verdict.policy,
            },
        )
        for signal in verdict.signals
    ]
    return signals + rows


def _tone(score: float) -> str:
    return "bad" if score >= 0.7 else "warn" if score >= 0.4 else "soft"


def _decide(desk: Desk, claim: ClaimedCase) -> None:
    case = claim.case
    person = cast("str", st.session_state.get("decide-person", "none"))
    st.markdown("**1. The person**")
    with st.container(horizontal=True, gap="small"):
        for code, label in PERSONS.items():
            kind = "primary" if code == person else "secondary"
            if st.button(label, key=f"person-{code}", type=kind, shortcut=PERSON_KEYS[code]):
                st.session_state["decide-person"] = code
                st.rerun()
    st.markdown("**2. What you go by**")
    cited = st.selectbox(
        "Policy cited", _policies(claim), key="decide-policy", format_func=code_words, accept_new_options=True
    )
    needs = case.severity in WEIGHTY or person == "suspend"
    hint = "Required: " + ("this case is of high severity" if case.severity in WEIGHTY else "you suspend somebody")
    rationale = st.text_area(
        "Rationale" + (" (required)" if needs else " (optional)"),
        key="decide-rationale",
        height=70,
        max_chars=1000,
        placeholder=hint if needs else "",
    )
    singly = _each(claim)
    st.markdown("**3. The message**" if len(case.message_ids) < 2 else "**3. The messages**")
    with st.container(horizontal=True, gap="small"):
        for code, label in OUTCOMES.items():
            if st.button(label, key=f"outcome-{code}", type="primary", shortcut=MESSAGE_KEYS[code], width="stretch"):
                if needs and not rationale.strip():
                    st.session_state["decide-refused"] = "Write a sentence of rationale first."
                else:
                    _send(desk, case, [_one(ref, singly, code) for ref in case.message_ids], person, cited, rationale)
                st.rerun()
    refused = st.session_state.pop("decide-refused", "")
    if refused:
        st.error(refused)


def _one(message_id: str, singly: dict[str, str], pressed: str) -> MessageOutcome:
    return MessageOutcome(message_id, singly.get(message_id) or pressed)


def _each(claim: ClaimedCase) -> dict[str, str]:
    """With several messages flagged, some may get another outcome than the key that is pressed."""
    if len(claim.case.message_ids) < 2:
        return {}
    chosen: dict[str, str] = {}
    with st.expander("Decide single messages differently"):
        for number, message_id in enumerate(claim.case.message_ids, 1):
            chosen[message_id] = st.selectbox(
                f"Message {number}",
                ["", *OUTCOMES],
                key=f"decide-each-{message_id}",
                format_func=lambda code: OUTCOMES.get(code, "as the key that I press"),
            )
    return chosen


def _send(
    desk: Desk, case: Case, outcomes: list[MessageOutcome], person: str, cited: str | None, rationale: str
) -> None:
    def decide() -> None:
        desk.api.decide(case.id, outcomes, person=person, policy_cited=cited or "conduct", rationale=rationale.strip())

    words = ", ".join(dict.fromkeys(OUTCOMES[outcome.outcome].lower() for outcome in outcomes)) or "no message"
    if not do("decide", decide, f"Decided case {short(case.id)}: {words}; {PERSONS[person].lower()}."):
        return
    _put_down()
    if st.session_state.get("take-next", True):
        _next(desk)


def _next(desk: Desk) -> None:
    try:
        following = desk.api.claim_next()
    except ApiError as error:
        st.session_state["claim-refused"] = f"Could not claim the next case: {reason(error)}"
        return
    if following is not None:
        take(following)


def _way_out(desk: Desk, case: Case) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        with st.popover("Skip"), st.form("skip", border=False):
            why = st.selectbox("Why", SKIPS, key="decide-skip")
            if st.form_submit_button("Put it back"):
                _leave(lambda: desk.api.skip(case.id, why), "skip the case", "Skipped; it is back in the queue.")
        with st.popover("Refer"), st.form("refer", border=False):
            role = st.selectbox("To", list(REFER_TO), key="decide-refer-role", format_func=REFER_TO.__getitem__)
            why = st.text_input("Why", key="decide-refer-why", max_chars=300)
            if st.form_submit_button("Refer it"):
                said = why.strip() or "needs a second look"
                _leave(lambda: desk.api.refer(case.id, role, said), "refer the case", f"Referred to {REFER_TO[role]}.")
        st.toggle("Then take the next", value=True, key="take-next")


def _leave(call: Callable[[], None], what: str, done: str) -> None:
    if do(what, call, done):
        _put_down()
    st.rerun()


def _policies(claim: ClaimedCase) -> list[str]:
    verdicts = [m.verdict for m in claim.conversation if m.id in claim.case.message_ids and m.verdict]
    found = [signal.code for verdict in verdicts for signal in verdict.signals]
    flags = [flag for verdict in verdicts for flag in verdict.flags]
    return list(dict.fromkeys([*claim.case.reasons, *found, *flags])) or ["conduct"]


def _trip(trip: Trip | None, case: Case) -> str:
    if trip is None:
        return f"Trip {short(case.trip_id)}"
    names = [
        f"{word} {party.name}" + (" (this case is about them)" if party.id == case.about_user_id else "")
        for word, party in (("driver", trip.driver), ("rider", trip.customer))
        if party is not None
    ]
    return f"Trip {short(case.trip_id)}, {phase(trip.status)}: " + plain(", ".join(names))


@dataclass(frozen=True)
class Key:
    """A key and what it does."""

    key: str
    does: str


KEYS = (
    Key("N", "claim the next case"),
    *(Key(MESSAGE_KEYS[code], f"{label.lower()} and done") for code, label in OUTCOMES.items()),
    *(Key(PERSON_KEYS[code], label.lower()) for code, label in PERSONS.items()),
)


def _keyboard() -> None:
    """The keyboard map, always in sight."""
    st.caption("Keys: " + "  ·  ".join(f"**{key.key}** {key.does}" for key in KEYS))
