"""Page -> PageLines: decoding of bytes, plain text, and HTML."""
