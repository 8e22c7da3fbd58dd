"""Lines -> arrays: plain functions over the lines of many pages, with one version for all of them."""

FEATURE_VERSION = 6
"""Raised with every change that gives a line other features, or that hands them to the model in another form or to
other nets.

A model names the version it was trained on.
"""
