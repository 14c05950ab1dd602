"""What groups of patients are, as a page: what they follow, how stable they are, how they fare."""
