"""Which store an address names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from vsl.domain.store import Store
from vsl.errors import InvalidInput, Problem
from vsl.storage.folder import FolderStore
from vsl.storage.s3 import S3Store
from vsl.storage.s3_address import read_s3_address

_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ACCEPTED: Final = (
    "a folder's path, such as /srv/media, its file:///srv/media address, or s3://bucket/prefix"
)


def open_store(url: str) -> Store:
    """The store that ``VSL_STORAGE`` names: a folder, by its path or its ``file://`` address, or
    an S3 bucket.

    The folder is made when it is missing; a bucket is not, and is not asked for anything yet.
    Raises ``InvalidInput`` for an address of another kind and ``StoreError`` when the folder cannot
    be made or the AWS variables cannot be used.
    """
    scheme = _SCHEME.match(url)
    if scheme is not None and scheme[1].lower() == "s3":
        return S3Store(read_s3_address(url))
    return FolderStore(_folder(url))


def _folder(url: str) -> Path:
    if not url.strip():
        raise _refused("is empty")
    if "\0" in url:
        raise _refused("has a NUL character")
    scheme = _SCHEME.match(url)
    if scheme is None:
        return Path(url).expanduser().absolute()
    if scheme[1].lower() != "file":
        # The rest of the address may hold a password.
        raise _refused(f"names a store of the kind {scheme[1]!r}, which this version cannot use")
    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise _refused("is a file address without an absolute path on this machine")
    if parts.query or parts.fragment:
        raise _refused("has a query or a fragment; write ? as %3F and # as %23")
    return Path(unquote(parts.path))


def _refused(reason: str) -> InvalidInput:
    return InvalidInput([Problem("VSL_STORAGE", reason, _ACCEPTED)])
