"""A whole run: maps of every model, affinity, tree and pictures; only what is missing is computed."""
