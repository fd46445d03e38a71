"""Give a finished file its name only if nobody has it: link, else a rename that refuses [store.exclusive.posix]."""

from __future__ import annotations

import ctypes
import errno
import os
import sys

from ..errors import error

_NOT_HERE = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EMLINK, errno.EXDEV}
# After these the file system did nothing. Anything else (EIO, ESTALE, ETIMEDOUT: a lost reply) leaves it open.
_REFUSED = {
    errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP
}  # fmt: skip
_AT_FDCWD = -100
_NOREPLACE = 1


def rename_new(temporary: str, path: str, key: str) -> None:
    """``temporary`` is at ``path`` afterwards (under both names where links work).

    FileExistsError when ``path`` is taken; E_STORE_EXCLUSIVE when the file system has no way to do this; E_STORE when
    it refused; E_COMMIT_UNKNOWN when it cannot be told.
    """
    try:
        if os.name == "nt":
            os.rename(temporary, path)  # refuses to replace there
        else:
            _link(temporary, path)
    except FileExistsError:
        raise
    except OSError as exc:
        if exc.errno in _NOT_HERE:
            detail = f"the file system has neither hard links nor a rename that refuses to replace ({exc.strerror})"
            raise error("E_STORE_EXCLUSIVE", "store.exclusive.posix", detail, object=key) from exc
        if exc.errno in _REFUSED:
            raise error("E_STORE", "store.failure", f"could not create it: {exc.strerror}", object=key) from exc
        detail = f"the file system did not say whether it created it: {exc.strerror or exc}"
        raise error("E_COMMIT_UNKNOWN", "store.exclusive.unknown", detail, object=key) from exc


def _link(temporary: str, path: str) -> None:
    try:
        os.link(temporary, path)
    except OSError as exc:
        if exc.errno not in _NOT_HERE:
            raise
        rename_noreplace(temporary, path)


def rename_noreplace(old: str, new: str) -> None:
    """Linux `renameat2` with RENAME_NOREPLACE; OSError ENOSYS elsewhere."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), _NOREPLACE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), new)
