"""Templates: quick messages per language and audience, from draft to published to retired."""

from __future__ import annotations

import streamlit as st

from console.api import ApiError
from console.components import Column, Row, chip, conversation, table
from console.format import moment
from console.frame import cannot_load, do, show_notice
from console.roles import DESK, LEADS, may
from console.session import Desk
from console.wire import Message, Template

LANGUAGES = {"en": "English", "ru": "Russian", "kk": "Kazakh", "es": "Spanish"}
AUDIENCES = {"driver": "drivers", "customer": "riders", "both": "both"}
CATEGORIES = ("arrival", "delay", "location", "safety", "general")
TONES = {"draft": "warn", "published": "good", "retired": "soft"}
NEW = "new"
COLUMNS = (
    Column("key", "Key"),
    Column("language", "Language"),
    Column("audience", "For"),
    Column("text", "Text", wrap=True),
    Column("state", "State"),
    Column("native", "Read by a native speaker"),
    Column("version", "Version", right=True),
    Column("updated", "Changed"),
)


def show(desk: Desk) -> None:
    """The list, and the chosen quick message beside it."""
    st.subheader("Templates")
    show_notice()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        lang = st.selectbox(
            "Language", ["", *LANGUAGES], key="t-lang", format_func=lambda c: LANGUAGES.get(c, "all"), width=160
        )
        audience = st.selectbox(
            "For", ["", *AUDIENCES], key="t-audience", format_func=lambda c: AUDIENCES.get(c, "all"), width=160
        )
        if may(desk.account.role, DESK) and st.button("New draft", key="t-new"):
            st.query_params["template"] = NEW
    try:
        items = desk.api.templates(lang=lang, audience=audience).items
    except ApiError as error:
        cannot_load("the templates", error)
        return
    chosen = st.query_params.get("template", "")
    left, right = st.columns([8, 5], gap="medium") if chosen else (st.container(), None)
    with left:
        columns = (
            COLUMNS if right is None else tuple(c for c in COLUMNS if c.key in {"key", "language", "text", "state"})
        )
        table(
            "templates",
            columns,
            [_row(item, desk) for item in sorted(items, key=lambda t: (t.template_key, t.language_code))],
            empty="No quick message here yet. A new draft appears in this list.",
            selected=chosen,
            on_select=_choose,
            height=620,
        )
    if right is not None:
        with right:
            _chosen(desk, next((item for item in items if item.id == chosen), None), chosen)


def _choose(template_id: str) -> None:
    st.query_params["template"] = template_id


def _row(item: Template, desk: Desk) -> Row:
    return Row(
        item.id,
        {
            "key": item.template_key,
            "language": LANGUAGES.get(item.language_code, item.language_code),
            "audience": AUDIENCES.get(item.audience, item.audience),
            "text": item.message_text,
            "state": chip(item.state, TONES.get(item.state, "")),
            "native": "yes" if item.reviewed_by_native else {"text": "not yet", "tone": "warn"},
            "version": item.version,
            "updated": moment(item.updated_at, desk.zone),
        },
    )


def _chosen(desk: Desk, item: Template | None, chosen: str) -> None:
    if item is None and chosen != NEW:
        st.info("This quick message is not in the list; change the filters to see it.")
        return
    st.markdown("**New draft**" if item is None else f"**{item.template_key}**, {item.state}, version {item.version}")
    if may(desk.account.role, DESK):
        text = _form(desk, item)
    else:
        text = item.message_text if item else ""
        st.caption("Moderators write quick messages, leads publish them.")
    _preview(desk, text, item)
    if item is not None and may(desk.account.role, LEADS):
        _state_buttons(desk, item)


def _form(desk: Desk, item: Template | None) -> str:
    ref = item.id if item else NEW
    fields: dict[str, object] = {}
    with st.form(f"template-{ref}"):
        if item is None:
            fields["template_key"] = st.text_input("Key", key="t-key", max_chars=60, placeholder="waiting_at_gate")
            fields["language_code"] = st.selectbox(
                "Language", list(LANGUAGES), key="t-language", format_func=LANGUAGES.__getitem__
            )
            fields["audience"] = st.selectbox("For", list(AUDIENCES), key="t-for", format_func=AUDIENCES.__getitem__)
            fields["category"] = st.selectbox("Category", CATEGORIES, key="t-category", accept_new_options=True)
        text = st.text_area("Text", item.message_text if item else "", key=f"t-text-{ref}", max_chars=300, height=90)
        native = st.checkbox(
            "A native speaker has read this text", item.reviewed_by_native if item else False, key=f"t-native-{ref}"
        )
        saved = st.form_submit_button("Save draft" if item is None else "Save")
    if saved:
        fields |= {"message_text": text.strip(), "reviewed_by_native": native}
        _save(desk, item, fields)
    return text


def _save(desk: Desk, item: Template | None, fields: dict[str, object]) -> None:
    made: list[Template] = []

    def save() -> None:
        made.append(desk.api.save_template(item.id, fields) if item else desk.api.draft_template(fields))

    if do("save the text", save, "Saved.") and made:
        st.query_params["template"] = made[0].id
    st.rerun()


def _preview(desk: Desk, text: str, item: Template | None) -> None:
    st.caption("As the other side sees it")
    side = "customer" if item is not None and item.audience == "customer" else "driver"
    bubble = Message(id="preview", sender_type=side, content=text or "...")
    conversation("t-preview", [bubble], of=item.id if item else NEW, zone=desk.zone, height=120)


def _state_buttons(desk: Desk, item: Template) -> None:
    with st.container(horizontal=True):
        if item.state != "published" and st.button("Publish", key="t-publish", type="primary"):
            do("publish", lambda: desk.api.publish_template(item.id), f"{item.template_key} is offered now.")
            st.rerun()
        if item.state != "retired" and st.button("Retire", key="t-retire"):
            do("retire", lambda: desk.api.retire_template(item.id), f"{item.template_key} is offered no longer.")
            st.rerun()
        if st.button("Close", key="t-close"):
            st.query_params.clear()
            st.rerun()
    if not item.reviewed_by_native and item.state != "published":
        st.caption("No native speaker has read this text yet.")
