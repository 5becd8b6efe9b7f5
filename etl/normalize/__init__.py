"""From the bytes of an answer to the facts of a page and its typed rows. Pure: no network, no database, no clock.

There are two routes to the same rows. The fast one is compiled for a version of the schema: msgspec Structs and one
generated function. The careful one reads the page item by item, finds out what is new or wrong, evolves the schema and
isolates rejects. Easy to get wrong: both have to give the same values, and so the same hashes, for the same item;
`tests/properties/test_normalize_routes.py` holds them together.
"""

from etl.normalize.decoder import StreamDecoder
from etl.normalize.mending import Mender
from etl.normalize.observed import digest_of_key

__all__ = ["Mender", "StreamDecoder", "digest_of_key"]
