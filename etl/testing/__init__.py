"""The bundled API and the fakes: what our tests, `etl demo` and your own tests sync from.

A whole API on a real socket with deterministic data, every kind of pagination, and faults on demand; its clock
changes the data between two syncs. It stands beside the product and is not part of a sync.
"""

from etl.testing.behaviour import Behaviour
from etl.testing.fault_plan import FaultPlan, plan
from etl.testing.faults import Fault
from etl.testing.server import DEFAULT_PORT, ApiServer, serve
from etl.testing.state import Changed, ShopState
from etl.testing.thread import ServerThread

__all__ = [
    "DEFAULT_PORT",
    "ApiServer",
    "Behaviour",
    "Changed",
    "Fault",
    "FaultPlan",
    "ServerThread",
    "ShopState",
    "plan",
    "serve",
]
