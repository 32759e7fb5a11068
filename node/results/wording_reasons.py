"""Why a series was not processed: the meanings of the coded reasons, English, German, Chinese."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

REASONS: Final = MappingProxyType(
    {
        "Another reason, see the comment": ("Ein anderer Grund, siehe Kommentar", "其他原因，见说明"),
        "The instances do not make a volume": ("Die Instanzen ergeben kein Volumen", "各实例不能构成容积"),
        "There is no DICOM image": ("Es gibt kein DICOM-Bild", "没有DICOM图像"),
        "The series is not a CT image series": ("Die Serie ist keine Serie von CT-Bildern", "该序列不是CT图像序列"),
        "Too few slices": ("Zu wenige Schichten", "层数太少"),
        "Geometry of slices absent or malformed": (
            "Geometrie der Schichten fehlt oder ist fehlerhaft",
            "层面几何信息缺失或错误",
        ),
        "The slices are not parallel": ("Die Schichten sind nicht parallel", "各层不平行"),
        "More than one frame of reference": ("Mehr als ein Bezugssystem (Frame of Reference)", "参考坐标系不止一个"),
        "Matrix or pixel spacing differ between slices": (
            "Matrix oder Pixelabstand der Schichten sind verschieden",
            "各层的矩阵或像素间距不同",
        ),
        "Instances of more than one series": ("Instanzen von mehr als einer Serie", "实例来自不止一个序列"),
        "Instances of more than one study": ("Instanzen von mehr als einer Studie", "实例来自不止一项检查"),
        "Images of more than one person in one series": (
            "Bilder von mehr als einer Person in einer Serie",
            "同一序列中有不止一人的图像",
        ),
        "Slices of several acquisitions lie between each other": (
            "Schichten mehrerer Aufnahmen liegen zwischeneinander",
            "多次采集的层面相互交错",
        ),
        "Slice distances not uniform, slices missing": (
            "Schichtabstände ungleich, Schichten fehlen",
            "层间距不均匀，缺少层面",
        ),
        "Two slices at the same position": ("Zwei Schichten an derselben Stelle", "同一位置有两层"),
        "Pixel data of a slice cannot be decoded": (
            "Pixeldaten einer Schicht lassen sich nicht dekodieren",
            "某层的像素数据无法解码",
        ),
        "Rescale to Hounsfield units absent or wrong": (
            "Umrechnung in Hounsfield-Einheiten fehlt oder ist falsch",
            "到Hounsfield单位的换算缺失或错误",
        ),
        "The slices are not axial": ("Die Schichten sind nicht axial", "层面不是轴位"),
        "Spacing outside what a chest CT can have": (
            "Abstände außerhalb dessen, was eine Thorax-CT haben kann",
            "间距超出胸部CT的可能范围",
        ),
        "More slices or voxels than the node can hold": (
            "Mehr Schichten oder Voxel, als der Knoten fassen kann",
            "层数或体素数超出节点容量",
        ),
        "The volume cannot be analysed": ("Das Volumen kann nicht ausgewertet werden", "该容积无法分析"),
        "No lungs in view": ("Keine Lunge im Bild", "图像中没有肺"),
        "The field of view is too small for a chest": (
            "Das Bildfeld ist für einen Thorax zu klein",
            "视野太小，不足以包括胸部",
        ),
        "The slices span too little of the patient": (
            "Die Schichten überdecken zu wenig vom Patienten",
            "层面覆盖范围太小",
        ),
        "Every voxel has the same value": ("Jedes Voxel hat denselben Wert", "所有体素值相同"),
        "A network gave no numbers": ("Ein Netz gab keine Zahlen", "网络未给出数值"),
        "A result object could not be made": ("Ein Ergebnisobjekt konnte nicht erstellt werden", "结果对象无法生成"),
        "No series of the study is a chest CT to analyse": (
            "Keine Serie der Studie ist eine auswertbare Thorax-CT",
            "检查中没有可分析的胸部CT序列",
        ),
        "Every attempt at the analysis failed": (
            "Jeder Versuch der Auswertung ist fehlgeschlagen",
            "所有分析尝试均失败",
        ),
        "Internal error of the node": ("Interner Fehler des Knotens", "节点内部错误"),
    }
)
