"""Staff: who may sign in here, as what, and when they last did."""

from __future__ import annotations

import streamlit as st

from console.components import Column, Row, chip, table
from console.format import moment
from console.frame import do, loading, show_notice
from console.roles import ROLES
from console.session import Desk
from console.wire import Account

MIN_PASSWORD = 12
COLUMNS = (
    Column("name", "Name"),
    Column("email", "Email"),
    Column("role", "Role"),
    Column("state", "State"),
    Column("seen", "Last sign-in"),
)


def show(desk: Desk) -> None:
    """The accounts, and the form for a new one."""
    st.subheader("Staff")
    show_notice()
    left, right = st.columns([8, 5], gap="medium")
    with left, loading("the accounts"):
        rows = [_row(item, desk) for item in desk.api.accounts().items]
        table("accounts", COLUMNS, rows, empty="No account yet.", height=560)
    with right:
        _new(desk)


def _row(item: Account, desk: Desk) -> Row:
    return Row(
        item.id,
        {
            "name": item.name,
            "email": item.email,
            "role": item.role,
            "state": chip("active", "good") if item.active else chip("closed", "soft"),
            "seen": moment(item.last_sign_in_at, desk.zone) or "never",
        },
    )


def _new(desk: Desk) -> None:
    with st.form("new-account"):
        st.markdown("**New account**")
        name = st.text_input("Name", key="a-name", max_chars=200).strip()
        email = st.text_input("Email", key="a-email", max_chars=320).strip()
        role = st.selectbox("Role", ROLES, key="a-role")
        password = st.text_input(
            f"First password ({MIN_PASSWORD} characters or more)", type="password", key="a-password"
        )
        if not st.form_submit_button("Add the account", type="primary"):
            return
    if not name or "@" not in email or len(password) < MIN_PASSWORD:
        st.error(f"An account needs a name, an email address and a password of {MIN_PASSWORD} characters or more.")
        return
    do(
        "add the account",
        lambda: desk.api.create_account(email=email, name=name, role=role, password=password),
        f"{name} may sign in now.",
    )
    st.rerun()
