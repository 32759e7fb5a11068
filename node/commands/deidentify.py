"""``pulmonode deidentify``."""

from __future__ import annotations

import json
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from node.commands.counting import counted
from node.commands.options import ConfigOption, JsonOption
from node.commands.vaults import opened_vault
from node.deidentification import report, verification
from node.deidentification.keys import PROJECT_KEY_VARIABLE, VAULT_KEY_VARIABLE, new_key, random_key, read_key
from node.deidentification.one_file import Order
from node.deidentification.option_names import NAMES, options_of
from node.deidentification.pixel_signatures import read_signatures
from node.deidentification.pseudonyms import Pseudonyms
from node.deidentification.runs import Run, deidentify_folder
from node.deidentification.vault import Vault
from node.deidentification.verification import Originals, originals_in
from node.errors import ConfigError

EXIT_FOUND, EXIT_SOME_REFUSED = 1, 3

SourceArgument = Annotated[Path | None, typer.Argument(metavar="IN", help="Folder of DICOM files, any nesting.")]
TargetArgument = Annotated[Path | None, typer.Argument(metavar="OUT", help="Empty or new folder for what leaves.")]
OptionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--option", "--profile", metavar="NAME", help=f"Option of PS3.15 E.3, repeatable: {', '.join(NAMES)}."
    ),
]
KeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help=f"Key of the project; default: ${PROJECT_KEY_VARIABLE}.")
]
VaultKeyOption = Annotated[
    Path | None, typer.Option("--vault-key", metavar="FILE", help="Remember the identities in the ledger's vault.")
]
NewKeyOption = Annotated[Path | None, typer.Option("--new-key", metavar="FILE", help="Make a key, and nothing else.")]
SignaturesOption = Annotated[
    Path | None, typer.Option("--signatures", metavar="FILE", help="Where devices write text into images (YAML).")
]
VerifyOption = Annotated[
    bool, typer.Option("--verify", help="Look through OUT for identities; with OUT alone, only that.")
]


def run(
    source: SourceArgument = None,
    target: TargetArgument = None,
    option: OptionOption = None,
    key: KeyOption = None,
    new_key_file: NewKeyOption = None,
    vault_key_file: VaultKeyOption = None,
    signatures: SignaturesOption = None,
    verify: VerifyOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """De-identify a folder, verify one, or both; exit 3 when files were refused, 1 when identities were found."""
    if new_key_file is not None:
        new_key(new_key_file)
        typer.echo(
            f"{new_key_file}: a new key, readable by you alone. Keep it: without it no pseudonym can be made again"
        )
        return
    project_key, vault_key = read_key(key, PROJECT_KEY_VARIABLE), read_key(vault_key_file, VAULT_KEY_VARIABLE)
    if source is None or (target is None and not verify):
        raise ConfigError("give IN and OUT; or OUT alone with --verify; or --new-key FILE")
    if vault_key is not None and project_key is None:
        raise ConfigError("--vault-key: a vault belongs to a project; give its --key too")
    if target is None:
        _verify(source, None, project_key, as_json)
        return
    order = Order(
        target=target,
        options=options_of(option or []),
        key=project_key or random_key(),
        signatures=read_signatures(signatures),
        is_remembered=vault_key is not None,
        is_lasting_key=project_key is not None,
    )
    done = _deidentify(source, order, vault_key, config)
    if verify:
        _verify(target, originals_in(source, order.options), project_key, as_json)
    else:
        typer.echo(json.dumps(done.envelope, indent=2) if as_json else report.in_words(done.envelope))
    if not done.is_complete:
        raise typer.Exit(EXIT_SOME_REFUSED)


def _deidentify(source: Path, order: Order, vault_key: bytes | None, config: Path | None) -> Run:
    if vault_key is None:
        return _run(source, order, None)
    with opened_vault(config, order.key, vault_key) as vault:
        return _run(source, order, vault)


def _run(source: Path, order: Order, vault: Vault | None) -> Run:
    with counted("de-identifying") as note:
        return deidentify_folder(source, order, vault, _now(), version("pulmonode"), note)


def _verify(folder: Path, originals: Originals | None, project_key: bytes | None, as_json: bool) -> None:
    with counted("verifying") as note:
        found = verification.verify(folder, originals, _now(), version("pulmonode"), note)
    envelope = report.sealed(found, Pseudonyms(project_key) if project_key else None)
    typer.echo(json.dumps(envelope, indent=2) if as_json else verification.in_words(envelope))
    if found["findings"]:
        raise typer.Exit(EXIT_FOUND)


def _now() -> datetime:
    return datetime.now().astimezone()
