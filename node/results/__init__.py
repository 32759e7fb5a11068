"""Results: findings become DICOM objects, pictures and pages."""
