"""Other people's engines: each a thin wrapper over `cleaner.arrow`."""
