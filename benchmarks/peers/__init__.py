"""The peers that our engine is measured beside: their installation, files, worker processes and numbers."""
