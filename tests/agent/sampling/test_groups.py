"""cgroups of a rank on trees of v1, v2, hybrid and containers."""

from __future__ import annotations

from pathlib import Path

from jupyter_aicci.agent.sampling.groups import Group

PID = 42
V2 = "31 23 0:28 {inside} /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n"
V1 = "3{n} 31 0:3{n} / /sys/fs/cgroup/{name} rw,relatime - cgroup cgroup rw,{name}\n"
GIB = 1 << 30


def host(root: Path, mounts: str, cgroup: str, files: dict[str, str]) -> Group:
    """A host with these mounts, a rank in that group, and files below /sys/fs/cgroup."""
    for name, text in {"proc/self/mountinfo": mounts, f"proc/{PID}/cgroup": cgroup}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Group(PID, str(root))


def v2_group(folder: str, *, memory: str = "max", cpu: str = "max 100000", current: int = GIB) -> dict[str, str]:
    """One group's files below `folder`."""
    return {
        f"{folder}/cgroup.type": "domain\n",
        f"{folder}/memory.current": f"{current}\n",
        f"{folder}/memory.max": f"{memory}\n",
        f"{folder}/memory.high": "max\n",
        f"{folder}/memory.events": "low 0\nhigh 0\nmax 4\noom 1\noom_kill 2\noom_group_kill 0\n",
        f"{folder}/memory.stat": "anon 5\nfile 900\nactive_file 300\ninactive_file 500\n",
        f"{folder}/cpu.max": f"{cpu}\n",
        f"{folder}/cpu.stat": "usage_usec 70\nuser_usec 60\nnr_periods 10\nnr_throttled 3\nthrottled_usec 900\n",
    }


def test_v2_tells_memory_and_cpu_of_the_ranks_own_group(tmp_path: Path) -> None:
    """With limits: how near, and how often it was held back."""
    files = v2_group("a/b", memory=str(2 * GIB), cpu="250000 100000") | v2_group("a")
    group = host(tmp_path, V2.format(inside="/"), "0::/a/b\n", files)
    assert group.metrics(slow=True) == {
        "group_memory": GIB, "group_memory_max": 2 * GIB, "group_oom_kills": 2, "group_cache": 800, "group_cpu": 70,
        "group_cpu_limit": 2.5, "group_periods": 10, "group_throttled": 3, "group_throttled_us": 900,
    }  # fmt: skip
    assert "group_cache" not in group.metrics(slow=False)
    group.close()


def test_of_nested_groups_the_tightest_counts(tmp_path: Path) -> None:
    """A rank's group without a limit, in a pod with one: the pod's use stands beside the pod's limit."""
    files = v2_group("pod", memory=str(4 * GIB), current=3 * GIB) | v2_group("pod/rank", current=GIB)
    found = host(tmp_path, V2.format(inside="/"), "0::/pod/rank\n", files).metrics(slow=False)
    assert (found["group_memory"], found["group_memory_max"]) == (3 * GIB, 4 * GIB)
    assert "group_cpu_limit" not in found
    assert "group_throttled" not in found


def test_near_the_limit_the_cache_is_told_every_time(tmp_path: Path) -> None:
    """Memory near its limit is no trouble while most of it is cache."""
    files = v2_group("a", memory=str(2 * GIB), current=2 * GIB - 1)
    group = host(tmp_path, V2.format(inside="/"), "0::/a\n", files)
    assert group.metrics(slow=False)["group_cache"] == 800


def test_the_root_of_the_host_is_no_group(tmp_path: Path) -> None:
    """Its files would tell the whole host's numbers; a container's root group counts."""
    files = {"cpu.stat": "usage_usec 1\n", "cgroup.procs": ""}
    assert host(tmp_path / "host", V2.format(inside="/"), "0::/\n", files).metrics(slow=True) == {}
    contained = host(
        tmp_path / "pod", V2.format(inside="/kubepods/x"), "0::/kubepods/x\n", v2_group(".", memory=str(GIB))
    )
    assert contained.metrics(slow=False)["group_memory_max"] == GIB


def test_v1_tells_the_same_from_its_three_trees(tmp_path: Path) -> None:
    """cpuacct counts ns, throttled_time ns; the largest number of the kernel is no limit."""
    mounts = "".join(V1.format(n=n, name=name) for n, name in enumerate(("cpu", "cpuacct", "memory")))
    files = {
        "memory/g/memory.usage_in_bytes": "500\n", "memory/g/memory.limit_in_bytes": "1000\n",
        "memory/g/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "memory/g/memory.stat": "cache 9\ntotal_active_file 20\ntotal_inactive_file 30\n",
        "cpu/g/cpu.cfs_quota_us": "50000\n", "cpu/g/cpu.cfs_period_us": "100000\n",
        "cpu/g/cpu.stat": "nr_periods 7\nnr_throttled 5\nthrottled_time 123456789\n", "cpuacct/g/cpuacct.usage": "9876543\n",
    }  # fmt: skip
    group = host(tmp_path, mounts, "3:memory:/g\n2:cpuacct:/g\n1:cpu:/g\n", files)
    assert group.metrics(slow=True) == {
        "group_memory": 500, "group_memory_max": 1000, "group_oom_kills": 1, "group_cache": 50, "group_cpu": 9876,
        "group_cpu_limit": 0.5, "group_periods": 7, "group_throttled": 5, "group_throttled_us": 123456,
    }  # fmt: skip
    (tmp_path / "sys/fs/cgroup/memory/g/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert "group_memory_max" not in group.metrics(slow=True)


def test_a_hybrid_host_is_read_where_each_controller_is(tmp_path: Path) -> None:
    """Memory in v1; CPU time of the run's own v2 group where the v1 tree holds the rank in its root."""
    mounts = V1.format(n=1, name="cpu") + V1.format(n=2, name="memory")
    mounts += "38 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
    files = {
        "cpu/release_agent": "", "cpu/cpu.stat": "nr_periods 0\n", "memory/g/memory.usage_in_bytes": "500\n",
        "unified/aicci-1/cgroup.type": "domain\n", "unified/aicci-1/cpu.stat": "usage_usec 33\n",
    }  # fmt: skip
    group = host(tmp_path, mounts, "4:memory:/g\n1:cpu:/\n0::/aicci-1\n", files)
    assert group.metrics(slow=False) == {"group_memory": 500, "group_cpu": 33}


def test_a_host_without_cgroups_tells_nothing(tmp_path: Path) -> None:
    """No lane, not a lane of zeros; nor of a rank that is gone."""
    assert host(tmp_path / "a", "", "", {}).metrics(slow=True) == {}
    assert Group(PID, str(tmp_path / "nothing")).metrics(slow=True) == {}
