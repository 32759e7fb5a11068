"""Sentences of the structured report and of the notice: English, German, Chinese."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

REPORT: Final = MappingProxyType(
    {
        "Demonstration and research, not for diagnosis": (
            "Nur für Demonstration und Forschung, nicht zur Diagnose",
            "仅供演示和研究，不得用于诊断",
        ),
        "No nodule detected": ("Kein Rundherd gefunden", "未检出结节"),
        "1 nodule detected": ("1 Rundherd gefunden", "检出1个结节"),
        "{count} nodules detected": ("{count} Rundherde gefunden", "检出{count}个结节"),
        "Lung volume {both} mL: right {right} mL, left {left} mL": (
            "Lungenvolumen {both} mL: rechts {right} mL, links {left} mL",
            "肺容积{both} mL：右肺{right} mL，左肺{left} mL",
        ),
        "Examination: {text}": ("Untersuchung: {text}", "整个检查：{text}"),
        "Lung-RADS v2022 {category} ({basis})": (
            "Lung-RADS v2022 {category} ({basis})",
            "Lung-RADS v2022 {category}（{basis}）",
        ),
        "Lung-RADS v2022 undetermined ({basis})": (
            "Lung-RADS v2022 nicht bestimmbar ({basis})",
            "Lung-RADS v2022 无法确定（{basis}）",
        ),
        "undetermined": ("nicht bestimmbar", "无法确定"),
        "Patient, {model}: {text} ({meaning})": (
            "Patient, {model}: {text} ({meaning})",
            "患者，{model}：{text}（{meaning}）",
        ),
        "{year} y {percent} %": ("{year} J. {percent} %", "{year}年 {percent} %"),
        "Probability of cancer for the patient as a whole: not measured, no score of a model": (
            "Krebswahrscheinlichkeit des Patienten insgesamt: nicht gemessen, kein Wert eines Modells",
            "患者整体患癌概率：未测量，没有模型评分",
        ),
        "Highest probability of cancer of a nodule: {name}, {text}": (
            "Höchste Krebswahrscheinlichkeit eines Rundherds: {name}, {text}",
            "单个结节的最高患癌概率：{name}，{text}",
        ),
        "{guideline}: {advice} ({basis})": ("{guideline}: {advice} ({basis})", "{guideline}：{advice}（{basis}）"),
        "{guideline} (if it applies: found by chance, 35 years or older, no cancer, immunity intact): "
        "{advice} ({basis})": (
            "{guideline} (falls anwendbar: Zufallsbefund, ab 35 Jahren, kein Krebs, Immunsystem intakt): "
            "{advice} ({basis})",
            "{guideline}（如适用：偶然发现、年满35岁、无癌症、免疫功能正常）：{advice}（{basis}）",
        ),
        "Nodule {number}": ("Rundherd {number}", "结节{number}"),
        "{name}: {kind}, {diameter} mm, {place}": (
            "{name}: {kind}, {diameter} mm, {place}",
            "{name}：{kind}，{diameter} mm，{place}",
        ),
        "95 % limits: mean diameter +-{diameter} mm, volume +-{percent} %": (
            "95-%-Grenzen: mittlerer Durchmesser +-{diameter} mm, Volumen +-{percent} %",
            "95 %界限：平均直径±{diameter} mm，体积±{percent} %",
        ),
        "{model} {percent} %": ("{model} {percent} %", "{model} {percent} %"),
        "{model} {low} to {high} % (unknown: {names})": (
            "{model} {low} bis {high} % (unbekannt: {names})",
            "{model} {low}至{high} %（未知：{names}）",
        ),
        "{model}: {percent} % ({meaning})": ("{model}: {percent} % ({meaning})", "{model}：{percent} %（{meaning}）"),
        "{name}: {text}": ("{name}: {text}", "{name}：{text}"),
        "Warning: {text}": ("Warnung: {text}", "警告：{text}"),
        "Note: {text}": ("Hinweis: {text}", "说明：{text}"),
        "Model {name} {version}, sha256 {sha256}": (
            "Modell {name} {version}, sha256 {sha256}",
            "模型{name} {version}，sha256 {sha256}",
        ),
        # attenuation types and places
        "solid": ("solide", "实性"),
        "part-solid": ("teilsolide", "部分实性"),
        "ground-glass": ("Milchglas", "磨玻璃"),
        "ground glass": ("Milchglas", "磨玻璃"),
        "calcified": ("verkalkt", "钙化"),
        "right": ("rechts", "右"),
        "left": ("links", "左"),
        "left upper lobe": ("linker Oberlappen", "左肺上叶"),
        "left lower lobe": ("linker Unterlappen", "左肺下叶"),
        "right upper lobe": ("rechter Oberlappen", "右肺上叶"),
        "right middle lobe": ("rechter Mittellappen", "右肺中叶"),
        "right lower lobe": ("rechter Unterlappen", "右肺下叶"),
        "right lung, upper third": ("rechte Lunge, oberes Drittel", "右肺上三分之一"),
        "right lung, middle third": ("rechte Lunge, mittleres Drittel", "右肺中三分之一"),
        "right lung, lower third": ("rechte Lunge, unteres Drittel", "右肺下三分之一"),
        "left lung, upper third": ("linke Lunge, oberes Drittel", "左肺上三分之一"),
        "left lung, middle third": ("linke Lunge, mittleres Drittel", "左肺中三分之一"),
        "left lung, lower third": ("linke Lunge, unteres Drittel", "左肺下三分之一"),
        # names of coded concepts, for reports in plain text; the codes themselves keep their English meaning
        "Finding Site": ("Lokalisation", "部位"),
        "Laterality": ("Seite", "侧别"),
        "Lung": ("Lunge", "肺"),
        "Upper lobe of lung": ("Oberlappen", "肺上叶"),
        "Middle lobe of right lung": ("Mittellappen der rechten Lunge", "右肺中叶"),
        "Lower lobe of lung": ("Unterlappen", "肺下叶"),
        "Right": ("rechts", "右"),
        "Left": ("links", "左"),
        "Long Axis": ("Längsachse", "长径"),
        "Short Axis": ("Kurzachse", "短径"),
        "Diameter": ("Durchmesser", "直径"),
        "Mean Diameter": ("Mittlerer Durchmesser", "平均直径"),
        "Volume": ("Volumen", "体积"),
        "Mean Attenuation Coefficient": ("Mittlere Dichte", "平均CT值"),
        "Probability of cancer": ("Krebswahrscheinlichkeit", "患癌概率"),
        "Probability of cancer, lower bound": ("Krebswahrscheinlichkeit, untere Grenze", "患癌概率下限"),
        "Probability of cancer, upper bound": ("Krebswahrscheinlichkeit, obere Grenze", "患癌概率上限"),
        "Certainty of Finding": ("Sicherheit des Befundes", "检出置信度"),
        "Mean diameter of solid part": ("Mittlerer Durchmesser des soliden Anteils", "实性成分平均直径"),
        "Volume of solid part": ("Volumen des soliden Anteils", "实性成分体积"),
        "Distance to pleura": ("Abstand zur Pleura", "距胸膜距离"),
        "Suspicion of malignancy by a learned model": (
            "Malignitätsverdacht nach einem gelernten Modell",
            "学习模型给出的恶性可疑度",
        ),
        "Nodule attenuation type": ("Dichtetyp des Rundherds", "结节密度类型"),
        "Solid": ("solide", "实性"),
        "Part-solid": ("teilsolide", "部分实性"),
        "Ground-glass": ("Milchglas", "磨玻璃"),
        "Calcified": ("verkalkt", "钙化"),
        "Lung-RADS assessment": ("Lung-RADS-Kategorie", "Lung-RADS分类"),
        "Nodule of lung": ("Lungenrundherd", "肺结节"),
        "Absent": ("nicht vorhanden", "无"),
        "Algorithm": ("Algorithmus", "算法"),
        # the notice
        "NOT PROCESSED - {text} - not a negative result": (
            "NICHT VERARBEITET - {text} - kein negativer Befund",
            "未处理 - {text} - 并非阴性结果",
        ),
        "Reason code: {code}": ("Grund, Code: {code}", "原因代码：{code}"),
        "This series was not searched for nodules. Nothing may be concluded from the absence of marks.": (
            "In dieser Serie wurde nicht nach Rundherden gesucht. Aus fehlenden Markierungen darf nichts "
            "geschlossen werden.",
            "未在本序列中查找结节。没有标记不说明任何问题。",
        ),
        "The input held no readable study: this notice stands in a study of its own, without a patient.": (
            "Die Eingabe enthielt keine lesbare Studie: diese Mitteilung steht in einer eigenen Studie ohne Patient.",
            "输入中没有可读的检查：本通知单独成为一个没有患者的检查。",
        ),
        "In detail (in English): {text}": ("Im Einzelnen (englisch): {text}", "详情（英文）：{text}"),
    }
)
