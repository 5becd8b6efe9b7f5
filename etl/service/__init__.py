"""What a user can ask for, one file each: sync, backfill, serve, status, inspect, demo.

A service plans, calls the backbone, and concludes; it knows neither the command line nor a concrete room beyond what
`bootstrap` hands it in an `App`.
"""
