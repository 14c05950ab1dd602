# Each target makes its environment by itself; what has not changed is not made again.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BENCH  := .venv-bench
PEERS  := Testing/benchmarks

.PHONY: demo test bench lint models painter pictures clean

demo: $(READY)
	$(BIN)/lungsquad demo -o demo

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(BENCH)/.ready
	$(BENCH)/bin/python -m Testing.benchmarks -o bench

# The two demo models, trained from nothing on phantoms.
models: $(READY)
	$(BIN)/lungsquad models train-demo -o LungSquadLib/models/bundled

# The demo model that paints tumours into a CT: some ten minutes on one core that is idle.
painter: $(READY)
	$(BIN)/lungsquad cohort phantoms -o build/painter/phantoms --patients 400 --label-noise 0 --seed 7 --jobs 2
	$(BIN)/lungsquad cohort build build/painter/phantoms/manifest.csv -o build/painter/store --jobs 2
	OMP_NUM_THREADS=1 $(BIN)/lungsquad train translate build/painter/store --label histology \
		--size 48 --epochs 5 --device cpu -o build/painter/run --name demo-translation \
		--title "Demo: a tumour painted into a CT, learnt from phantoms" --licence "MIT, as LungSquad." \
		--notice "Demo model: trained on computer-made phantoms only. What it paints is made up."
	cp build/painter/run/model.safetensors LungSquadLib/models/bundled/demo-translation.safetensors

# The pictures of the panel in the documentation.
pictures: $(READY)
	LUNGSQUAD_SCREENSHOTS=LungSquad/Resources/Screenshots \
		$(BIN)/python -m pytest Testing/gui/test_tutorial.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@

$(BENCH)/.ready: pyproject.toml $(PEERS)/requirements.txt $(PEERS)/constraints.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --constraint $(PEERS)/constraints.txt setuptools
	$(BENCH)/bin/python -m pip install --quiet --constraint $(PEERS)/constraints.txt \
		--no-build-isolation --editable '.[networks,fast]' --requirement $(PEERS)/requirements.txt
	touch $@

clean:
	rm -rf $(VENV) $(BENCH) demo bench build dist *.egg-info
