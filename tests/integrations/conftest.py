from support.spandrel_import import spandrel

__all__ = ["spandrel"]
