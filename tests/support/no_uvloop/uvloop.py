"""Hides the real uvloop while this directory is on PYTHONPATH, so that servers run on asyncio."""

raise ImportError("uvloop is hidden")
