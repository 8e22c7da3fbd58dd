"""Inputs -> documents as they came: finding files, telling what they are, reading them as streams.

`sources` finds the inputs, `kinds` tells a text from a page from records, `streams` opens and decompresses,
`jsonl` cuts records out of a stream and parses them.
"""
