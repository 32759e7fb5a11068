"""The ground floor: volumes in, findings out; no DICOM object, thread, file or setting."""
