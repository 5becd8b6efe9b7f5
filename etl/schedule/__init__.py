"""When a stream is due. The truth about the last tick comes from our tables and is passed in; nothing here reads them.

`job` and `triggers` are pure rules, `ticks` is the arithmetic of cron under a clock that is turned twice a year,
`turns` owns the running tasks, and `scheduler` is the only file of the package that knows APScheduler.
"""
