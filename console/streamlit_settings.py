"""Streamlit's own settings, given as flags are, so that no file of the machine can override them.

Text colours keep a contrast of 4.5:1 or more against both backgrounds of their theme (WCAG AA); a test computes it.
"""

from __future__ import annotations

from streamlit.web.bootstrap import load_config_options

LIGHT = {
    "primaryColor": "#1f5fbf",
    "backgroundColor": "#ffffff",
    "secondaryBackgroundColor": "#f1f3f6",
    "textColor": "#1a2230",
    "linkColor": "#1f5fbf",
    "borderColor": "#cfd5de",
    "redTextColor": "#a61b1b",
    "orangeTextColor": "#8a4b00",
    "greenTextColor": "#1b6b3a",
    "grayTextColor": "#566071",
}
DARK = {
    "primaryColor": "#3572c8",
    "backgroundColor": "#12161d",
    "secondaryBackgroundColor": "#1c222c",
    "textColor": "#e4e8ee",
    "linkColor": "#8ab8ff",
    "borderColor": "#39424f",
    "redTextColor": "#ff9b94",
    "orangeTextColor": "#f3b765",
    "greenTextColor": "#7fd6a0",
    "grayTextColor": "#a3adbb",
}
SHARED: dict[str, object] = {
    "baseFontSize": 14,
    "baseRadius": "4px",
    "buttonRadius": "4px",
    "showWidgetBorder": True,
    "paddingTop": "0.75rem",
}


def apply(host: str, port: int) -> None:
    """Make these the settings of this process, above every file and variable of the machine."""
    options: dict[str, object] = {
        "server.address": host,
        "server.port": port,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.runOnSave": False,
        "server.enableStaticServing": False,
        "server.maxUploadSize": 1,
        "server.disconnectedSessionTTL": 120,
        "server.showEmailPrompt": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "logger.level": "warning",
        "logger.hideWelcomeMessage": True,
        "runner.magicEnabled": False,
    }
    options |= {f"theme.{name}": value for name, value in SHARED.items()}
    options |= {f"theme.light.{name}": value for name, value in LIGHT.items()}
    options |= {f"theme.dark.{name}": value for name, value in DARK.items()}
    load_config_options(options)
