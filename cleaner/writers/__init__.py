"""Articles and rejections -> bytes in files that no reader ever sees half-written."""
