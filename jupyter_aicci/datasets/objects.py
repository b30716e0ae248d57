"""Files by content: each stored once under its hash, and hard-linked into the runs that use it.

In: a file. Out: its digest; `place` makes it appear somewhere else. One folder, no lock: objects are written to a
temporary name and renamed, so that two kernels may store the same file at once.
Rule: an object never changes. It is read-only and its mtime is `UNTOUCHED_NS`; a program that wrote through its hard
link has moved the mtime, and the object is then stored anew under a fresh inode.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO

UNTOUCHED_NS = 946_684_800 * 1_000_000_000  # 2000-01-01: no program writes with this mtime
NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES})  # other or network disk
_CHUNK_BYTES = 1 << 20


class Objects:
    """The store below one folder, made on first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Where the object stands, whether it is there or not."""
        return self.folder / digest[:2] / digest[2:]

    def intact(self, digest: str, *, size_bytes: int) -> bool:
        """Whether the object is there and was never written to."""
        try:
            stat = self.path(digest).stat()
        except OSError:
            return False
        return stat.st_size == size_bytes and stat.st_mtime_ns == UNTOUCHED_NS

    def add(self, source: Path) -> str:
        """Store what is in `source` now; the digest also holds whether it is executable."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="new-", dir=self.folder)
        temporary = Path(name)
        try:
            with source.open("rb") as reader, os.fdopen(handle, "wb") as writer:
                executable = bool(os.fstat(reader.fileno()).st_mode & 0o100)
                digest, size_bytes = _copy_hashing(reader, writer)
                digest += "x" if executable else ""
                os.fchmod(writer.fileno(), 0o555 if executable else 0o444)
            if not self.intact(digest, size_bytes=size_bytes):
                os.utime(temporary, ns=(UNTOUCHED_NS, UNTOUCHED_NS))
                self.path(digest).parent.mkdir(exist_ok=True)
                temporary.replace(self.path(digest))
        finally:
            temporary.unlink(missing_ok=True)
        return digest

    def place(self, digest: str, target: Path) -> None:
        """Make `target` hold the object: a hard link, or a copy where links are not possible."""
        try:
            os.link(self.path(digest), target)
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            with contextlib.suppress(FileNotFoundError):
                target.unlink()
            shutil.copyfile(self.path(digest), target)
            target.chmod(0o755 if digest.endswith("x") else 0o644)


def _copy_hashing(reader: BinaryIO, writer: BinaryIO) -> tuple[str, int]:
    """(digest, bytes) of everything read, which is also written: the name always fits the content."""
    digest, size_bytes = hashlib.blake2b(digest_size=20), 0
    while chunk := reader.read(_CHUNK_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
        writer.write(chunk)
    return digest.hexdigest(), size_bytes
