"""What every room may write files with: no file half-written, whatever happens."""

from storage.atomic import atomic_write

__all__ = ["atomic_write"]
