"""Pages and figures of clusters of patients."""
