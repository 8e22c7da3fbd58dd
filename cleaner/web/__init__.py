"""Pages for people: HTML that explains decisions, made without a server and without the network."""
