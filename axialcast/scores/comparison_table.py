"""A comparison of runs as a table."""

import numpy as np
import pandas as pd
import xarray as xr

from axialcast.names import LEAD_TIME, LEVEL
from axialcast.scores.labels import num_pairs_name, scored_names
from axialcast.times.leads import leads_of
from axialcast.times.steps import in_months

__all__ = ["comparison_table"]

ENDS = ("", "_lower", "_upper", "_p", "_significant")


def comparison_table(found: xr.Dataset) -> pd.DataFrame:
    """A row for each run, variable, level, lead time, metric and region: the score with its
    interval, and its difference from the first run's."""
    tables = []
    for name in scored_names(found):
        columns = {"value": found[name]}
        columns |= {end: found[f"{name}_{end}"] for end in ("lower", "upper")}
        columns |= {f"difference{end}": found[f"{name}_difference{end}"] for end in ENDS}
        columns["num_pairs"] = found[num_pairs_name(name)]
        whole = xr.broadcast(xr.Dataset(columns).drop_attrs())[0]
        table = whole.to_dataframe(dim_order=list(found[name].dims)).reset_index()
        table.insert(1, "variable", name)
        if LEVEL not in table:
            table.insert(2, LEVEL, np.nan)
        tables.append(table)
    table = pd.concat(tables, ignore_index=True).rename(columns={"model": "run"})
    table["difference_significant"] = table["difference_significant"].where(
        table["difference_significant"] >= 0
    )
    unit = "months" if in_months(leads_of(found)) else "hours"
    if unit == "hours":
        table[LEAD_TIME] /= pd.Timedelta(hours=1)
    front = ["run", "variable", LEVEL, LEAD_TIME, "metric", "region"]
    table = table[[*front, *(column for column in table if column not in front)]]
    return table.rename(columns={LEAD_TIME: f"{LEAD_TIME}_{unit}"})
