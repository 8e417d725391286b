"""Reading and embedding on a Ray cluster: `rag ingest --engine ray`.

The run itself, its plan, its draft and all that is written, stays where the command was started. Two pipelines of Ray
Data do the work that takes the time: `read` gives readings of files, `embed` vectors of windows of texts, both from the
same code as on one machine. Ray is imported in this package alone, and only when a cluster is needed.
"""
