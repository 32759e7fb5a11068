"""Settings: config.yaml, then environment variables, checked before anything starts.

Each setting stands once in config.yaml, with its unit and a comment. ``PULMONODE_`` + the path in
capitals with ``__`` between levels overrides it (``PULMONODE_NODE__PORT=104``); lists are given as YAML.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from node.analysis.choice import ModelChoice
from node.config_values import overlay, read_values
from node.errors import ConfigError
from node.results.forms import CaptureCompression, CaptureForm, ReportForm, ResultForms, SegmentationForm
from node.results.language import Language
from node.series.corrections import WhenChanged
from node.series.retry import RetryPolicy
from node.series.selection import SelectionRules


def _ae_title(value: str) -> str:
    """Check an AE title: 1 to 16 printable ASCII characters without backslash (PS3.5 Table 6.2-1)."""
    if not (1 <= len(value) <= 16 and value.isascii() and value.isprintable() and "\\" not in value and value.strip()):
        raise ValueError("an AE title has 1 to 16 printable ASCII characters and no backslash")
    return value


def _device(value: str) -> str:
    name, _, index = value.partition(":")
    if value in {"auto", "cpu", "cuda"} or (name == "cuda" and index.isdigit()):
        return value
    raise ValueError("allowed are auto, cpu, cuda and cuda:<number>")


def _captures(value: object) -> object:
    """Take true and false for the two forms that most sites mean by them."""
    return {True: CaptureForm.SINGLE, False: CaptureForm.NONE}[value] if isinstance(value, bool) else value


AeTitle = Annotated[str, AfterValidator(_ae_title)]
Captures = Annotated[CaptureForm, BeforeValidator(_captures)]
WeightsName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Port = Annotated[int, Field(ge=0, le=65535)]
PositiveSeconds = Annotated[float, Field(gt=0, le=7 * 86400)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NodeSection(_Section):
    """The node's own application entity."""

    ae_title: AeTitle = "PULMONODE"
    host: str = "127.0.0.1"
    port: Port = 11112
    require_called_ae_title: bool = True
    any_storage_class: bool = True
    maximum_associations: int = Field(20, ge=1, le=1000)
    drain_s: PositiveSeconds = 60.0


class PeerSection(_Section):
    """One application entity that may send."""

    ae_title: AeTitle
    address: str | None = None


class DestinationFormsSection(_Section):
    """What one destination gets that is not as ``results`` says for all; null is as ``results`` says."""

    report: tuple[ReportForm, ...] | None = None
    segmentation: SegmentationForm | None = None
    captures: Captures | None = None
    compression: CaptureCompression | None = None
    presentation_state: bool | None = None
    key_objects: bool | None = None
    pdf: bool | None = None


class DestinationSection(_Section):
    """One application entity that gets the results."""

    name: str = Field(min_length=1, max_length=64)
    ae_title: AeTitle
    host: str = Field(min_length=1)
    port: Port
    results: DestinationFormsSection = DestinationFormsSection()


class SeriesSection(_Section):
    """When a series counts as complete, and what becomes of one that is sent again corrected."""

    quiet_s: PositiveSeconds = 60.0
    study_cap_s: PositiveSeconds = 900.0
    changed: WhenChanged = WhenChanged.REPLACE


class AnalysisSection(_Section):
    """How the analysis runs."""

    threshold: float | None = Field(None, ge=0, le=1)
    attempts: int = Field(3, ge=1, le=20)
    timeout_s: PositiveSeconds = 1800.0
    memory_gb: float | None = Field(None, ge=1)
    volume_limit_gb: float | None = Field(None, gt=0)
    patient_facts: Path | None = None


class ModelsSection(_Section):
    """Which weights each step runs on: ``shipped``, ``rules`` where there are rules, or the name of imported ones."""

    folder: Path | None = None
    lungs: WeightsName = "shipped"
    lobes: WeightsName | None = None
    detector: WeightsName = "shipped"
    malignancy: WeightsName | None = "shipped"
    patient: WeightsName | None = None


class ResultsSection(_Section):
    """Which results are made, in which form."""

    report: tuple[ReportForm, ...] = tuple(ReportForm)
    segmentation: SegmentationForm = SegmentationForm.BINARY
    captures: Captures = CaptureForm.SINGLE
    compression: CaptureCompression = CaptureCompression.NONE
    presentation_state: bool = False
    key_objects: bool = False
    pdf: bool = False
    language: Language = Language.ENGLISH
    ohif_tracking: bool = False
    notices: bool = True
    neighbours: int = Field(1, ge=0, le=5)
    page: bool = False
    known_nodules: Path | None = None
    prior_reports: Path | None = None

    @property
    def forms(self) -> ResultForms:
        """What a destination gets that asks for nothing else."""
        return ResultForms(**{field.name: getattr(self, field.name) for field in fields(ResultForms)})


