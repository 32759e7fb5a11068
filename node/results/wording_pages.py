"""Words of pages and pictures: report.html, the PDF, the summary page; English, German, Chinese."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

PAGES: Final = MappingProxyType(
    {
        "No nodule was marked. This does not mean that there is none.": (
            "Kein Rundherd wurde markiert. Das heißt nicht, dass keiner da ist.",
            "未标记结节。这并不表示没有结节。",
        ),
        "No nodules marked": ("Keine Rundherde markiert", "未标记结节"),
        "1 nodule marked": ("1 Rundherd markiert", "标记1个结节"),
        "{count} nodules marked": ("{count} Rundherde markiert", "标记{count}个结节"),
        "{low} to {high} %": ("{low} bis {high} %", "{low}至{high} %"),
        "{kind} (core {core} mm)": ("{kind} (Kern {core} mm)", "{kind}（实性成分{core} mm）"),
        "right, upper third": ("rechts, oberes Drittel", "右肺上三分之一"),
        "right, middle third": ("rechts, mittleres Drittel", "右肺中三分之一"),
        "right, lower third": ("rechts, unteres Drittel", "右肺下三分之一"),
        "left, upper third": ("links, oberes Drittel", "左肺上三分之一"),
        "left, middle third": ("links, mittleres Drittel", "左肺中三分之一"),
        "left, lower third": ("links, unteres Drittel", "左肺下三分之一"),
        "Chest CT: lungs and nodules": ("Thorax-CT: Lunge und Rundherde", "胸部CT：肺与结节"),
        "Nodules": ("Rundherde", "结节"),
        "Models": ("Modelle", "模型"),
        "Limits": ("Grenzen", "局限"),
    }
)
