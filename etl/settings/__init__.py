"""The configuration: YAML and environment in, typed and checked values with line numbers out.

`load` reads every file and gathers every problem before it raises, so that one look mends them all. What is easy to
get wrong: a text from the environment is data, never syntax (it cannot bring a placeholder, a key or a list), and
its value must not appear in any message.
"""

from etl.settings.database_url import database_url, tokens_folder
from etl.settings.loading import load
from etl.settings.project import Project
from etl.settings.schema import json_schema
from etl.settings.selection import select
from etl.settings.settings import Settings

__all__ = ["Project", "Settings", "database_url", "json_schema", "load", "select", "tokens_folder"]
