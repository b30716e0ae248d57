"""A numpy result of 256 MB from rank 0 into a variable of the notebook, against cloudpickle through a file.

numpy is imported before the clock starts, as it is in a notebook that asks for an array.
"""

from __future__ import annotations

import statistics

from common import arguments, boot_s, own_house, report, spread
from programs import BIG_RESULT


def main() -> None:
    reads = min(arguments().launches, 5)
    bound_s, peer_s = [], []
    with own_house() as root:
        import cloudpickle
        import numpy  # noqa: F401

        from jupyter_aicci.client import Client, Program
        from jupyter_aicci.model.spec import parse_spec

        client = Client()
        for _ in range(reads):
            run = client.submit(parse_spec({"pull": ["big"], "framework": "plain"}), Program(text=BIG_RESULT))
            run.wait(120)
            began_s = boot_s()
            big = run.result("big")
            bound_s.append(boot_s() - began_s)
            size_bytes, total = big.nbytes, float(big[::4096].sum())  # it really is there
        plain = root / "big.pkl"
        with plain.open("wb") as file:
            cloudpickle.dump(big, file)
        for _ in range(reads):
            began_s = boot_s()
            with plain.open("rb") as file:
                again = cloudpickle.load(file)
            peer_s.append(boot_s() - began_s)
            assert float(again[::4096].sum()) == total
    figures = {
        "size_bytes": size_bytes,
        **spread("bound_after_the_end", bound_s),
        "cloudpickle_load_p50_s": round(statistics.median(peer_s), 4),
        "times_faster_than_cloudpickle": round(statistics.median(peer_s) / statistics.median(bound_s), 1),
    }
    report("values", figures)


if __name__ == "__main__":
    main()
