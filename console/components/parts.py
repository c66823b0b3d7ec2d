"""Reading the script and style of an element from the files beside this one."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from streamlit.components.v2 import component
from streamlit.components.v2.types import ComponentRenderer

FOLDER = Path(__file__).parent


@cache  # the same files for everybody, and Streamlit warns when an element is registered twice
def element(name: str, root_class: str) -> ComponentRenderer:
    """Register `name` from `name.js` and `name.css` around one root element of class `root_class`."""
    return component(
        f"tripwarden_{name}",
        html=f'<div class="{root_class}"></div>',
        css=(FOLDER / f"{name}.css").read_text("utf-8"),
        js=(FOLDER / f"{name}.js").read_text("utf-8"),
    )
