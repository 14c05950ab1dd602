"""The networks, as torch modules only: no files, no data, no printing."""
