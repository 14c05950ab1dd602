"""Numbers that a reviewer asks for; knows neither images nor networks."""
