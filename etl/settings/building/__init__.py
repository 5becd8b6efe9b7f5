"""From the format as written to the values of `etl.model.stream`: variables filled, defaults joined, rules checked.

Nothing here raises for a mistake in a file: problems are told to the `Desk` and the building goes on, so that all of
them are seen at once.
"""
