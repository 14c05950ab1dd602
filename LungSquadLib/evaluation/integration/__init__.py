"""The evaluation of an integration network: ablation and importance of columns."""
