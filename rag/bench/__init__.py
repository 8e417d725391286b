"""Measurements, over HTTP like any client's. Every figure is a ratio or difference taken side by side in one run."""
