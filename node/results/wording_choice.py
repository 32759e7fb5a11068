"""What is said of the choice of a series and of what lay beside it, English, German, Chinese."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

CHOICE: Final = MappingProxyType(
    {
        "{attribute} names another part of the body than the chest; the pixels were looked at all the same": (
            "{attribute} nennt einen anderen Körperteil als den Thorax; die Pixel wurden dennoch angesehen",
            "{attribute}所写部位不是胸部；仍对像素进行了分析",
        ),
        "{attribute} speaks of {what}; the pixels were looked at all the same": (
            "{attribute} spricht von: {what}; die Pixel wurden dennoch angesehen",
            "{attribute}提示：{what}；仍对像素进行了分析",
        ),
        "Image Type says SECONDARY; the pixels were looked at all the same": (
            "Image Type sagt SECONDARY; die Pixel wurden dennoch angesehen",
            "Image Type为SECONDARY；仍对像素进行了分析",
        ),
        "a scout, page or projection": ("Übersichtsbild, Seite oder Projektion", "定位像、页面或投影图"),
        "a 3D picture": ("3D-Bild", "三维图"),
        "bolus tracking": ("Bolus-Verfolgung", "对比剂团注监测"),
        "a subtraction or virtual image": ("Subtraktion oder virtuelles Bild", "减影或虚拟图像"),
        "CT for attenuation correction": ("CT zur Schwächungskorrektur", "用于衰减校正的CT"),
        "expiration": ("Ausatmung", "呼气"),
        "a patient who lies prone or on one side": ("Patient in Bauch- oder Seitenlage", "患者俯卧或侧卧"),
        "a gated phase": ("eine Phase einer getriggerten Aufnahme", "门控时相"),
        "a reformat": ("Rekonstruktion aus anderen Schichten", "重组图像"),
        "read in the place of {series} of the study, which could not be read ({code})": (
            "gelesen anstelle von {series} der Studie, die nicht gelesen werden konnte ({code})",
            "代替检查中的{series}进行分析，后者无法读取（{code}）",
        ),
        "series {number}": ("Serie {number}", "序列{number}"),
        "another series": ("einer anderen Serie", "另一序列"),
        "{count} file(s) in the folder left out: {kind}": (
            "{count} Datei(en) im Ordner weggelassen: {kind}",
            "文件夹中{count}个文件未使用：{kind}",
        ),
        "empty": ("leer", "空文件"),
        "damaged DICOM": ("beschädigtes DICOM", "损坏的DICOM"),
        "not DICOM": ("kein DICOM", "非DICOM"),
        "{count} object(s) in the folder that are no CT images left out: {modalities}": (
            "{count} Objekt(e) im Ordner, die keine CT-Bilder sind, weggelassen: {modalities}",
            "文件夹中{count}个非CT图像对象未使用：{modalities}",
        ),
        "{count} damaged or empty file(s) lie beside the slices or are named like them: slices may be missing": (
            "{count} beschädigte oder leere Datei(en) liegen bei den Schichten oder heißen wie sie: es können "
            "Schichten fehlen",
            "{count}个损坏或空的文件与层面图像同处或同名：可能缺少层面",
        ),
    }
)
