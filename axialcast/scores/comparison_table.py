"""A comparison of runs as a table."""

import numpy as np
import pandas as pd
import xarray as xr

from axialcast.names import LEAD_TIME, LEVEL
from axialcast.scores.event_labels import NEIGHBOURHOOD, OF_EVENTS, threshold_name
from axialcast.scores.labels import num_pairs_name, scored_names
from axialcast.times.leads import leads_of
from axialcast.times.steps import in_months

__all__ = ["comparison_table"]

ENDS = ("", "_lower", "_upper", "_p", "_significant")


def comparison_table(found: xr.Dataset) -> pd.DataFrame:
    """A row for each run, variable, level, lead time, metric and region: the score with its
    interval, and its difference from the first run's. Of events, `threshold` and `neighbourhood`
    say which, as in the table of scores."""
    tables = []
    for name in scored_names(found):
        tables.append(_table(found, name).assign(variable=name))
        for metric in OF_EVENTS:
            if f"{name}_{metric}" in found:
                table = _table(found, f"{name}_{metric}").assign(variable=name, metric=metric)
                tables.append(table.rename(columns={threshold_name(name): "threshold"}))
    table = pd.concat(tables, ignore_index=True).rename(columns={"model": "run"})
    table["difference_significant"] = table["difference_significant"].where(
        table["difference_significant"] >= 0
    )
    unit = "months" if in_months(leads_of(found)) else "hours"
    if unit == "hours":
        table[LEAD_TIME] /= pd.Timedelta(hours=1)
    front = ["run", "variable", LEVEL, LEAD_TIME, "metric", "region"]
    last = [column for column in ("threshold", NEIGHBOURHOOD) if column in table]
    table = table[[*front, *(name for name in table if name not in (*front, *last)), *last]]
    return table.rename(columns={LEAD_TIME: f"{LEAD_TIME}_{unit}"})


def _table(found: xr.Dataset, name: str) -> pd.DataFrame:
    """Rows of what begins with a name."""
    columns = {"value": found[name]}
    columns |= {end: found[f"{name}_{end}"] for end in ("lower", "upper")}
    columns |= {f"difference{end}": found[f"{name}_difference{end}"] for end in ENDS}
    columns["num_pairs"] = found[num_pairs_name(name)]
    whole = xr.broadcast(xr.Dataset(columns).drop_attrs())[0]
    table = whole.to_dataframe(dim_order=list(found[name].dims)).reset_index()
    return table if LEVEL in table else table.assign(**{LEVEL: np.nan})
