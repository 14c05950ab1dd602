"""The T stage three ways: by a ruler, by models of tables, and as it was reported."""
