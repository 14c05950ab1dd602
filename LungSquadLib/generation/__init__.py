"""Images made by models: whole ones, and tumours painted into a CT."""
