"""Lines -> scores, with numpy alone."""
