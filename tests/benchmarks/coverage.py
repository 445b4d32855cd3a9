"""How often 95 % intervals hold the truth, of errors that remember the last initial time.

    python tests/benchmarks/coverage.py [REPEATS]

Prints, for each number of initial times and memory, the share of intervals of the bias, the RMSE
and the difference of two models' RMSE that hold what is known of them; and of the critical success
index, the frequency bias and the fractions skill score of an event in 31 % of all places.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scores"))
import test_event_intervals
import test_intervals

repeats = int(sys.argv[1]) if sys.argv[1:] else 2000
print("initial times  memory    bias    RMSE  difference     CSI  frequency bias     FSS")
for num in (60, 100, 365):
    for memory in (0.0, 0.5, 0.8):
        bias, rmse, apart = 100 * test_intervals.coverage(num, memory, repeats, 400)
        csi, ratio, fss = 100 * test_event_intervals.coverage(num, memory, repeats, 400)
        print(
            f"{num:13}  {memory:6}  {bias:5.1f} %  {rmse:5.1f} %  {apart:8.1f} %"
            f"  {csi:5.1f} %  {ratio:12.1f} %  {fss:5.1f} %",
            flush=True,
        )
