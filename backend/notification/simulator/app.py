"""The simulator assembled."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from litestar import Litestar, get
from litestar.datastructures import State
from litestar.di import Provide

from backend.notification.simulator.api import api_router, show_twilio_error
from backend.notification.simulator.control import control_router
from backend.notification.simulator.exchange import Exchange, SimulatorConfig
from backend.notification.simulator.fcm import Firebase
from backend.notification.simulator.fcm.routes import ERROR_HANDLERS, fcm_control_router, fcm_router
from backend.notification.simulator.problems import TwilioError


@get("/health/live")
async def is_live() -> dict[str, str]:
    """Said to whoever waits for the simulator to start."""
    return {"status": "ok"}


def create_app(config: SimulatorConfig) -> Litestar:
    """The application; its exchange is `app.state.exchange`."""

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncGenerator[None]:
        yield
        await app.state.exchange.close()

    def provide(state: State) -> Exchange:
        return state.exchange

    def provide_firebase(state: State) -> Firebase:
        return state.exchange.firebase

    push = [fcm_router, fcm_control_router] if config.firebase is not None else []
    return Litestar(
        route_handlers=[is_live, api_router, control_router, *push],
        dependencies={
            "exchange": Provide(provide, sync_to_thread=False),
            "firebase": Provide(provide_firebase, sync_to_thread=False),
        },
        exception_handlers={TwilioError: show_twilio_error, **ERROR_HANDLERS},
        state=State({"exchange": Exchange(config)}),
        lifespan=[lifespan],
        openapi_config=None,
    )
