"""``pulmonode weights``: what can be had, what is installed, and whether it is sound."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from models.published.catalogue import CATALOGUE, Entry, Role, entry_of
from models.published.importing import import_file
from models.published.installed import all_cards, cards_in, check, without_card
from models.weights import SHIPPED, Figure, WeightsError, read_card
from node.commands.options import ConfigOption, JsonOption, read_settings

EXIT_DAMAGED, EXIT_USAGE = 1, 2
_SHOWN = ("title", "good_for", "figures", "licence", "address", "size", "checksum")  # of each entry of the catalogue
_TO_RUN = {
    Role.LUNGS: "models.lungs: {} in config.yaml",
    Role.LOBES: "models.lobes: {} in config.yaml",
    Role.DETECTOR: "models.detector: {} in config.yaml",
    Role.CASE: "models.patient: {} in config.yaml",
    Role.FEATURES: "it serves training; the node itself runs no features of photographs",
}

group = typer.Typer(no_args_is_help=True, add_completion=False)

NameArgument = Annotated[str | None, typer.Argument(help="One set of weights; default: all.")]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="The file as downloaded, or the card (.json) of weights trained here.")
]
AsOption = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Install it under this name.")]


@group.command("list")
def list_weights(name: NameArgument = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what comes with the product, what is installed, and what can be had; with NAME, all about one."""
    folder = weights_folder(config)
    overview = overview_of(folder)
    if name is not None:
        overview = {key: [row for row in rows if row["name"] == name] for key, rows in overview.items()}
        if not any(overview.values()):
            _end(f"{name}: neither installed in {folder} nor in the catalogue; see `pulmonode weights list`")
    if as_json:
        typer.echo(json.dumps(overview, indent=2))
    elif name is not None:
        _print_details(overview)
    else:
        _print_overview(overview, folder)


@group.command("import")
def import_weights(file: FileArgument, name: AsOption = None, config: ConfigOption = None) -> None:
    """Recognise a downloaded file by its layout, convert it to safetensors with a card, and verify it."""
    try:
        imported = import_file(file, weights_folder(config), name)
    except WeightsError as error:
        _end(str(error))
    card = imported.card
    typer.echo(f"{card.name}: {card.architecture}, {card.version}, installed as {imported.card_path}")
    if imported.matches is False:
        typer.echo(
            f"note: this is not the published file of {card.settings['catalogue']}, only its layout; the card claims "
            "neither its training data nor its figures"
        )
    typer.echo(f"licence: {card.licence}")
    entry = entry_of(card.settings.get("catalogue", ""))
    if entry is not None:
        typer.echo(f"to run it: {_TO_RUN[entry.role].format(imported.card_path.stem)}")


@group.command("verify")
def verify_weights(name: NameArgument = None, config: ConfigOption = None) -> None:
    """Check checksum, layout and numbers of all weights that are here; exit 1 if any is damaged."""
    folder = weights_folder(config)
    cards = [path for path in all_cards(folder) if name in (None, path.stem)]
    lost = [path for path in (*without_card(SHIPPED), *without_card(folder)) if name in (None, path.stem)]
    if name is not None and not cards and not lost:
        _end(f"{name}: not installed in {folder}; see `pulmonode weights list`")
    damaged = [f"{path}: no card stands beside it; import it again" for path in lost]
    for path in cards:
        try:
            check(path)
            typer.echo(f"{path.stem}: sound")
        except WeightsError as error:
            damaged.append(str(error))
    for line in damaged:
        typer.echo(line, err=True)
    if not cards and not lost:
        typer.echo(f"nothing is installed in {folder}")
    if damaged:
        raise typer.Exit(EXIT_DAMAGED)


def weights_folder(config: Path | None) -> Path:
    """Give the folder of installed weights: ``models.folder``, else ``weights`` in data_dir."""
    return read_settings(config).weights_folder


