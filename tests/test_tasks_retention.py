"""What is removed when its time is over, and what is kept until it is delivered."""

from __future__ import annotations

from datetime import timedelta

import pytest

from node.reception.instance_store import InstanceStore
from node.tasks.retention import RetentionRules, RetentionTask
from tests.tasks_rig import START, Node, analysed, at, node_with_ledger, slices

node = pytest.fixture(node_with_ledger)


def test_retention_removes_instances_and_delivered_results_when_their_time_is_over(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [analysed()]
    node.analyse(at(2), recipients=())
    results = node.folder / "results" / "1.1" / "x"
    results.mkdir(parents=True)
    rules = RetentionRules(timedelta(days=7), timedelta(days=90))
    task = RetentionTask(node.ledger, InstanceStore(node.folder / "instances"), node.folder / "results", rules)
    task.loop(START + timedelta(days=6))
    assert (node.folder / "instances" / "1.1").exists()
    task.loop(START + timedelta(days=8))
    assert not (node.folder / "instances" / "1.1").exists()
    assert results.exists()
    task.loop(START + timedelta(days=91))
    assert not results.exists()


def test_retention_keeps_what_a_destination_has_not_got(node: Node) -> None:
    node.receive(slices("1.1"), START)
    node.complete(at(1))
    node.answers = [analysed()]
    node.analyse(at(2))
    results = node.folder / "results" / "1.1" / "x"
    results.mkdir(parents=True)
    rules = RetentionRules(timedelta(days=7), timedelta(days=90))
    RetentionTask(node.ledger, InstanceStore(node.folder / "instances"), node.folder / "results", rules).loop(
        START + timedelta(days=400)
    )
    assert results.exists()
