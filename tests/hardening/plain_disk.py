"""A file system as some networks give it: `python plain_disk.py BACKING MOUNT`, mounted as `fuse.plain`.

It has files, directories, symbolic links, renames and fsync, and none of: hard links, holes, preallocation, extended attributes,
RENAME_NOREPLACE. Shown by the kernel as a FUSE file system, so it counts as one that machines may share.
In: requests of the kernel on /dev/fuse (include/uapi/linux/fuse.h, protocol 7.31). Ends when it is unmounted.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable

HEADER = struct.Struct("<IIQQIIII")
ATTR = struct.Struct("<6Q10I")
ENTRY = struct.Struct("<4Q2I")
ROOT = 1
FH_GIVEN, MODE, SIZE, ATIME, MTIME = 1 << 6, 1, 8, 16, 32  # of SETATTR
NOW_A, NOW_M = 1 << 7, 1 << 8


class Disk:
    """The requests by their number; each returns the answer's bytes or raises `OSError`."""

    def __init__(self, backing: str) -> None:
        self.paths = {ROOT: backing}
        self.ids = {backing: ROOT}
        self.files: dict[int, int | list[bytes]] = {}
        self.next_id, self.next_fh = ROOT + 1, 1
        self.calls: dict[int, Callable[[int, bytes], bytes | None]] = {
            1: self.lookup, 2: self.nothing, 3: self.getattr, 4: self.setattr, 5: self.readlink, 6: self.symlink, 9: self.mkdir,
            10: self.unlink, 11: self.rmdir, 12: self.rename, 14: self.open, 15: self.read, 16: self.write, 17: self.statfs,
            18: self.release, 20: self.fsync, 25: self.done, 26: self.init, 27: self.opendir, 28: self.readdir, 29: self.release,
            30: self.done, 35: self.create, 36: self.nothing, 38: self.done, 42: self.nothing,
        }  # fmt: skip

    def answer(self, opcode: int, node: int, body: bytes) -> tuple[int, bytes] | None:
        """(error, bytes), or None where the kernel wants no answer."""
        try:
            found = self.calls.get(opcode, self.missing)(node, body)
            return None if found is None else (0, found)
        except OSError as error:
            return -(error.errno or errno.EIO), b""

    def missing(self, node: int, body: bytes) -> bytes:
        raise OSError(errno.ENOSYS, "not here")

    def nothing(self, node: int, body: bytes) -> None:
        return None

    def done(self, node: int, body: bytes) -> bytes:
        return b""

    def init(self, node: int, body: bytes) -> bytes:
        return struct.pack("<4I2H2I2H2I6I", 7, 31, 131_072, 0, 16, 12, 131_072, 1, 0, 0, 0, 0, *(0,) * 6)

    # names

    def below(self, node: int, name: bytes) -> str:
        return os.path.join(self.paths[node], os.fsdecode(name.rstrip(b"\0")))

    def entry(self, path: str) -> bytes:
        state = os.lstat(path)
        if path not in self.ids:
            self.ids[path], self.paths[self.next_id] = self.next_id, path
            self.next_id += 1
        return ENTRY.pack(self.ids[path], 0, 0, 0, 0, 0) + attr(state)

    def gone(self, path: str) -> None:
        self.ids.pop(path, None)

    def lookup(self, node: int, body: bytes) -> bytes:
        return self.entry(self.below(node, body))

    def getattr(self, node: int, body: bytes) -> bytes:
        flags, _, fh = struct.unpack_from("<IIQ", body)
        state = os.fstat(self.files[fh]) if flags & 1 else os.lstat(self.paths[node])  # type: ignore[arg-type]
        return struct.pack("<QII", 0, 0, 0) + attr(state)

    def setattr(self, node: int, body: bytes) -> bytes:
        valid, _, fh, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode = struct.unpack_from("<II6Q4I", body)
        target = self.files[fh] if valid & FH_GIVEN else self.paths[node]
        assert not isinstance(target, list)
        if valid & MODE:
            os.chmod(target, stat.S_IMODE(mode))
        if valid & SIZE:
            os.truncate(target, size)
        if valid & (ATIME | MTIME):
            state = os.stat(target)
            a_ns = atime * 10**9 + atime_ns if valid & ATIME and not valid & NOW_A else state.st_atime_ns
            m_ns = mtime * 10**9 + mtime_ns if valid & MTIME and not valid & NOW_M else state.st_mtime_ns
            os.utime(target, ns=(a_ns, m_ns))
        return struct.pack("<QII", 0, 0, 0) + attr(os.stat(target))

    def readlink(self, node: int, body: bytes) -> bytes:
        return os.fsencode(os.readlink(self.paths[node]))

    def symlink(self, node: int, body: bytes) -> bytes:
        name, target, _ = body.split(b"\0", 2)
        os.symlink(os.fsdecode(target), self.below(node, name))
        return self.entry(self.below(node, name))

    def mkdir(self, node: int, body: bytes) -> bytes:
        mode, umask = struct.unpack_from("<II", body)
        path = self.below(node, body[8:])
        os.mkdir(path, mode & ~umask)
        return self.entry(path)

    def unlink(self, node: int, body: bytes) -> bytes:
        os.unlink(self.below(node, body))
        self.gone(self.below(node, body))
        return b""

    def rmdir(self, node: int, body: bytes) -> bytes:
        os.rmdir(self.below(node, body))
        self.gone(self.below(node, body))
        return b""

    def rename(self, node: int, body: bytes) -> bytes:
        (target_dir,) = struct.unpack_from("<Q", body)
        old, new, _ = body[8:].split(b"\0", 2)
        source, target = self.below(node, old), self.below(target_dir, new)
        os.rename(source, target)
        self.gone(target)
        for path, number in list(self.ids.items()):
            if path == source or path.startswith(source + "/"):
                moved = target + path[len(source) :]
                del self.ids[path]
                self.ids[moved], self.paths[number] = number, moved
        return b""

    # files

    def kept(self, file: int | list[bytes]) -> bytes:
        self.files[self.next_fh] = file
        self.next_fh += 1
        return struct.pack("<QII", self.next_fh - 1, 0, 0)

    def open(self, node: int, body: bytes) -> bytes:
        (flags,) = struct.unpack_from("<I", body)
        return self.kept(os.open(self.paths[node], flags & ~(os.O_APPEND | os.O_CREAT | os.O_EXCL)))

    def create(self, node: int, body: bytes) -> bytes:
        flags, mode, umask, _ = struct.unpack_from("<4I", body)
        path = self.below(node, body[16:])
        fd = os.open(path, (flags | os.O_CREAT) & ~os.O_APPEND, mode & ~umask)
        return self.entry(path) + self.kept(fd)

    def read(self, node: int, body: bytes) -> bytes:
        fh, offset, size = struct.unpack_from("<QQI", body)
        return os.pread(self.files[fh], size, offset)  # type: ignore[arg-type]

    def write(self, node: int, body: bytes) -> bytes:
        fh, offset, size = struct.unpack_from("<QQI", body)
        return struct.pack("<II", os.pwrite(self.files[fh], body[40 : 40 + size], offset), 0)  # type: ignore[arg-type]

    def fsync(self, node: int, body: bytes) -> bytes:
        return b""

    def release(self, node: int, body: bytes) -> bytes:
        (fh,) = struct.unpack_from("<Q", body)
        file = self.files.pop(fh)
        if isinstance(file, int):
            os.close(file)
        return b""

    def opendir(self, node: int, body: bytes) -> bytes:
        return self.kept([os.fsencode(name) for name in (".", "..", *sorted(os.listdir(self.paths[node])))])

    def readdir(self, node: int, body: bytes) -> bytes:
        fh, offset, size = struct.unpack_from("<QQI", body)
        names, out = self.files[fh], b""
        assert isinstance(names, list)
        for place, name in enumerate(names[offset:], start=offset + 1):
            found = struct.pack("<QQII", 1, place, len(name), 0) + name
            found += b"\0" * (-len(found) % 8)
            if len(out) + len(found) > size:
                break
            out += found
        return out

    def statfs(self, node: int, body: bytes) -> bytes:
        state = os.statvfs(self.paths[ROOT])
        numbers = (state.f_blocks, state.f_bfree, state.f_bavail, state.f_files, state.f_ffree)
        return struct.pack("<5Q4I6I", *numbers, state.f_bsize, state.f_namemax, state.f_frsize, 0, *(0,) * 6)


def attr(state: os.stat_result) -> bytes:
    times = [divmod(ns, 10**9) for ns in (state.st_atime_ns, state.st_mtime_ns, state.st_ctime_ns)]
    return ATTR.pack(
        state.st_ino, state.st_size, state.st_blocks, *(whole for whole, _ in times), *(rest for _, rest in times),
        state.st_mode, state.st_nlink, os.getuid(), os.getgid(), state.st_rdev, 4096, 0,
    )  # fmt: skip


def main(backing: str, mount_point: str) -> None:
    fd = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={fd},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"plain", os.fsencode(mount_point), b"fuse.plain", ctypes.c_ulong(0), options) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    print("mounted", flush=True)
    disk = Disk(backing)
    while True:
        try:
            request = os.read(fd, 200_000)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            raise
        _, opcode, unique, node, *_ = HEADER.unpack_from(request)
        found = disk.answer(opcode, node, request[HEADER.size :])
        if found is not None:
            os.write(fd, struct.pack("<IiQ", 16 + len(found[1]), found[0], unique) + found[1])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
