"""Headings, labels and help of report.html and of the PDF: English, German, Chinese."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

LAYOUT: Final = MappingProxyType(
    {
        # figures that are read first
        "Nodules marked": ("Markierte Rundherde", "已标记结节"),
        "none": ("keine", "无"),
        "Unmarked nodules may be there.": ("Nicht markierte Rundherde können da sein.", "可能仍有未标记的结节。"),
        "Lung volume": ("Lungenvolumen", "肺容积"),
        "right {right} ml, left {left} ml": ("rechts {right} ml, links {left} ml", "右{right} ml，左{left} ml"),
        "Time": ("Zeit", "用时"),
        "on {device}": ("auf {device}", "设备{device}"),
        "Read this first": ("Zuerst lesen", "请先阅读"),
        # nodule table
        "A heading sorts the table. A row opens the slice on which the nodule was measured.": (
            "Eine Überschrift sortiert die Tabelle. Eine Zeile zeigt die Schicht, auf der gemessen wurde.",
            "点击表头排序；点击一行显示测量该结节的层面。",
        ),
        "No.": ("Nr.", "编号"),
        "Place": ("Ort", "位置"),
        "Type": ("Art", "类型"),
        "Mean mm": ("Mittel mm", "平均径 mm"),
        "Axes mm": ("Achsen mm", "长短径 mm"),
        "Volume mm³": ("Volumen mm³", "体积 mm³"),
        "Mean HU": ("HU im Mittel", "平均 HU"),
        "Probability": ("Sicherheit", "概率"),
        "Brock 2a": ("Brock 2a", "Brock 2a"),
        "Suspicion": ("Verdacht", "可疑度"),
        "Lung-RADS": ("Lung-RADS", "Lung-RADS"),
        "not scored": ("nicht bewertet", "未评分"),
        "Nodule {number}: show its slice": ("Rundherd {number}: seine Schicht zeigen", "结节{number}：显示其层面"),
        "± is the half-width of the 95 % interval that voxel size and slice thickness imply.": (
            "± ist die halbe Breite des 95-%-Intervalls, das aus Voxelgröße und Schichtdicke folgt.",
            "±为由体素大小和层厚得出的95 %区间的半宽。",
        ),
        "Probability: the device's own estimate that the mark is a nodule.": (
            "Sicherheit: Schätzung des Geräts, dass die Markierung ein Rundherd ist.",
            "概率：本设备对该标记确为结节的估计。",
        ),
        "Suspicion: probability of being {meaning}.": (
            "Verdacht: Wahrscheinlichkeit, {meaning}.",
            "可疑度：{meaning}的概率。",
        ),
        "The Brock model gives a range where it was not told: {names}.": (
            "Das Brock-Modell nennt einen Bereich, weil ihm fehlt: {names}.",
            "Brock模型因缺少以下信息而给出范围：{names}。",
        ),
        "Risk and follow-up": ("Risiko und Verlaufskontrolle", "风险与随访"),
        # pictures
        "Each nodule from near": ("Jeder Rundherd von nahem", "各结节放大图"),
        "Nodule {number}, {mm} mm mean diameter, on its measuring slice": (
            "Rundherd {number}, mittlerer Durchmesser {mm} mm, auf seiner Messschicht",
            "结节{number}，平均直径{mm} mm，测量层面",
        ),
        "Where the nodules are": ("Wo die Rundherde sind", "结节位置图"),
        "Looking through the lungs": ("Blick durch die Lunge", "肺投影图"),
        "coronal, highest HU inside the lungs": ("koronal, höchste HU in der Lunge", "冠状位，肺内最大密度投影"),
        "axial, highest HU inside the lungs": ("axial, höchste HU in der Lunge", "轴位，肺内最大密度投影"),
        "Three planes through nodule 1": ("Drei Ebenen durch Rundherd 1", "结节1的三个平面"),
        "Three planes through the lungs": ("Drei Ebenen durch die Lunge", "肺的三个平面"),
        "axial, through nodule 1": ("axial, durch Rundherd 1", "轴位，经结节1"),
        "axial, through the lungs": ("axial, durch die Lunge", "轴位，经肺"),
        "axial": ("axial", "轴位"),
        "coronal": ("koronal", "冠状位"),
        "sagittal": ("sagittal", "矢状位"),
        # slice viewer
        "Slices": ("Schichten", "层面"),
        "Slice": ("Schicht", "层面"),
        "Slice viewer: arrow keys change the slice": (
            "Schichtbetrachter: Pfeiltasten wechseln die Schicht",
            "层面浏览器：方向键切换层面",
        ),
        "{number} of {count}": ("{number} von {count}", "第{number}层，共{count}层"),
        "nodule {numbers}": ("Rundherd {numbers}", "结节{numbers}"),
        "Previous slice": ("Vorige Schicht", "上一层"),
        "Next slice": ("Nächste Schicht", "下一层"),
        "Previous nodule": ("Voriger Rundherd", "上一个结节"),
        "Next nodule": ("Nächster Rundherd", "下一个结节"),
        "Marks": ("Markierungen", "标记"),
        "Window": ("Fenster", "窗"),
        "lung": ("Lunge", "肺窗"),
        "mediastinum": ("Mediastinum", "纵隔窗"),
        "bone": ("Knochen", "骨窗"),
        "wide": ("weit", "宽窗"),
        "Keys": ("Tasten", "按键"),
        "one slice": ("eine Schicht", "一层"),
        "ten slices": ("zehn Schichten", "十层"),
        "first, last": ("erste, letzte", "首层、末层"),
        "next, previous nodule": ("nächster, voriger Rundherd", "下一个、上一个结节"),
        "marks on or off": ("Markierungen an oder aus", "显示或隐藏标记"),
        "window": ("Fenster", "窗"),
        "The keys act when the picture or a control below it has the focus. The wheel and dragging change the slice.": (
            "Die Tasten wirken, wenn Bild oder Bedienung den Fokus haben. Rad und Ziehen wechseln die Schicht.",
            "图像或其下方控件获得焦点时按键有效。滚轮和拖动也可切换层面。",
        ),
        "For looking only: {size} pixels wide, 256 greys, compressed with loss. Read the original in the PACS.": (
            "Nur zum Ansehen: {size} Pixel breit, 256 Graustufen, verlustbehaftet. Befundet wird das Original im PACS.",
            "仅供浏览：宽{size}像素，256级灰度，有损压缩。请在PACS中阅读原始图像。",
        ),
        "Only every {step}th slice is here.": ("Nur jede {step}. Schicht ist hier.", "此处每{step}层仅显示一层。"),
        "Without JavaScript the slices stand still. These are the ones on which the nodules were measured.": (
            "Ohne JavaScript stehen die Schichten still. Dies sind die, auf denen gemessen wurde.",
            "未启用JavaScript时层面不能切换。以下为测量结节的层面。",
        ),
        # lungs
        "Lungs in 3D": ("Lunge in 3D", "肺三维图"),
        "Lungs in 3D: drag or use the arrow keys to turn them": (
            "Lunge in 3D: zum Drehen ziehen oder Pfeiltasten",
            "肺三维图：拖动或用方向键旋转",
        ),
        "front": ("von vorn", "前面"),
        "the patient's left": ("von links", "左侧"),
        "back": ("von hinten", "后面"),
        "the patient's right": ("von rechts", "右侧"),
        "above": ("von oben", "上面"),
        "turned {turn}°, tilted {tilt}°": ("gedreht {turn}°, gekippt {tilt}°", "旋转{turn}°，倾斜{tilt}°"),
        "Drag or arrow keys turn the lungs, Home shows the front. Each nodule is a ball of its measured volume, tiny "
        "ones a little larger.": (
            "Ziehen oder Pfeiltasten drehen, Pos1 zeigt die Vorderseite. Jeder Rundherd ist eine Kugel von seinem "
            "gemessenen Volumen, kleinste etwas größer.",
            "拖动或方向键旋转，Home键回到正面。每个结节显示为与其测量体积相同的球，很小的略放大。",
        ),
        # found against known
        "Found against known": ("Gefunden gegen bekannt", "与已知结节对比"),
        "{found} of {count} known nodules were marked within half their diameter.": (
            "{found} von {count} bekannten Rundherden wurden innerhalb ihres halben Durchmessers markiert.",
            "{count}个已知结节中有{found}个在其半径内被标记。",
        ),
        "Other marks: {numbers}.": ("Andere Markierungen: {numbers}.", "其他标记：{numbers}。"),
        "Centre, LPS mm": ("Mitte, LPS mm", "中心 LPS mm"),
        "Diameter mm": ("Durchmesser mm", "直径 mm"),
        "Result": ("Ergebnis", "结果"),
        "Off by mm": ("Abstand mm", "偏差 mm"),
        "Measured mm": ("Gemessen mm", "测量值 mm"),
        "Measured type": ("Gemessene Art", "测得类型"),
        "found, nodule {number}": ("gefunden, Rundherd {number}", "已检出，结节{number}"),
        "missed": ("übersehen", "漏检"),
        "not known": ("nicht bekannt", "未知"),
        "part solid": ("teilsolide", "部分实性"),
        # limits
        "{text}: nobody has validated this device for use on patients.": (
            "{text}: niemand hat dieses Gerät für den Einsatz an Patienten validiert.",
            "{text}：本设备未经任何临床验证。",
        ),
        "A nodule that is not marked may still be there, and a mark may be no nodule. The probability is the device's "
        "own estimate that a mark is a nodule; it says nothing of cancer.": (
            "Ein nicht markierter Rundherd kann trotzdem da sein, und eine Markierung kann keiner sein. Die Sicherheit "
            "ist die Schätzung des Geräts, dass eine Markierung ein Rundherd ist; über Krebs sagt sie nichts.",
            "未标记处仍可能有结节，标记处也可能不是结节。概率是本设备对标记确为结节的估计，与癌症无关。",
        ),
        "Only this one examination was read: no prior, no growth. Lung-RADS follows from type and size alone.": (
            "Nur diese eine Untersuchung wurde gelesen: keine Voraufnahme, kein Wachstum. Lung-RADS folgt allein aus "
            "Art und Größe.",
            "仅读取了本次检查：无既往检查，无生长信息。Lung-RADS仅由类型和大小得出。",
        ),
        "Upper, middle and lower third are heights within the lung, not lobes.": (
            "Oberes, mittleres und unteres Drittel sind Höhen in der Lunge, keine Lappen.",
            "上、中、下三分之一指肺内高度，不是肺叶。",
        ),
        # models, times, frame
        "Name": ("Name", "名称"),
        "Version": ("Version", "版本"),
        "Learned from": ("Gelernt aus", "训练数据"),
        "Intended use": ("Zweck", "预期用途"),
        "Where the time went": ("Wo die Zeit blieb", "各步骤用时"),
        "Stage": ("Schritt", "步骤"),
        "Seconds": ("Sekunden", "秒"),
        "Dark": ("Dunkel", "深色"),
        "Page {number} of {count}": ("Seite {number} von {count}", "第{number}页，共{count}页"),
        "This is not a negative result.": ("Dies ist kein negativer Befund.", "这不是阴性结果。"),
        "NOT PROCESSED": ("NICHT VERARBEITET", "未处理"),
        "No reason was recorded.": ("Es wurde kein Grund festgehalten.", "未记录原因。"),
        "No nodule was looked for in this series. Read it without help from this device.": (
            "In dieser Serie wurde nach keinem Rundherd gesucht. Sie ist ohne Hilfe dieses Geräts zu lesen.",
            "本序列未进行结节检查。请在没有本设备帮助的情况下阅片。",
        ),
    }
)
