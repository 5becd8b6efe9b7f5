"""What hangs on the events of a run: the progress screen, the JSON log, the plain log.

A listener is called synchronously from the core, so it is quick, and it never raises: a closed pipe or a screen that
cannot draw must not cost a row. What is easy to get wrong: texts of an API reach a terminal through here, and they
may hold escape codes, line breaks or a secret; every text passes `Printable` first.

The modules are imported one by one (`etl.listeners.progress`), because only the screen needs rich.
"""
