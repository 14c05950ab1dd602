"""The phantom patient: a computer-made chest CT with a lung tumour, and its DICOM files."""
