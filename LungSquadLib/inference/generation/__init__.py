"""Images out of finished generators."""