def overview_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Collect what there is to show, as plain values; nothing is verified here."""
    installed = cards_in(folder)
    names = {path.stem for path in installed}
    return {
        "shipped": [_card_row(path) for path in cards_in(SHIPPED)],
        "installed": [_card_row(path) for path in installed],
        "catalogue": [_entry_row(entry, entry.key in names) for entry in CATALOGUE],
    }


def _card_row(path: Path) -> dict[str, Any]:
    try:
        card = read_card(path)
    except WeightsError as error:
        return {"name": path.stem, "path": str(path), "error": str(error)}
    weights = path.with_name(card.file)
    size = weights.stat().st_size if weights.is_file() else None
    # The name is the one that a setting takes: the card's own may be another.
    return {**asdict(card), "name": path.stem, "path": str(path), "size_bytes": size}


def _entry_row(entry: Entry, installed: bool) -> dict[str, Any]:
    values = asdict(entry)
    checksum = None if entry.checksum is None else f"{entry.checksum.algorithm} {entry.checksum.prefix}"
    del values["key"], values["file_word"]
    return {"name": entry.key, **values, "role": entry.role.value, "checksum": checksum, "installed": installed}


def _print_overview(overview: dict[str, list[dict[str, Any]]], folder: Path) -> None:
    console = Console(highlight=False)
    here = Table("name", "version", "architecture", "MB", title=f"Here: with the product, and in {folder}")
    for row in (*overview["shipped"], *overview["installed"]):
        if "error" in row:
            here.add_row(row["name"], "damaged card", row["error"], "")
        else:
            size = "missing" if row["size_bytes"] is None else f"{row['size_bytes'] / 1e6:.1f}"
            here.add_row(row["name"], row["version"], row["architecture"], size)
    console.print(here if here.row_count else f"No weights are here yet ({folder}).")
    console.print("\n[bold]Published weights that the node can run[/bold]")
    for row in overview["catalogue"]:
        _print_row(console, {key: row[key] for key in _SHOWN}, row["name"], "installed" if row["installed"] else "")
    console.print(
        "\nDownload a file on a machine with internet access, bring it here, then: pulmonode weights import FILE\n"
        "All about one: pulmonode weights list NAME\n"
        "Demonstration and research, not for diagnosis."
    )


def _print_details(overview: dict[str, list[dict[str, Any]]]) -> None:
    console = Console(highlight=False)
    for kind, rows in overview.items():
        for row in rows:
            _print_row(console, row, row["name"], kind)


def _print_row(console: Console, row: dict[str, Any], name: str, note: str) -> None:
    """Print one label and value a line; a long word, such as an address, is not broken: it has to be copied."""
    console.print(f"\n[bold]{name}[/bold]" + (f" ({note})" if note else ""))
    label_width = 2 + max(len(key) for key in row) + 2
    for key, value in row.items():
        for number, line in enumerate(_in_words(key, value).splitlines()):
            label = f"  {key.replace('_', ' ')}" if number == 0 else ""
            text = textwrap.wrap(
                line, max(40, console.width - label_width), break_long_words=False, break_on_hyphens=False
            )
            indented = ("\n" + " " * label_width).join(text)
            console.print(f"{label:{label_width}}{indented}", markup=False, soft_wrap=True)


def _in_words(key: str, value: Any) -> str:
    if key == "figures":
        return figure_lines([Figure(**figure) for figure in value]) or "none known"
    if key == "checksum":
        return value or "not published"
    if key == "settings":
        return json.dumps(value)
    return {None: "not known", True: "yes", False: "no"}.get(value, str(value))


def figure_lines(figures: list[Figure]) -> str:
    """Say each figure once, with its values on the data that they come from, home and off-site side by side."""
    names = dict.fromkeys(figure.name for figure in figures)
    values = {name: [_on_data(figure) for figure in figures if figure.name == name] for name in names}
    return "\n".join(f"{name}: {'; '.join(on_data)}" for name, on_data in values.items())


def _on_data(figure: Figure) -> str:
    known = figure.low is not None and figure.high is not None
    interval = f" [{figure.low:.3g} to {figure.high:.3g}]" if known else ""
    return f"{figure.value:.5g}{interval} ({figure.data})"


def _end(message: str) -> NoReturn:
    typer.echo(f"pulmonode: {message}", err=True)
    raise typer.Exit(EXIT_USAGE)
