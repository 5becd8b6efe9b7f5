"""Seeded worlds: the real product on one thread, against a model server, under faults, crashes and two processes.

`story` draws what happens from a seed, `life` is one process of the product, `oracle` says what must hold. One seed is
one execution: time is virtual, the order of callbacks is drawn, and SQLite runs on the event loop.
"""
