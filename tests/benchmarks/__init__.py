"""How fast conchgo is, against other servers in one interleaved run: `python -m tests.benchmarks --help`.

`__main__` is the command, `runner` takes the turns, `servers` starts real servers (`configurations` says how). `kinds`
lists the measurements, each in a module of its own; `goals` is what is promised; `report` and `plot` show the figures.
"""
