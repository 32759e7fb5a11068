"""One self-contained HTML page: headings, text, tables and pictures embedded as data URIs; no address outside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jinja2 import Environment
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from models.weights import INTENDED_USE, write_text

_DPI = 100

_TEMPLATE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
  :root { color-scheme: light; }
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1c2530; }
  h1 { font-size: 1.6rem; margin-bottom: .3rem; }
  h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #d5dbe2; padding-bottom: .2rem; }
  p { max-width: 48rem; margin: .4rem 0; }
  table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
  th, td { text-align: left; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid #e6eaee; vertical-align: top; }
  .pictures { display: flex; flex-wrap: wrap; gap: 1rem; }
  figure { margin: .5rem 0; max-width: 100%; }
  img { max-width: 100%; height: auto; display: block; }
  img.small { width: 128px; image-rendering: pixelated; }
  figcaption { font-size: .85rem; color: #52606d; max-width: 48rem; }
  .small + figcaption { max-width: 128px; }
  footer { margin-top: 3rem; font-size: .85rem; color: #52606d; }
</style>
<h1>{{ title }}</h1>
{% for line in lead %}<p>{{ line }}</p>
{% endfor %}
{% for section in sections %}<section>
<h2>{{ section.title }}</h2>
{% for line in section.text %}<p>{{ line }}</p>
{% endfor %}
{% if section.table %}<table>
<thead><tr>{% for cell in section.table.head %}<th scope="col">{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>{% for row in section.table.rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}
</tbody></table>
{% endif %}
{% if section.pictures %}<div class="pictures">{% for picture in section.pictures %}
<figure><img{% if picture.small %} class="small"{% endif %} alt="{{ picture.caption or section.title }}" \
src="data:image/png;base64,{{ picture.base64 }}"><figcaption>{{ picture.caption }}</figcaption></figure>{% endfor %}
</div>
{% endif %}
</section>
{% endfor %}
<footer>{{ intended_use }}.</footer>
</html>
"""


@dataclass(frozen=True)
class Picture:
    """A PNG and what is said under it; ``small`` ones are thumbnails, shown 128 pixels wide."""

    png: bytes
    caption: str = ""
    small: bool = False

    @property
    def base64(self) -> str:
        """For a data URI."""
        return base64.b64encode(self.png).decode("ascii")


@dataclass(frozen=True)
class Table:
    """Cells as text."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A heading with paragraphs, a table and pictures under it, each of which may be absent."""

    title: str
    text: tuple[str, ...] = ()
    table: Table | None = None
    pictures: tuple[Picture, ...] = ()


def write_page(path: Path, title: str, lead: Sequence[str], sections: Sequence[Section]) -> None:
    """Write the page; nothing half-written is ever seen. All text is escaped."""
    template = Environment(autoescape=True).from_string(_TEMPLATE)
    write_text(path, template.render(title=title, lead=lead, sections=sections, intended_use=INTENDED_USE))


def new_figure(width_in: float, height_in: float) -> Figure:
    """Make a matplotlib figure that belongs to nobody's global state; sizes in inches."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def figure_png(figure: Figure) -> bytes:
    """Encode a matplotlib figure."""
    buffer = BytesIO()
    figure.savefig(buffer, dpi=_DPI, format="png")
    return buffer.getvalue()


def image_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Encode grey (H, W) or colour (H, W, 3) pixels."""
    buffer = BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG")
    return buffer.getvalue()
