"""``pulmonode reidentify``."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Annotated

import typer

from node.commands.counting import counted
from node.commands.deidentify import KeyOption
from node.commands.options import ConfigOption
from node.commands.vaults import opened_vault
from node.deidentification.folders import check_target, files_in
from node.deidentification.keys import PROJECT_KEY_VARIABLE, VAULT_KEY_VARIABLE, read_key
from node.deidentification.reading import read_instance
from node.deidentification.reidentification import re_identify
from node.deidentification.vault import Vault
from node.durable import write_durably
from node.errors import ConfigError, DeidentificationError

EXIT_SOME_REFUSED = 3

SourceArgument = Annotated[Path, typer.Argument(metavar="IN", help="Folder of objects that a remote worker returned.")]
TargetArgument = Annotated[
    Path, typer.Argument(metavar="OUT", help="Empty or new folder for them with their patients.")
]
VaultKeyOption = Annotated[
    Path | None, typer.Option("--vault-key", metavar="FILE", help=f"Key of the vault; default: ${VAULT_KEY_VARIABLE}.")
]


def run(
    source: SourceArgument,
    target: TargetArgument,
    key: KeyOption = None,
    vault_key_file: VaultKeyOption = None,
    config: ConfigOption = None,
) -> None:
    """Give each object of a folder its patient back; exit 3 when some were refused."""
    project_key, vault_key = read_key(key, PROJECT_KEY_VARIABLE), read_key(vault_key_file, VAULT_KEY_VARIABLE)
    if project_key is None or vault_key is None:
        raise ConfigError("both keys are needed: --key of the project and --vault-key of the vault")
    files = files_in(source)
    check_target(source, target)
    refused = []
    with opened_vault(config, project_key, vault_key) as vault, counted("re-identifying") as note:
        for number, path in enumerate(files, 1):
            try:
                _re_identify(path, target / f"{number:06d}.dcm", vault)
            except DeidentificationError as error:
                refused.append(f"file {number}: {error}")
            note(number, len(files))
    typer.echo(f"{len(files) - len(refused)} of {len(files)} objects have their patient back in {target}")
    for line in refused:
        typer.echo(line, err=True)
    if refused:
        raise typer.Exit(EXIT_SOME_REFUSED)


def _re_identify(path: Path, target: Path, vault: Vault) -> None:
    dataset = read_instance(path)
    if isinstance(dataset, str):
        raise DeidentificationError(dataset)
    buffer = BytesIO()
    re_identify(dataset, vault).save_as(buffer, enforce_file_format=True)
    write_durably(target, [buffer.getvalue()])
