from dataclasses import dataclass, field
import numpy as np
@dataclass(frozen=True)
class History:
    sizes: object = None
def ranked(order, rows, now_s, history):
    if order in ("srsf","srtf","sjf"):
        k = rows["expected_s"] if order!="srsf" else rows["expected_s"]*rows["units"]
        return np.lexsort((rows["submitted_s"], k))
    if order == "las":
        return np.lexsort((rows["submitted_s"], rows["attained_s"]))
    return np.lexsort((rows["submitted_s"],))

def next_change_s(order, rows, now_s, history):
    return np.inf
