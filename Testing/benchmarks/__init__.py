"""What LungSquad needs beside its peers: `python -m Testing.benchmarks -o bench`."""
