"""``pulmonode status``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

from node.commands.options import ConfigOption, JsonOption, open_existing_ledger
from node.ledger.ledger import Ledger
from node.ledger.records import DeliveryRecord, SeriesRecord, log_key
from node.series.corrections import short_list

_REFUSALS_SHOWN = 30  # the last ones; --json has all
_SHOWN = ("series_instance_uid", "study_instance_uid", "state", "reason_code", "reason", "completeness")


def run(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show series, queue, deliveries and what was turned away as the ledger has them; works beside a running node."""
    ledger = open_existing_ledger(config)
    status = status_of(ledger)
    if as_json:
        typer.echo(json.dumps(status, indent=2, default=_plain))
    else:
        _print(status)


def status_of(ledger: Ledger) -> dict[str, Any]:
    """Collect what there is to show, as plain values."""
    records = ledger.series.all()
    counts: dict[str, int] = {}
    for record in records:
        counts[record.state] = counts.get(record.state, 0) + 1
    return {
        "counts": counts,
        "series": [_series(record) for record in records],
        "deliveries": ledger.deliveries.counts(),
        "troubled_deliveries": [_delivery(record) for record in ledger.deliveries.troubled()],
        "refusals": [asdict(refusal) for refusal in ledger.instances.refusals()],
        "corrected": [
            {"key": log_key(one.series_instance_uid), **asdict(one)} for one in ledger.instances.corrections()
        ],
    }


def _series(record: SeriesRecord) -> dict[str, Any]:
    values = {key: getattr(record, key) for key in _SHOWN}
    return {"key": record.key, **values, "instances": record.instance_count, "last_arrival": record.last_arrival}


def _delivery(record: DeliveryRecord) -> dict[str, Any]:
    values = asdict(record)
    values["status"] = None if record.status is None else f"0x{record.status:04X}"
    return values


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _print(status: dict[str, Any]) -> None:
    # What senders and destinations write may look like markup, such as an AE title "[/red]".
    console = Console(markup=False, emoji=False, highlight=False)
    table = Table(title="Series")
    for heading in ("key", "series", "instances", "state", "why"):
        table.add_column(heading, overflow="fold")  # a UID that is cut is of no use
    for row in status["series"]:
        why = row["reason"] or row["completeness"] or ""
        table.add_row(row["key"], row["series_instance_uid"], str(row["instances"]), row["state"], why)
    console.print(table)
    deliveries = Table("destination", "state", "results", title="Deliveries")
    for destination, counts in status["deliveries"].items():
        for state, count in counts.items():
            deliveries.add_row(destination, state, str(count))
    console.print(deliveries)
    for row in status["corrected"]:
        by = ", ".join(row["calling_ae_titles"])
        console.print(f"{row['key']}: {row['instances']} instances corrected by {by}: {short_list(row['attributes'])}")
    for row in status["troubled_deliveries"]:
        console.print(f"{row['destination']}: {row['sop_instance_uid']} {row['state']}: {row['message']}")
    _print_refusals(console, status["refusals"])


def _print_refusals(console: Console, refusals: list[dict[str, Any]]) -> None:
    if not refusals:
        return
    table = Table(title="Turned away, by sender and reason")
    for heading in ("sender", "address", "code", "times", "last", "why the last one"):
        table.add_column(heading, overflow="fold")
    for row in refusals[:_REFUSALS_SHOWN]:
        last = row["last_at"].isoformat(sep=" ", timespec="seconds")
        sender = row["calling_ae_title"] or "(no AE title)"
        table.add_row(sender, row["address"], row["code"], str(row["count"]), last, row["message"])
    console.print(table)
    if len(refusals) > _REFUSALS_SHOWN:
        console.print(f"{len(refusals) - _REFUSALS_SHOWN} more: pulmonode status --json")
