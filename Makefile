# Each target makes its environment by itself; what has not changed is not made again.
# A target whose line ends in `## ...` is in `make help`.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
BENCH  := .venv-bench
FEATURE_PEERS := mirp==2.7.0 pictologics==0.9.0 nyxus==0.11.0
PEERS  := Testing/benchmarks
BUNDLED := LungSquadLib/models/bundled
MADE   := build/generators
TABLES ?= ../shared/data/open/nsclc_radiogenomics

JOBS   ?= 2

REAL   := build/real
LIDC   ?= ../shared/data/open/lidc

.PHONY: help demo test test-fast mutants bench bench-peers lint docs models generators expression real-models real-data nodule-segmenter nodule-description nodule-generator nodule-inpainting pictures clean

help: ## list the targets (the default)
	@awk -F ' *:.*## ' '/^[a-z-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY) ## the whole job on a phantom patient, into demo/
	$(BIN)/lungsquad demo -o demo

# In JOBS processes of one thread each, a file of tests in one of them.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test: $(READY) ## every test, in JOBS=2 processes: eight minutes on two cores
	$(TESTS)

test-fast: $(READY) ## the tests not marked as slow: six minutes of CPU time, shared by JOBS processes
	$(TESTS) -m "not slow"

# Each fault of Testing/mutants/*.tsv in a scratch copy, with the tests that must notice it;
# part of them by `$(BIN)/python -m Testing.mutants --only AREA` (the name of a list) or FILE.
mutants: $(READY) ## whether the tests notice faults put into the code: hours
	$(BIN)/python -m Testing.mutants --jobs $(JOBS)

lint: $(READY) ## format, lint and types, changing nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(VENV)/.docs ## the documentation, every link and anchor checked, into build/docs
	$(BIN)/python -m mkdocs build --strict

bench: $(BENCH)/.ready ## speed and agreement with other libraries, into bench/
	$(BENCH)/bin/python -m Testing.benchmarks -o bench

# pictologics asks for a later Python than it needs.
bench-peers: ## mirp, pictologics and nyxus for `make bench`, each in an environment of its own
	for peer in $(FEATURE_PEERS); do $(PYTHON) -m venv $(BENCH)-$${peer%==*} && \
		$(BENCH)-$${peer%==*}/bin/python -m pip install --quiet --only-binary :all: \
			--ignore-requires-python $$peer || exit 1; done

