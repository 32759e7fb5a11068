"""Words drawn on pictures, short because the room is small: English, German, Chinese."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

PICTURES: Final = MappingProxyType(
    {
        # a slice
        "frame {number}": ("Bild {number}", "帧{number}"),
        "image {number}": ("Bild {number}", "图像{number}"),
        "image {number}, frame {frame}": ("Bild {number}, Einzelbild {frame}", "图像{number},帧{frame}"),
        "slice {number} of {count}": ("Schicht {number} von {count}", "层面{number}/{count}"),
        "lung window  C {centre}  W {width}": ("Lungenfenster  C {centre}  W {width}", "肺窗  C {centre}  W {width}"),
        # summary page
        "R {right}, L {left} ml": ("R {right}, L {left} ml", "右{right}，左{left} ml"),
        "mm³": ("mm³", "mm³"),
        "Prob.": ("Sicher", "概率"),
        "Brock": ("Brock", "Brock"),
        "Susp.": ("Verd.", "可疑度"),
        "and {count} more in the structured report": (
            "und {count} weitere im strukturierten Befund",
            "其余{count}个见结构化报告",
        ),
        "Coronal, highest HU": ("Koronal, höchste HU", "冠状位最大密度"),
        "Axial, highest HU": ("Axial, höchste HU", "轴位最大密度"),
        "Places, in thirds": ("Orte, in Dritteln", "位置（三等分）"),
        "3D, from the front": ("3D, von vorn", "三维，前面观"),
        "Brock model 2a; not known, so given as a range: {names}.": (
            "Brock-Modell 2a; unbekannt, daher als Bereich: {names}.",
            "Brock 2a模型；因未知而给出范围：{names}。",
        ),
        "Prob.: that a mark is a nodule. Susp.: of being {meaning}.": (
            "Sicher: dass eine Markierung ein Rundherd ist. Verd.: Wahrscheinlichkeit, {meaning}.",
            "概率：标记确为结节的估计。可疑度：{meaning}的概率。",
        ),
        "More warnings stand in the structured report.": (
            "Weitere Warnungen stehen im strukturierten Befund.",
            "更多警告见结构化报告。",
        ),
    }
)
