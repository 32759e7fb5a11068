"""What Lung-RADS v2022 and Fleischner 2017 give as basis and advice, with German and Chinese beside it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

RULES: Final = MappingProxyType(
    {
        # Lung-RADS (models/lung_rads.py), of a baseline screen
        "no nodule": ("kein Rundherd", "无结节"),
        "{category} or {categories}": ("{category} oder {categories}", "{category}或{categories}"),
        "may be {categories}; {basis}": ("möglich sind {categories}; {basis}", "可能为{categories}；{basis}"),
        "most suspicious of 1 nodule: {basis}": (
            "verdächtigster von 1 Rundherd: {basis}",
            "1个结节中最可疑者：{basis}",
        ),
        "most suspicious of {count} nodules: {basis}": (
            "verdächtigster von {count} Rundherden: {basis}",
            "{count}个结节中最可疑者：{basis}",
        ),
        "slices {step} mm apart, Lung-RADS asks for at most {most} mm": (
            "Schichtabstand {step} mm, Lung-RADS verlangt höchstens {most} mm",
            "层间距{step} mm，Lung-RADS要求不超过{most} mm",
        ),
        "{basis}; by what was marked: undetermined": (
            "{basis}; nach dem Markierten: nicht bestimmbar",
            "{basis}；仅按已标记者：无法确定",
        ),
        "{basis}; by what was marked: {category}": (
            "{basis}; nach dem Markierten: {category}",
            "{basis}；仅按已标记者：{category}",
        ),
        "calcified {size} mm, the pattern is not measured: 1 if complete, central, popcorn or concentric, "
        "else by size and course ({basis})": (
            "verkalkt {size} mm, das Muster wird nicht gemessen: 1, falls vollständig, zentral, popcornartig oder "
            "konzentrisch, sonst nach Größe und Verlauf ({basis})",
            "钙化{size} mm，钙化类型未测量：完全、中心、爆米花样或同心钙化为1类，否则按大小和变化（{basis}）",
        ),
        "baseline solid {size} mm": ("Erstuntersuchung, solide {size} mm", "基线，实性{size} mm"),
        "baseline ground glass {size} mm": ("Erstuntersuchung, Milchglas {size} mm", "基线，磨玻璃{size} mm"),
        "baseline part solid {size} mm": ("Erstuntersuchung, teilsolide {size} mm", "基线，部分实性{size} mm"),
        "baseline part solid {size} mm with solid component {core} mm": (
            "Erstuntersuchung, teilsolide {size} mm mit solidem Anteil von {core} mm",
            "基线，部分实性{size} mm，实性成分{core} mm",
        ),
        "baseline part solid {size} mm, its solid component is not measured": (
            "Erstuntersuchung, teilsolide {size} mm, der solide Anteil ist nicht gemessen",
            "基线，部分实性{size} mm，实性成分未测量",
        ),
        "most suspicious nodule": ("verdächtigster Rundherd", "最可疑的结节"),
        "solid, baseline": ("solide, Erstuntersuchung", "实性，基线"),
        # Fleischner 2017 (models/fleischner.py): basis
        "nodule {number}: {basis}": ("Rundherd {number}: {basis}", "结节{number}：{basis}"),
        "{row}, {band}, risk not known: {first_advice} at low risk, {second_advice} at high risk": (
            "{row}, {band}, Risiko nicht bekannt: bei niedrigem Risiko {first_advice}, bei hohem {second_advice}",
            "{row}，{band}，风险未知：低风险者{first_advice}，高风险者{second_advice}",
        ),
        "{row}, {band}, solid component not measured: {first_advice}; from 6 mm on: {second_advice}": (
            "{row}, {band}, solider Anteil nicht gemessen: {first_advice}; ab 6 mm: {second_advice}",
            "{row}，{band}，实性成分未测量：{first_advice}；6 mm及以上：{second_advice}",
        ),
        "{row}, {band}, solid component <6 mm": (
            "{row}, {band}, solider Anteil <6 mm",
            "{row}，{band}，实性成分<6 mm",
        ),
        "{row}, {band}, solid component >=6 mm": (
            "{row}, {band}, solider Anteil >=6 mm",
            "{row}，{band}，实性成分>=6 mm",
        ),
        "{row}, {band}, at any risk": ("{row}, {band}, bei jedem Risiko", "{row}，{band}，不论风险高低"),
        "{row}, {band}, high risk": ("{row}, {band}, hohes Risiko", "{row}，{band}，高风险"),
        "{row}, {band}, low risk": ("{row}, {band}, niedriges Risiko", "{row}，{band}，低风险"),
        "{row}, {band}": ("{row}, {band}", "{row}，{band}"),
        "single solid": ("einzeln, solide", "单发实性"),
        "multiple solid": ("mehrere, solide", "多发实性"),
        "single part solid": ("einzeln, teilsolide", "单发部分实性"),
        "multiple part solid": ("mehrere, teilsolide", "多发部分实性"),
        "single ground glass": ("einzeln, Milchglas", "单发磨玻璃"),
        "multiple ground glass": ("mehrere, Milchglas", "多发磨玻璃"),
        "single calcified": ("einzeln, verkalkt", "单发钙化"),
        "multiple calcified": ("mehrere, verkalkt", "多发钙化"),
        # Fleischner 2017: advice
        "no routine follow-up": ("keine routinemäßige Kontrolle", "无需常规随访"),
        "consider CT at 3 months, PET/CT or tissue sampling": (
            "CT nach 3 Monaten, PET/CT oder Gewebeprobe erwägen",
            "考虑3个月后CT、PET/CT或组织取样",
        ),
        "CT at 3-6 months, then by the most suspicious nodule": (
            "CT nach 3-6 Monaten, dann nach dem verdächtigsten Rundherd",
            "3-6个月后CT，其后依最可疑结节处理",
        ),
        "CT at 6-12 months, then consider CT at 18-24 months": (
            "CT nach 6-12 Monaten, dann CT nach 18-24 Monaten erwägen",
            "6-12个月后CT，其后考虑18-24个月时CT",
        ),
        "CT at 6-12 months, then CT at 18-24 months": (
            "CT nach 6-12 Monaten, dann CT nach 18-24 Monaten",
            "6-12个月后CT，其后18-24个月时CT",
        ),
        "optional CT at 12 months": ("wahlweise CT nach 12 Monaten", "可选择12个月后CT"),
        "CT at 3-6 months, then consider CT at 18-24 months": (
            "CT nach 3-6 Monaten, dann CT nach 18-24 Monaten erwägen",
            "3-6个月后CT，其后考虑18-24个月时CT",
        ),
        "CT at 3-6 months, then CT at 18-24 months": (
            "CT nach 3-6 Monaten, dann CT nach 18-24 Monaten",
            "3-6个月后CT，其后18-24个月时CT",
        ),
        "CT at 6-12 months to confirm, then every 2 years until 5 years": (
            "CT nach 6-12 Monaten zur Bestätigung, dann alle 2 Jahre bis 5 Jahre",
            "6-12个月后CT确认，其后每2年一次直至5年",
        ),
        "CT at 3-6 months; if stable, consider CT at 2 and 4 years": (
            "CT nach 3-6 Monaten; falls stabil, CT nach 2 und 4 Jahren erwägen",
            "3-6个月后CT；如稳定，考虑2年和4年时CT",
        ),
        "CT at 3-6 months; if unchanged and the solid component stays below 6 mm, CT each year for 5 years": (
            "CT nach 3-6 Monaten; falls unverändert und der solide Anteil unter 6 mm bleibt, 5 Jahre lang jährlich CT",
            "3-6个月后CT；如无变化且实性成分仍小于6 mm，每年CT一次共5年",
        ),
        "CT at 3-6 months to confirm; highly suspicious": (
            "CT nach 3-6 Monaten zur Bestätigung; hochverdächtig",
            "3-6个月后CT确认；高度可疑",
        ),
    }
)
