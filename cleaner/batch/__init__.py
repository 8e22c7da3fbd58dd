"""The run over many inputs: tasks, workers, outputs, the account of what was rejected, the summary."""
