"""What a person reads: the HTML report, DICOM SEG and SR."""
