"""VSL: AI media generation on your own PostgreSQL."""

from importlib.metadata import version

__all__ = ["__version__"]

__version__: str = version("vsl")
