"""Xid errors: what NVIDIA's driver says in the moment in which a device fails, through NVML's event set.

Rule: one thread for all devices of this process; it sleeps in the driver and notes what comes. Where the driver has no such events
(MIG, vGPU, no permission) there is no thread.
Never run on hardware (see `nvidia`).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .driver import Note

WAIT_MS = 60_000
MEANINGS = {
    # After NVIDIA's "Xid Errors" guide; those that end a training most often.
    13: "an error in a kernel of the program", 31: "an access of the program to memory that is not its own",
    43: "the program's work was stopped", 45: "the program's work was ended", 48: "a double bit error of its memory",
    63: "a memory row was taken out of use", 64: "a memory row could not be taken out of use",
    74: "an error of NVLink", 79: "it has fallen off the bus", 92: "many single bit errors of its memory",
    94: "a contained memory error", 95: "an uncontained memory error", 119: "its own processor does not answer",
}  # fmt: skip


def watch_xid(nvml: Any, handles: Mapping[str, Any], note: Callable[[Note], None]) -> bool:
    """Note every Xid error of these devices (index -> handle) from now on; False where that cannot be watched."""
    try:
        events = nvml.nvmlEventSetCreate()
    except nvml.NVMLError:
        return False
    watched = 0
    for handle in {id(handle): handle for handle in handles.values()}.values():
        try:
            nvml.nvmlDeviceRegisterEvents(handle, nvml.nvmlEventTypeXidCriticalError, events)
            watched += 1
        except nvml.NVMLError:
            continue
    if not watched:
        return False
    import threading

    by_uuid = {nvml.nvmlDeviceGetUUID(handle): index for index, handle in handles.items()}
    threading.Thread(target=_watch, args=(nvml, events, by_uuid, note), name="xid", daemon=True).start()
    return True


def _watch(nvml: Any, events: Any, by_uuid: Mapping[str, str], note: Callable[[Note], None]) -> None:
    while True:
        try:
            event = nvml.nvmlEventSetWait_v2(events, WAIT_MS)
            index = by_uuid.get(nvml.nvmlDeviceGetUUID(event.device), "?")
        except nvml.NVMLError as error:
            if error.value == nvml.NVML_ERROR_TIMEOUT:
                continue
            note(("agent", f"Xid errors are not watched any more: NVML says {error}", {}))
            return
        if event.eventType == nvml.nvmlEventTypeXidCriticalError:
            note(told(index, int(event.eventData)))


def told(index: str, code: int) -> Note:
    """The note of one Xid error."""
    meaning = f": {MEANINGS[code]}" if code in MEANINGS else ""
    return "xid", f"accelerator {index}: Xid {code}{meaning}", {"device": index, "code": code}
