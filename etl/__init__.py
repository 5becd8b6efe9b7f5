"""everypage: keeps SQL tables in step with paginated APIs, and proves that it read everything."""

__version__ = "0.1.0"