models: $(READY) ## train the two demo classifiers again, from phantoms
	$(BIN)/lungsquad models train-demo -o build/demo-models
	cp build/demo-models/*.safetensors $(BUNDLED)

generators: $(READY) ## train the demo models that make images again: an hour on two cores
	$(BIN)/lungsquad cohort phantoms -o $(MADE)/phantoms --patients 400 --label-noise 0 --seed 7 --jobs 2
	$(BIN)/lungsquad cohort build $(MADE)/phantoms/manifest.csv -o $(MADE)/store --jobs 2
	$(BIN)/lungsquad gan data $(MADE)/store -o $(MADE)/slices
	OMP_NUM_THREADS=1 $(BIN)/lungsquad train gan $(MADE)/slices -o $(MADE)/gan --preset small \
		--label histology --device cpu --name demo-generator \
		--title "Demo: slices of tumours with their masks" --licence "MIT, as LungSquad." \
		--notice "Demo model: trained on computer-made phantoms only. Its images are synthetic, and of no patient."
	$(BIN)/lungsquad gan audit $(MADE)/gan/model.safetensors $(MADE)/slices -o $(MADE)/audit
	cp $(MADE)/audit/model.safetensors $(BUNDLED)/demo-generator.safetensors
	OMP_NUM_THREADS=1 $(BIN)/lungsquad train inpainting $(MADE)/store -o $(MADE)/inpainting \
		--label histology --size 48 --epochs 7 --device cpu --name demo-inpainting \
		--title "Demo: a tumour inpainted in a CT, trained on phantoms" --licence "MIT, as LungSquad." \
		--notice "Demo model: trained on computer-made phantoms only. The tumours that it inpaints are synthetic."
	cp $(MADE)/inpainting/model.safetensors $(BUNDLED)/demo-inpainting.safetensors

# From the public tables of NSCLC Radiogenomics (GSE103584) in TABLES.
expression: $(READY) ## train the model of histology from expression again: three minutes
	OMP_NUM_THREADS=1 $(BIN)/lungsquad train integration -o build/expression \
		--sources expression=$(TABLES)/GSE103584_top1000var_log10_zscore.csv \
		clinical=$(TABLES)/NSCLCR01Radiogenomic_DATA_LABELS_2018-05-22_1500-shifted.csv \
		--label histology --name expression-histology \
		--title "LUAD or LUSC, from gene expression" \
		--licence "MIT, as LungSquad; trained on GSE103584 and NSCLC Radiogenomics (Bakr et al. 2018, CC BY 3.0)." \
		--notice "Trained on 127 patients of one centre, from z-scores of log10 FPKM: give it z-scores."
	cp build/expression/model.safetensors $(BUNDLED)/expression-histology.safetensors

# All models that learnt from real nodules, from nothing; a step that was stopped goes on by the same
# command. times.log has a line for each finished step.
real-models: $(READY) ## train all models of real nodules again, from LIDC-IDRI in LIDC: hours
	@mkdir -p $(REAL)
	@for step in real-data nodule-segmenter nodule-description nodule-generator nodule-inpainting; do \
		start=$$(date +%s); \
		$(MAKE) $$step LIDC="$(LIDC)" || exit 1; \
		echo "$$step: $$(( $$(date +%s) - start )) s" | tee -a $(REAL)/times.log; \
	done

real-data: $(REAL)/volumes/index.json ## manifests and a store of LIDC-IDRI in LIDC, and a page on its readers
	$(BIN)/lungsquad cohort describe $(REAL)/manifests -o $(REAL)/readers

CITED := Armato et al. 2011, doi:10.1118/1.3528204; data doi:10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0

# Of finer voxels: a mask at 1 mm is no better than a Dice coefficient of 0.92 with itself at the CT's voxels.
nodule-segmenter: $(REAL)/manifests/slices71.csv ## train the segmenter of real nodules again
	$(BIN)/lungsquad cohort build $(REAL)/manifests/volumes.csv -o $(REAL)/fine --size 64 --spacing 0.7 --margin 8 \
		--jobs $(JOBS)
	OMP_NUM_THREADS=1 $(BIN)/lungsquad train segmentation $(REAL)/fine -o $(REAL)/segmenter \
		--fold-column fold --test-fold 3 --threads 1 --name nodule-segmenter \
		--title "Nodule masks from clicks" --licence "MIT, as LungSquad; trained on LIDC-IDRI ($(CITED))." \
		--notice "Trained on nodules of LIDC-IDRI. A person must check each mask."
	cp $(REAL)/segmenter/model.safetensors $(BUNDLED)/nodule-segmenter.safetensors

nodule-description: $(REAL)/volumes/index.json ## train the description of real nodules again
	OMP_NUM_THREADS=1 $(BIN)/lungsquad train description $(REAL)/volumes -o $(REAL)/description \
		--sets voi3d,stacks72 --fold-column fold --test-fold 3 --epochs 20 --device cpu \
		--licence "MIT, as LungSquad; trained on LIDC-IDRI ($(CITED))."
	cp $(REAL)/description/model.safetensors $(BUNDLED)/nodule-description.safetensors

$(REAL)/manifests/slices71.csv: $(READY)
	$(BIN)/lungsquad cohort lidc "$(LIDC)" -o $(REAL)/manifests

$(REAL)/volumes/index.json: $(REAL)/manifests/slices71.csv
	$(BIN)/lungsquad cohort build $(REAL)/manifests/volumes.csv -o $(REAL)/volumes --size 48 --margin 8 --jobs $(JOBS)

# Of every nodule its largest slice; fold 3 is kept for the audit. Each step goes on after a stop.
nodule-generator: $(REAL)/manifests/slices71.csv ## train the generator of slices of real nodules again, from LIDC-IDRI in LIDC
	$(BIN)/lungsquad gan data $< -o $(REAL)/slices40 --field 40 --largest-padding 0 --jobs 2
	OMP_NUM_THREADS=1 $(BIN)/lungsquad train gan $(REAL)/slices40 -o $(REAL)/gan --preset small --phase 12000 \
		--loss logistic --noise --penalty-interval 8 --learning-rate 0.002 --label texture_class \
		--fold-column fold --test-fold 3 --device cpu --name nodule-generator \
		--title "Slices of lung nodules with their masks" \
		--licence "MIT, as LungSquad; trained on LIDC-IDRI (Armato et al. 2011, doi:10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0)." \
		--notice "Trained on slices of LIDC-IDRI. Its images are synthetic, and of no patient."
	$(BIN)/lungsquad gan audit $(REAL)/gan/model.safetensors $(REAL)/slices40 -o $(REAL)/audit \
		--label texture_class
	cp $(REAL)/audit/model.safetensors $(BUNDLED)/nodule-generator.safetensors

# Cubes with everything round the nodule, and larger nodules of voi3d; fold 3 is kept for the test.
nodule-inpainting: $(REAL)/manifests/slices71.csv ## train the inpainting of real nodules again, from LIDC-IDRI in LIDC
	awk -F, 'NR == 1 || $$5 == "cubes51" || ($$5 == "voi3d" && $$7 > 0.4)' $(REAL)/manifests/volumes.csv \
		> $(REAL)/manifests/inpainting.csv
	$(BIN)/lungsquad cohort build $(REAL)/manifests/inpainting.csv -o $(REAL)/cubes48 --size 48 --margin 8 --jobs 2
	OMP_NUM_THREADS=1 $(BIN)/lungsquad train inpainting $(REAL)/cubes48 -o $(REAL)/inpainting --size 48 \
		--surroundings --fold-column fold --test-fold 3 --device cpu --epochs 12 --learning-rate 0.002 \
		--critic-start 0.3 --distance-weight 20 --name nodule-inpainting \
		--title "A lung nodule inpainted in a CT" \
		--licence "MIT, as LungSquad; trained on LIDC-IDRI (Armato et al. 2011, doi:10.1118/1.3528204; data doi:10.7937/K9/TCIA.2015.LO9QL9SX, CC BY 3.0)." \
		--notice "The nodules that this model inpaints are synthetic. It learnt from real nodules of LIDC-IDRI, of folds 0 to 2."
	cp $(REAL)/inpainting/model.safetensors $(BUNDLED)/nodule-inpainting.safetensors
	$(BIN)/lungsquad cohort shapes $(LIDC) -o $(REAL)/nodule-shapes.npz

pictures: $(READY) ## draw the pictures of the panel in the documentation again
	LUNGSQUAD_SCREENSHOTS=LungSquad/Resources/Screenshots \
		$(BIN)/python -m pytest Testing/gui/test_tutorial.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt setuptools
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@

$(VENV)/.docs: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-build-isolation \
		--editable '.[docs]'
	touch $@

$(BENCH)/.ready: pyproject.toml $(PEERS)/requirements.txt $(PEERS)/constraints.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --constraint $(PEERS)/constraints.txt setuptools
	$(BENCH)/bin/python -m pip install --quiet --constraint $(PEERS)/constraints.txt \
		--no-build-isolation --editable '.[networks,fast]' --requirement $(PEERS)/requirements.txt
	touch $@

clean: ## remove the environments and everything made
	rm -rf $(VENV) $(BENCH) $(BENCH)-* demo bench build dist *.egg-info
