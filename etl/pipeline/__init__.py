"""The backbone: how the pages of a stream become committed rows.

Read `sync_stream` first; it is the way of one page in the order of its steps. `fanout` decides which request is
sent when, `progress` holds what is known of one window, `reading` what is left of
them all. Nothing here knows HTTP, SQL, or a kind of pagination.
"""

from etl.pipeline.reading import MemberReading, Reading, WindowReading
from etl.pipeline.supply import GivenWindows
from etl.pipeline.sync_stream import Parts, sync_stream

__all__ = ["GivenWindows", "MemberReading", "Parts", "Reading", "WindowReading", "sync_stream"]
