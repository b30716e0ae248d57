"""Which exceptions another rank's death causes: texts that libraries really print."""

import errno

import pytest

from jupyter_aicci.agent.rank.classify import CollectiveAbort, infrastructure_reason, is_secondary, record_from_log
from jupyter_aicci.agent.rank.session import Stop


class DistError(RuntimeError):
    """torch's base of the two below."""


class DistNetworkError(DistError):
    """As torch.distributed.DistNetworkError."""


class XlaRuntimeError(RuntimeError):
    """As jaxlib's."""


GLOO = "[/__w/pytorch/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:{}] "
SECONDARY = [
    RuntimeError(GLOO.format(561) + "Connection closed by peer [127.0.0.1]:13233. This is typically caused by …"),
    RuntimeError(GLOO.format(545) + "Read error [127.0.0.1]:31234: Connection reset by peer"),
    RuntimeError("[…/gloo/transport/tcp/unbound_buffer.cc:81] Timed out waiting 1800000ms for recv operation to complete"),
    RuntimeError(GLOO.format(443) + "Application timeout caused pair closure"),
    DistNetworkError("Failed to recv, got 0 bytes. Connection was likely closed. Did the remote server shutdown or crash?"),
    DistError("Timed out after 301 seconds waiting for clients. 1/2 clients joined."),
    DistError(
        "NCCL error in: ProcessGroupNCCL.cpp:2395, remote process exited or there was a network error, NCCL version 2.21.5\n"
        "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely."
    ),
    RuntimeError("[Rank 3] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=812, OpType=ALLREDUCE) ran for 600055 ms"),
    ValueError("UNKNOWN: Gloo AllGather failed: […/pair.cc:547] Connection closed by peer [127.0.0.1]:26498"),
    XlaRuntimeError("UNAVAILABLE: Failed to send RPC to coordination service. Either the leader task …"),
    XlaRuntimeError("DEADLINE_EXCEEDED: Barrier timed out. Barrier_id: PjRT_Client_Connect"),
    ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
    BrokenPipeError(errno.EPIPE, "Broken pipe"),
    CollectiveAbort("peer rank 1 died or left during aicci.allreduce"),
]  # fmt: skip
OWN = [
    ValueError("bad batch"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied (8x5 and 4x1)"),
    ValueError("Connection closed by peer review board"),
    KeyError("Connection reset by peer"),
    TimeoutError("the license server did not answer"),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    FileNotFoundError(errno.ENOENT, "No such file or directory"),
]


@pytest.mark.parametrize("error", SECONDARY, ids=lambda error: str(error)[:40])
def test_texts_of_a_lost_peer_are_secondary(error):
    """gloo, torch's store, NCCL, XLA, sockets, our own allreduce."""
    assert is_secondary(error)
    assert infrastructure_reason(error) == ""


@pytest.mark.parametrize("error", OWN, ids=lambda error: f"{type(error).__name__} {str(error)[:30]}")
def test_errors_of_the_programs_own_are_not(error):
    """Not by a word alone, and not by a class alone."""
    assert not is_secondary(error)
    assert infrastructure_reason(error) == ""


def raised_in_cleanup(first, second):
    """The exception that comes out when `second` is raised while `first` passes."""

    def fail():
        try:
            raise first
        finally:
            raise second

    with pytest.raises(type(second)) as caught:
        fail()
    return caught.value


def test_an_error_that_came_from_a_lost_peer_is_secondary_too():
    """Wrapped, raised in a clean-up, or in a group."""
    assert is_secondary(raised_in_cleanup(SECONDARY[0], KeyError("cleanup")))
    wrapped = ValueError("training failed")
    wrapped.__cause__ = SECONDARY[3]
    assert is_secondary(wrapped)
    assert is_secondary(ExceptionGroup("workers", [ValueError("x"), SECONDARY[1]]))


def test_an_error_that_our_stop_provoked_is_secondary():
    """A clean-up that fails while aicci.Stop passes is nobody's root cause."""
    assert is_secondary(raised_in_cleanup(Stop("the run is to end"), RuntimeError("cannot schedule new futures")))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk full"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed, No space left on device"), "disk full"),
        (OSError(errno.EADDRINUSE, "Address already in use"), "address in use"),
        (DistNetworkError("The server socket has failed to listen on any local network address. port: 29500, useIpv6: false, "
                          "code: -98, name: EADDRINUSE, message: address already in use"), "address in use"),
    ],
)  # fmt: skip
def test_a_full_disk_and_a_taken_port_are_infrastructure_and_not_secondary(error, reason):
    """They are the cause, but not the program's."""
    assert infrastructure_reason(error) == reason
    wrapped = RuntimeError("could not save")
    wrapped.__cause__ = error
    assert infrastructure_reason(wrapped) == reason


def test_a_native_abort_because_of_a_peer_is_read_from_the_log(tmp_path):
    """JAX's coordination client ends the process itself; the text is what jax 0.10 printed when its coordinator died."""
    log = tmp_path / "rank-1.log"
    log.write_text(
        "epoch 1\nF1124 client.h:80] Terminating process because the JAX distributed service detected "
        "fatal errors. This most likely indicates that another task died; see the other task logs.\n*** Check failure\n"
    )
    record = record_from_log(str(log), 5)
    assert record is not None
    assert (record["secondary"], record["type"], record["t_ns"]) == (True, "PeerLost", 5)
    log.write_text("Fatal Python error: Segmentation fault\n")
    assert record_from_log(str(log), 5) is None
    log.write_text(
        "E1124 add_port.cc:83] Failed to add port to server: No address added out of total 1 resolved for '127.0.0.1:24423'\n"
        "Fatal Python error: Segmentation fault\n"
    )
    record = record_from_log(str(log), 5)
    assert record is not None
    assert (record["secondary"], record["infra"], record["reason"]) == (False, True, "address in use")
    assert record_from_log(str(tmp_path / "none"), 5) is None
