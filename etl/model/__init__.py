"""The words of the system, as frozen values and pure rules; standard library only.

| word | meaning |
| --- | --- |
| source | one API: base URL, auth, limits; one YAML file in `config/` |
| stream | one list of that API, and the table it lands in: `<source>_<stream>` |
| window | the part of a stream one chain of pages reads |
| page | one response of a list; it has facts and items |
| item, row, reject | one JSON object; the same after normalizing; an item that did not become a row |
| run, generation | one attempt to bring a stream up to date; the runs that together complete one reading |
| ledger | a line for every page of a run, committed with that page's rows |
| verdict | what a run can claim about its own completeness |
| watermark, coverage | up to where, and which intervals, a stream has been read |
| lease, token | who may write a stream now; the fencing number that makes that safe |
"""
