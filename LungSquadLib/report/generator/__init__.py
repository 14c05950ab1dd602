"""Pages and figures of a generator's audit."""