class DeliverySection(_Section):
    """How often and how patiently results are sent."""

    attempts: int = Field(10, ge=1, le=100)
    first_wait_s: PositiveSeconds = 30.0
    longest_wait_s: PositiveSeconds = 600.0
    timeout_s: PositiveSeconds = 60.0

    @property
    def policy(self) -> RetryPolicy:
        """The same three numbers as the pure retry rule takes them."""
        return RetryPolicy(self.attempts, self.first_wait_s, self.longest_wait_s)


class RetentionSection(_Section):
    """How long files stay in data_dir; the ledger's rows stay."""

    instances_days: float = Field(7.0, gt=0)
    results_days: float = Field(90.0, gt=0)
    minimum_free_gb: float = Field(1.0, ge=0)


class LogSection(_Section):
    """What the log says."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["text", "json"] = "text"


class Settings(_Section):
    """Every setting of the node; frozen, and valid once constructed."""

    node: NodeSection = NodeSection()
    data_dir: Path = Path("var")
    database_url: str | None = None
    series: SeriesSection = SeriesSection()
    selection: SelectionRules = SelectionRules()
    peers: tuple[PeerSection, ...] = ()
    destinations: tuple[DestinationSection, ...] = ()
    device: Annotated[str, AfterValidator(_device)] = "auto"
    analysis: AnalysisSection = AnalysisSection()
    models: ModelsSection = ModelsSection()
    results: ResultsSection = ResultsSection()
    delivery: DeliverySection = DeliverySection()
    retention: RetentionSection = RetentionSection()
    log: LogSection = LogSection()

    @model_validator(mode="after")
    def _destinations_are_others(self) -> Settings:
        names = [destination.name for destination in self.destinations]
        if len(set(names)) != len(names):
            raise ValueError("destinations: each name may stand once")
        for destination in self.destinations:
            if destination.port == self.node.port and _same_host(destination.host, self.node.host):
                raise ValueError(f"destinations: {destination.name} is this node itself; results would come back")
        return self

    @model_validator(mode="after")
    def _forms_go_together(self) -> Settings:
        try:
            where = "results"
            _ = self.results.forms
            for destination in self.destinations:
                where = f"destinations.{destination.name}.results"
                self.forms_of(destination)
        except ValueError as error:
            raise ValueError(f"{where}.{error}") from None
        return self

    def forms_of(self, destination: DestinationSection) -> ResultForms:
        """What one destination gets: ``results`` of its own entry over those for all."""
        return replace(self.results.forms, **destination.results.model_dump(exclude_none=True))

    @property
    def weights_folder(self) -> Path:
        """Where imported weights are: as set, else ``weights`` in ``data_dir``."""
        return self.models.folder or self.data_dir / "weights"

    @property
    def model_choice(self) -> ModelChoice:
        """The weights of each step, as the analysis takes them."""
        names = self.models.model_dump(exclude={"folder"})
        return ModelChoice(folder=self.weights_folder.absolute(), **names)

    @property
    def ledger_url(self) -> str:
        """The database URL: as set, else SQLite in ``data_dir``."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ledger.sqlite'}"


def load_settings(path: Path | None, environment: Mapping[str, str] = os.environ) -> Settings:
    """Read config.yaml, lay the environment over it and check the whole.

    Raises
    ------
    ConfigError
        One line that names the key, the value and what is allowed.
    """
    values = read_values(path) if path else {}
    _refuse_password(values.get("database_url"))
    overlay(values, environment)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_one_line(error)) from None


def _refuse_password(database_url: object) -> None:
    """Secrets come from the environment, never from config.yaml."""
    if not isinstance(database_url, str):
        return
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise ConfigError("database_url is not a database URL, such as postgresql+psycopg://host/name") from None
    if url.password:
        raise ConfigError("database_url holds a password: set PULMONODE_DATABASE_URL in the environment instead")


def _same_host(first: str, second: str) -> bool:
    return first == second or (_is_this_machine(first) and _is_this_machine(second))


def _is_this_machine(host: str) -> bool:
    """Tell whether an address is one of ours: only those can be bound to."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


def _one_line(error: ValidationError) -> str:
    """Name the first wrong key, its value and what is allowed."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "config"
    if first["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"{key}: there is no such setting; see config.yaml for the names"
    message = first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], dict) else f" = {first['input']!r}"
    return f"{key}{value}: {message}"
