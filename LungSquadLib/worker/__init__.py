"""A process that keeps torch loaded and answers JSON lines, and its clients.

Every line is one JSON object in UTF-8. The worker's standard output carries its responses and
nothing else; the output of libraries goes to standard error. The first line is

    {"type": "ready", "protocol": 2, "lungsquad": "0.1.0", "python": "3.12.10"}

Each request has a number, its `id`, and a `verb`. Its last response is a `result` or an `error`;
`progress` may come before, and `preliminary` results where the request asks for them. Paths are
absolute, points are [X, Y, Z] in LPS mm. The requests, with their required fields, and below them
the optional ones:

    {"id": 1, "verb": "ping"}
        result: versions, whether torch is loaded, the number of requests
    {"id": 2, "verb": "models"}
        result: the catalogue of models with their cards
    {"id": 3, "verb": "predict", "ct": PATH, "mask": PATH, "models": [NAME_OR_PATH], "folder": PATH}
        optional: "roi", "label", "series", "centre_lps" (of the crop), "profile" (path of the
        patient's expression), "device", "seed", "keep_identity", "radiomics", "seg_type" (binary or
        labelmap), "preliminary" (a folder for the volumes of preliminary results, which are sent
        then)
        result: the content of `prediction.json`
        preliminary results: the prediction of each classifier for the crop itself, without interval
        and robustness, which take longer; "files" has the path of the "saliency"
    {"id": 4, "verb": "cancel", "request": 3}
        result: {"cancelled": whether there is such a request}
    {"id": 5, "verb": "rois", "mask": PATH}
        result: the outlines in a mask file, each with its "name", and the "roi" or "label" that
        selects it
    {"id": 6, "verb": "mask", "ct": PATH, "mask": PATH, "out": PATH}
        optional: "roi", "label", "series"
        result: "name", "source", "volume_ml" and "flags" of the tumour, which is written on the
        CT's voxels as .seg.nrrd
    {"id": 7, "verb": "segment", "ct": PATH, "out": PATH}
        optional: "inside" (points in the tumour, or the "box" is needed), "outside" (points to
        leave out), "box" (its two corners), "model" (a segmenter, or "region-growing"), "series"
        result: as of "mask", for the tumour at the points or in the box
    {"id": 8, "verb": "sample", "folder": PATH}
        optional: "seed"
        result: "name", "ct" and "mask" of a computer-made sample patient
    {"id": 9, "verb": "dicom", "results": PATH, "ct": PATH, "mask": PATH, "source": PATH,
     "folder": PATH}
        optional: "series", "keep_identity", "seg_type"
        result: "seg" and "sr", the files of results that were made on a copy of the source
    {"id": 10, "verb": "inspect", "path": PATH}
        result: as `lungsquad inspect --json`
    {"id": 11, "verb": "batch", "manifest": PATH, "models": [NAME_OR_PATH], "folder": PATH}
        optional: "device", "seed", "keep_identity", "radiomics", "seg_type", "jobs"
        the manifest may be a folder of patients
        result: the numbers of cases that were done, skipped and failed, and messages
    {"id": 12, "verb": "generate", "model": NAME_OR_PATH, "folder": PATH}
        optional: "n", "seed", "truncation", "label", "like"
        result: the content of `samples.json`, with the files of `lungsquad gan sample`
    {"id": 13, "verb": "inpaint", "ct": PATH, "mask": PATH, "model": NAME_OR_PATH, "out": PATH}
        optional: "hu", "label" (the tumour's class), "seed"
        result: the content of `inpainting.json`, with the position of the part of the CT that
        changes, which is written
    {"id": 14, "verb": "candidates", "ct": PATH}
        optional: "model" (a segmenter), "series"
        result: "notice", and "candidates" of tumours in the whole CT, the highest score first, each
        with its "position", "score", "diameter_mm" and "volume_ml"; experimental
    {"id": 15, "verb": "fetch", "name": NAME}
        optional: "weights" (a path; without it the published weights come from the internet, which
        no other request uses)
        result: "path" of the model file among the user's models
    {"id": 16, "verb": "add", "file": PATH}
        result: "path" of the copy of a model file among the user's models, which was checked
    {"id": 17, "verb": "radiomics", "ct": PATH, "mask": PATH}
        optional: "robustness" (a cohort's table by `lungsquad radiomics --robustness`), "series"
        result: the features, each with its name ("feature"), "label", "value" (or null), "unit"
        and "code", and what the table says of it: "icc", "robust" and "volume_correlation"
    {"id": 18, "verb": "plan", "manifest": PATH}
        result: "cases", their number in a manifest or a folder of patients, and "left_out", the
        reasons why folders are left out, by name

Responses:

    {"type": "progress", "id": 3, "fraction": 0.35, "message": "Histology: mask moved by 2 mm"}
    {"type": "preliminary", "id": 3, "result": {...}}
    {"type": "result", "id": 3, "result": {...}}
    {"type": "error", "id": 3, "kind": "input", "sentence": "There is no file or folder ..."}

`ping` and `cancel` are answered at once, the other requests one after the other. The `id` of an
error is null where the request has no valid one. The worker ends at the end of its standard input,
whatever it is doing.
"""
