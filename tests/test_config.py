"""Settings: the file, the environment over it, and one clear line for each mistake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from node.config import Settings, load_settings
from node.errors import ConfigError
from node.results.forms import CaptureCompression, CaptureForm, ReportForm

ROOT = Path(__file__).resolve().parents[1]
PACS = "{name: pacs, ae_title: PACS, host: 10.0.0.1, port: 104, results: %s}"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_holds_every_setting_with_its_default() -> None:
    shipped = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    defaults = Settings().model_dump(mode="json")
    assert shipped == defaults


def test_an_environment_variable_overrides_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "node: {port: 104}\n")
    environment = {
        "PULMONODE_NODE__PORT": "4242",
        "PULMONODE_DESTINATIONS": "[{name: pacs, ae_title: PACS, host: 10.0.0.9, port: 104}]",
    }
    settings = load_settings(path, environment)
    assert settings.node.port == 4242
    assert settings.destinations[0].ae_title == "PACS"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("node: {prot: 104}", ["node.prot", "no such setting"]),
        ("node: {port: 70000}", ["node.port", "70000", "65535"]),
        ("node: {port: dicom}", ["node.port", "'dicom'", "integer"]),
        ("node: {ae_title: A_TITLE_THAT_IS_TOO_LONG}", ["node.ae_title", "1 to 16"]),
        ("device: gpu", ["device", "'gpu'", "cuda"]),
        ("series: {quiet_s: -1}", ["series.quiet_s", "-1", "greater than 0"]),
        ("series: {changed: keep}", ["series.changed", "'keep'", "'refuse' or 'replace'"]),
        ("selection: {no_such_rule: 1}", ["selection.no_such_rule", "no such setting"]),
        ("destinations: [{name: a, ae_title: A, host: h}]", ["destinations.0.port", "required"]),
        ("log: {level: LOUD}", ["log.level", "'LOUD'", "INFO"]),
        ("results: {captures: maybe}", ["results.captures", "'maybe'", "'single', 'multiframe' or 'none'"]),
        ("results: {report: [comprehensive_3d, pdf]}", ["results.report.1", "'pdf'", "'basic_text'"]),
        ("results: {report: [enhanced, enhanced]}", ["results.report", "each form may stand once"]),
        ("results: {report: [], captures: none}", ["results.report = []", "captures"]),
        ("results: {captures: multiframe, compression: jpeg}", ["results.compression", "'jpeg'", "'none'"]),
        ("results: {language: fr}", ["results.language", "'fr'", "'zh'"]),
        (f"destinations: [{PACS % '{pdf: perhaps}'}]", ["destinations.0.results.pdf", "'perhaps'", "boolean"]),
        (f"destinations: [{PACS % '{pfd: true}'}]", ["destinations.0.results.pfd", "no such setting"]),
        (f"destinations: [{PACS % '{language: de}'}]", ["destinations.0.results.language", "no such setting"]),
        (
            f"results: {{compression: jpeg}}\ndestinations: [{PACS % '{captures: multiframe}'}]",
            ["destinations.pacs.results.compression", "'jpeg'", "'none'"],
        ),
        ("- a\n- b\n", ["keys and values"]),
        ("node: {ae_title: [", ["not valid YAML"]),
        ("database_url: postgresql://node:secret@db/pulmonode", ["password", "PULMONODE_DATABASE_URL"]),
    ],
)
def test_a_mistake_is_named_in_one_line(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(write(tmp_path, text), {})
    message = str(caught.value)
    assert "\n" not in message
    assert "secret" not in message
    for word in words:
        assert word in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere\.yaml"):
        load_settings(tmp_path / "nowhere.yaml", {})


def test_an_unknown_environment_variable_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"node\.prot"):
        load_settings(None, {"PULMONODE_NODE__PROT": "1"})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "127.0.0.2"])  # noqa: S104 - refused
def test_the_node_never_sends_to_itself(tmp_path: Path, host: str) -> None:
    text = f"destinations: [{{name: me, ae_title: PULMONODE, host: {host}, port: 11112}}]"
    with pytest.raises(ConfigError, match="this node itself"):
        load_settings(write(tmp_path, text), {})


def test_two_destinations_of_one_name_are_refused(tmp_path: Path) -> None:
    one = "{name: pacs, ae_title: PACS, host: 10.0.0.1, port: 104}"
    with pytest.raises(ConfigError, match="each name may stand once"):
        load_settings(write(tmp_path, f"destinations: [{one}, {one}]"), {})


def test_a_destination_gets_what_results_says_but_for_what_its_entry_says(tmp_path: Path) -> None:
    own = PACS % "{report: [basic_text], pdf: false, segmentation: null}"
    settings = load_settings(write(tmp_path, f"results: {{pdf: true, compression: jpeg}}\ndestinations: [{own}]"), {})
    forms = settings.forms_of(settings.destinations[0])
    assert forms == replace(settings.results.forms, report=(ReportForm.BASIC_TEXT,), pdf=False)
    assert forms.compression is CaptureCompression.JPEG


@pytest.mark.parametrize(("text", "form"), [("true", CaptureForm.SINGLE), ("false", CaptureForm.NONE)])
def test_captures_may_still_be_true_or_false(tmp_path: Path, text: str, form: CaptureForm) -> None:
    assert load_settings(write(tmp_path, f"results: {{captures: {text}}}"), {}).results.captures is form
