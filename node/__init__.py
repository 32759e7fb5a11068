"""An imaging network node: DICOM in, analysis, DICOM out."""
