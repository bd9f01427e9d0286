"""What ``VSL_STORAGE=s3://bucket/prefix?option=value`` says."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

from vsl.errors import InvalidInput, Problem
from vsl.storage.faults import check_key

FIELD: Final = "VSL_STORAGE"
EXAMPLE: Final = "s3://bucket/prefix"

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
ENCRYPTIONS: Final = ("AES256", "aws:kms", "aws:kms:dsse")
#: Classes whose objects can be read at once; those of the archive cannot.
STORAGE_CLASSES: Final = (
    "STANDARD",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
    "REDUCED_REDUNDANCY",
)
CHECKSUMS: Final = ("sha256", "none")
_OPTIONS: Final = {
    "sse": ENCRYPTIONS,
    "storage_class": STORAGE_CLASSES,
    "checksum": CHECKSUMS,
    "sse_kms_key_id": None,
}


@dataclass(frozen=True, slots=True)
class S3Address:
    """A place in a bucket, and how objects are kept there.

    prefix: without slashes at its ends; empty for the whole bucket. sse: the server-side
    encryption; None for the bucket's own default. storage_class: None for the bucket's default.
    checksum: whether requests carry the SHA-256 of their bytes, for the server to check and keep.
    """

    bucket: str
    prefix: str = ""
    sse: str | None = None
    sse_kms_key_id: str | None = None
    storage_class: str | None = None
    checksum: bool = True

    @property
    def place(self) -> str:
        """``bucket`` or ``bucket/prefix``."""
        return f"{self.bucket}/{self.prefix}" if self.prefix else self.bucket


def read_s3_address(url: str) -> S3Address:
    """Read an address. Raises ``InvalidInput`` with everything wrong; values are not repeated."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise _refused("is not an address", EXAMPLE) from None
    problems: list[Problem] = []
    if "@" in parts.netloc:
        reason = "has credentials in it"
        accepted = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment"
        problems.append(Problem(FIELD, reason, accepted))
    elif not _BUCKET.fullmatch(parts.netloc):
        reason = "names no bucket" if not parts.netloc else "names a bucket that S3 does not allow"
        accepted = "3 to 63 lower-case letters, digits, dots and hyphens, without a port"
        problems.append(Problem(FIELD, reason, accepted))
    if parts.fragment:
        problems.append(Problem(FIELD, "has a fragment", "# written as %23"))
    prefix = unquote(parts.path).strip("/")
    if prefix:
        try:
            check_key(prefix)
        except InvalidInput as error:
            problems += [Problem(FIELD, f"its prefix {p.reason}", EXAMPLE) for p in error.problems]
    options = _options(parts.query, problems)
    if problems:
        raise InvalidInput(problems)
    return S3Address(
        bucket=parts.netloc,
        prefix=prefix,
        sse=options.get("sse"),
        sse_kms_key_id=options.get("sse_kms_key_id"),
        storage_class=options.get("storage_class"),
        checksum=options.get("checksum") != "none",
    )


def _options(query: str, problems: list[Problem]) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in _OPTIONS:
            # The name is not repeated: what stands here by mistake may be a secret.
            problems.append(Problem(FIELD, "has an unknown option", ", ".join(_OPTIONS)))
            continue
        allowed = _OPTIONS[name]
        if name in options:
            problems.append(Problem(FIELD, f"has the option {name} twice", "each once"))
        elif allowed is not None and value not in allowed:
            problems.append(Problem(FIELD, f"{name} is not known", "one of " + ", ".join(allowed)))
        elif not value:
            problems.append(Problem(FIELD, f"{name} is empty", "a key's identifier or ARN"))
        options[name] = value
    if "sse_kms_key_id" in options and options.get("sse") not in ("aws:kms", "aws:kms:dsse"):
        accepted = "sse=aws:kms or sse=aws:kms:dsse beside it"
        problems.append(Problem(FIELD, "sse_kms_key_id stands without its sse", accepted))
    return options


def _refused(reason: str, accepted: str) -> InvalidInput:
    return InvalidInput([Problem(FIELD, reason, accepted)])
