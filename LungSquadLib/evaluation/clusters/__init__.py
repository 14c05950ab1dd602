"""The evaluation of clusters of patients."""
