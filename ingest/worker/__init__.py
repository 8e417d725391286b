"""Files are read in processes of their own: no file can stop, bloat or crash a run.

`pool` is the side of the run, `child` that of the processes, which import as little as they can.
"""
