"""Whether two checkouts give the same results: the same jobs by the command line of both."""
