"""What assembly and analysis warn of, as they say it in English, with German and Chinese beside it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

WARNINGS: Final = MappingProxyType(
    {
        # scope and coverage (analysis)
        "Searched for: nodules of 3 to 30 mm inside the lungs; masses above 30 mm are not found reliably. Not searched "
        "for: tumours of the hilum and mediastinum, consolidation, effusion": (
            "Gesucht: Rundherde von 3 bis 30 mm in der Lunge; Raumforderungen über 30 mm werden nicht zuverlässig "
            "gefunden. Nicht gesucht: Tumoren von Hilus und Mediastinum, Konsolidierung, Erguss",
            "查找范围：肺内3至30 mm的结节；大于30 mm的肿块不能可靠检出。未查找：肺门及纵隔肿瘤、实变、积液",
        ),
        "slices {step} mm apart: sizes are uncertain, small nodules may be missed": (
            "Schichtabstand {step} mm: Größen sind unsicher, kleine Rundherde können übersehen werden",
            "层间距{step} mm：大小不确定，可能漏检小结节",
        ),
        "field of view of {field} mm: parts of the lungs may lie outside it": (
            "Bildfeld von {field} mm: Teile der Lunge können außerhalb liegen",
            "视野{field} mm：部分肺可能在视野之外",
        ),
        "the slices span {span} mm: not the whole of the lungs": (
            "die Schichten überdecken {span} mm: nicht die ganze Lunge",
            "各层共覆盖{span} mm：未包括全肺",
        ),
        "lungs of {volume} ml: small, breathed out or not all in view": (
            "Lunge von {volume} ml: klein, ausgeatmet oder nicht ganz im Bild",
            "肺容积{volume} ml：偏小、呼气状态或未全部显示",
        ),
        "lungs of {median} HU in the median: dense, nodules may hide in opacities": (
            "Lunge von {median} HU im Median: dicht, Rundherde können in Verschattungen verborgen sein",
            "肺CT值中位数{median} HU：密度增高，结节可能被阴影遮盖",
        ),
        "intravenous contrast: enhanced vessels; HU, calcification and solid parts are less certain": (
            "intravenöses Kontrastmittel: angehobene Gefäße; HU, Verkalkung und solide Anteile sind weniger sicher",
            "静脉对比剂：血管强化；CT值、钙化和实性成分的判断不够确定",
        ),
        "contrast medium was given": ("Kontrastmittel wurde gegeben", "使用了对比剂"),
        "metal or undiluted contrast ({volume} ml): streaks may hide or feign nodules": (
            "Metall oder unverdünntes Kontrastmittel ({volume} ml): Streifen können Rundherde verdecken oder "
            "vortäuschen",
            "金属或未稀释的对比剂（{volume} ml）：条状伪影可能遮盖或酷似结节",
        ),
        "noise of {noise} HU: small or faint nodules may be missed": (
            "Rauschen von {noise} HU: kleine oder schwache Rundherde können übersehen werden",
            "噪声{noise} HU：可能漏检小或淡的结节",
        ),
        # lungs
        "the lungs are cut off at the first slice": (
            "die Lunge ist an der ersten Schicht abgeschnitten",
            "肺在第一层被截断",
        ),
        "the lungs are cut off at the last slice": (
            "die Lunge ist an der letzten Schicht abgeschnitten",
            "肺在最后一层被截断",
        ),
        "only one lung was found: no aerated right lung": (
            "nur eine Lunge gefunden: keine belüftete rechte Lunge",
            "只发现一侧肺：无含气的右肺",
        ),
        "only one lung was found: no aerated left lung": (
            "nur eine Lunge gefunden: keine belüftete linke Lunge",
            "只发现一侧肺：无含气的左肺",
        ),
        "the lungs touch and were parted at the middle of the body": (
            "die Lungen berühren sich und wurden in der Körpermitte getrennt",
            "两肺相连，按身体中线分开",
        ),
        "two methods disagree on the right lung by {volume} ml; all that either can account for was used": (
            "zwei Verfahren weichen bei der rechten Lunge um {volume} ml ab; verwendet ist, was eines von ihnen belegt",
            "两种方法对右肺的结果相差{volume} ml；采用了任一方法能解释的全部区域",
        ),
        "two methods disagree on the left lung by {volume} ml; all that either can account for was used": (
            "zwei Verfahren weichen bei der linken Lunge um {volume} ml ab; verwendet ist, was eines von ihnen belegt",
            "两种方法对左肺的结果相差{volume} ml；采用了任一方法能解释的全部区域",
        ),
        "soft tissue of about {size} mm in the right lung is not marked as a nodule: "
        "it may be a mass, consolidation or effusion": (
            "Weichgewebe von etwa {size} mm in der rechten Lunge ist nicht als Rundherd markiert: es kann eine "
            "Raumforderung, Konsolidierung oder ein Erguss sein",
            "右肺内约{size} mm的软组织未标记为结节：可能是肿块、实变或积液",
        ),
        "soft tissue of about {size} mm in the left lung is not marked as a nodule: "
        "it may be a mass, consolidation or effusion": (
            "Weichgewebe von etwa {size} mm in der linken Lunge ist nicht als Rundherd markiert: es kann eine "
            "Raumforderung, Konsolidierung oder ein Erguss sein",
            "左肺内约{size} mm的软组织未标记为结节：可能是肿块、实变或积液",
        ),
        # nodules
        "below {size} mm: size and type are uncertain": (
            "unter {size} mm: Größe und Typ sind unsicher",
            "小于{size} mm：大小和类型不确定",
        ),
        "Brock 2a knows no calcified nodules: computed as solid": (
            "Brock 2a kennt keine verkalkten Rundherde: als solide berechnet",
            "Brock 2a不包含钙化结节：按实性计算",
        ),
        "touches the pleura": ("berührt die Pleura", "与胸膜相连"),
        # the patient
        "no score of the patient: {text}": ("kein Wert für den Patienten: {text}", "没有患者评分：{text}"),
        "Sybil reads slices of at most {most} mm, these have {thickness} mm": (
            "Sybil liest Schichten von höchstens {most} mm, diese haben {thickness} mm",
            "Sybil只读取层厚不超过{most} mm的图像，当前为{thickness} mm",
        ),
        "the file of patient facts was not used: {text}": (
            "die Datei mit Angaben zum Patienten wurde nicht verwendet: {text}",
            "未使用患者资料文件：{text}",
        ),
        "it holds no keys": ("sie enthält keine Schlüssel", "文件中没有键"),
        "patient facts not used: {text}": (
            "nicht verwendete Angaben zum Patienten: {text}",
            "未使用的患者资料：{text}",
        ),
        "the prior report was not used: {text}": (
            "der Vorbefund wurde nicht verwendet: {text}",
            "未使用既往报告：{text}",
        ),
        "{count} nodule(s) of the prior report lie in another frame of reference: not compared": (
            "{count} Rundherd(e) des Vorbefundes liegen in einem anderen Bezugssystem: nicht verglichen",
            "既往报告中的{count}个结节位于其他坐标系：未比较",
        ),
        "age": ("Alter", "年龄"),
        "sex": ("Geschlecht", "性别"),
        "family history": ("Familienanamnese", "家族史"),
        "emphysema": ("Emphysem", "肺气肿"),
        "upper lobe": ("Oberlappen", "上叶"),
        "spiculation": ("Spikulierung", "毛刺"),
        "rated suspicious by radiologists (LIDC-IDRI readers, 4-5 against 1-2), not pathology": (
            "von Radiologen als verdächtig eingestuft (Leser von LIDC-IDRI, 4-5 gegen 1-2), keine Pathologie",
            "放射科医师评为可疑（LIDC-IDRI阅片者，4-5级对1-2级），并非病理",
        ),
        "rated suspicious by readers, no pathology": (
            "von Lesern als verdächtig eingestuft, keine Pathologie",
            "阅片者评为可疑，无病理",
        ),
        "lung cancer": ("Lungenkrebs", "肺癌"),
        "lung cancer within 1 to 6 years (Sybil, trained on low-dose screening CT)": (
            "Lungenkrebs innerhalb von 1 bis 6 Jahren (Sybil, gelernt an Niedrigdosis-CT der Früherkennung)",
            "1至6年内患肺癌（Sybil，以低剂量筛查CT训练）",
        ),
        "lung cancer diagnosed within one year of the scan (Data Science Bowl 2017)": (
            "Lungenkrebs, innerhalb eines Jahres nach der Aufnahme festgestellt (Data Science Bowl 2017)",
            "扫描后一年内确诊肺癌（Data Science Bowl 2017）",
        ),
        "cancer, as the labels that this model was trained on have it": (
            "Krebs nach den Angaben, an denen das Modell gelernt hat",
            "癌症，依据该模型训练所用的标签",
        ),
        # the source series
        "gantry tilt of {angle} degrees corrected: the first and last slices are shifted by {shift} mm, "
        "and what leaves the image there is cut off": (
            "Gantry-Neigung von {angle} Grad korrigiert: die erste und die letzte Schicht sind um {shift} mm "
            "verschoben, und was dort das Bild verlässt, ist abgeschnitten",
            "已校正机架倾斜{angle}度：首层和末层移动了{shift} mm，移出图像的部分被截去",
        ),
        "{count} localizer image(s) in the series left out": (
            "{count} Übersichtsaufnahme(n) der Serie ausgelassen",
            "略去序列中的{count}幅定位像",
        ),
        "{count} object(s) that are not CT images left out: {text}": (
            "{count} Objekt(e), die keine CT-Bilder sind, ausgelassen: {text}",
            "略去{count}个非CT图像对象：{text}",
        ),
        "{count} file(s) that are not DICOM left out": (
            "{count} Datei(en), die kein DICOM sind, ausgelassen",
            "略去{count}个非DICOM文件",
        ),
        "{count} file(s) that repeat an instance left out": (
            "{count} Datei(en), die eine Instanz wiederholen, ausgelassen",
            "略去{count}个重复实例的文件",
        ),
        "{count} file(s) read in spite of {text}": (
            "{count} Datei(en) gelesen trotz: {text}",
            "已读取{count}个文件，尽管：{text}",
        ),
        "an absent preamble": ("fehlender Präambel", "缺少前导码"),
        "an absent meta header": ("fehlendem Meta-Kopf", "缺少元信息头"),
        "a wrong length of the meta header": ("falscher Länge des Meta-Kopfes", "元信息头长度错误"),
        "group 0002 inside the data set": ("Gruppe 0002 im Datensatz", "数据集内含0002组"),
        "another encoding than the meta header says": (
            "anderer Kodierung, als der Meta-Kopf sagt",
            "编码与元信息头所述不同",
        ),
        "an absent transfer syntax": ("fehlender Transfersyntax", "缺少传输语法"),
        "pixels in another encoding than the meta header says": (
            "anderer Kodierung der Pixel, als der Meta-Kopf sagt",
            "像素编码与元信息头所述不同",
        ),
        "values that reach beyond Bits Stored were read in full": (
            "Werte, die über Bits Stored hinausgehen, wurden ganz gelesen",
            "超出Bits Stored的值已完整读取",
        ),
        "Pixel Representation says unsigned, but the values are signed: read as signed": (
            "Pixel Representation sagt vorzeichenlos, die Werte haben aber Vorzeichen: mit Vorzeichen gelesen",
            "Pixel Representation为无符号，但值带符号：按有符号读取",
        ),
        "High Bit does not fit the values: taken as one below Bits Stored": (
            "High Bit passt nicht zu den Werten: als eins unter Bits Stored genommen",
            "High Bit与值不符：按Bits Stored减一处理",
        ),
        "Pixel Padding Value is the CT number of a tissue: it counts only where it joins the border of the image": (
            "Pixel Padding Value ist die CT-Zahl eines Gewebes: er gilt nur, wo er an den Bildrand grenzt",
            "Pixel Padding Value是组织的CT值：仅在与图像边缘相连处视为填充",
        ),
        "Rescale Type is not HU: the values were read as HU, which they look like": (
            "Rescale Type ist nicht HU: die Werte wurden als HU gelesen, wonach sie aussehen",
            "Rescale Type不是HU：值看似HU，按HU读取",
        ),
        "no segmentation: the source has no Frame of Reference UID": (
            "keine Segmentierung: die Quelle hat keine Frame of Reference UID",
            "没有分割结果：源图像没有Frame of Reference UID",
        ),
        "{keyword} of the source is malformed": (
            "{keyword} der Quelle ist fehlerhaft",
            "源数据的{keyword}格式错误",
        ),
    }
)
