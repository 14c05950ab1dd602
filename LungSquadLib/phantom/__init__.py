"""Computer-made patients, cohorts and tables."""
