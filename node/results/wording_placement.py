"""What is said of slices that were set apart or counted once, English, German, Chinese."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

PLACEMENT: Final = MappingProxyType(
    {
        # left out
        "{count} {stray} in the series left out": (
            "{count} {stray} in der Serie weggelassen",
            "序列中{count}个{stray}未使用",
        ),
        "localizer image(s)": ("Übersichtsbild(er)", "定位像"),
        "page(s) in colour": ("Seite(n) in Farbe", "彩色页面"),
        "image(s) without a UID": ("Bild(er) ohne UID", "无UID的图像"),
        "image(s) without Image Position (Patient)": ("Bild(er) ohne Image Position (Patient)", "无位置信息的图像"),
        "image(s) without Image Orientation (Patient)": (
            "Bild(er) ohne Image Orientation (Patient)",
            "无方向信息的图像",
        ),
        "image(s) without Pixel Spacing": ("Bild(er) ohne Pixel Spacing", "无像素间距的图像"),
        "image(s) without Rows": ("Bild(er) ohne Rows", "无行数的图像"),
        "image(s) without Columns": ("Bild(er) ohne Columns", "无列数的图像"),
        "image(s) without a valid Image Orientation (Patient)": (
            "Bild(er) ohne gültige Image Orientation (Patient)",
            "方向信息无效的图像",
        ),
        "image(s) of several frames where one belongs": (
            "Bild(er) mit mehreren Einzelbildern, wo eines hingehört",
            "本应单帧却为多帧的图像",
        ),
        "multi-frame instance(s) whose frames are not described": (
            "Multi-Frame-Instanz(en), deren Einzelbilder nicht beschrieben sind",
            "帧未描述的多帧实例",
        ),
        "{count} object(s) that are not CT images left out: {modalities}": (
            "{count} Objekt(e), die keine CT-Bilder sind, weggelassen: {modalities}",
            "{count}个非CT图像对象未使用：{modalities}",
        ),
        "{count} image(s) of another {differing} left out": (
            "{count} Bild(er) weggelassen: {differing} verschieden",
            "{count}个图像未使用：{differing}不同",
        ),
        "{count} image(s) that repeat another one left out": (
            "{count} Bild(er), die ein anderes wiederholen, weggelassen",
            "{count}个重复图像未使用",
        ),
        "{count} image(s) that stand between the slices left out": (
            "{count} Bild(er), die zwischen den Schichten stehen, weggelassen",
            "{count}个位于层面之间的图像未使用",
        ),
        "{count} {volumes} in one series: the one of {slices} slices is read, {rest} image(s) left out": (
            "{count} {volumes} in einer Serie: die mit {slices} Schichten ist gelesen, {rest} Bild(er) weggelassen",
            "一个序列中有{count}个{volumes}：读取其中{slices}层的一个，其余{rest}个图像未使用",
        ),
        "classes (SOP Class UID)": ("Klassen (SOP Class UID)", "类别（SOP Class UID）"),
        "acquisitions (Acquisition Number)": ("Aufnahmen (Acquisition Number)", "采集（Acquisition Number）"),
        "times (Temporal Position)": ("Zeitpunkte (Temporal Position)", "时间点（Temporal Position）"),
        "phases (Nominal Percentage of Cardiac Phase)": (
            "Phasen (Nominal Percentage of Cardiac Phase)",
            "时相（Nominal Percentage of Cardiac Phase）",
        ),
        "phases (Trigger Time)": ("Phasen (Trigger Time)", "时相（Trigger Time）"),
        "stacks (Stack ID)": ("Stapel (Stack ID)", "堆栈（Stack ID）"),
        "kernels (Convolution Kernel)": ("Kernel (Convolution Kernel)", "卷积核（Convolution Kernel）"),
        "kinds (Image Type)": ("Arten (Image Type)", "图像类型（Image Type）"),
        "tube voltages (KVP)": ("Röhrenspannungen (KVP)", "管电压（KVP）"),
        "thicknesses (Slice Thickness)": ("Schichtdicken (Slice Thickness)", "层厚（Slice Thickness）"),
        "scans (Scan Options)": ("Scans (Scan Options)", "扫描（Scan Options）"),
        "positions of the patient (Patient Position)": ("Lagerungen (Patient Position)", "体位（Patient Position）"),
        "descriptions (Series Description)": (
            "Beschreibungen (Series Description)",
            "描述（Series Description）",
        ),
        "times (Acquisition Time)": ("Zeiten (Acquisition Time)", "时间（Acquisition Time）"),
        "acquisitions (pause in Acquisition Time)": (
            "Aufnahmen (Pause in Acquisition Time)",
            "采集（Acquisition Time间隔）",
        ),
        "passes (Acquisition Time)": ("Durchgänge (Acquisition Time)", "遍次（Acquisition Time）"),
        "passes (Instance Number)": ("Durchgänge (Instance Number)", "遍次（Instance Number）"),
        "{attribute} is not written as the standard says in {count} image(s): read all the same": (
            "{attribute} ist in {count} Bild(ern) nicht so geschrieben, wie der Standard sagt: dennoch gelesen",
            "{count}个图像的{attribute}书写不符合标准：仍予读取",
        ),
        # warnings
        "{count} {stray} cannot be placed: they may be slices of this scan": (
            "{count} {stray} haben keinen Platz: es können Schichten dieses Scans sein",
            "{count}个{stray}无法定位：可能是本次扫描的层面",
        ),
        "images at {count} place(s) beyond the ends of the volume are not read": (
            "Bilder an {count} Stelle(n) jenseits der Enden des Volumens sind nicht gelesen",
            "容积两端之外{count}处的图像未读取",
        ),
        "each image has a Frame of Reference UID of its own: they are read as one": (
            "jedes Bild hat eine eigene Frame of Reference UID: sie werden als eine gelesen",
            "每个图像各有Frame of Reference UID：按同一个读取",
        ),
        "too large for the memory that is set: one slice in {count} was read, small nodules may be missed": (
            "zu groß für den gesetzten Speicher: nur jede {count}. Schicht ist gelesen, kleine Rundherde können "
            "übersehen werden",
            "超出设定内存：每{count}层只读取一层，可能漏检小结节",
        ),
        "too large for the memory that is set: one pixel in {count} was read, small nodules may be missed": (
            "zu groß für den gesetzten Speicher: nur jedes {count}. Pixel ist gelesen, kleine Rundherde können "
            "übersehen werden",
            "超出设定内存：每{count}个像素只读取一个，可能漏检小结节",
        ),
    }
)
