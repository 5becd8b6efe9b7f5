"""What a run leaves behind: its lines in the ledger, its lease, the watermark and the coverage it moved.

Easy to get wrong: everything that claims progress belongs into the one finalising transaction, after the token check;
a counter kept beside the ledger drifts from it, so counters are sums over the ledger.
"""

from etl.runs.backfills import Backfill, Backfills, Slice
from etl.runs.catalog import Catalog, Tick
from etl.runs.coverage import Coverage, Interval
from etl.runs.history import History
from etl.runs.lease import Holding, LeaseKeeper, StreamLease
from etl.runs.ledger import StreamLedger
from etl.runs.members import ParentRows
from etl.runs.store import Ending, Finished, OpenGeneration, RunStore, StreamRun
from etl.runs.stream_run import Removal
from etl.runs.sweep import Missing, Sweep, allowed
from etl.runs.watermark import Watermark, Watermarks, WatermarkStep, advance, next_since

__all__ = [
    "Backfill",
    "Backfills",
    "Catalog",
    "Coverage",
    "Ending",
    "Finished",
    "History",
    "Holding",
    "Interval",
    "LeaseKeeper",
    "Missing",
    "OpenGeneration",
    "ParentRows",
    "Removal",
    "RunStore",
    "Slice",
    "StreamLease",
    "StreamLedger",
    "StreamRun",
    "Sweep",
    "Tick",
    "Watermark",
    "WatermarkStep",
    "Watermarks",
    "advance",
    "allowed",
    "next_since",
]
