"""The role `tocsin_reader`: what checks on Tocsin's own database run as. It sees figures, no people, contacts or secrets."""

from app.reader.service import ensure

__all__ = ["ensure"]
