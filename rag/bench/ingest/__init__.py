"""Ingest by stage, beside the bare encoder and other programs' pipelines.

Arms are processes, in environments that lack most of our packages: nothing is imported here.
"""
