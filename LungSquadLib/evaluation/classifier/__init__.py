"""The evaluation of a classifier's predictions."""
