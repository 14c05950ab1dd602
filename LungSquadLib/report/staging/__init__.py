"""Pages of T stages by several methods."""
