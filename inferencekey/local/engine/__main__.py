"""`python -m inferencekey.local.engine`: listen, load the model, answer until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from aiohttp import web

from . import options, runner
from .app import Engine
from .errors import CannotLoad

log = logging.getLogger("inferencekey.engine")


def main() -> int:
    """Run the engine; the exit code is 1 where it cannot listen or load."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    # The engine keeps nothing: a signal may end it at once, in the middle of a request too.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    chosen = options.parse()
    try:
        asyncio.run(_serve(chosen))
    except CannotLoad as cause:
        log.error("error: %s", cause)
    except OSError as cause:
        log.error("error: cannot listen on %s:%s: %s", chosen.host, chosen.port, cause.strerror)
    return 1


async def _serve(chosen: options.Options) -> None:
    """Listen first, then load: probes get an answer, and a taken port is known before the work."""
    engine = Engine(chosen.served_name)
    runtime = engine.runtime()
    await runtime.setup()
    await web.TCPSite(runtime, chosen.host, chosen.port).start()
    host, port = runtime.addresses[0][:2]
    log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
    model = await asyncio.to_thread(runner.load, chosen.model, temperature=chosen.temperature)
    engine.serve(model)
    log.info("ready: %s from %s", chosen.served_name, chosen.model)
    await asyncio.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
