"""What went wrong at an S3 store, in plain words, from what obstore passes on.

obstore gives the server's answer as text, with the address and a dump of its own structures. Only
the code in the answer is read; nothing of the text itself goes on, for answers about signatures
repeat what was signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

_CODE: Final = re.compile(r"<Code>\s*([\w.]+)\s*</Code>")
_STATUS: Final = re.compile(r"Server returned non-2xx status code: (\d{3})")
# Where instances, containers and service accounts ask for credentials.
_CREDENTIALS: Final = re.compile(
    r"Error performing \w+ https?://"
    r"(169\.254\.(169\.254|170\.\d+)|\[fd00:ec2|sts\.[\w.-]+|[^/\s]+/latest/(api/token|meta-data))"
)
_ENDED: Final = re.compile(r"HTTP error: ([\w ]+)")


@dataclass(frozen=True, slots=True)
class S3Fault:
    """reason: after "cannot write KEY: ". retryable: whether the same may succeed later."""

    reason: str
    hint: str | None = None
    retryable: bool = True


_NO_BUCKET: Final = S3Fault(
    "there is no such bucket", "make the bucket, or correct VSL_STORAGE or AWS_ENDPOINT_URL"
)
_REFUSED: Final = S3Fault(
    "the store refused the credentials",
    "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
)
_DENIED: Final = S3Fault(
    "the store does not allow it to these credentials",
    "allow s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucket "
    "on the bucket, and the use of its key",
)
_REGION: Final = S3Fault("the bucket is in another region", "set AWS_REGION to the bucket's region")
_SLOW: Final = S3Fault(
    "the store asks to slow down", "try again in a moment, as a worker does by itself"
)
_DOWN: Final = S3Fault(
    "the store has a fault or is overloaded", "try again in a moment, as a worker does by itself"
)
_DAMAGED: Final = S3Fault("what arrived at the store was not what was sent")
_OPTION: Final = S3Fault(
    "the store does not take these settings",
    "check sse, sse_kms_key_id, storage_class and checksum in VSL_STORAGE",
)
_KMS: Final = S3Fault(
    "the encryption key cannot be used", "check sse_kms_key_id in VSL_STORAGE and the key's policy"
)
_UNREACHABLE: Final = S3Fault(
    "the store cannot be reached", "check AWS_ENDPOINT_URL, AWS_REGION and the network"
)
_NO_CREDENTIALS: Final = S3Fault(
    "there are no credentials",
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; profiles are not read: "
    "`aws configure export-credentials --format env` prints one as variables",
)


def _each(codes: str, fault: S3Fault) -> Iterable[tuple[str, S3Fault]]:
    return ((code, fault) for code in codes.split())


# Amazon S3's list of error responses; what other servers say is a subset.
_BY_CODE: Final[dict[str, S3Fault]] = {
    **dict(_each("NoSuchBucket InvalidBucketName", _NO_BUCKET)),
    **dict(
        _each(
            "SignatureDoesNotMatch InvalidAccessKeyId ExpiredToken InvalidToken InvalidSecurity "
            "TokenRefreshRequired AuthorizationHeaderMalformed",
            _REFUSED,
        )
    ),
    **dict(_each("AccessDenied AllAccessDisabled AccountProblem MethodNotAllowed", _DENIED)),
    **dict(
        _each("PermanentRedirect TemporaryRedirect IllegalLocationConstraintException", _REGION)
    ),
    **dict(_each("SlowDown ThrottlingException TooManyRequests RequestLimitExceeded", _SLOW)),
    **dict(_each("ServiceUnavailable InternalError RequestTimeout OperationAborted", _DOWN)),
    **dict(_each("BadDigest InvalidDigest XAmzContentSHA256Mismatch IncompleteBody", _DAMAGED)),
    **dict(
        _each("InvalidStorageClass InvalidEncryptionAlgorithmError NotImplemented", _OPTION),
    ),
    "RequestTimeTooSkewed": S3Fault("this machine's clock is wrong", "set it by NTP"),
    "QuotaExceeded": S3Fault("the bucket's quota is used up", "raise it, or free some space"),
    "EntityTooLarge": S3Fault("the file is too large for the store", retryable=False),
    "NoSuchUpload": S3Fault("its upload was aborted meanwhile"),
}
_BY_STATUS: Final[dict[str, S3Fault]] = {
    "401": _REFUSED,
    "403": _DENIED,
    "429": _SLOW,
    "500": _DOWN,
    "502": _DOWN,
    "503": _SLOW,
    "504": _DOWN,
}


def s3_code(error: BaseException) -> str | None:
    """The code in the server's answer, such as ``NoSuchBucket``; None without one."""
    found = _CODE.search(str(error))
    return found[1] if found else None


def s3_fault(error: BaseException) -> S3Fault | None:
    """What an error of obstore means, if it is one of an S3 store; None for others."""
    text = str(error)
    code, status = s3_code(error), _STATUS.search(text)
    if _CREDENTIALS.search(text):
        return _NO_CREDENTIALS
    if code is not None:
        if code in _BY_CODE:
            return _BY_CODE[code]
        if code.startswith("KMS") or ".KMS" in code:
            return _KMS
        return S3Fault(f"the store answered {code}")
    if isinstance(error, UnauthenticatedError):
        return _REFUSED
    if status is not None:
        return _BY_STATUS.get(status[1], S3Fault(f"the store answered with status {status[1]}"))
    if isinstance(error, PermissionDeniedError):
        return _DENIED
    if "without LOCATION" in text:
        return _REGION
    if isinstance(error, BaseError) and "Generic S3 error" in text:
        return _UNREACHABLE if _ENDED.search(text) else S3Fault("the store's answer is not S3's")
    return None
