"""Finding out how an API pages, from its answers alone: what `etl init` decides, as pure functions.

Nothing here sends anything. `service.init` asks, this room reads the answers, says what to ask next, and writes down
what was proved. The rule of the room: a name is a suspicion, only rows that moved are a proof.
"""
