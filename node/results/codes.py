"""The one table of coded concepts that result objects use.

DCM and SCT codes are those of PS3.16 Annex D and its context groups; meanings are spelled as the
viewers match them (OHIF compares "Long Axis" letter by letter). RADLEX RID50135 to RID50141 are the
Lung-RADS categories. What no public scheme has is in our own scheme, CODING_SCHEME.
"""

from __future__ import annotations

from types import MappingProxyType

from pydicom.sr.coding import Code

from models.findings import Attenuation, Lobe, LungLabel, LungRadsCategory, Side
from node.results.context import CODING_SCHEME
from node.results.language import Language

CODING_SCHEME_NAME = "pulmonode local codes"


def _own(value: str, meaning: str) -> Code:
    """Code of our private scheme; a code value has at most 16 characters (SH, PS3.5 6.2)."""
    return Code(value, CODING_SCHEME, meaning)


# Document frame: TID 1500, 1204, 1002, 1600
IMAGING_MEASUREMENT_REPORT = Code("126000", "DCM", "Imaging Measurement Report")
LANGUAGE = Code("121049", "DCM", "Language of Content Item and Descendants")
LANGUAGES = MappingProxyType(  # CID 5000
    {
        Language.ENGLISH: Code("en-US", "RFC5646", "English (United States)"),
        Language.GERMAN: Code("de-DE", "RFC5646", "German (Germany)"),
        Language.CHINESE: Code("zh-CN", "RFC5646", "Chinese (S)"),
    }
)
OBSERVER_TYPE = Code("121005", "DCM", "Observer Type")
DEVICE = Code("121007", "DCM", "Device")
DEVICE_OBSERVER_UID = Code("121012", "DCM", "Device Observer UID")
DEVICE_OBSERVER_NAME = Code("121013", "DCM", "Device Observer Name")
DEVICE_OBSERVER_MANUFACTURER = Code("121014", "DCM", "Device Observer Manufacturer")
DEVICE_OBSERVER_MODEL_NAME = Code("121015", "DCM", "Device Observer Model Name")
DEVICE_OBSERVER_SERIAL_NUMBER = Code("121016", "DCM", "Device Observer Serial Number")
PROCEDURE_REPORTED = Code("121058", "DCM", "Procedure reported")
CT_UNSPECIFIED_BODY_REGION = Code("25045-6", "LN", "CT unspecified body region")  # CID 100
IMAGE_LIBRARY = Code("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = Code("126200", "DCM", "Image Library Group")
IMAGING_MEASUREMENTS = Code("126010", "DCM", "Imaging Measurements")
MEASUREMENT_GROUP = Code("125007", "DCM", "Measurement Group")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
COMMENT = Code("121106", "DCM", "Comment")
SOURCE = Code("260753009", "SCT", "Source")

# Report in words: TID 2000; its title is IMAGING_STUDY
IMPRESSIONS = Code("121072", "DCM", "Impressions")  # CID 7001
FINDINGS = Code("121070", "DCM", "Findings")
IMPRESSION = Code("121073", "DCM", "Impression")  # CID 7002

# Image library descriptors: TID 1602, 1604
MODALITY = Code("121139", "DCM", "Modality")
COMPUTED_TOMOGRAPHY = Code("CT", "DCM", "Computed Tomography")
FRAME_OF_REFERENCE_UID = Code("112227", "DCM", "Frame of Reference UID")
PIXEL_DATA_ROWS = Code("110910", "DCM", "Pixel Data Rows")
PIXEL_DATA_COLUMNS = Code("110911", "DCM", "Pixel Data Columns")
HORIZONTAL_PIXEL_SPACING = Code("111026", "DCM", "Horizontal Pixel Spacing")
VERTICAL_PIXEL_SPACING = Code("111066", "DCM", "Vertical Pixel Spacing")
SLICE_THICKNESS = Code("112225", "DCM", "Slice Thickness")
IMAGE_POSITION_XYZ = tuple(
    Code(str(110901 + axis), "DCM", f"Image Position (Patient) {name}") for axis, name in enumerate("XYZ")
)
IMAGE_ORIENTATION_XYZ = tuple(
    Code(str(110904 + number), "DCM", f"Image Orientation (Patient) {name}")
    for number, name in enumerate(("Row X", "Row Y", "Row Z", "Column X", "Column Y", "Column Z"))
)

# Measurement group: TID 1411, 4019, 1419
TRACKING_IDENTIFIER = Code("112039", "DCM", "Tracking Identifier")
TRACKING_UNIQUE_IDENTIFIER = Code("112040", "DCM", "Tracking Unique Identifier")
FINDING_CATEGORY = Code("276214006", "SCT", "Finding category")
MORPHOLOGICALLY_ABNORMAL = Code("49755003", "SCT", "Morphologically Abnormal Structure")  # CID 7150
ANATOMICAL_STRUCTURE = Code("91723000", "SCT", "Anatomical Structure")  # CID 7150
FINDING = Code("121071", "DCM", "Finding")
NODULE = Code("27925004", "SCT", "Nodule")
FINDING_SITE = Code("363698007", "SCT", "Finding Site")
LUNG = Code("39607008", "SCT", "Lung")
LATERALITY = Code("272741003", "SCT", "Laterality")
ALGORITHM_NAME = Code("111001", "DCM", "Algorithm Name")
ALGORITHM_VERSION = Code("111003", "DCM", "Algorithm Version")
ALGORITHM_MANUFACTURER = Code("122405", "DCM", "Algorithm Manufacturer")
ALGORITHM_PARAMETERS = Code("111002", "DCM", "Algorithm Parameters")
ALGORITHM_FAMILY = Code("111000", "DCM", "Algorithm Family")
ARTIFICIAL_INTELLIGENCE = Code("123110", "DCM", "Artificial Intelligence")
LONG_AXIS = Code("103339001", "SCT", "Long Axis")
SHORT_AXIS = Code("103340004", "SCT", "Short Axis")
DIAMETER = Code("81827009", "SCT", "Diameter")
VOLUME = Code("118565006", "SCT", "Volume")
MEAN_ATTENUATION = Code("112181", "DCM", "Mean Attenuation Coefficient")
PROBABILITY_OF_CANCER = Code("111047", "DCM", "Probability of cancer")
CERTAINTY_OF_FINDING = Code("111012", "DCM", "Certainty of Finding")
DERIVATION = Code("121401", "DCM", "Derivation")
MEAN = Code("373098007", "SCT", "Mean")
REFERENCED_SEGMENT = Code("121191", "DCM", "Referenced Segment")
SOURCE_SERIES_FOR_SEGMENTATION = Code("121232", "DCM", "Source series for segmentation")
LUNG_RADS = Code("RID50134", "RADLEX", "Lung-RADS assessment")
NODULE_OF_LUNG = Code("786838002", "SCT", "Nodule of lung")
ABSENT = Code("272519000", "SCT", "Absent")  # CID 240
PROBABILITY_OF_CANCER_LOW = _own("cancer-low", "Probability of cancer, lower bound")
PROBABILITY_OF_CANCER_HIGH = _own("cancer-high", "Probability of cancer, upper bound")
SOLID_DIAMETER = _own("solid-diameter", "Mean diameter of solid part")
SOLID_VOLUME = _own("solid-volume", "Volume of solid part")
PLEURA_DISTANCE = _own("pleura-distance", "Distance to pleura")
SUSPICION = _own("suspicion", "Suspicion of malignancy by a learned model")
ATTENUATION_TYPE = _own("attenuation-type", "Nodule attenuation type")

# Units: UCUM
MILLIMETRE = Code("mm", "UCUM", "mm")
CUBIC_MILLIMETRE = Code("mm3", "UCUM", "cubic millimeter")
HOUNSFIELD_UNIT = Code("[hnsf'U]", "UCUM", "Hounsfield unit")
PERCENT = Code("%", "UCUM", "Percent")
PIXELS = Code("{pixels}", "UCUM", "Pixels")
DIRECTION_COSINE = Code("{-1:1}", "UCUM", "{-1:1}")

# Key object selection: TID 2010, CID 7010
OF_INTEREST = Code("113000", "DCM", "Of Interest")
KEY_OBJECT_DESCRIPTION = Code("113012", "DCM", "Key Object Description")

# Other objects
IMAGING_STUDY = Code("18748-4", "LN", "Diagnostic imaging study")
PROCESSING_EQUIPMENT = Code("109102", "DCM", "Processing Equipment")
LOSSY_COMPRESSION = Code("113040", "DCM", "Lossy Compression")
SOURCE_IMAGE_FOR_PROCESSING = Code("121322", "DCM", "Source image for image processing operation")

SIDES = MappingProxyType({Side.RIGHT: Code("24028007", "SCT", "Right"), Side.LEFT: Code("7771000", "SCT", "Left")})
# Finding sites; the side is their modifier
LOBES = MappingProxyType(
    {
        Lobe.LEFT_UPPER: Code("45653009", "SCT", "Upper lobe of lung"),
        Lobe.LEFT_LOWER: Code("90572001", "SCT", "Lower lobe of lung"),
        Lobe.RIGHT_UPPER: Code("45653009", "SCT", "Upper lobe of lung"),
        Lobe.RIGHT_MIDDLE: Code("72481006", "SCT", "Middle lobe of right lung"),
        Lobe.RIGHT_LOWER: Code("90572001", "SCT", "Lower lobe of lung"),
    }
)
LUNG_SIDES = MappingProxyType({LungLabel.RIGHT: Side.RIGHT, LungLabel.LEFT: Side.LEFT})

ATTENUATIONS = MappingProxyType(
    {
        Attenuation.SOLID: _own("solid", "Solid"),
        Attenuation.PART_SOLID: _own("part-solid", "Part-solid"),
        Attenuation.GROUND_GLASS: _own("ground-glass", "Ground-glass"),
        Attenuation.CALCIFIED: _own("calcified", "Calcified"),
    }
)

LUNG_RADS_CATEGORIES = MappingProxyType(
    {
        category: Code(f"RID{50135 + number}", "RADLEX", f"Lung-RADS {category.value}")
        for number, category in enumerate(
            (
                LungRadsCategory.INCOMPLETE,
                LungRadsCategory.NEGATIVE,
                LungRadsCategory.BENIGN,
                LungRadsCategory.PROBABLY_BENIGN,
                LungRadsCategory.SUSPICIOUS_4A,
                LungRadsCategory.SUSPICIOUS_4B,
                LungRadsCategory.SUSPICIOUS_4X,
            )
        )
    }
)

# The "not processed" notice
PROCESSING_STATUS = _own("status", "Processing status")
NOT_PROCESSED = _own("not-processed", "Not processed, not a negative result")
NOT_PROCESSED_REASON = _own("reason", "Reason for not processing")
OTHER_REASON = _own("other", "Another reason, see the comment")  # for a code that this table does not know

# Codes of node/errors.py, of models.findings.AnalysisRefused and of the analysis runner.
REASONS = MappingProxyType(
    {
        "ASSEMBLY": _own("assembly", "The instances do not make a volume"),
        "NO_IMAGES": _own("no-images", "There is no DICOM image"),
        "NOT_CT": _own("not-ct", "The series is not a CT image series"),
        "TOO_FEW_SLICES": _own("too-few-slices", "Too few slices"),
        "MISSING_GEOMETRY": _own("no-geometry", "Geometry of slices absent or malformed"),
        "MIXED_ORIENTATION": _own("mixed-orient", "The slices are not parallel"),
        "MIXED_FRAME_OF_REFERENCE": _own("mixed-frame", "More than one frame of reference"),
        "MIXED_GEOMETRY": _own("mixed-geometry", "Matrix or pixel spacing differ between slices"),
        "MIXED_SERIES": _own("mixed-series", "Instances of more than one series"),
        "MIXED_STUDY": _own("mixed-study", "Instances of more than one study"),
        "MIXED_PATIENT": _own("mixed-patient", "Images of more than one person in one series"),
        "INTERLEAVED": _own("interleaved", "Slices of several acquisitions lie between each other"),
        "SLICE_GAP": _own("slice-gap", "Slice distances not uniform, slices missing"),
        "DUPLICATE_POSITION": _own("duplicate", "Two slices at the same position"),
        "UNDECODABLE_SLICE": _own("undecodable", "Pixel data of a slice cannot be decoded"),
        "WRONG_RESCALE": _own("wrong-rescale", "Rescale to Hounsfield units absent or wrong"),
        "NOT_AXIAL": _own("not-axial", "The slices are not axial"),
        "SPACING_OUT_OF_RANGE": _own("spacing", "Spacing outside what a chest CT can have"),
        "TOO_LARGE": _own("too-large", "More slices or voxels than the node can hold"),
        "ANALYSIS": _own("analysis", "The volume cannot be analysed"),
        "NO_LUNGS": _own("no-lungs", "No lungs in view"),
        "FIELD_OF_VIEW": _own("field-of-view", "The field of view is too small for a chest"),
        "SPAN": _own("span", "The slices span too little of the patient"),
        "CONSTANT_IMAGE": _own("constant-image", "Every voxel has the same value"),
        "NOT_FINITE": _own("not-finite", "A network gave no numbers"),
        "RESULT": _own("result", "A result object could not be made"),
        "NO_SUITABLE_SERIES": _own("no-suitable", "No series of the study is a chest CT to analyse"),
        "ANALYSIS_FAILED": _own("failed", "Every attempt at the analysis failed"),
        "INTERNAL_ERROR": _own("internal-error", "Internal error of the node"),
    }
)
