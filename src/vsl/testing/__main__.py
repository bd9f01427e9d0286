"""Run the fake Replicate server alone: ``python -m vsl.testing --port 8931``.

Then, elsewhere, with the token and the address that it prints::

    REPLICATE_API_TOKEN=… VSL_REPLICATE_URL=http://127.0.0.1:8931/v1 vsl up

It stops on SIGINT or SIGTERM. ``vsl.testing.replicate_control`` says how to order faults.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys

from vsl.testing.replicate import FakeReplicate


async def serve(options: argparse.Namespace) -> None:
    """Serve until a signal comes."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    fake = FakeReplicate(
        token=options.token,
        port=options.port,
        seed=options.seed,
        retention=options.retention,
        echo_webhook=options.echo_webhook,
    )
    async with fake:
        facts = {"url": fake.url, "token": fake.token, "webhook_key": fake.webhook_key}
        sys.stdout.write(json.dumps(facts) + "\n")
        sys.stdout.flush()
        await stopped.wait()


def main() -> int:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m vsl.testing", description="A fake Replicate server, for tests."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes any that is free")
    parser.add_argument("--token", help="that it accepts; one is made up")
    parser.add_argument("--seed", type=int, default=0, help="of the faults that come by chance")
    parser.add_argument(
        "--retention", type=float, default=3600.0, help="seconds that outputs are kept"
    )
    parser.add_argument(
        "--echo-webhook", action="store_true", help="show callback addresses in the list"
    )
    asyncio.run(serve(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
