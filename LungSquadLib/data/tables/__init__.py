"""Clinical, molecular and image data of patients: read, checked, joined."""
