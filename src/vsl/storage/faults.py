"""From foreign errors to VSL's, and from a key to a path part that cannot leave the store."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from obstore.exceptions import AlreadyExistsError, BaseError

from vsl.errors import InvalidInput, ObjectExists, Problem, StoreError
from vsl.storage.s3_faults import s3_code, s3_fault

# Where objects lie until they are whole; no key may begin with it.
INCOMING: Final = ".incoming"

# S3 allows 1024 bytes for a key, and file systems 255 for one name.
MAX_KEY: Final = 1024
MAX_NAME: Final = 255

# obstore passes the system's error on as text only: "… (os error 28)".
_ERRNO_IN_TEXT: Final = re.compile(r"\(os error (\d+)\)")

MISSING: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR})

_REASONS: Final[dict[int, tuple[str, str]]] = {
    errno.ENOSPC: ("the store's disk is full", "free some space, or move the store"),
    errno.EDQUOT: ("the store's disk quota is used up", "raise the quota, or free some space"),
    errno.EFBIG: (
        "the file is larger than the store's file system or the process limit allows",
        "raise the limit (ulimit -f), or move the store",
    ),
    errno.EROFS: ("the store is read-only", "mount its file system for writing"),
    errno.EACCES: (
        "the store is read-only for this user, or its folders are closed to it",
        "give the user that runs vsl the right to read and write there",
    ),
    errno.EPERM: (
        "the store's file system refused it: it is protected, or cannot make hard links",
        "use a folder on a file system with hard links",
    ),
    errno.EXDEV: (
        "the store spans several file systems",
        "keep the whole store on one file system",
    ),
    errno.ENAMETOOLONG: ("its path is too long for the store's file system", "use a shorter path"),
    errno.EMFILE: ("this process has too many open files", "raise the limit (ulimit -n)"),
    errno.EIO: ("the store's disk reported an error", "check the disk and the system's log"),
}

# Trying again changes nothing here; the others may pass once somebody has acted.
_LASTING: Final = frozenset({errno.ENAMETOOLONG, errno.EXDEV, *MISSING})


def error_number(error: BaseException) -> int | None:
    """The system's error number behind an error of Python or of obstore, or None."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _ERRNO_IN_TEXT.search(str(error))
    if found:
        return int(found[1])
    return errno.ENOENT if isinstance(error, FileNotFoundError) else None


def is_missing(error: BaseException) -> bool:
    """Whether an error says that there is no such object; a missing bucket is another matter."""
    return error_number(error) in MISSING and s3_code(error) in (None, "NoSuchKey")


def store_error(error: BaseException, *, action: str, where: str) -> StoreError:
    """What happened as a ``StoreError``. action: such as ``write images/a.png``."""
    number = error_number(error)
    if is_missing(error):
        return StoreError(f"{where}: cannot {action}: it is not there", retryable=False)
    if number in _REASONS:
        reason, hint = _REASONS[number]
        return StoreError(
            f"{where}: cannot {action}: {reason}", hint=hint, retryable=number not in _LASTING
        )
    fault = s3_fault(error)
    if fault is not None:
        words = f"{where}: cannot {action}: {fault.reason}"
        return StoreError(words, hint=fault.hint, retryable=fault.retryable)
    # The first line only: obstore appends a dump of its own structures.
    detail = str(error).partition("\n")[0] or type(error).__name__
    return StoreError(f"{where}: cannot {action}: {detail}")


@contextmanager
def faults(action: str, where: str) -> Iterator[None]:
    """Turns errors of the system and of obstore into ``StoreError`` and ``ObjectExists``."""
    try:
        yield
    except AlreadyExistsError as error:
        raise ObjectExists(f"{where}: cannot {action}: there is an object already") from error
    except (OSError, BaseError, ValueError) as error:
        raise store_error(error, action=action, where=where) from error


def check_key(key: str) -> None:
    """Raises ``InvalidInput`` for a key that would leave the store or cannot be kept in it."""
    names = key.split("/")
    reason = None
    if not key or "" in names:
        reason = "has an empty part"
    elif "." in names or ".." in names or "\\" in key:
        reason = "would leave the store"
    elif any(ord(character) < 32 or ord(character) == 127 for character in key):
        reason = "has a control character"
    elif names[0] == INCOMING:
        reason = f"begins with {INCOMING}, which the store keeps for itself"
    elif re.search(r"#\d+\Z", key):
        reason = "ends in # and a number, which obstore keeps for itself"
    else:
        reason = _too_long(key, names)
    if reason:
        accepted = "a relative path with / between its parts"
        raise InvalidInput([Problem("key", reason, accepted)])


def _too_long(key: str, names: list[str]) -> str | None:
    try:
        if len(key.encode()) > MAX_KEY or max(len(name.encode()) for name in names) > MAX_NAME:
            return f"is longer than {MAX_KEY} bytes, or a part than {MAX_NAME}"
    except UnicodeEncodeError:
        return "cannot be written as UTF-8"
    return None
