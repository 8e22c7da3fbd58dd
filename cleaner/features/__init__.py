"""Lines -> arrays: plain functions over the lines of many pages, with one version for all of them."""

FEATURE_VERSION = 2
"""Raised with every change that gives a line other features; a model names the version it was trained on."""
