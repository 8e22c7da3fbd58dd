"""Lines of an article, with what their page says of their form -> Markdown."""
