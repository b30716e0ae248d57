"""gauges: lanes of what was sampled, summed or averaged, with the owners' own curves under them."""

from __future__ import annotations

from typing import Any

from timeline_builders import Frames, Journal, at

from jupyter_aicci.timeline.view import view


def lanes_of(frames: Frames, now_s: float = 10.0, nodes: int = 1, **more: Any) -> dict[str, dict[str, Any]]:
    run = Journal(nodes=nodes, ranks_per_node=2).placed(0.0).runs(0.0).run()
    return {lane["id"]: lane for lane in view(run, frames, cost=(), now_ns=at(now_s), **more).to_json()["lanes"]}


def agent(frames: Frames, seconds: float, node: int = 0, **body: Any) -> Frames:
    frames.add(seconds, "sample", source="attempt-1/node-0/agent", node=node)
    frames.stored[-1].frame.update(body)
    return frames


def test_a_machine_without_accelerators_has_no_lanes_of_them() -> None:
    """Absent, never zero."""
    assert list(lanes_of(Frames().sample(1.0, 1.0, 1e8))) == ["node-0", "cpu", "cpu/rank-0", "cpu/rank-1", "memory",
                                                              "memory/rank-0", "memory/rank-1", "cost"]  # fmt: skip


def test_busy_is_the_mean_over_devices_and_power_their_sum() -> None:
    """A curve of each device stands under them, folded."""
    frames = Frames()
    for second in range(3):
        agent(frames, second, devices={"0": {"util": 80.0, "power": 300.0}, "1": {"util": 100.0, "power": 500.0}})
    lanes = lanes_of(frames)
    assert (lanes["gpu"]["value"], lanes["gpu"]["v"], lanes["gpu"]["hi"]) == ("90 %", [90.0] * 3, 100.0)
    assert (lanes["power"]["value"], lanes["power"]["folded"]) == ("800 W", True)
    child = lanes["power/node-0/gpu-1"]
    assert (child["parent"], child["name"], child["v"]) == ("power", "GPU 1 · node 0", [500.0] * 3)


def test_counters_are_drawn_as_rates_summed_over_all_nodes() -> None:
    """Two NICs at 2 GB/s and 1 GB/s; a point for each sample of the lowest node."""
    frames = Frames()
    for second in range(1, 4):
        agent(frames, second, node=1, nics={"mlx5_0": {"rdma_tx": 1e9 * second}})
        agent(frames, second + 0.2, node=0, nics={"mlx5_0": {"rdma_tx": 2e9 * second}})
    lane = lanes_of(frames, nodes=2)["rdma"]
    assert (lane["value"], lane["unit"], [round(v) for v in lane["v"]]) == ("3.0 GB/s", "B/s", [3e9, 3e9])


def test_a_node_that_fell_silent_is_not_counted_on() -> None:
    """After five seconds its latest value is nobody's."""
    frames = agent(Frames(), 1.0, node=1, ranks={"2": {"cpu": 4.0}})
    for second in (1.5, 3.0, 9.0):
        agent(frames, second, node=0, ranks={"0": {"cpu": 1.0}})
    assert lanes_of(frames, nodes=2)["cpu"]["v"] == [4.0, 5.0, 5.0, None, 1.0]


def test_lanes_that_are_seldom_worth_a_look_come_when_they_are() -> None:
    """/dev/shm from half full on, throttling once there is any, the network from 1 MB/s."""
    frames = Frames()
    for second in range(3):
        agent(frames, second, node_=0, devices={"0": {"throttle_power": 0}})
        frames.stored[-1].frame["node"] = {"shm_used": 3e9, "shm_total": 8e9, "net_rx": 1e3 * second, "net_tx": 0}
    assert not {"shm", "throttle", "network"} & set(lanes_of(frames))
    for second in range(3, 6):
        agent(frames, second, devices={"0": {"throttle_power": 2e8 * second}})
        frames.stored[-1].frame["node"] = {"shm_used": 6e9, "shm_total": 8e9, "net_rx": 9e6 * second, "net_tx": 0}
    lanes = lanes_of(frames)
    assert (lanes["shm"]["value"], lanes["throttle"]["value"], lanes["network"]["value"]) == (
        "6.0 GB",
        "20 %",
        "9.0 MB/s",
    )


def test_what_a_rank_samples_of_itself_makes_no_point_of_the_whole() -> None:
    """Its accelerator's memory has a series of its own; CPU is the agent's to tell."""
    frames = agent(Frames(), 1.0, ranks={"0": {"cpu": 1.0}})
    frames.add(1.5, "sample", source="attempt-1/node-0/rank-0", ranks={"0": {"gpu_allocated": 5e9}})
    assert lanes_of(frames)["cpu"]["t"] == [1.0]


def test_a_window_has_the_curves_of_all_owners_in_it() -> None:
    """Zooming asks for finer curves, those under others too."""
    frames = Frames()
    for second in range(2000):
        agent(frames, second, ranks={str(rank): {"cpu": second % 7 / 2} for rank in (0, 1)})
    whole, part = lanes_of(frames, 2000.0), lanes_of(frames, 2000.0, window=(500.0, 600.0))
    assert len(whole["cpu/rank-1"]["t"]) <= 402
    assert part["cpu/rank-1"]["t"] == [float(second) for second in range(499, 602)]
