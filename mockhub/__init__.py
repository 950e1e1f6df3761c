"""The GPT Image Hub API on a laptop."""

__version__ = "0.1.0"
