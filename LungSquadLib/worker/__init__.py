"""A process that keeps torch loaded and answers JSON lines, and what talks to it.

Every line is one JSON object in UTF-8. The worker's standard output carries its answers and nothing
else; what libraries print goes to standard error. The first line is

    {"type": "ready", "protocol": 1, "lungsquad": "0.1.0", "python": "3.12.10"}

Each request has a number of its own as `id`, and a `verb`. Its last answer is a `result` or an
`error`; `progress` may come before:

    {"id": 1, "verb": "ping"}            the library's version, whether torch is loaded, requests
    {"id": 2, "verb": "models"}          the catalogue with its cards
    {"id": 3, "verb": "predict", "ct": PATH, "mask": PATH, "models": [NAME_OR_PATH], "folder": PATH}
                                         and "roi", "label", "series", "device", "seed",
                                         "keep_identity", "centre" (the crop's: [X, Y, Z], LPS mm),
                                         "profile" (the patient's expression, for models that take
                                         it); paths are full; gives `prediction.json`
    {"id": 4, "verb": "cancel", "request": 3}
    {"id": 5, "verb": "rois", "mask": PATH}
                                         what a mask file holds: a list of "name", and the "roi" or
                                         "label" that chooses it
    {"id": 6, "verb": "mask", "ct": PATH, "mask": PATH, "out": PATH}
                                         and "roi", "label", "series"; writes the tumour on the CT's
                                         voxels as .seg.nrrd; gives name, source, volume_ml, flags
    {"id": 7, "verb": "segment", "ct": PATH, "point": [X, Y, Z], "out": PATH}
                                         and "series"; the same for the tumour at a point, LPS mm
    {"id": 8, "verb": "sample", "folder": PATH}
                                         and "seed"; makes a phantom patient; gives name, ct, mask
    {"id": 9, "verb": "dicom", "results": PATH, "ct": PATH, "mask": PATH, "source": PATH,
     "folder": PATH}                     and "series", "keep_identity"; SEG and SR of results that
                                         were made on a copy of the source; gives seg, sr
    {"id": 10, "verb": "inspect", "path": PATH}
                                         what `lungsquad inspect` says of a folder or file
    {"id": 11, "verb": "batch", "manifest": PATH, "models": [NAME_OR_PATH], "folder": PATH}
                                         and "jobs", "device", "seed", "keep_identity"; gives
                                         {"done": 2, "skipped": 0, "failed": 1}
    {"id": 12, "verb": "generate", "model": NAME_OR_PATH, "folder": PATH}
                                         and "n", "seed", "truncation", "label", "like"; what
                                         `lungsquad gan sample` writes; gives `samples.json`
    {"id": 13, "verb": "inpaint", "ct": PATH, "mask": PATH, "model": NAME_OR_PATH, "out": PATH}
                                         and "hu", "class", "seed"; inpaints a tumour where the mask
                                         is, writes the part of the CT that changes; gives what
                                         `inpainting.json` says, with where that part lies

    {"type": "progress", "id": 3, "fraction": 0.35, "message": "Histology: mask moved by 2 mm"}
    {"type": "result", "id": 3, "result": {...}}
    {"type": "error", "id": 3, "kind": "input", "sentence": "There is no file or folder ..."}

`ping` and `cancel` are answered at once, the others one after the other. An error's `id` is null
where the request's cannot be told. The end of standard input ends the worker, whatever it does.
"""
