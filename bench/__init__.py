"""Measurements of quality and speed; nothing here is shipped."""
