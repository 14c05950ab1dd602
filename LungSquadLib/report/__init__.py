"""Output for people: HTML pages, figures, DICOM SEG and SR."""
