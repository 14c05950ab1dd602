"""Agreement of T stages by several methods."""
