"""The format of the files as written, one file a noun. The JSON Schema for editors is generated from these models.

They check what one value can tell of itself; `etl.settings.building` checks what values say together, after defaults.
So a model here must accept a part of what it describes: `defaults` may bring half of `pages`, a stream the other half.
"""
