"""Starts a model's server and says so on its output; for a test that kills it.

Usage: child_starter.py FOLDER SCRATCH LOG
"""

import asyncio
import sys
from pathlib import Path

from vsl.models.catalogue import ShippedModel
from vsl.models.serve import ModelServer

folder, scratch, log = map(Path, sys.argv[1:4])
schema = {"type": "object", "properties": {"seconds": {"type": "number"}}}
model = ShippedModel("mock", "image", folder, "for tests", 1, 0, schema)


async def main() -> None:
    server = ModelServer(model, scratch=scratch, log=log)
    await server.start()
    print(server.pid, server.url, flush=True)  # noqa: T201 - the test reads it
    await asyncio.Event().wait()


asyncio.run(main())
